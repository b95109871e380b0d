//! Text that people type and that is kept: how long it may be, and that everybody sees what it is.
//!
//! Beyond the unprintable, what isn't seen is refused: marks that turn the direction of writing make a name read as
//! another, and so do characters without a width. [`name`] is for what tells one thing from another, like a robot's name
//! or an e-mail address; [`line`] is for all else.

/// The longest name of an experiment, in characters.
pub const LONGEST_EXPERIMENT_NAME: usize = 120;
/// The longest name of a robot, in characters.
pub const LONGEST_ROBOT_NAME: usize = 60;
/// The longest name of an API token, in characters.
pub const LONGEST_TOKEN_NAME: usize = 60;
/// The longest name of a group, in characters.
pub const LONGEST_GROUP_NAME: usize = 60;
/// The longest reason why somebody asks for more wells, or is given them, in characters.
pub const LONGEST_REASON: usize = 300;
/// The longest batch of a refill, in characters.
pub const LONGEST_BATCH: usize = 80;

/// Why a text can't be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("it is empty: give it a name")]
    Empty,
    #[error("it has {has} characters, and at most {most} are kept: shorten it")]
    TooLong { has: usize, most: usize },
    #[error("it holds the character U+{:04X}, which can't be seen or isn't text: leave it out", u32::from(*.0))]
    Unseen(char),
}

/// One line of free text of at most `most` characters.
///
/// # Errors
/// It is longer, or holds something that no line of text does. Zero-width joiners may stay: words and emoji need them.
pub fn line(text: &str, most: usize) -> Result<(), TextError> {
    check(text, most, is_unseen)
}

/// Text by which people tell things apart, of 1 to `most` characters.
///
/// # Errors
/// It is empty or longer, or holds anything that is not seen.
pub fn name(text: &str, most: usize) -> Result<(), TextError> {
    if text.trim().is_empty() {
        return Err(TextError::Empty);
    }
    check(text, most, |letter| is_unseen(letter) || is_blank(letter))
}

fn check(text: &str, most: usize, refused: impl Fn(char) -> bool) -> Result<(), TextError> {
    if let Some(letter) = text.chars().find(|letter| refused(*letter)) {
        return Err(TextError::Unseen(letter));
    }
    let has = text.chars().count();
    if has > most { Err(TextError::TooLong { has, most }) } else { Ok(()) }
}

/// Controls, line ends, marks of direction and invisible operators, tags, and what is no character at all.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || (letter as u32) & 0xfffe == 0xfffe
}

/// What has no ink of its own, though text needs it: soft hyphens, joiners, fillers.
const fn is_blank(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{200c}' | '\u{200d}' | '\u{3164}' | '\u{ffa0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_language_are_kept() {
        for text in ["", "Ochre", "Оранжевый №2", "می‌خواهم", "שלום", "色 5 %", "👩‍🔬 ☀️", "a – b"]
        {
            assert_eq!(line(text, 20), Ok(()), "{text}");
        }
        assert_eq!(line("ä".repeat(20).as_str(), 20), Ok(()), "characters, not bytes");
        assert_eq!(line("ä".repeat(21).as_str(), 20), Err(TextError::TooLong { has: 21, most: 20 }));
    }

    #[test]
    fn what_nobody_sees_is_refused() {
        let unseen = "\0\t\n\r\u{7f}\u{85}\u{200b}\u{200e}\u{2028}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0041}\u{ffff}\u{10fffe}";
        for letter in unseen.chars() {
            let text = format!("a{letter}b");
            assert_eq!(line(&text, 20), Err(TextError::Unseen(letter)), "{letter:?}");
            assert_eq!(name(&text, 20), Err(TextError::Unseen(letter)), "{letter:?}");
        }
        assert_eq!(name("bench\u{200d}1", 20), Err(TextError::Unseen('\u{200d}')));
        assert_eq!(name("Bench 1 (links)", 20), Ok(()));
        assert_eq!(name("  ", 20), Err(TextError::Empty));
        assert_eq!(
            TextError::Unseen('\u{202e}').to_string(),
            "it holds the character U+202E, which can't be seen or isn't text: leave it out"
        );
    }
}

//! What people read, as sentences: with a capital letter and a full stop, and numbers with the noun they count.

use domain::Fault;
use views::FaultView;

/// A whole sentence, however it came: what a rule or a device says often begins small and ends open. An address stays as
/// its owner writes it.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let is_address = text.split_whitespace().next().is_some_and(|word| word.contains('@'));
    let mut sentence: String = if is_address { text.to_owned() } else { first.to_uppercase().chain(letters).collect() };
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// A fault of which each part is a sentence.
pub fn fault(fault: Fault) -> FaultView {
    let FaultView { code, what, cause, done, next, help } = fault.into();
    let [what, cause, done, next] = [what, cause, done, next].map(|text| sentence(&text));
    FaultView { code, what, cause, done, next, help }
}

/// Like `1 well` and `2 wells`, of a noun that takes an s.
pub fn counted(count: f64, plural: &str) -> String {
    let count = count.round();
    let noun = if count == 1.0 { plural.strip_suffix('s').unwrap_or(plural) } else { plural };
    format!("{count:.0} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_small_and_open_is_a_sentence() {
        let said = ["the vial is empty", "Done.", "really?", "", "été", "ada@example.org asks"].map(sentence);
        assert_eq!(said, ["The vial is empty.", "Done.", "Really?", "", "Été.", "ada@example.org asks."]);
    }

    #[test]
    fn one_is_one() {
        assert_eq!([0.0, 1.0, 1.2, 2.0].map(|n| counted(n, "wells")), ["0 wells", "1 well", "1 well", "2 wells"]);
    }
}

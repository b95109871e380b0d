//! What is no password, however long it is: one that many people have, one that is made of the account's own address, a
//! run of neighbouring keys (NIST SP 800-63B, 3.1.1.2). There are no rules of composition.
//!
//! `common_passwords.txt` has those that were found most often in leaks, as zxcvbn 4.5 counted them (MIT): all of 8
//! characters and more among its 30,000, and the words among the first 10,000, which many people only put a year behind.

use std::sync::LazyLock;

/// Lower case, in the order of their bytes.
static COMMON: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Keys that lie beside each other, and letters and digits in their order.
const ROWS: [&str; 6] =
    ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop"];
/// Neighbours are a run from here.
const SHORTEST_RUN: usize = 3;
/// What must be left of a password without the words of the account's own address.
const LEAST_OF_ONES_OWN: usize = 6;
/// Shorter parts of an address are in too many words.
const SHORTEST_PART: usize = 3;

/// Why a password would be guessed, and what to do; nothing for a good one.
pub(crate) fn weakness(password: &str, email: &str) -> Option<&'static str> {
    let typed = password.to_lowercase();
    if has_few_characters(&typed) {
        return Some("it repeats a few characters; take three or four words that don't belong together");
    }
    let unit = repeated(&typed);
    if is_common(unit) || is_common(&typed) {
        return Some("many people have it, so it is tried first; take three or four words that don't belong together");
    }
    if unit.chars().count() < LEAST_OF_ONES_OWN {
        return Some("it repeats a few characters; take three or four words that don't belong together");
    }
    if is_of_runs(&typed) {
        return Some("it is a row of keys or letters; take three or four words that don't belong together");
    }
    if own_part(&typed, email).chars().count() < LEAST_OF_ONES_OWN {
        return Some("it is made of the e-mail address or the lab's name; take words that nobody connects with you");
    }
    None
}

fn has_few_characters(typed: &str) -> bool {
    let mut characters: Vec<char> = typed.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    characters.len() < 4
}

/// The part that is there again and again, or all of it.
fn repeated(typed: &str) -> &str {
    let lengths = typed.char_indices().skip(1).map(|(at, _)| at).take_while(|at| at * 2 <= typed.len());
    let mut units = lengths.filter(|at| typed.len().is_multiple_of(*at));
    let unit = units.find_map(|at| typed.get(..at).filter(|unit| unit.repeat(typed.len() / at) == typed));
    unit.unwrap_or(typed)
}

/// Itself, or without the digits and marks that people put around a word.
fn is_common(typed: &str) -> bool {
    let is_mark = |c: char| c.is_ascii_digit() || c.is_ascii_punctuation();
    [typed, typed.trim_end_matches(is_mark), typed.trim_matches(is_mark)]
        .into_iter()
        .any(|word| word.len() >= 4 && COMMON.binary_search(&word).is_ok())
}

/// Whether it is nothing but neighbours, in a few runs: `qwertasdfg`, `abcd1234`.
fn is_of_runs(typed: &str) -> bool {
    let mut rest = typed;
    let mut runs = 0;
    while !rest.is_empty() {
        let length = run(rest);
        if length < SHORTEST_RUN {
            return false;
        }
        runs += 1;
        rest = rest.get(length..).unwrap_or_default();
    }
    runs <= 4
}

/// How many of the first characters lie beside each other, one way or the other.
fn run(text: &str) -> usize {
    let longest = |row: &str| {
        let lengths = (SHORTEST_RUN..=text.len().min(row.len())).rev();
        lengths.into_iter().find(|&length| text.get(..length).is_some_and(|start| row.contains(start))).unwrap_or(0)
    };
    ROWS.iter().map(|row| longest(row).max(longest(&row.chars().rev().collect::<String>()))).max().unwrap_or(0)
}

/// What isn't a word of the address, or the lab's name.
fn own_part(typed: &str, email: &str) -> String {
    let email = email.to_lowercase();
    let mut parts: Vec<&str> = email.split(|c: char| !c.is_alphanumeric()).collect();
    parts.push("tincture");
    parts.retain(|part| part.chars().count() >= SHORTEST_PART);
    // The longest first, or a short one would break it.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.into_iter().fold(typed.to_owned(), |rest, part| rest.replace(part, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(COMMON.len() > 10_000 && COMMON.is_sorted() && COMMON.contains(&"password"));
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in [
            "password",
            "Password",
            "PASSWORD1!",
            "passwordpassword",
            "12345678",
            "1234567890",
            "qwertyuiop",
            "iloveyou",
            "sunshine2024",
            "aaaaaaaa",
            "abababab",
            "abcabcabc",
            "abcdefgh",
            "hgfedcba",
            "qwertasdfg",
            "abcd1234qwer",
            "87654321",
            "lovelace",
            "ada.lovelace",
            "Lovelace12",
            "example.org",
            "tincture",
            "tincture1",
            "trustno1!",
        ] {
            assert!(weakness(password, "ada.lovelace@example.org").is_some(), "{password}");
        }
    }

    #[test]
    fn words_that_dont_belong_together_are_good() {
        for password in [
            "a password for tests",
            "correct horse battery",
            "quite long enough",
            "ähnlich8",
            "zürich-brücke-apfel",
            "lovelace counts cats",
            "xkq7vhpw",
            "bodu-kilo-rade-zima-fovu",
        ] {
            assert_eq!(weakness(password, "ada.lovelace@example.org"), None, "{password}");
        }
    }
}

//! A person's text as a field of a CSV file (RFC 4180) that is safe to open in a spreadsheet.

use std::borrow::Cow;

/// What begins a formula in one spreadsheet or another; the wide and small forms do where the language has them.
const BEGINS_FORMULA: &[char] = &[
    '=', '+', '-', '@', '\u{2212}', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fe66}', '\u{fe62}', '\u{fe63}',
    '\u{fe6b}',
];

/// One field. What a spreadsheet would run as a formula gets an apostrophe in front, whatever invisible characters hide its
/// beginning.
pub fn csv_field(value: &str) -> Cow<'_, str> {
    let first = value.chars().find(|c| !is_skipped(*c));
    let hides = value.starts_with(['\t', '\r', '\n']);
    let safe: Cow<'_, str> = if hides || first.is_some_and(|first| BEGINS_FORMULA.contains(&first)) {
        format!("'{value}").into()
    } else {
        value.into()
    };
    if safe.contains(['"', ',', ';', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")).into() } else { safe }
}

/// Spaces of all kinds, controls, and what is there without being seen: a program may drop them and then see a formula.
fn is_skipped(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
}

#[cfg(test)]
mod tests {
    use super::csv_field;

    #[test]
    fn a_text_is_data_and_never_a_formula() {
        assert_eq!(csv_field("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
        for text in [
            "=1",
            "+1",
            "-1",
            "@x",
            "\t=1",
            " =1",
            "\u{feff}=1",
            "\u{200b}\u{ad}=1",
            "\u{ff1d}1",
            "\u{ff0b}1",
            "\u{ff0d}1",
            "\u{ff20}x",
            "\u{3000}\u{ff1d}1",
            "\u{2066}@x",
            "\u{2212}1",
            "\n=1",
        ] {
            assert!(csv_field(text).trim_start_matches('"').starts_with('\''), "{text:?}");
        }
        assert_eq!(csv_field("red, yellow"), "\"red, yellow\"");
        assert_eq!(csv_field("a;b"), "\"a;b\"");
        for plain in ["plain", "1-2", "", " a"] {
            assert_eq!(csv_field(plain), plain);
        }
    }
}

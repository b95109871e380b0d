//! The documents speak of files that there are.

use std::{fs, path::Path};

#[test]
fn every_file_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let documents = ["docs/walk.md", "docs/architecture.md", "docs/recovery.md", "README.md"];
    let mut seen = 0;
    for document in documents {
        let text = fs::read_to_string(root.join(document)).expect("the document");
        let quoted = text.split('`').skip(1).step_by(2);
        let paths =
            quoted.filter(|word| ["crates/", "tests/", "docs/", "scripts/"].iter().any(|top| word.starts_with(top)));
        for path in paths.filter(|path| !path.contains(['*', ' ', '<'])) {
            let path = path.split([':', '#']).next().unwrap_or(path);
            assert!(root.join(path).exists(), "{document} names {path}, which doesn't exist");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Requirements of levels 1 and 2 of OWASP ASVS 5.0.0.
const REQUIREMENTS: usize = 253;

/// Each requirement is answered once, and what is met names a test that there is, or a file where it is to be seen.
#[test]
fn every_requirement_is_answered_and_every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/security.md")).expect("the document");
    let mut answered = std::collections::BTreeSet::new();
    let mut tests = 0;
    for line in text.lines() {
        let cells: Vec<_> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        let [number, _, status, evidence] = cells[..] else { continue };
        if number.split('.').count() != 3 || !number.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        assert!(answered.insert(number.to_owned()), "{number} is there twice");
        assert!(["met", "not applicable", "open"].contains(&status), "{number} is '{status}'");
        let mut shown = evidence.contains("](#");
        for named in evidence.split('`').skip(1).step_by(2) {
            let Some((file, test)) = named.split_once(".rs: ") else { continue };
            let file = root.join(format!("{file}.rs"));
            let source =
                fs::read_to_string(&file).unwrap_or_else(|error| panic!("{number}: {}: {error}", file.display()));
            assert!(source.contains(&format!("fn {test}(")), "{number}: {} has no {test}", file.display());
            (shown, tests) = (true, tests + 1);
        }
        let words = evidence.split([' ', ';', ',', ':']);
        let files = words.filter(|word| {
            ["crates/", "docs/", "tests/", "Cargo.", "deny.toml"].iter().any(|top| word.starts_with(top))
        });
        for file in files {
            assert!(root.join(file).exists(), "{number} names {file}, which doesn't exist");
            shown = true;
        }
        assert!(status != "met" || shown, "{number} is met, and nothing shows it");
        assert!(status != "open" || !evidence.is_empty(), "{number} is open: say what is missing");
    }
    assert_eq!(answered.len(), REQUIREMENTS);
    assert!(tests > 150, "{tests}");
}

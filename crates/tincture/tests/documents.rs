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

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

/// The table of metrics is what the program has. `TINCTURE_PRINT_TABLES=1` prints it anew.
#[test]
fn every_metric_is_told_of() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let rows = |metrics: &[telemetry::names::Metric]| {
        let row = |metric: &telemetry::names::Metric| {
            let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
            format!("| `{}` | {} | {} | {labels} | {} |\n", metric.name, metric.kind.as_str(), metric.unit, metric.help)
        };
        let head = "| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n";
        head.to_owned() + &metrics.iter().map(row).collect::<String>()
    };
    let told = fs::read_to_string(&path).unwrap_or_default();
    let before = told.split("## Of a process").next().unwrap_or_default();
    let printed = format!(
        "{before}## Of a process\n\n{}\n## Of the lab\n\n{}",
        rows(telemetry::names::INSTANCE),
        rows(telemetry::names::SERVICE)
    );
    if std::env::var_os("TINCTURE_PRINT_TABLES").is_some() {
        fs::write(&path, &printed).expect("it can be written");
    }
    assert!(told == printed, "docs/metrics.md isn't what the program has: TINCTURE_PRINT_TABLES=1 prints it anew");
}

/// Rules ask for figures that there are, and each alert has a page, which links to what there is.
#[test]
fn every_alert_asks_for_what_there_is_and_has_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rules = read("deploy/prometheus/rules/recording.yml") + &read("deploy/prometheus/rules/alerts.yml");
    let known: Vec<_> =
        telemetry::names::INSTANCE.iter().chain(telemetry::names::SERVICE).map(|metric| metric.name).collect();
    let recorded: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    let words = rules.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
    for word in words.filter(|word| word.contains("tincture_") || word.contains("tincture:")) {
        let series = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        assert!(known.contains(&series) || recorded.contains(&word), "{word} is asked for, and nobody tells it");
    }
    let pages: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
    assert!(pages.len() > 20, "{}", pages.len());
    let index = read("docs/runbooks/README.md");
    for page in &pages {
        let text = read(page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or(link);
            assert!(root.join("docs/runbooks").join(file).exists(), "{page} links to {link}");
        }
    }
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(index.contains(&format!("`{alert}`")), "{alert} isn't in docs/runbooks/README.md");
    }
    for file in fs::read_dir(root.join("docs/runbooks")).expect("runbooks").flatten() {
        let name = format!("docs/runbooks/{}", file.file_name().display());
        assert!(name.ends_with("README.md") || pages.contains(&name.as_str()), "{name} is no alert's");
    }
}

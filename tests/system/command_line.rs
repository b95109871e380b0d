//! The commands that print something and end.

use crate::process::{run, tincture};
use std::{io::Write, path::Path, process::Stdio};

fn on(data_dir: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = tincture(arguments);
    command.env("TINCTURE_DATA_DIR", data_dir);
    command
}

#[test]
fn the_configuration_shows_where_a_value_comes_from_and_no_secret() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("tincture.toml"), "speed = 5\nseed = 7\n").expect("written");
    let mut command = tincture(&["config", "--log-format", "json"]);
    command.current_dir(directory.path());
    command.env("TINCTURE_SEED", "8").env("TINCTURE_ADMIN_PASSWORD", "007-hush");
    command.env("TINCTURE_DATABASE_URL", "postgres://lab:s3cret@db/lab");
    let said = run(command);
    assert!(said.status.success(), "{said:?}");
    let line = |key: &str| {
        said.stdout.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}")).to_owned()
    };
    assert!(line("speed = 5").contains("# tincture.toml"), "{}", said.stdout);
    assert!(line("seed = 8").contains("# TINCTURE_SEED"), "the environment wins over the file: {}", said.stdout);
    assert!(line("log_format = \"json\"").contains("# flag"), "{}", said.stdout);
    assert!(line("listen = ").contains("# default"), "{}", said.stdout);
    line("database_url = \"postgres://lab:****@db/lab\"");
    line("admin_password = \"****\"");
    assert!(!said.stdout.contains("hush") && !said.stdout.contains("s3cret"), "{}", said.stdout);
}

#[test]
fn the_openapi_document_is_printed() {
    let said = run(tincture(&["openapi"]));
    let document: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    assert!(document["paths"]["/api/v1/experiments"]["post"].is_object());
}

#[test]
fn accounts_are_made_and_changed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let made = run(on(data, &["user", "create", "Ada@Example.org", "--role", "researcher", "--quota", "480"]));
    assert!(made.status.success() && made.stdout.contains("Password: "), "{made:?}");
    let again = run(on(data, &["user", "create", "ada@example.org"]));
    assert!(again.stderr.contains("already"), "{again:?}");
    assert!(run(on(data, &["user", "set-quota", "ada@example.org", "5"])).status.success());
    assert!(run(on(data, &["user", "set-role", "ada@example.org", "operator"])).status.success());
    let listed = run(on(data, &["user", "list"]));
    let line = listed.stdout.lines().find(|line| line.starts_with("ada@example.org")).expect("her line").to_owned();
    assert!(line.contains("operator") && line.contains(" 5 wells"), "{line}");
    assert!(
        run(on(data, &["user", "set-quota", "bob@example.org", "5"])).stderr.contains("no account bob@example.org")
    );
}

#[test]
fn a_password_comes_by_standard_input() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let give = |password: &[u8]| {
        let mut command = on(directory.path(), &["user", "create", "ada@example.org", "--password-stdin"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        child.stdin.take().expect("piped").write_all(password).expect("written");
        child.wait_with_output().expect("ended")
    };
    assert!(!give(b"short\n").status.success());
    assert!(!give(b"").status.success());
    let output = give(b"a long enough secret\n");
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Password"), "what was given isn't printed");
}

#[test]
fn migrating_twice_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(run(on(directory.path(), &["migrate"])).stdout.contains("applied "));
    assert!(run(on(directory.path(), &["migrate"])).stdout.contains("up to date"));
}

#[test]
fn every_command_explains_itself() {
    for command in ["up", "serve", "worker", "emulator", "migrate", "user", "robot", "config", "openapi"] {
        let said = run(tincture(&[command, "--help"]));
        assert!(said.status.success() && said.stdout.contains("Usage: tincture"), "{command}: {said:?}");
    }
}

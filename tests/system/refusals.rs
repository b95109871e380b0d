//! What can't work is said in one clear sentence, with the exit code that scripts look at.

use crate::process::{Lab, Process, Said, run, tincture, up};
use std::{net::TcpListener, path::Path};

/// One sentence that holds all of `parts`, no backtrace, exit code 1.
fn assert_one_sentence(said: &Said, parts: &[&str]) {
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert_eq!(said.stderr.trim_end().lines().count(), 1, "{}", said.stderr);
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    for part in parts {
        assert!(said.stderr.contains(part), "'{part}' is missing in: {}", said.stderr);
    }
    assert_eq!(said.stdout, "", "nothing pretends to be ready");
}

#[test]
fn a_second_lab_on_the_same_data_is_refused() {
    let lab = Lab::up(600);
    let said = run(up(&lab.data_dir()));
    assert_one_sentence(&said, &["another tincture (process ", "uses the data directory", "--data-dir"]);
}

#[test]
fn a_killed_lab_leaves_no_lock_behind() {
    let mut lab = Lab::up(600);
    lab.kill();
    lab.start();
    assert!(lab.stop().success());
}

/// Nor is the first password lost with a start that failed.
#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("a temporary directory");
    for flag in ["--listen", "--robot-listen"] {
        let other = if flag == "--listen" { "--robot-listen" } else { "--listen" };
        let mut command = tincture(&["up", flag, &address, other, "127.0.0.1:0", "--data-dir"]);
        command.arg(directory.path());
        let choose = format!("with {flag} ");
        assert_one_sentence(&run(command), &[&address, "taken by another program", &choose]);
    }
    Process::spawn(up(directory.path())).word_after("Password ");
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    for impossible in [file.path().join("data"), file.path().to_owned(), Path::new("/proc/tincture").to_owned()] {
        let shown = impossible.display().to_string();
        assert_one_sentence(&run(up(&impossible)), &[&shown, "can't be written", "--data-dir"]);
    }
}

#[test]
fn a_misspelt_setting_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("tincture.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\n").expect("written");
    let mut command = tincture(&["config", "--config"]);
    command.arg(&file);
    assert_one_sentence(&run(command), &["tincture.toml", "`lisen`", "listen, "]);

    let mut command = tincture(&["config"]);
    command.current_dir(directory.path()).env("TINCTURE_LISTEN", "here");
    std::fs::write(&file, "").expect("written");
    assert_one_sentence(&run(command), &["`listen`"]);
}

#[test]
fn wrong_usage_is_exit_code_two() {
    for arguments in [&["up", "--speed", "-1"][..], &["up", "--listen", "nowhere"], &["brew"], &[]] {
        assert_eq!(run(tincture(arguments)).status.code(), Some(2), "{arguments:?}");
    }
}

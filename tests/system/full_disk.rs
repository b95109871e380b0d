//! A disk that fills up in the middle of an experiment: nothing that was told is lost, nothing is told that isn't kept,
//! and when there is room again the lab goes on by itself.
//!
//! The full disk is a limit on the size of files (`RLIMIT_FSIZE`), set on the running process: a write beyond it fails.

use crate::{
    client::{Client, ask_until, eight_wells, measured},
    ledger,
    process::{ADMIN, PASSWORD, Process},
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The kernel's signal about such a write is ignored, so that it fails as on a full disk instead of killing the process.
fn up(data_dir: &Path) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tincture"), "up", "--speed", "100"]);
    command.args(["--listen", "127.0.0.1:0", "--robot-listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    command.env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    Process::spawn(command)
}

fn limit_files(process: &Process, bytes: &str) {
    let pid = process.id().to_string();
    let limit = format!("--fsize={bytes}:");
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit runs").success());
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_passes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut process = up(&data);
    let address = process.word_after("Tincture is ready: ");
    let robot = process.word_after("Virtual OT-2 ");
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    let id = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    let deadline = Instant::now() + PATIENCE;
    while ledger::read(&robot).await.len() < 9 {
        assert!(Instant::now() < deadline, "the robot gets to work");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let written = std::fs::metadata(data.join("tincture.sqlite-wal")).expect("the database's log").len();
    limit_files(&process, &written.to_string());
    let refused = async {
        loop {
            let (status, problem) = client.try_submit(&eight_wells()).await;
            if status == 503 {
                return problem;
            }
            assert_eq!(status, 201, "{problem}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let problem = tokio::time::timeout(PATIENCE, refused).await.expect("the disk is noticed to be full");
    assert_eq!(problem["code"], "unavailable", "{problem}");
    let ready = ask_until(&address, "/readyz", "", 503).await;
    assert_eq!(ready["checks"]["writes"]["ok"], false, "{ready}");
    assert_eq!(ready["checks"]["database"]["ok"], true, "{ready}");
    tokio::time::sleep(Duration::from_secs(2)).await;

    limit_files(&process, "unlimited");
    assert_eq!(ask_until(&address, "/readyz", "", 200).await["ready"], true);
    let completed = client.until_completed(&id).await;
    let wells = measured(&completed);
    assert_eq!(wells.len(), 8, "{completed:#}");
    ledger::assert_as_asked(&ledger::read(&robot).await, &wells);
    let accepted = client.get("/api/v1/experiments?limit=200").await["data"].as_array().expect("a list").len();

    process.kill();
    let mut process = up(&data);
    let address = process.word_after("Tincture is ready: ");
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    assert_eq!(measured(&client.experiment(&id).await).len(), 8, "what was told is kept");
    let kept = client.get("/api/v1/experiments?limit=200").await["data"].as_array().expect("a list").len();
    assert_eq!(kept, accepted);
}

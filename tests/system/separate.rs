//! `serve`, `worker` and `emulator` as three processes, as an institution runs them.

use crate::{
    client::{Client, measured},
    ledger,
    process::{ADMIN, PASSWORD, Process, run, tincture},
};
use serde_json::json;
use std::process::Command;
use store::testing::TestDatabase;

#[tokio::test]
async fn three_processes_share_a_database_on_sqlite() {
    three_processes(TestDatabase::sqlite().await).await;
}

#[tokio::test]
async fn three_processes_share_a_database_on_postgres() {
    three_processes(TestDatabase::postgres().await).await;
}

async fn three_processes(database: TestDatabase) {
    let on = |arguments: &[&str]| -> Command {
        let mut command = tincture(arguments);
        command.env("TINCTURE_DATABASE_URL", &database.url).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
        command
    };
    let emulated = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--speed", "600"];
    let mut emulator = Process::spawn(tincture(&emulated));
    let robot = emulator.word_after("Virtual OT-2 ");
    let sensor = emulator.word_after("Sensor ");
    let added = run(on(&["robot", "add", "bench-1", "--url", &robot, "--sensor", &sensor, "--virtual"]));
    assert!(added.status.success(), "{added:?}");
    let unknown = run(on(&["worker", "--robot", "bench-2"]));
    assert!(!unknown.status.success() && unknown.stderr.contains("bench-1"), "{unknown:?}");

    let mut serve = Process::spawn(on(&["serve", "--listen", "127.0.0.1:0"]));
    let address = serve.word_after("Tincture is ready: ");
    let worker = Process::spawn(on(&["worker", "--robot", "bench-1"]));
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    let id = client.submit(&[json!({ "red": 60, "blue": 60 })]).await["id"].as_str().expect("an id").to_owned();
    let completed = client.until_completed(&id).await;
    ledger::assert_as_asked(&ledger::read(&robot).await, &measured(&completed));

    assert!(worker.stop().success());
    assert!(serve.stop().success());
    assert!(emulator.stop().success());
}

/// Guesses at one of several processes count at all of them, at once and when they begin anew.
#[tokio::test]
async fn whoever_guesses_here_waits_there() {
    for database in [TestDatabase::sqlite().await, TestDatabase::postgres().await] {
        let serve = || {
            let mut command = tincture(&["serve", "--listen", "127.0.0.1:0"]);
            command.env("TINCTURE_DATABASE_URL", &database.url).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
            let mut process = Process::spawn(command);
            let address = process.word_after("Tincture is ready: ");
            (process, address)
        };
        let ((one, here), (other, there)) = (serve(), serve());
        let http = reqwest::Client::new();
        let guess = async |address: &str, password: &str| {
            let body = json!({ "email": ADMIN, "password": password });
            let post = http.post(format!("{address}/api/v1/auth/login")).json(&body);
            post.send().await.expect("an answer").status().as_u16()
        };
        for number in 0..8 {
            let address = if number % 2 == 0 { &here } else { &there };
            assert_eq!(guess(address, "wrong horse").await, 401, "{number}");
        }
        assert_eq!((guess(&here, PASSWORD).await, guess(&there, PASSWORD).await), (429, 429));
        assert!(one.stop().success() && other.stop().success());
        let (again, here) = serve();
        assert_eq!(guess(&here, PASSWORD).await, 429);
        assert!(again.stop().success());
    }
}

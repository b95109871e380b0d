//! What an on-call engineer's tools read of servers and workers, above all when the database is gone.

use crate::{
    client::{Client, ask, ask_until},
    cut::Cut,
    process::{ADMIN, PASSWORD, Process, run, tincture},
};
use serde_json::{Value, json};
use std::process::Command;
use store::testing::TestDatabase;

const TOKEN: &str = "scrape-7f3a";
/// Enough that what a server asks by itself meanwhile is less.
const READINGS: u64 = 60;
const SERVICE_TOKEN: &str = "service-91bc";

fn on(url: &str, arguments: &[&str]) -> Command {
    let mut command = tincture(arguments);
    command.env("TINCTURE_DATABASE_URL", url).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    command.env("TINCTURE_METRICS_TOKEN", TOKEN).env("TINCTURE_SERVICE_METRICS_TOKEN", SERVICE_TOKEN);
    command
}

async fn figures(address: &str) -> String {
    let (status, text) = ask(address, "/metrics", TOKEN).await;
    assert_eq!(status, 200, "{text}");
    assert!(!text.contains("tincture_queue_length"), "what is the lab's isn't each process's: {text}");
    text
}

// What waits for the processes blocks its thread, and they wait for the way to the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_a_worker_tell_how_they_do_without_a_database() {
    let database = TestDatabase::postgres().await;
    let (of_server, of_worker) = (Cut::before(&database.url).await, Cut::before(&database.url).await);
    let emulated = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--speed", "600"];
    let mut emulator = Process::spawn(tincture(&emulated));
    let (robot, sensor) = (emulator.word_after("Virtual OT-2 "), emulator.word_after("Sensor "));
    let add = ["robot", "add", "bench-1", "--url", &robot, "--sensor", &sensor, "--virtual"];
    assert!(run(on(&database.url, &add)).status.success());

    let mut server = Process::spawn(on(&of_server.url, &["serve", "--listen", "127.0.0.1:0"]));
    let server_address = server.word_after("Tincture is ready: ");
    let mut worker = Process::spawn(on(&of_worker.url, &["worker", "--robot", "bench-1", "--listen", "127.0.0.1:0"]));
    let worker_address = worker.word_after("Health and metrics ");
    let both = [&server_address, &worker_address];

    let client = Client::sign_in(&server_address, ADMIN, PASSWORD).await;
    let id = client.submit(&[json!({ "red": 60, "blue": 60 })]).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&id).await;
    for (address, path) in both.iter().flat_map(|address| [(address, "/metrics"), (address, "/metrics/service")]) {
        assert_eq!(ask(address, path, "a guess").await.0, 401, "{address}{path}");
    }
    assert_eq!(ask(&server_address, "/metrics/service", TOKEN).await.0, 401, "each set has its own token");
    let of_lab = ask(&worker_address, "/metrics/service", SERVICE_TOKEN).await.1;
    assert!(
        of_lab.contains("tincture_queue_length 0\n") && of_lab.contains("tincture_robots_undriven 0\n"),
        "{of_lab}"
    );

    // A question a reading would show, whatever the server asks now and then for itself.
    let before = of_server.asked();
    for _ in 0..READINGS {
        figures(&server_address).await;
    }
    let asked = of_server.asked() - before;
    assert!(asked < READINGS, "{READINGS} readings of a process's figures went to the database {asked} times");
    let before = of_server.asked();
    for _ in 0..READINGS {
        assert_eq!(ask(&server_address, "/metrics/service", SERVICE_TOKEN).await.0, 200);
    }
    let asked = of_server.asked() - before;
    assert!(
        (1..READINGS).contains(&asked),
        "{READINGS} readings of the lab's figures went to the database {asked} times"
    );

    of_server.cut();
    of_worker.cut();
    for address in both {
        let ready = ask_until(address, "/readyz", "", 503).await;
        assert_eq!((&ready["ready"], &ready["checks"]["database"]["ok"]), (&json!(false), &json!(false)), "{ready}");
        let said = ready.to_string();
        assert!(!said.contains("127.0.0.1") && !said.contains("tincture@"), "{said}");
        assert_eq!(ask(address, "/healthz", "").await, (reqwest::StatusCode::OK, "ok\n".to_owned()));
        let problem: Value = ask_until(address, "/metrics/service", SERVICE_TOKEN, 503).await;
        assert_eq!(problem["code"], "unavailable", "{problem}");
    }
    let of_worker_now = figures(&worker_address).await;
    assert!(
        of_worker_now.contains(r#"tincture_operations_total{kind="dispense",outcome="succeeded"}"#),
        "{of_worker_now}"
    );
    assert!(of_worker_now.contains(r#"tincture_experiments_total{outcome="completed"} 1"#), "{of_worker_now}");
    assert!(figures(&server_address).await.contains(r#"route="/api/v1/experiments",status="201"} 1"#));

    of_server.mend();
    of_worker.mend();
    for address in both {
        assert_eq!(ask_until(address, "/readyz", "", 200).await["ready"], true);
    }
    assert!(worker.stop().success());
    assert!(server.stop().success());
}

//! What an on-call engineer's tools read of servers and workers, above all when the database is gone.

use crate::{
    client::{Client, ask, ask_until},
    cut::Cut,
    process::{ADMIN, PASSWORD, Process, run, tincture, up},
};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};
use store::testing::TestDatabase;

const TOKEN: &str = "scrape-7f3a";
/// Enough that what a server asks by itself meanwhile is less.
const READINGS: u64 = 60;
const SERVICE_TOKEN: &str = "service-91bc";
/// Nothing is asserted about how long it really takes.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// What is known by what Prometheus has read of the lab; both jobs, one of them with its token.
async fn jobs_that_answer(prometheus: &str) -> Vec<Value> {
    let Ok(answer) = reqwest::get(format!("{prometheus}/api/v1/query?query=up")).await else { return Vec::new() };
    let answer: Value = answer.json().await.unwrap_or_default();
    let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    series.into_iter().filter(|each| each["value"][1] == "1").map(|each| each["metric"]["job"].clone()).collect()
}

#[tokio::test]
async fn prometheus_runs_beside_the_lab_and_ends_with_it_however_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let monitored = || {
        let mut command = up(directory.path());
        command.arg("--monitoring=127.0.0.1:0").env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
        command.env("TINCTURE_SERVICE_METRICS_TOKEN", SERVICE_TOKEN);
        command
    };
    let kept = directory.path().join("monitoring/grafana/pages/lab.json");
    // Killed first, so that the second start finds what the first left.
    for is_killed in [true, false] {
        let mut lab = Process::spawn(monitored());
        let prometheus = lab.word_after("Prometheus ");
        assert!(lab.word_after("GF_PATHS_PROVISIONING=").ends_with("/monitoring/grafana") && kept.exists());
        until("both jobs answer", async || jobs_that_answer(&prometheus).await.len() == 2).await;
        if is_killed {
            lab.kill();
        } else {
            assert!(lab.stop().success());
        }
        until("it ends with the lab", async || reqwest::get(format!("{prometheus}/-/ready")).await.is_err()).await;
    }

    let mut without = Process::spawn({
        let mut command = monitored();
        command.env("PATH", "");
        command
    });
    assert_eq!(without.word_after("Prometheus "), "isn't", "installed, and the lab is there without");
    without.kill();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut command = up(directory.path());
    command.arg(format!("--monitoring={}", taken.local_addr().expect("its address")));
    let refused = run(command);
    assert!(!refused.status.success() && refused.stderr.contains("choose another"), "{refused:?}");
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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

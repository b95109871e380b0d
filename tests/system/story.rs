//! The log at its default level: it tells what happened, with ids to find it by, and not much else.

use crate::{
    client::{Client, eight_wells},
    process::{ADMIN, PASSWORD, Process, up},
};
use serde_json::{Value, json};
use std::{fs, fs::File, path::PathBuf};
use tempfile::TempDir;

/// A lab whose log is kept in a file.
struct Lab {
    directory: TempDir,
    process: Process,
    address: String,
}

impl Lab {
    fn up(format: &str) -> Self {
        Self::with(format, None)
    }

    fn with(format: &str, filter: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = up(&directory.path().join("data"));
        command.args(["--speed", "200", "--seed", "7", "--log-format", format]);
        command.env("TINCTURE_ADMIN_PASSWORD", PASSWORD).env_remove("TINCTURE_LOG");
        command.envs(filter.map(|filter| ("TINCTURE_LOG", filter)));
        command.stderr(File::create(directory.path().join("log")).expect("a file"));
        let mut process = Process::spawn(command);
        let address = process.word_after("Tincture is ready: ");
        Self { directory, process, address }
    }

    /// The lines, once it has ended.
    fn log(self) -> Vec<String> {
        let path: PathBuf = self.directory.path().join("log");
        assert!(self.process.stop().success());
        fs::read_to_string(path).expect("the log").lines().map(str::to_owned).collect()
    }
}

fn only<'a>(lines: &'a [String], what: &str) -> &'a str {
    let found: Vec<_> = lines.iter().filter(|line| line.contains(what)).collect();
    assert_eq!(found.len(), 1, "one line with {what:?} in {lines:#?}");
    found[0]
}

#[tokio::test]
async fn the_log_of_one_experiment_is_a_short_story() {
    let lab = Lab::up("human");
    let client = Client::sign_in(&lab.address, ADMIN, PASSWORD).await;
    let robot = client.get("/api/v1/robots").await["data"][0]["name"].as_str().expect("a name").to_owned();
    let id = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    let events = client.follow(&id).await;
    assert!(events.contains("completed"), "{events}");
    for quiet in ["/healthz", "/readyz", "/metrics", "/metrics/service"] {
        client.text(quiet).await;
    }

    let log = lab.log();
    assert!(log.len() < 30, "{} lines: {log:#?}", log.len());
    let accepted = only(&log, "an experiment was accepted");
    let begun = only(&log, "an experiment was begun");
    let ended = only(&log, "an experiment has left its lane");
    for line in [accepted, begun, ended] {
        assert!(line.contains(&id), "{line}");
    }
    assert!(accepted.contains("wells=8") && accepted.contains("request_id="), "{accepted}");
    assert!(begun.contains(&robot), "{begun}");
    assert!(ended.contains("to=completed"), "{ended}");
    assert!(only(&log, "route=\"/api/v1/experiments\"").contains("status=201"));
    assert!(only(&log, "route=\"/api/v1/experiments/{id}/events\"").contains("duration_ms="), "once, at its end");
    only(&log, "lane leased");
    assert!(log.iter().any(|line| line.contains("migration")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("healthz") || line.contains("metrics")), "{log:#?}");
}

#[tokio::test]
async fn what_a_problem_tells_to_quote_is_in_the_log_with_its_cause_and_no_password_is() {
    let lab = Lab::up("json");
    let client = Client::sign_in(&lab.address, ADMIN, PASSWORD).await;
    let (status, problem) = client.try_submit(&[json!({ "red": 9_999 })]).await;
    assert_eq!(status, 422, "{problem}");
    let wrong = json!({ "email": ADMIN, "password": "a wrong password" });
    let (_, known) = client.post("/api/v1/auth/login", &wrong).await;
    // Typed into the wrong field, as happens.
    let slipped = json!({ "email": "Hunter2-is-my@secret", "password": "another wrong one" });
    let (_, unknown) = client.post("/api/v1/auth/login", &slipped).await;
    assert_eq!(known["detail"], unknown["detail"], "the answer doesn't tell which accounts there are");
    let page = client.text("/experiments/nonsense").await;
    assert!(page.contains("<html"), "{page}");

    let log = lab.log();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let about = |quoted: &Value| -> Vec<&Value> {
        let spans =
            |line: &&Value| line["spans"].as_array().is_some_and(|all| all.iter().any(|s| s["request_id"] == *quoted));
        lines.iter().filter(spans).collect()
    };
    let refused = about(&problem["request_id"]);
    let [line] = refused.as_slice() else { panic!("one line: {refused:#?}") };
    assert_eq!((&line["level"], &line["status"], &line["code"]), (&json!("INFO"), &json!(422), &problem["code"]));
    assert_eq!(line["cause"], problem["detail"]);
    let reason = |problem: &Value| -> Value {
        let lines = about(&problem["request_id"]);
        lines.iter().find_map(|line| line.get("reason").cloned()).unwrap_or_else(|| panic!("a reason in {lines:#?}"))
    };
    assert_eq!(reason(&known), "wrong password");
    assert_eq!(reason(&unknown), "no such account");
    let text = log.join("\n");
    for secret in ["a wrong password", "Hunter2", "hunter2", "another wrong one", PASSWORD] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(lines.iter().any(|line| line["route"] == "/experiments/{id}"), "pages have their line too");
}

#[tokio::test]
async fn the_log_says_which_sign_ins_were_one_too_many() {
    let lab = Lab::up("json");
    let client = Client::sign_in(&lab.address, ADMIN, PASSWORD).await;
    let guess = json!({ "email": "nobody@example.org", "password": "a wrong password" });
    for _ in 0..9 {
        client.post("/api/v1/auth/login", &guess).await;
    }
    let lines: Vec<Value> =
        lab.log().iter().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let reasons: Vec<_> = lines.iter().filter_map(|line| line.get("reason").and_then(Value::as_str)).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == "no such account").count(), 8, "{reasons:?}");
    assert_eq!(reasons.last(), Some(&"too many tries"), "{reasons:?}");
}

#[tokio::test]
async fn the_fullest_log_holds_no_token() {
    let lab = Lab::with("human", Some("trace"));
    let client = Client::sign_in(&lab.address, ADMIN, PASSWORD).await;
    let wish = json!({ "name": "notebook", "scopes": ["read", "experiments"] });
    let (status, made) = client.post("/api/v1/tokens", &wish).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let notebook = client.showing(&secret);
    let id = notebook.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    assert!(notebook.follow(&id).await.contains("completed"), "a stream takes it, too");
    let (refused, _) = notebook.try_get("/api/v1/users").await;
    assert_eq!(refused, 403);
    let mistyped = client.showing(&format!("{}-", &secret[..49]));
    assert_eq!(mistyped.try_get("/api/v1/me").await.0, 401);
    let text = lab.log().join("\n");
    assert!(text.contains("TRACE") && text.contains(&id), "it is full");
    assert!(!text.contains(&secret[4..44]) && !text.contains(PASSWORD), "and tells no secret");
}

#[tokio::test]
async fn the_filter_is_a_setting() {
    let lab = Lab::with("human", Some("warn"));
    Client::sign_in(&lab.address, ADMIN, PASSWORD).await;
    assert_eq!(lab.log(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_driver_says_stands_within_its_operation_experiment_and_lane() {
    let lab = Lab::with("json", Some("info,hardware=debug"));
    let client = Client::sign_in(&lab.address, ADMIN, PASSWORD).await;
    let id = client.submit(&[json!({ "red": 60 })]).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&id).await;

    let log = lab.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("one object a line"));
    let sent: Vec<Value> = lines.filter(|line| line["message"] == "sending").collect();
    let working = |line: &&Value| line["spans"][1]["experiment"] == id;
    let of_it: Vec<_> = sent.iter().filter(working).collect();
    assert!(of_it.len() > 5, "{sent:#?}");
    for line in of_it {
        let spans = line["spans"].as_array().expect("spans");
        let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, ["lane", "experiment", "operation"], "{line}");
        assert!(spans[0]["robot"].is_string(), "{line}");
        assert_eq!(spans[2]["operation"], line["operation"], "{line}");
    }
}

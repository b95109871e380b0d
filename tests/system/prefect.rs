//! A real Prefect server beside the lab, driven by Prefect's own command line and Python client: what happens here is seen there,
//! what people do there happens here, and no experiment waits for it.
//!
//! The server is PyPI's (`tests/prefect`), on SQLite; `TINCTURE_TEST_PREFECT_DATABASE=postgres` puts it on the suite's PostgreSQL.

mod server;

use crate::{
    client::{Client, eight_wells},
    process::{ADMIN, Lab, run, tincture},
};
use serde_json::{Value, json};
use server::{AUTH, Mode, Proxy, Python, Server};
use std::time::{Duration, Instant};

/// Slow enough to be in time for an experiment, which takes some seconds so.
const SPEED: u32 = 60;
/// Nothing is asserted about how long it really takes.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(250);
const POOL: &str = "tincture";

/// A lab and a server, and those who look at both.
struct Stage {
    server: Server,
    proxy: Proxy,
    python: Python,
    lab: Lab,
    client: Client,
}

impl Stage {
    async fn set() -> Self {
        let server = Server::start().await;
        let proxy = Proxy::before(server.port()).await;
        let python = Python::at(&server.url());
        let lab = Lab::up_with(SPEED, engine(&proxy));
        let client = Client::of(&lab).await;
        Self { server, proxy, python, lab, client }
    }

    /// Asks for an experiment of so many wells, at most eight; each takes about a second.
    async fn submit(&self, wells: usize) -> String {
        self.client.submit(&eight_wells()[..wells]).await["id"].as_str().expect("an id").to_owned()
    }

    /// An experiment that a robot has in hand and is held in the middle of, and its run.
    async fn in_hand(&self) -> (String, Value) {
        let experiment = self.submit(4).await;
        self.until_status(&experiment, "running").await;
        self.tell_robot("pause").await;
        let run = self.run_of(&experiment, |run| is(run, "RUNNING")).await;
        (experiment, run)
    }

    async fn robot(&self) -> Value {
        self.client.get("/api/v1/robots").await["data"][0].clone()
    }

    async fn tell_robot(&self, command: &str) {
        let path = format!("/api/v1/robots/{}/{command}", text(&self.robot().await, "id"));
        let (status, said) = self.client.post(&path, &json!({})).await;
        assert!(status.is_success(), "{said}");
    }

    /// The run of an experiment, once it is so.
    async fn run_of(&self, experiment: &str, reached: impl Fn(&Value) -> bool) -> Value {
        let key = json!({ "idempotency_key": { "any_": [format!("tincture-{experiment}")] } });
        self.run_where(&key, reached).await
    }

    async fn run_where(&self, filter: &Value, reached: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let runs = self.server.post("/flow_runs/filter", &json!({ "flow_runs": filter })).await;
            let found = runs.as_array().and_then(|runs| runs.first()).cloned().unwrap_or_default();
            if reached(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "not reached: {found:#} {}", self.server.log());
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn until_status(&self, experiment: &str, status: &str) -> Value {
        self.client.until(experiment, |experiment| experiment["status"] == status).await
    }

    /// Looks until the robot is told so.
    async fn until_mode(&self, mode: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let robot = self.robot().await;
            if robot["status"] == mode {
                return;
            }
            assert!(Instant::now() < deadline, "the robot isn't {mode}: {robot:#}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn until_pool(&self, pool: &str, reached: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.server.get(&format!("/work_pools/{pool}")).await;
            if reached(&found) {
                return;
            }
            assert!(Instant::now() < deadline, "not reached: {found:#}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn engine(proxy: &Proxy) -> Vec<(&'static str, String)> {
    vec![
        ("TINCTURE_WORKFLOW_ENGINE", "prefect".to_owned()),
        ("TINCTURE_PREFECT_URL", proxy.url()),
        ("TINCTURE_PREFECT_AUTH", AUTH.to_owned()),
        ("TINCTURE_PREFECT_PEOPLE", ADMIN.to_owned()),
    ]
}

fn is(run: &Value, state: &str) -> bool {
    run["state_type"] == state
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn prefect_shows_schedules_and_steers_and_nobody_waits_for_it() {
    let mut stage = Stage::set().await;
    an_experiment_is_a_run(&stage).await;
    a_run_is_an_experiment(&mut stage).await;
    a_person_there_cancels_pauses_and_resumes(&mut stage).await;
    a_pool_is_a_robots_switch(&stage).await;
    what_prefect_gets_wrong_is_set_right(&mut stage).await;
    a_server_that_is_slow_or_busy_holds_up_nothing(&stage).await;
    a_server_that_is_killed_hears_of_everything_later(&mut stage).await;
    engines_are_changed_without_a_loss(&mut stage).await;
}

async fn an_experiment_is_a_run(stage: &Stage) {
    let experiment = stage.submit(3).await;
    let run = stage.run_of(&experiment, |run| is(run, "RUNNING")).await;
    assert!(text(&run["state"], "message").ends_with("has it in hand."), "{run:#}");
    assert_eq!(run["name"], "Experiment of 3 wells");
    assert_eq!(run["parameters"]["wells"].as_array().map(Vec::len), Some(3));
    stage.client.until_completed(&experiment).await;
    let run = stage.run_of(&experiment, |run| is(run, "COMPLETED")).await;
    let id = text(&run, "id");

    let logs = json!({ "logs": { "flow_run_id": { "any_": [id] } }, "sort": "TIMESTAMP_ASC", "limit": 200 });
    let logs = stage.server.post("/logs/filter", &logs).await;
    let logs: Vec<_> = logs.as_array().expect("lines").iter().map(|line| text(line, "message")).collect();
    assert_eq!(logs.first(), Some(&"It waits for a robot."), "{logs:#?}");
    assert_eq!(logs.last(), Some(&"Its wells are measured."), "{logs:#?}");
    assert_eq!(logs.iter().filter(|line| line.contains(" is #")).count(), 3, "each colour once: {logs:#?}");

    let artifacts = json!({ "artifacts": { "flow_run_id": { "any_": [id] } } });
    let artifacts = stage.server.post("/artifacts/filter", &artifacts).await;
    let data = |key: &str| {
        let all: Vec<_> = artifacts.as_array().expect("artifacts").iter().filter(|one| one["key"] == key).collect();
        assert_eq!(all.len(), 1, "{key}: {artifacts:#}");
        all[0]["data"].clone()
    };
    assert_eq!(data("tincture-progress").as_f64(), Some(100.0));
    let link = format!("{}/experiments/{experiment}", stage.lab.address);
    assert!(data("tincture-experiment").as_str().is_some_and(|text| text.contains(&link)), "{artifacts:#}");
    let table: Value = serde_json::from_str(data("tincture-results").as_str().expect("a text")).expect("a table");
    assert_eq!(table.as_array().map(Vec::len), Some(3), "{table:#}");

    let robot = stage.client.get("/api/v1/robots").await["data"][0]["name"].as_str().expect("a name").to_owned();
    stage
        .until_pool(&format!("{POOL}-{robot}"), |pool| pool["status"] == "READY" && pool["concurrency_limit"] == 1)
        .await;
}

/// Made there by Prefect's own command line, as a person, a schedule or another flow would.
async fn a_run_is_an_experiment(stage: &mut Stage) {
    let before = stage.client.get("/api/v1/me").await["quota_remaining"].as_i64().expect("a quota");
    let wanted = json!({ "wells": [{ "volumes": { "red": 60, "blue": 60 } }], "name": "From Prefect" });
    let said = stage.server.prefect(&[
        "deployment",
        "run",
        &format!("tincture-experiment/{POOL}"),
        "--params",
        &wanted.to_string(),
    ]);
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    let ours = stage.client.get("/api/v1/experiments").await;
    let newest = |list: &Value| list["data"][0]["name"] == "From Prefect";
    let deadline = Instant::now() + PATIENCE;
    let mut list = ours;
    while !newest(&list) {
        assert!(Instant::now() < deadline, "{list:#}");
        tokio::time::sleep(PAUSE).await;
        list = stage.client.get("/api/v1/experiments").await;
    }
    let experiment = text(&list["data"][0], "id").to_owned();
    stage.client.until_completed(&experiment).await;
    let made = said.stdout.split_once("UUID: ").and_then(|(_, rest)| rest.split_whitespace().next()).expect("an id");
    let run = stage.run_where(&json!({ "id": { "any_": [made] } }), |run| is(run, "COMPLETED")).await;
    assert_eq!(run["parameters"], wanted, "{run:#}");
    let after = stage.client.get("/api/v1/me").await["quota_remaining"].as_i64().expect("a quota");
    assert_eq!(before - after, 1, "one well is charged");

    for (parameters, reason) in [
        (json!({ "wells": [{ "volumes": { "ink": 60 } }] }), "/wells/0/volumes/ink"),
        (json!({ "wells": [{ "volumes": { "red": 60 } }], "person": "eve@example.org" }), "prefect_people"),
    ] {
        let id = stage.python.ask(&json!({ "do": "run", "deployment": POOL, "parameters": parameters }));
        let failed = stage.run_where(&json!({ "id": { "any_": [id] } }), |run| is(run, "FAILED")).await;
        assert!(text(&failed["state"], "message").contains(reason), "{failed:#}");
    }
    let later =
        stage.python.ask(&json!({ "do": "run", "deployment": POOL, "in_seconds": 3_600, "parameters": wanted }));
    let run = stage.run_where(&json!({ "id": { "any_": [later] } }), |run| is(run, "SCHEDULED")).await;
    assert_eq!(run["state_name"], "Scheduled", "what is for later stays there: {run:#}");
    assert_eq!(stage.client.get("/api/v1/experiments").await["data"][0]["id"], experiment, "nothing else was made");
}

async fn a_person_there_cancels_pauses_and_resumes(stage: &mut Stage) {
    let (paused, run) = stage.in_hand().await;
    stage.python.ask(&json!({ "do": "pause", "run": run["id"] }));
    stage.until_status(&paused, "paused").await;
    stage.run_of(&paused, |run| is(run, "PAUSED")).await;
    stage.python.ask(&json!({ "do": "resume", "run": run["id"] }));
    stage.until_status(&paused, "queued").await;
    stage.tell_robot("resume").await;
    stage.client.until_completed(&paused).await;
    stage.run_of(&paused, |run| is(run, "COMPLETED")).await;
    let (cancelled, run) = stage.in_hand().await;
    stage.python.ask(&json!({ "do": "cancel", "run": run["id"] }));
    stage.until_status(&cancelled, "cancelled").await;
    stage.run_of(&cancelled, |run| is(run, "CANCELLED")).await;
    stage.tell_robot("resume").await;

    let log = stage.client.get("/api/v1/activity?limit=200").await;
    for (action, experiment) in
        [("experiment_paused", &paused), ("experiment_resumed", &paused), ("experiment_cancelled", &cancelled)]
    {
        let is_it = |line: &&Value| {
            line["action"] == action
                && line["details"]["experiment_id"] == **experiment
                && line["details"]["by"] == "Prefect"
        };
        assert_eq!(log["data"].as_array().expect("lines").iter().filter(is_it).count(), 1, "{action}: {log:#}");
    }
}

async fn a_pool_is_a_robots_switch(stage: &Stage) {
    let pool = format!("{POOL}-{}", text(&stage.robot().await, "name"));
    // What was said here before is there.
    stage.until_pool(&pool, |pool| pool["is_paused"] == false).await;
    stage.server.patch(&format!("/work_pools/{pool}"), &json!({ "is_paused": true })).await;
    stage.until_mode("draining").await;
    // Nothing new is taken; what waits is cancelled there at once.
    let waiting = stage.submit(1).await;
    let run = stage.run_of(&waiting, |run| is(run, "SCHEDULED")).await;
    assert_eq!(run["state_name"], "Queued", "{run:#}");
    let said = stage.server.prefect(&["flow-run", "cancel", text(&run, "id")]);
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    stage.until_status(&waiting, "cancelled").await;
    stage.server.patch(&format!("/work_pools/{pool}"), &json!({ "is_paused": false })).await;
    stage.until_mode("active").await;
    // And from here: a stop is seen there, and isn't lifted from there.
    stage.tell_robot("stop").await;
    stage.until_pool(&pool, |pool| pool["is_paused"] == true).await;
    stage.server.patch(&format!("/work_pools/{pool}"), &json!({ "is_paused": false })).await;
    stage.until_pool(&pool, |pool| pool["is_paused"] == true).await;
    stage.until_mode("stopped").await;
    stage.tell_robot("resume").await;
    stage.until_pool(&pool, |pool| pool["is_paused"] == false).await;
}

async fn what_prefect_gets_wrong_is_set_right(stage: &mut Stage) {
    let (experiment, run) = stage.in_hand().await;
    let path = format!("/flow_runs/{}/set_state", text(&run, "id"));
    stage.server.post(&path, &json!({ "state": { "type": "CRASHED" }, "force": true })).await;
    stage.run_of(&experiment, |run| is(run, "RUNNING")).await;
    stage.tell_robot("resume").await;
    stage.client.until_completed(&experiment).await;
    stage.run_of(&experiment, |run| is(run, "COMPLETED")).await;
    // What is over isn't cancelled any more.
    stage.server.post(&path, &json!({ "state": { "type": "CANCELLING" }, "force": true })).await;
    stage.run_of(&experiment, |run| is(run, "COMPLETED")).await;
}

async fn a_server_that_is_slow_or_busy_holds_up_nothing(stage: &Stage) {
    stage.proxy.be(Mode::Slow);
    let slow = stage.submit(2).await;
    stage.client.until_completed(&slow).await;
    stage.proxy.be(Mode::Busy);
    let busy = stage.submit(2).await;
    stage.client.until_completed(&busy).await;
    for experiment in [&slow, &busy] {
        stage.run_of(experiment, |run| is(run, "COMPLETED")).await;
    }
    assert!(stage.proxy.refused() > 3, "it was busy {} times", stage.proxy.refused());
    stage.proxy.be(Mode::Plain);
}

async fn a_server_that_is_killed_hears_of_everything_later(stage: &mut Stage) {
    let first = stage.submit(4).await;
    stage.until_status(&first, "running").await;
    stage.server.kill();
    let second = stage.submit(1).await;
    stage.client.until_completed(&first).await;
    stage.client.until_completed(&second).await;
    // Nor is it forgotten where the lab is killed, too.
    stage.lab.kill();
    stage.lab.start();
    stage.server.start_again().await;
    stage.client = Client::of(&stage.lab).await;
    for experiment in [&first, &second] {
        let run = stage.run_of(experiment, |run| is(run, "COMPLETED")).await;
        let all = json!({ "flow_runs": { "idempotency_key": { "any_": [format!("tincture-{experiment}")] } } });
        assert_eq!(stage.server.post("/flow_runs/filter", &all).await.as_array().map(Vec::len), Some(1), "{run:#}");
    }
}

async fn engines_are_changed_without_a_loss(stage: &mut Stage) {
    stage.tell_robot("pause").await;
    let there = stage.submit(1).await;
    stage.run_of(&there, |run| is(run, "SCHEDULED")).await;
    stage.lab.stop();
    stage.lab.set(Vec::new());
    stage.lab.start();
    stage.client = Client::of(&stage.lab).await;
    let here = stage.submit(1).await;
    stage.lab.stop();
    stage.lab.set(engine(&stage.proxy));
    stage.lab.start();
    stage.client = Client::of(&stage.lab).await;
    stage.run_of(&here, |run| is(run, "SCHEDULED")).await;
    stage.tell_robot("resume").await;
    for experiment in [&there, &here] {
        stage.client.until_completed(experiment).await;
        stage.run_of(experiment, |run| is(run, "COMPLETED")).await;
    }
}

#[test]
fn prefects_secrets_are_not_shown() {
    let mut command = tincture(&["config"]);
    command.env("TINCTURE_PREFECT_API_KEY", "pnu_s3cret").env("TINCTURE_PREFECT_AUTH", AUTH);
    let said = run(command);
    assert!(said.status.success(), "{}", said.stderr);
    assert!(!said.stdout.contains("s3cret") && said.stdout.contains("prefect_api_key"), "{}", said.stdout);
}

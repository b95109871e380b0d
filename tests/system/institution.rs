//! PostgreSQL as an institution runs it: roles that may do little, a pooler in front, a replica beside it.

use crate::{
    client::{self, Client, measured},
    ledger,
    process::{ADMIN, PASSWORD, Process, run, tincture},
};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use std::{process::Command, time::Duration};
use store::testing::{cluster::Cluster, pooler::Bouncer};

const DATABASE: &str = "postgres";

fn on(url: &str, arguments: &[&str]) -> Command {
    let mut command = tincture(arguments);
    command.env("TINCTURE_DATABASE_URL", url).env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    command
}

fn succeeds(command: Command) -> String {
    let said = run(command);
    assert!(said.status.success(), "{said:?}");
    said.stdout
}

#[tokio::test]
async fn a_lab_works_behind_a_pooler_with_the_rights_of_the_application_alone() {
    let server = Cluster::start_on_a_port(&[]);
    // Made once from what is printed, before there is a table, and once more by the command itself, after.
    let printed = succeeds(on(&server.url(DATABASE), &["database", "roles"]));
    server.psql(DATABASE, &printed);
    let migrated = succeeds(on(&server.url_as("tincture_owner", DATABASE), &["migrate"]));
    assert!(migrated.contains("applied 0001_accounts"), "{migrated}");
    let refused = run(on(&server.url_as("tincture_app", DATABASE), &["database", "roles", "--apply"]));
    assert!(!refused.status.success() && refused.stderr.contains("as a superuser"), "{refused:?}");
    succeeds(on(&server.url(DATABASE), &["database", "roles", "--apply"]));

    let bouncer = Bouncer::before(server, &["tincture_app"]);
    let direct = bouncer.server().url_as("tincture_app", DATABASE);
    let lent = |arguments: &[&str]| {
        let mut command = on(&bouncer.url("tincture_app"), arguments);
        command.env("TINCTURE_DATABASE_POOLER", "transaction").env("TINCTURE_DATABASE_DIRECT_URL", &direct);
        command
    };
    let emulated = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0", "--speed", "600"];
    let mut emulator = Process::spawn(tincture(&emulated));
    let robot = emulator.word_after("Virtual OT-2 ");
    let sensor = emulator.word_after("Sensor ");
    succeeds(lent(&["robot", "add", "bench-1", "--url", &robot, "--sensor", &sensor, "--virtual"]));
    let mut serve = Process::spawn(lent(&["serve", "--listen", "127.0.0.1:0"]));
    let address = serve.word_after("Tincture is ready: ");
    let worker = Process::spawn(lent(&["worker", "--robot", "bench-1"]));
    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    let id = client.submit(&[json!({ "red": 60, "blue": 60 })]).await["id"].as_str().expect("an id").to_owned();
    let events = client.follow(&id).await;
    assert!(events.contains("completed"), "{events}");
    let completed = client.until_completed(&id).await;
    ledger::assert_as_asked(&ledger::read(&robot).await, &measured(&completed));
    let by_whom = "SELECT string_agg(DISTINCT usename, ',') FROM pg_stat_activity WHERE application_name = 'tincture'";
    assert_eq!(bouncer.server().psql(DATABASE, by_whom), "tincture_app");
    assert_eq!(bouncer.server().psql(DATABASE, "SELECT running FROM lab_figures()"), "0");
    assert!(worker.stop().success());
    assert!(serve.stop().success());
    assert!(emulator.stop().success());
}

/// Somebody who asks a server, with more headers than a [`Client`] sends.
struct Visitor {
    http: reqwest::Client,
    token: String,
}

impl Visitor {
    async fn sign_in(address: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let body = json!({ "email": ADMIN, "password": PASSWORD });
        let answer = http.post(format!("{address}/api/v1/auth/login")).json(&body).send().await.expect("an answer");
        let tokens: Value = answer.json().await.expect("JSON");
        Self { http, token: tokens["access_token"].as_str().expect("a token").to_owned() }
    }

    /// Gives the position that the answer tells, as header and as cookie.
    async fn submit(&self, address: &str, name: &str) -> (String, String) {
        let body = json!({ "name": name, "wells": [{ "volumes": { "red": 60 } }] });
        let asked = self.http.post(format!("{address}/api/v1/experiments")).bearer_auth(&self.token).json(&body);
        let answer = asked.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED);
        let text = |name| answer.headers().get(name).expect("the header").to_str().expect("text").to_owned();
        let cookie = text("set-cookie").split(';').next().expect("a cookie").to_owned();
        (text("tincture-position"), cookie)
    }

    /// The names of all experiments, newest first.
    async fn list(&self, address: &str, knows: Option<(&'static str, &str)>) -> Vec<String> {
        let mut asked = self.http.get(format!("{address}/api/v1/experiments")).bearer_auth(&self.token);
        if let Some((header, value)) = knows {
            asked = asked.header(header, value);
        }
        let page: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
        let names = page["data"].as_array().expect("a list").iter();
        names.map(|line| line["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// The page of experiments for whoever signs in by its form.
    async fn page(&self, address: &str, cookies: &str) -> String {
        let asked = self.http.get(format!("{address}/experiments")).header(header::COOKIE, cookies);
        asked.send().await.expect("an answer").text().await.expect("a page")
    }

    async fn session(&self, address: &str) -> String {
        let form = [("email", ADMIN), ("password", PASSWORD)];
        let body =
            form.map(|(name, value)| format!("{name}={}", value.replace(' ', "+").replace('@', "%40"))).join("&");
        let asked = self.http.post(format!("{address}/sign-in")).body(body);
        let asked = asked.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = asked.send().await.expect("an answer");
        let cookies = answer.headers().get_all(header::SET_COOKIE).iter();
        let mut pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        pairs.find(|pair| pair.starts_with("tincture_session=")).expect("a session").to_owned()
    }
}

async fn figure(address: &str, name: &str) -> String {
    let (_, text) = client::ask(address, "/metrics", "").await;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

async fn until_used(address: &str, wanted: bool) -> Value {
    loop {
        let readiness = client::ask_until(address, "/readyz", "", 200).await;
        if readiness["replica"]["used"] == wanted {
            return readiness;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn who_asks_for_something_sees_it_on_every_server_whatever_the_replica_does() {
    let primary = Cluster::start_on_a_port(&[]);
    succeeds(on(&primary.url(DATABASE), &["migrate"]));
    let sensor = ["--sensor", "tcp://127.0.0.1:9"];
    succeeds(on(
        &primary.url(DATABASE),
        &[&["robot", "add", "bench-1", "--url", "http://127.0.0.1:9"], &sensor[..]].concat(),
    ));
    let mut replica = primary.start_standby("replica");
    let serve = || {
        let mut command = on(&primary.url(DATABASE), &["serve", "--listen", "127.0.0.1:0"]);
        command
            .env("TINCTURE_DATABASE_REPLICA_URL", replica.url(DATABASE))
            .env("TINCTURE_DATABASE_REPLICA_LAG", "3600");
        let mut process = Process::spawn(command);
        let address = process.word_after("Tincture is ready: ");
        (process, address)
    };
    let ((first, here), (second, there)) = (serve(), serve());
    until_used(&here, true).await;
    until_used(&there, true).await;
    let visitor = Visitor::sign_in(&here).await;
    let session = visitor.session(&there).await;
    replica.psql(DATABASE, "SELECT pg_wal_replay_pause()");
    replica.until("SELECT pg_get_wal_replay_pause_state() = 'paused'");
    let (position, cookie) = visitor.submit(&here, "Ochre").await;

    assert_eq!(visitor.list(&here, None).await, ["Ochre"], "the server that made it remembers");
    assert_eq!(visitor.list(&there, None).await, [""; 0], "another can't know, and asks the replica");
    assert_eq!(visitor.list(&there, Some(("tincture-position", &position))).await, ["Ochre"]);
    assert_eq!(visitor.list(&there, Some(("cookie", &cookie))).await, ["Ochre"]);
    assert_eq!(visitor.list(&there, None).await, [""; 0], "an answer for who knows more isn't another's");
    assert!(!visitor.page(&there, &session).await.contains("Ochre"));
    assert!(visitor.page(&there, &format!("{session}; {cookie}")).await.contains("Ochre"), "pages too");

    replica.crash();
    // What was answered a moment ago may be answered again.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(visitor.list(&there, None).await, ["Ochre"], "the primary answers at once");
    let readiness = until_used(&there, false).await;
    assert!(readiness["ready"] == true && readiness["replica"]["why"].is_string(), "{readiness}");
    assert_eq!(figure(&there, "tincture_replica_used").await, "0");
    assert_ne!(figure(&there, "tincture_replica_reads_total{by=\"primary\"}").await, "0");
    replica.run();
    until_used(&there, true).await;
    assert_eq!(figure(&there, "tincture_replica_used").await, "1");
    let answered = figure(&there, "tincture_replica_reads_total{by=\"replica\"}").await;
    assert_eq!(visitor.list(&there, None).await, ["Ochre"]);
    assert_ne!(figure(&there, "tincture_replica_reads_total{by=\"replica\"}").await, answered, "it is read again");
    assert!(first.stop().success());
    assert!(second.stop().success());
}

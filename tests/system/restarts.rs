//! PostgreSQL restarts under a server that is asked for everything: each answer is what was asked for, or 503 with when to
//! ask again, and afterwards nothing that was accepted is missing.

use crate::{
    client::{Client, eight_wells},
    process::{ADMIN, PASSWORD, Process, tincture},
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use store::testing::{Cluster, Shutdown};
use tokio::{sync::watch, task::JoinSet};

const PATIENCE: Duration = Duration::from_secs(120);
const ONE_REQUEST: Duration = Duration::from_secs(60);

/// What is asked again and again, by somebody who is signed in.
const READS: [&str; 8] = [
    "/api/v1/me",
    "/api/v1/experiments?limit=5",
    "/api/v1/robots",
    "/api/v1/queue",
    "/api/v1/users",
    "/api/v1/activity",
    "/experiments",
    "/robots",
];
const WRITE: &str = "/api/v1/experiments";

/// One answer to each of them since the last look, by path.
type Seen = HashMap<&'static str, HashSet<StatusCode>>;

/// Somebody who asks, and what they heard.
struct Asker {
    http: reqwest::Client,
    address: String,
    token: String,
    cookie: String,
    seen: watch::Sender<Seen>,
    /// How often it was told to ask again.
    put_off: AtomicU64,
}

impl Asker {
    async fn sign_in(address: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ONE_REQUEST);
        let http = http.build().expect("a client");
        let credentials = json!({ "email": ADMIN, "password": PASSWORD });
        let tokens = http.post(format!("{address}/api/v1/auth/login")).json(&credentials).send().await;
        let tokens: Value = tokens.expect("an answer").json().await.expect("JSON");
        let form =
            http.post(format!("{address}/sign-in")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let form = form.body(format!("email={ADMIN}&password={}", PASSWORD.replace(' ', "+")));
        let signed_in = form.send().await.expect("an answer");
        let cookie = signed_in.headers()[header::SET_COOKIE].to_str().expect("text").split(';').next();
        Self {
            http,
            address: address.to_owned(),
            token: tokens["access_token"].as_str().expect("a token").to_owned(),
            cookie: cookie.expect("a cookie").to_owned(),
            seen: watch::Sender::new(Seen::new()),
            put_off: AtomicU64::new(0),
        }
    }

    /// Asks and looks at the answer; the id of what was accepted, if that was asked for.
    async fn ask(&self, path: &'static str, body: Option<Value>) -> Option<String> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = self.http.request(method, format!("{}{path}", self.address));
        let request = match path.starts_with("/api") {
            true => request.bearer_auth(&self.token),
            false => request.header(header::COOKIE, &self.cookie),
        };
        let request = body.iter().fold(request, |request, body| request.json(body));
        let answer = request.send().await.expect("an answer, whatever the database does");
        let (status, again) = (answer.status(), answer.headers().get(header::RETRY_AFTER).cloned());
        let text = answer.text().await.expect("the whole of it");
        let is_told_when = status == StatusCode::SERVICE_UNAVAILABLE && again.is_some();
        assert!(status.is_success() || is_told_when, "{path}: {status}, again after {again:?}: {text}");
        self.put_off.fetch_add(u64::from(is_told_when), Ordering::Relaxed);
        self.seen.send_modify(|seen| {
            seen.entry(path).or_default().insert(status);
        });
        let accepted = status == StatusCode::CREATED;
        accepted.then(|| serde_json::from_str::<Value>(&text).ok()?["id"].as_str().map(str::to_owned)).flatten()
    }

    /// Until each kind of request was done anew.
    async fn until_all_is_well(&self, asking: &mut JoinSet<Vec<String>>) {
        self.seen.send_replace(Seen::new());
        let mut seen = self.seen.subscribe();
        let is_done = |seen: &Seen, path| seen.get(path).is_some_and(|seen| seen.iter().any(StatusCode::is_success));
        let all = |seen: &Seen| READS.iter().chain([&WRITE]).all(|path| is_done(seen, *path));
        tokio::select! {
            waited = tokio::time::timeout(PATIENCE, seen.wait_for(all)) => {
                let told = || format!("{:?}", self.seen.borrow());
                waited.unwrap_or_else(|_| panic!("some are never answered again: {}", told())).expect("askers");
            }
            Some(ended) = asking.join_next() => panic!("an asker ended: {ended:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarting_postgresql_is_told_as_such_and_loses_nothing() {
    let mut cluster = tokio::task::spawn_blocking(Cluster::start).await.expect("a cluster");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = tincture(&["up", "--speed", "600", "--listen", "127.0.0.1:0", "--robot-listen", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(directory.path());
    // What it says of the database's absence is no news here.
    command.env("TINCTURE_DATABASE_URL", cluster.url("postgres")).env("TINCTURE_LOG", "error");
    command.env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
    let mut process = Process::spawn(command);
    let address = process.word_after("Tincture is ready: ");
    let asker = Arc::new(Asker::sign_in(&address).await);

    let (stop, stopped) = watch::channel(false);
    let mut asking = JoinSet::new();
    for path in READS.into_iter().chain([WRITE]) {
        let (asker, stopped) = (Arc::clone(&asker), stopped.clone());
        asking.spawn(async move {
            let mut accepted = Vec::new();
            for turn in 0.. {
                if *stopped.borrow() {
                    break;
                }
                let volumes = json!({ "red": 20 + turn % 200 });
                let body = (path == WRITE).then(|| json!({ "wells": [{ "volumes": volumes }] }));
                accepted.extend(asker.ask(path, body).await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            accepted
        });
    }
    for how in [Shutdown::Fast, Shutdown::Immediate, Shutdown::Fast] {
        asker.until_all_is_well(&mut asking).await;
        cluster = tokio::task::spawn_blocking(move || {
            cluster.restart(how);
            cluster
        })
        .await
        .expect("restarted");
    }
    asker.until_all_is_well(&mut asking).await;
    stop.send_replace(true);
    let accepted: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    assert!(!accepted.is_empty());
    assert!(asker.put_off.load(Ordering::Relaxed) > 0, "nobody noticed the restarts");

    let client = Client::sign_in(&address, ADMIN, PASSWORD).await;
    for id in &accepted {
        assert_eq!(client.experiment(id).await["id"], json!(id), "what was accepted is there");
    }
    let wells: Vec<_> = eight_wells().into_iter().map(|volumes| json!({ "volumes": volumes })).collect();
    let (status, urgent) = client.post(WRITE, &json!({ "wells": wells, "priority": 10 })).await;
    assert_eq!(status, StatusCode::CREATED, "{urgent}");
    let id = urgent["id"].as_str().expect("an id").to_owned();
    let deadline = Instant::now() + PATIENCE;
    while client.experiment(&id).await["status"] != "completed" {
        assert!(Instant::now() < deadline, "the lab goes on: {}", client.experiment(&id).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(process.stop().success());
}

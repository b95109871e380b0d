//! PostgreSQL restarts, or fails over, under a server that is asked for everything: each answer is what was asked for, or 503 with
//! when to ask again, and afterwards nothing that was accepted is missing.

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
use store::testing::{
    Cluster, Shutdown,
    pair::{Pair, Replication},
};
use tokio::{sync::watch, task::JoinSet};

const PATIENCE: Duration = Duration::from_secs(120);
/// The longest that docs/failover.md lets anybody wait for an answer, and what a busy machine adds.
const ONE_REQUEST: Duration = Duration::from_secs(30 + 15);

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
        let signed_in = sign_in(&http, address).await;
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

    /// Until each kind of request was answered so anew.
    async fn until_all_are(&self, so: fn(&StatusCode) -> bool, asking: &mut JoinSet<Vec<String>>) {
        self.seen.send_replace(Seen::new());
        let mut seen = self.seen.subscribe();
        let is_done = |seen: &Seen, path| seen.get(path).is_some_and(|seen| seen.iter().any(so));
        let all = |seen: &Seen| READS.iter().chain([&WRITE]).all(|path| is_done(seen, *path));
        tokio::select! {
            waited = tokio::time::timeout(PATIENCE, seen.wait_for(all)) => {
                let told = || format!("{:?}", self.seen.borrow());
                waited.unwrap_or_else(|_| panic!("some are never answered so: {}", told())).expect("askers");
            }
            Some(ended) = asking.join_next() => panic!("an asker ended: {ended:?}"),
        }
    }
}

/// As a browser does it.
async fn sign_in(http: &reqwest::Client, address: &str) -> reqwest::Response {
    let form =
        http.post(format!("{address}/sign-in")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let form = form.body(format!("email={ADMIN}&password={}", PASSWORD.replace(' ', "+")));
    form.send().await.expect("an answer in time")
}

/// A server over a PostgreSQL, and those who ask it for everything.
struct Scene {
    process: Process,
    address: String,
    asker: Arc<Asker>,
    asking: JoinSet<Vec<String>>,
    stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn start(url: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command =
            tincture(&["up", "--speed", "600", "--listen", "127.0.0.1:0", "--robot-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(directory.path());
        // What it says of the database's absence is no news here.
        command.env("TINCTURE_DATABASE_URL", url).env("TINCTURE_LOG", "error");
        command.env("TINCTURE_ADMIN_PASSWORD", PASSWORD);
        let mut process = Process::spawn(command);
        let address = process.word_after("Tincture is ready: ");
        let asker = Arc::new(Asker::sign_in(&address).await);
        let (stop, stopped) = watch::channel(false);
        let mut asking = JoinSet::new();
        for path in READS.into_iter().chain([WRITE]) {
            asking.spawn(ask_again_and_again(Arc::clone(&asker), path, stopped.clone()));
        }
        Self { process, address, asker, asking, stop, _directory: directory }
    }

    /// Until each kind of request was done anew.
    async fn until_all_is_well(&mut self) {
        self.asker.until_all_are(StatusCode::is_success, &mut self.asking).await;
    }

    /// Until each kind of request was put off.
    async fn until_all_are_put_off(&mut self) {
        self.asker.until_all_are(StatusCode::is_server_error, &mut self.asking).await;
    }

    /// Ends it. What was accepted is there, and the lab goes on.
    async fn end(mut self) {
        self.until_all_is_well().await;
        self.stop.send_replace(true);
        let accepted: Vec<_> = self.asking.join_all().await.into_iter().flatten().collect();
        assert!(!accepted.is_empty());
        assert!(self.asker.put_off.load(Ordering::Relaxed) > 0, "nobody noticed anything");
        let client = Client::sign_in(&self.address, ADMIN, PASSWORD).await;
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
        assert!(self.process.stop().success());
    }
}

/// The ids of what was accepted.
async fn ask_again_and_again(asker: Arc<Asker>, path: &'static str, stopped: watch::Receiver<bool>) -> Vec<String> {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarting_postgresql_is_told_as_such_and_loses_nothing() {
    let mut cluster = tokio::task::spawn_blocking(Cluster::start).await.expect("a cluster");
    let mut scene = Scene::start(&cluster.url("postgres")).await;
    for how in [Shutdown::Fast, Shutdown::Immediate, Shutdown::Fast] {
        scene.until_all_is_well().await;
        cluster = tokio::task::spawn_blocking(move || {
            cluster.restart(how);
            cluster
        })
        .await
        .expect("restarted");
    }
    scene.end().await;
}

/// The primary of a pair stands still, and nobody waits for it; another is promoted, and it comes back; then that one is killed. No
/// answer is anything but what was asked for, or 503 with when to ask again, and none takes longer than is documented.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_frozen_or_killed_is_told_as_such_and_loses_nothing() {
    let (mut scene, at) = on_a_pair().await;
    at(|pair| pair.freeze(0)).await;
    scene.until_all_are_put_off().await;
    at(Pair::promote).await;
    scene.until_all_is_well().await;
    at(|pair| pair.thaw(0)).await;
    scene.until_all_is_well().await;
    at(Pair::renew_standby).await;
    scene.until_all_is_well().await;
    at(|pair| pair.crash(1)).await;
    scene.until_all_are_put_off().await;
    at(Pair::promote).await;
    scene.end().await;
}

/// No standby confirms a commit, and the primary waits for one: nobody waits with it for ever, whether they ask the API or a page.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_ever_for_a_standby_that_is_gone() {
    let (scene, at) = on_a_pair().await;
    at(|pair| pair.crash(1)).await;
    // Signing in writes a session.
    let answer = sign_in(&scene.asker.http, &scene.address).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    // Who asked for an experiment is told so, too.
    let deadline = Instant::now() + PATIENCE;
    while scene.asker.put_off.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline, "an experiment that can't be accepted isn't refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    at(Pair::renew_standby).await;
    scene.end().await;
}

/// A scene at work on a synchronous pair, and how something is done to the pair.
async fn on_a_pair() -> (Scene, impl AsyncFn(fn(&Pair))) {
    let pair = Arc::new(servers(|| Pair::start(Replication::Synchronous)).await);
    let mut scene = Scene::start(&pair.url("postgres")).await;
    scene.until_all_is_well().await;
    let at = async move |act: fn(&Pair)| {
        let pair = Arc::clone(&pair);
        servers(move || act(&pair)).await;
    };
    (scene, at)
}

async fn servers<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.expect("the servers do it")
}

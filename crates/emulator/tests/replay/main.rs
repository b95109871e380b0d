//! Replays calls recorded on the real robot-server 8.1.0 against the emulator and holds the answers against them.
//!
//! The recordings aren't ours to keep here. They are looked for beside the checkout, in `../shared/reference` from the
//! workspace (or where `TINCTURE_REFERENCE` says). Without them this test says so and passes; what they taught us is in
//! `robot` in our own words, so a clone alone is tested too.

mod compare;
mod schema;

use compare::Identities;
use domain::PipetteModel;
use emulator::{Config, Emulator};
use schema::OpenApi;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Groups of recordings by the first letter of their names; the groups of a string were recorded on one server.
const SERVERS: &[&str] = &["a", "bc", "d", "f", "h"];
/// The emulator's clock for `waitForDuration`: the recorded seconds, halved.
const WAIT_SPEED: f64 = 2.0;
/// How long an answer may take to become the recorded one.
const PATIENCE: Duration = Duration::from_secs(15);

/// Recordings that aren't replayed, each with its reason.
const OUT_OF_SCOPE: &[(&str, &str)] = &[];

/// Fields that differ on purpose: the recording's name, the place, why.
const DELIBERATE: &[(&str, &str, &str)] = &[
    ("a001", "/name", "this robot has a name of its own"),
    ("a004", "/name", "this robot has a name of its own"),
    ("a005", "/name", "this robot has a name of its own"),
    ("f006", "/name", "this robot has a name of its own"),
];

/// Before these something must be running, as it was when they were recorded.
const WHILE_SOMETHING_RUNS: &[&str] = &["c014", "c045", "c052", "d004"];
/// Before this the server was killed and started again.
const AFTER_A_RESTART: &str = "f006";

struct Recording {
    name: String,
    call: Value,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_answers_as_the_real_server_did() {
    let Some(reference) = reference() else { return };
    let recordings = recordings(&reference.join("ot2-transcripts"));
    let api = OpenApi::read(&reference.join("ot2-robot-server-8.1.0.openapi.json"));
    let replayed = recordings.iter().filter(|recording| SERVERS.iter().any(|server| recording.is_of(server))).count();
    assert_eq!(replayed + OUT_OF_SCOPE.len(), recordings.len(), "a recording is neither replayed nor out of scope");

    let mut differences = Vec::new();
    for server in SERVERS {
        let session = Session::start().await;
        let group = recordings.iter().filter(|recording| recording.is_of(server));
        differences.extend(session.replay(group, &api).await);
    }
    assert!(
        differences.is_empty(),
        "{} of {replayed} recordings differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The directory of recordings, if it is there.
fn reference() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let directory = std::env::var_os("TINCTURE_REFERENCE").map_or_else(|| beside.join("reference"), PathBuf::from);
    if directory.join("ot2-transcripts").is_dir() {
        return Some(directory);
    }
    assert!(
        std::env::var_os("CI").is_none() || !beside.is_dir(),
        "{} is there, but not the recordings in it",
        beside.display()
    );
    println!("No recordings in {}: only the cases of this repository are tested.", directory.display());
    None
}

fn recordings(directory: &Path) -> Vec<Recording> {
    let entries = std::fs::read_dir(directory).expect("the recordings can be listed");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    files.sort();
    let json = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    json.map(|file| Recording {
        name: file.file_stem().expect("a file name").to_string_lossy().into_owned(),
        call: serde_json::from_slice(&std::fs::read(&file).expect("a recording")).expect("a recording is JSON"),
    })
    .filter(|recording| !OUT_OF_SCOPE.iter().any(|(name, _)| recording.name.starts_with(name)))
    .collect()
}

impl Recording {
    fn is_of(&self, groups: &str) -> bool {
        self.name.starts_with(|letter| groups.contains(letter))
    }

    fn number(&self) -> &str {
        self.name.split('-').next().unwrap_or_default()
    }

    fn at(&self, pointer: &str) -> &Value {
        self.call.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn succeeded(&self) -> bool {
        self.at("/response/status").as_u64().is_some_and(|status| status < 300)
    }
}

/// One emulator and what was learned of it.
struct Session {
    emulator: Emulator,
    directory: tempfile::TempDir,
    client: reqwest::Client,
    identities: Identities,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Session {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let emulator = start(directory.path()).await;
        Self { emulator, directory, client: reqwest::Client::new(), identities: Identities::default() }
    }

    async fn replay(mut self, group: impl Iterator<Item = &Recording>, api: &OpenApi) -> Vec<String> {
        let mut differences = Vec::new();
        for recording in group {
            if recording.number() == AFTER_A_RESTART {
                self.emulator.shutdown().await;
                self.emulator = start(self.directory.path()).await;
            }
            if WHILE_SOMETHING_RUNS.contains(&recording.number()) {
                self.until_something_runs().await;
            }
            differences.extend(self.call_until_it_agrees(recording, api).await);
        }
        self.emulator.shutdown().await;
        differences
    }

    /// A recording shows an instant. What only reads, and what was refused, is asked again until it shows the same.
    async fn call_until_it_agrees(&mut self, recording: &Recording, api: &OpenApi) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.call(recording).await;
            let difference = self.difference(recording, &answer, api)?;
            let harmless = recording.at("/request/method") == "GET" || (answer.status >= 400 && recording.succeeded());
            if !harmless || Instant::now() > deadline {
                return Some(format!("{}: {difference}", recording.name));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn call(&self, recording: &Recording) -> Answer {
        let path = self.identities.translate(recording.at("/request/path").as_str().expect("a path"));
        let method = recording.at("/request/method").as_str().expect("a method");
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("http://{}{path}", self.emulator.robot_addr());
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        for (name, value) in recording.at("/request/headers").as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().expect("a header"));
        }
        request = match recording.at("/request/body") {
            Value::Null => request,
            Value::String(text) => request.body(text.clone()),
            json => request.body(self.identities.translate(&json.to_string())),
        };
        let response = request.send().await.expect("the emulator answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = if text.is_empty() { Value::from("") } else { serde_json::from_str(&text).expect("a JSON body") };
        Answer { status, headers, body }
    }

    fn difference(&mut self, recording: &Recording, answer: &Answer, api: &OpenApi) -> Option<String> {
        let expected_status = recording.at("/response/status").as_u64();
        if expected_status != Some(u64::from(answer.status)) {
            return Some(format!("status {} where {expected_status:?} was recorded: {}", answer.status, answer.body));
        }
        for name in ["content-type", "server", "opentrons-version", "opentrons-min-version"] {
            let recorded = recording.at("/response/headers").get(name).and_then(Value::as_str);
            let told = answer.headers.get(name).and_then(|value| value.to_str().ok());
            if recorded.is_some() && recorded != told {
                return Some(format!("header {name} is {told:?} where {recorded:?} was recorded"));
            }
        }
        let of_this = |(name, at, _): &&(&str, &str, &str)| (*name == recording.number()).then_some(at).is_some();
        let except: Vec<_> = DELIBERATE.iter().filter(of_this).map(|(_, at, _)| *at).collect();
        let mut expected = recording.at("/response/body").clone();
        self.identities.forget_other_runs(&mut expected);
        if let Some(difference) = self.identities.compare(&expected, &answer.body, &except) {
            return Some(difference);
        }
        let path = recording.at("/request/path").as_str().expect("a path");
        let method = recording.at("/request/method").as_str().expect("a method");
        // Where the real server itself departs from its document, so do we.
        let departs = api.check(method, path, answer.status, recording.at("/response/body")).is_some();
        let abridged = recording.at("/response/body").to_string().contains("\"omitted\":");
        if departs && !abridged { None } else { api.check(method, path, answer.status, &answer.body) }
    }

    async fn until_something_runs(&self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let runs = self.get("/runs").await;
            let current = runs.pointer("/links/current/href").and_then(Value::as_str).expect("a current run");
            let commands = self.get(&format!("{current}/commands?cursor=0&pageLength=1000")).await;
            let list = commands.pointer("/data").and_then(Value::as_array).expect("a list of commands");
            if list.iter().any(|command| command.get("status") == Some(&Value::from("running"))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nothing runs");
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.emulator.robot_addr());
        let request = self.client.get(url).header("Opentrons-Version", "*").timeout(PATIENCE);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }
}

async fn start(state_dir: &Path) -> Emulator {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        sensor_listen: ([127, 0, 0, 1], 0).into(),
        speed: f64::INFINITY,
        wait_speed: Some(WAIT_SPEED),
        state_dir: Some(state_dir.to_owned()),
        left_pipette: Some(PipetteModel::P300SingleGen2),
        right_pipette: Some(PipetteModel::P20SingleGen2),
        ..Config::default()
    };
    emulator::start(config).await.expect("the emulator starts")
}

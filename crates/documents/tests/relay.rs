//! Documents on their way to a real server: whatever happens to it, each is there once and not here any more.

mod lossy;

use chrono::TimeDelta;
use documents::{
    Address, Documents, ReadError,
    testing::{Access, Server},
};
use domain::{Collection, ExperimentId};
use lossy::Lossy;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Document, DocumentKey, Store, Waiting, testing::TestDatabase};
use tasks::Tasks;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the slowest of these waits may take; nothing takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that carries documents over. It stops when it is dropped.
struct Process {
    documents: Documents,
    tasks: Tasks,
}

impl Process {
    fn start(store: &Store, url: &str, keep: Option<TimeDelta>) -> Self {
        let documents = Documents::relayed(store.clone(), Address::parse(url).expect("an address"));
        let tasks = Tasks::new(CancellationToken::new());
        documents.relay(keep, &tasks);
        Self { documents, tasks }
    }

    async fn stop(self) {
        self.tasks.stop().cancel();
        self.tasks.ended().await;
    }

    fn failures(&self) -> u64 {
        self.tasks.status().iter().map(|status| status.failures).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "{what}: not in time");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn waiting(store: &Store) -> Waiting {
    store.waiting_documents().await.expect("an answer")
}

async fn all_carried(store: &Store) {
    until("all is carried over", async || waiting(store).await.count == 0).await;
}

fn body(collection: Collection, number: usize) -> Value {
    match collection {
        Collection::Measurements => {
            json!({ "robot": "ot2", "well_id": "A1", "reading": { "f1": number, "gain": 0.5 } })
        }
        Collection::RobotCommands => json!({
            "name": "dispense", "step": { "step": "dispense" }, "state": "succeeded", "number": number,
            "intended_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:01Z", "outcome": { "a.$b": [1, null] },
        }),
        Collection::Plates => json!({ "plate_id": Uuid::now_v7(), "robot_id": Uuid::now_v7(), "wells": [] }),
    }
}

/// So many documents of each kind, of one experiment.
async fn write(store: &Store, count: usize) -> (ExperimentId, Vec<Document>) {
    let experiment = ExperimentId::new();
    let mut written = Vec::new();
    for number in 0..count {
        for collection in [Collection::Measurements, Collection::RobotCommands, Collection::Plates] {
            let key = DocumentKey { collection, id: Uuid::now_v7() };
            written.push((key, Some(experiment), body(collection, number)));
        }
    }
    for some in written.chunks(300) {
        store.keep_documents(some.to_vec()).await;
    }
    let mut documents = Vec::new();
    while documents.len() < written.len() {
        let after = documents.last().map(|document: &Document| document.key);
        let page = store.documents(experiment, after, 1_000).await.expect("documents");
        assert!(!page.is_empty());
        documents.extend(page);
    }
    (experiment, documents)
}

/// Each of them is in the server's collections, once, and nothing else is.
async fn each_is_there_once(server: &Server, documents: &[Document]) {
    for collection in Collection::ALL {
        let of_it = documents.iter().map(|document| document.key).filter(|key| key.collection == *collection);
        let mut expected: Vec<_> = of_it.map(|key| key.id).collect();
        expected.sort();
        let there = server.ids(collection.as_str()).await;
        assert_eq!(there.len(), expected.len(), "{collection}");
        assert!(there == expected, "{collection}: other ids");
    }
}

async fn read_all(documents: &Documents, experiment: ExperimentId, page: u32) -> Vec<Document> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = documents.of_experiment(experiment, after, page).await.expect("a page");
        all.extend(page.data);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// Times are kept to the millisecond there.
fn same(found: &[Document], written: &[Document]) {
    assert_eq!(found.len(), written.len());
    for (found, written) in found.iter().zip(written) {
        assert_eq!((found.key, &found.body), (written.key, &written.body));
        assert_eq!(found.at.timestamp_millis(), written.at.timestamp_millis());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_carried_over_and_reads_the_same_before_and_after() {
    for database in [TestDatabase::sqlite().await, TestDatabase::postgres().await] {
        let (server, store) = (Server::start().await, &database.store);
        let (experiment, written) = write(store, 150).await;
        same(&read_all(&Documents::embedded(store.clone()), experiment, 200).await, &written);
        let process = Process::start(store, &server.url(), None);
        // While some are here, some there, and some perhaps in both.
        until("some are carried over", async || waiting(store).await.count < 450).await;
        same(&read_all(&process.documents, experiment, 7).await, &written);
        all_carried(store).await;
        each_is_there_once(&server, &written).await;
        same(&read_all(&process.documents, experiment, 200).await, &written);
        assert_eq!(process.documents.waiting().await.expect("an answer"), Some(Waiting::default()));
        // Woken by a commit, not by the next look.
        let (_, more) = write(store, 1).await;
        all_carried(store).await;
        each_is_there_once(&server, &[written, more].concat()).await;
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_have_their_kind_rules_and_indexes() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let process = Process::start(&database.store, &server.url(), None);
    write(&database.store, 1).await;
    all_carried(&database.store).await;
    let lab = server.client().await.expect("a client").database("lab");
    let kinds = server.collections().await;
    assert!(kinds["measurements"].contains("timeseries") && kinds["measurements"].contains("\"meta\""), "{kinds:?}");
    for rules in [&kinds["robot_commands"], &kinds["plates"]] {
        assert!(rules.contains("$jsonSchema") && !rules.contains("timeseries"), "{rules}");
    }
    for collection in Collection::ALL {
        let names = lab.collection::<mongodb::bson::Document>(collection.as_str()).list_index_names().await;
        let names = names.expect("indexes");
        assert!(names.iter().any(|name| name.starts_with("meta.experiment_id_1")), "{collection}: {names:?}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_has_each_once() {
    let (mut server, database) = (Server::start().await, TestDatabase::postgres().await);
    let store = &database.store;
    let (_, written) = write(store, 1_000).await;
    let process = Process::start(store, &server.url(), None);
    for left in [2_600, 1_800, 900] {
        until("it is in the middle", async || waiting(store).await.count < left).await;
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.start_again().await;
    }
    all_carried(store).await;
    each_is_there_once(&server, &written).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_down_documents_wait_and_are_read_as_far_as_they_are_here() {
    let (mut server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let store = &database.store;
    server.kill();
    let process = Process::start(store, &server.url(), None);
    let (experiment, written) = write(store, 3).await;
    until("it has tried", async || process.failures() > 0).await;
    let told = waiting(store).await;
    assert_eq!((told.count, told.refused, told.oldest), (9, 0, written.iter().map(|document| document.at).min()));
    let error = process.documents.of_experiment(experiment, None, 10).await.expect_err("it is down");
    assert!(matches!(error, ReadError::Unreachable(_)), "{error}");
    server.start_again().await;
    all_carried(store).await;
    each_is_there_once(&server, &written).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_steps_down_and_answers_that_are_lost_double_nothing() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let store = &database.store;
    let lossy = Lossy::before(server.port()).await;
    let (_, written) = write(store, 300).await;
    // Otherwise the driver would ask where the server really is, and go there.
    let url = format!("{}&directConnection=true", server.url_at(&lossy.address()));
    let process = Process::start(store, &url, None);
    for round in 0..3 {
        until("it goes on", async || waiting(store).await.count < 850 - round * 250).await;
        // Twice: the driver itself tries once more.
        let stepped_down = mongodb::bson::doc! { "failCommands": ["insert", "update"], "errorCode": 10_107 };
        server.fail(mongodb::bson::doc! { "times": 2 }, stepped_down).await;
        // The server does what it is told, and nobody hears of it.
        lossy.lose_answers_for(Duration::from_millis(1_500)).await;
    }
    all_carried(store).await;
    assert!(lossy.lost() > 0, "no answer was lost");
    each_is_there_once(&server, &written).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stood_still_does_what_it_was_told_once() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let store = &database.store;
    let process = Process::start(store, &server.url(), None);
    let (_, first) = write(store, 1).await;
    all_carried(store).await;
    let (_, second) = {
        server.freeze();
        let written = write(store, 20).await;
        until("it has given up", async || process.failures() > 0).await;
        server.thaw();
        written
    };
    all_carried(store).await;
    each_is_there_once(&server, &[first, second].concat()).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_processes_one_carries_and_another_takes_over() {
    let (server, database) = (Server::start().await, TestDatabase::postgres().await);
    let (_, first) = write(&database.store, 200).await;
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Process::start(&database.another().await, &server.url(), None));
    }
    all_carried(&database.store).await;
    let (_, second) = write(&database.store, 100).await;
    for process in processes.drain(..2) {
        process.stop().await;
    }
    all_carried(&database.store).await;
    each_is_there_once(&server, &[first, second].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_set_aside_and_holds_up_nothing() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let store = &database.store;
    let strange = DocumentKey { collection: Collection::RobotCommands, id: Uuid::now_v7() };
    store.keep_documents(vec![(strange, None, json!({ "no": "command" }))]).await;
    let (_, written) = write(store, 2).await;
    let process = Process::start(store, &server.url(), None);
    until("the others are carried over", async || waiting(store).await.count == 1).await;
    until("it is set aside", async || waiting(store).await.refused == 1).await;
    each_is_there_once(&server, &written).await;
    assert_eq!(
        store.document(strange.collection, strange.id).await.expect("an answer"),
        Some(json!({ "no": "command" }))
    );
    assert_eq!(process.failures(), 0);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_written_again_takes_the_place_of_the_first() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let store = &database.store;
    let process = Process::start(store, &server.url(), None);
    let key = DocumentKey { collection: Collection::RobotCommands, id: Uuid::now_v7() };
    for state in ["in_doubt", "settled"] {
        let mut body = body(key.collection, 1);
        body["state"] = json!(state);
        store.keep_documents(vec![(key, None, body)]).await;
        all_carried(store).await;
    }
    let there = server.documents(key.collection.as_str()).await;
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].get_document("body").expect("a body").get_str("state").ok(), Some("settled"));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_date_is_forgotten_there() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let store = &database.store;
    let process = Process::start(store, &server.url(), None);
    write(store, 2).await;
    all_carried(store).await;
    process.stop().await;
    // Until then nothing is out of date; a millisecond later everything is.
    sleep(Duration::from_millis(20)).await;
    let process = Process::start(store, &server.url(), Some(TimeDelta::milliseconds(10)));
    until("it is forgotten", async || {
        let mut left = 0;
        for collection in Collection::ALL {
            left += server.ids(collection.as_str()).await.len();
        }
        left == 0
    })
    .await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_and_a_replica_set_are_named_and_the_primary_found() {
    let (server, database) = (Server::start().await, TestDatabase::sqlite().await);
    let hosts = format!("127.0.0.1:1,127.0.0.1:{},127.0.0.1:2", server.port());
    let url = format!("{}&replicaSet=secantus", server.url_at(&hosts));
    let (_, written) = write(&database.store, 2).await;
    let process = Process::start(&database.store, &url, None);
    all_carried(&database.store).await;
    each_is_there_once(&server, &written).await;
    process.stop().await;
}

/// A certificate of its own for 127.0.0.1, in `directory`.
fn certify(directory: &std::path::Path) {
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab \
                     -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:false -keyout key.pem -out cert.pem";
    let made = std::process::Command::new("openssl").args(arguments.split_whitespace()).current_dir(directory).output();
    let made = made.expect("openssl can be started");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_with_a_password_that_nobody_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    certify(directory.path());
    let certificate = directory.path().join("cert.pem");
    let tls = format!("&tls=true&tlsCAFile={}", certificate.display());
    let arguments = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"];
    let access = Access { user: String::new(), options: tls.clone() };
    let server = Server::start_in(directory, &arguments, access).await;
    let lab = server.client().await.expect("a client").database("lab");
    let user =
        mongodb::bson::doc! { "createUser": "lab", "pwd": "s3cr@t", "roles": [{ "role": "readWrite", "db": "lab" }] };
    lab.run_command(user).await.expect("a user");
    let options = format!("{tls}&authSource=lab");
    let arguments = [&arguments[..], &["--auth"]].concat();
    let server = server.restart_with(&arguments, Access { user: "lab:s3cr%40t@".to_owned(), options }).await;

    let database = TestDatabase::sqlite().await;
    let (experiment, written) = write(&database.store, 2).await;
    let wrong = server.url().replace("s3cr%40t", "wr0ng");
    let process = Process::start(&database.store, &wrong, None);
    until("it was refused", async || process.failures() > 0).await;
    let status = format!("{:?} {:?}", process.tasks.status(), process.documents);
    let error = process.documents.of_experiment(experiment, None, 10).await.expect_err("a wrong password");
    let said = format!("{status} {error} {error:?}");
    assert!(said.contains("user and password") && !said.contains("wr0ng"), "{said}");
    process.stop().await;

    let process = Process::start(&database.store, &server.url(), None);
    all_carried(&database.store).await;
    each_is_there_once(&server, &written).await;
    process.stop().await;
    let plain = server.url().replace(&tls, "");
    let process = Process::start(&database.store, &plain, None);
    until("it needs TLS", async || process.failures() > 0).await;
    process.stop().await;
}

//! Raw readings and command records in a document store: a real server that is down, killed and deposed while the lab works.

use crate::{
    client::{Client, ask, eight_wells},
    process::{Lab, run, tincture},
};
use documents::testing::Server;
use mongodb::bson::doc;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const FAST: u32 = 600;
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);

fn lab_with(server: &Server) -> Lab {
    Lab::up_with(FAST, vec![("TINCTURE_DOCUMENTS_URL", server.url())])
}

async fn readiness(lab: &Lab) -> Value {
    serde_json::from_str(&ask(&lab.address, "/readyz", "").await.1).expect("JSON")
}

async fn until_nothing_waits(lab: &Lab) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = readiness(lab).await;
        if told["documents"]["waiting"] == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "documents still wait: {told}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// All documents of an experiment, as a program reads them.
async fn read_all(client: &Client, id: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/api/v1/experiments/{id}/documents?limit=200{cursor}")).await;
        all.extend(page["data"].as_array().expect("documents").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn ids(documents: &[Value], collection: &str) -> Vec<String> {
    let of_it = documents.iter().filter(|document| document["collection"] == collection);
    of_it.map(|document| document["id"].as_str().expect("an id").to_owned()).collect()
}

/// What a program reads is what the journal says, each once.
async fn tells_all(client: &Client, id: &str) -> Vec<Value> {
    let documents = read_all(client, id).await;
    let (mut operations, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = client.get(&format!("/api/v1/experiments/{id}/operations?limit=200{cursor}")).await;
        let some = page["data"].as_array().expect("operations").iter();
        operations.extend(some.map(|operation| operation["id"].as_str().expect("an id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let commands = ids(&documents, "robot_commands");
    assert_eq!(commands.len(), operations.len());
    assert_eq!(commands.into_iter().collect::<BTreeSet<_>>(), operations);
    assert_eq!(ids(&documents, "plates"), [id]);
    assert!(ids(&documents, "measurements").len() >= 8, "a reading a well, at least");
    documents
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_goes_to_the_document_store_and_is_read_from_there() {
    let server = Server::start().await;
    let lab = lab_with(&server);
    let client = Client::of(&lab).await;
    let id = client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned();
    client.until_completed(&id).await;
    until_nothing_waits(&lab).await;
    let told = tells_all(&client, &id).await;
    let mut there: Vec<_> = server.ids("measurements").await.iter().map(ToString::to_string).collect();
    there.sort();
    assert_eq!(ids(&told, "measurements"), there);
    let reading = told.iter().find(|document| document["collection"] == "measurements").expect("a reading");
    assert!(reading["body"]["reading"].is_object(), "{reading}");
    let figures = client.text("/metrics").await;
    assert!(figures.contains("tincture_documents_relayed_total{collection=\"measurements\"}"), "{figures}");
    let figures = client.text("/metrics/service").await;
    assert!(figures.contains("tincture_documents_waiting 0"), "{figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_store_that_is_down_killed_or_deposed_holds_up_no_experiment() {
    let mut server = Server::start().await;
    server.kill();
    let lab = lab_with(&server);
    let client = Client::of(&lab).await;
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.push(client.submit(&eight_wells()).await["id"].as_str().expect("an id").to_owned());
    }
    // The first five while it is down all the time.
    for id in &asked[..5] {
        client.until_completed(id).await;
    }
    let told = readiness(&lab).await;
    assert_eq!(told["ready"], true, "{told}");
    assert!(told["documents"]["waiting"].as_u64() > Some(100), "{told}");
    let (status, said) = client.try_get(&format!("/api/v1/experiments/{}/documents", asked[0])).await;
    assert_eq!((status.as_u16(), &said["code"]), (503, &json!("unavailable")), "{said}");
    // Then it comes back, is killed while it is written to, and its primary steps down.
    server.start_again().await;
    let before = readiness(&lab).await["documents"]["waiting"].as_u64().expect("a count");
    let deadline = Instant::now() + PATIENCE;
    while readiness(&lab).await["documents"]["waiting"].as_u64().is_some_and(|left| left + 100 > before) {
        assert!(Instant::now() < deadline, "nothing is carried over");
        tokio::time::sleep(PAUSE).await;
    }
    server.kill();
    server.start_again().await;
    server.fail(doc! { "times": 4 }, doc! { "failCommands": ["insert", "update"], "errorCode": 10_107 }).await;
    for id in &asked[5..] {
        client.until_completed(id).await;
    }
    until_nothing_waits(&lab).await;
    let mut there = server.ids("robot_commands").await;
    let all = there.len();
    there.dedup();
    assert_eq!(there.len(), all, "each once");
    for id in &asked {
        tells_all(&client, id).await;
    }
    let mut readings = server.ids("measurements").await;
    let all = readings.len();
    readings.dedup();
    assert_eq!(readings.len(), all, "each once");
}

#[test]
fn the_address_of_the_document_store_is_shown_to_nobody() {
    let mut command = tincture(&["config"]);
    command.env(
        "TINCTURE_DOCUMENTS_URL",
        "mongodb://lab:s3cret@a,b,c/lab?replicaSet=x&tlsCertificateKeyFilePassword=s3cret",
    );
    let said = run(command);
    assert!(said.stdout.contains("mongodb://lab:****@a,b,c/lab"), "{}", said.stdout);
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = tincture(&["up", "--listen", "127.0.0.1:0", "--robot-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(directory.path()).env("TINCTURE_DOCUMENTS_URL", "mongodb://lab:s3cr@et@db/lab");
    let refused = run(command);
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("documents_url can't be used"), "{}", refused.stderr);
    // An administrator whose password nobody was shown would be there for good.
    let mut list = tincture(&["user", "list"]);
    list.env("TINCTURE_DATA_DIR", directory.path());
    assert_eq!(run(list).stdout, "", "nobody was made");
    for said in [&said.stdout, &said.stderr, &refused.stdout, &refused.stderr] {
        assert!(!said.contains("s3cr"), "{said}");
    }
}

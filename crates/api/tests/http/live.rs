//! Live events: everything once, in order, from anywhere, to the end.

use crate::lab::{Answer, Person, TestLab};
use domain::{Change, ExperimentId, Role, UserId, WellStatus};
use futures::StreamExt;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::time::Duration;
use store::{UserChanges, testing::act};

/// Longer than any of these streams takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq)]
struct Received {
    id: i64,
    kind: String,
    data: Value,
}

fn request(person: &Person<'_>, id: ExperimentId) -> RequestBuilder {
    person.request(Method::GET, &format!("/experiments/{id}/events"))
}

fn parse(text: &str) -> Vec<Received> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim_start().to_owned())
    };
    text.split("\n\n")
        .filter_map(|block| {
            let data = field(block, "data")?;
            Some(Received {
                id: field(block, "id")?.parse().expect("a sequence"),
                kind: field(block, "event")?,
                data: serde_json::from_str(&data).expect("JSON"),
            })
        })
        .collect()
}

#[tokio::test]
async fn a_stream_tells_everything_and_ends_with_the_experiment() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(1).await;
    let response = request(&ada, id).send().await.expect("a stream");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let whole = tokio::spawn(tokio::time::timeout(PATIENCE, response.text()));

    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    lab.finish(&lease, id, &wells).await;
    let live = parse(&whole.await.expect("joined").expect("the stream ends by itself").expect("text"));
    let sequences: Vec<_> = live.iter().map(|event| event.id).collect();
    assert_eq!(sequences, (1..=live.len() as i64).collect::<Vec<_>>(), "no gap, no repeat");
    let last = live.iter().rfind(|event| event.kind == "status").expect("a status");
    assert_eq!(last.data["status"], "completed");
    assert!(live.iter().any(|event| event.kind == "result" && event.data["srgb"] == "#a0522d"));

    let replayed = parse(&request(&ada, id).send().await.expect("a stream").text().await.expect("text"));
    assert_eq!(replayed, live, "later it is the same story");
    let middle = live.len() as i64 / 2;
    let resumed = request(&ada, id).header("last-event-id", middle).send().await.expect("a stream");
    let resumed = parse(&resumed.text().await.expect("text"));
    assert_eq!(resumed.first().map(|event| event.id), Some(middle + 1));
    assert_eq!(resumed.len() as i64, live.len() as i64 - middle);
    let done = request(&ada, id).header("last-event-id", live.len());
    assert_eq!(Answer::of(done).await.status, 204, "so that a browser stops asking");
    Answer::of(request(&ada, id).header("last-event-id", "x")).await.problem(422, "invalid-request");
}

#[tokio::test]
async fn events_of_another_process_arrive_too() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(1).await;
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    let mut stream = request(&ada, id).send().await.expect("a stream").bytes_stream();
    let elsewhere = lab.database.another().await;
    let change = Change::Well { id: wells[0], to: WellStatus::Dispensing, fault: None };
    let entry = store::Entry { changes: vec![change], ..store::Entry::default() };
    elsewhere.commit(&lease, entry).await.expect("committed");
    let arrives = async {
        let mut text = String::new();
        while !text.contains("dispensing") {
            text.push_str(&String::from_utf8_lossy(&stream.next().await.expect("goes on").expect("a chunk")));
        }
    };
    tokio::time::timeout(PATIENCE, arrives).await.expect("the other process's event");
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_to_be_told_still_beats() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(1).await;
    let mut stream = request(&ada, id).send().await.expect("a stream").bytes_stream();
    let mut text = String::new();
    let beats = async {
        while text.lines().filter(|line| line.starts_with(':')).count() < 2 {
            text.push_str(&String::from_utf8_lossy(&stream.next().await.expect("goes on").expect("a chunk")));
        }
    };
    tokio::time::timeout(PATIENCE, beats).await.expect("two heartbeats");
    assert!(parse(&text).len() <= 2, "and they are no events: {text}");
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(1).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let response = request(&ada, id).send().await.expect("a stream");
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    Answer::of(request(&ada, id)).await.problem(429, "too-many-requests");
    lab.api.close_streams();
    for response in open {
        tokio::time::timeout(PATIENCE, response.text()).await.expect("ends").expect("text");
    }
}

/// Streams of two people, one of whom may not follow any more. Hers ends in time, the other's goes on.
async fn only_hers_ends(lab: &TestLab, may_not: impl AsyncFnOnce(UserId)) {
    let (ada, bob) = (lab.person("ada", Role::Operator, 20).await, lab.person("bob", Role::Student, 20).await);
    let id = bob.experiment(1).await;
    let hers = request(&ada, id).send().await.expect("a stream");
    let his = request(&bob, id).send().await.expect("a stream");
    assert_eq!((hers.status().as_u16(), his.status().as_u16()), (200, 200));
    let his = tokio::spawn(his.text());
    may_not(ada.id).await;
    tokio::time::timeout(PATIENCE, hers.text()).await.expect("ends").expect("text");
    assert!(!his.is_finished(), "nothing changed for him");
    // Who was let in a moment ago may be once more.
    let refused = async { while request(&ada, id).send().await.expect("an answer").status() == 200 {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("she isn't let in");
}

#[tokio::test]
async fn a_stream_ends_with_the_session_it_was_asked_for_with() {
    let lab = TestLab::new().await;
    only_hers_ends(&lab, async |ada| {
        let done = lab.database.store.set_password(ada, "$argon2id$…", &act("password_changed")).await;
        done.expect("her sessions end");
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_the_role_it_was_asked_for_with() {
    let lab = TestLab::new().await;
    only_hers_ends(&lab, async |ada| {
        let student = UserChanges { role: Some(Role::Student), ..UserChanges::default() };
        lab.database.store.update_user(ada, student, &[]).await.expect("she is no operator any more");
    })
    .await;
}

/// Which is told by nobody on SQLite.
#[tokio::test]
async fn a_stream_ends_when_another_process_ends_its_session() {
    let mut lab = TestLab::new().await;
    let often = lab.api.clone().with_streams_looked_at_every(Duration::from_millis(200));
    lab.serve(often).await;
    only_hers_ends(&lab, async |ada| {
        let elsewhere = lab.database.another().await;
        let disabled = UserChanges { disabled: Some(true), ..UserChanges::default() };
        elsewhere.update_user(ada, disabled, &[]).await.expect("she is signed out");
    })
    .await;
}

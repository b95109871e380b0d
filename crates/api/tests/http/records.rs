//! Robots as records: an administrator adds, changes and removes them; an operator looks whether one is ready.

use crate::lab::TestLab;
use domain::{Deck, DeckSetup, Role};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn setup(name: &str, port: u16) -> Value {
    json!({ "name": name, "url": format!("http://127.0.0.1:{port}"), "sensor": "tcp://127.0.0.1:1" })
}

async fn patch(admin: &crate::lab::Person<'_>, path: &str, body: &Value) -> crate::lab::Answer {
    crate::lab::Answer::of(admin.request(Method::PATCH, path).json(body)).await
}

#[tokio::test]
async fn a_robot_is_added_changed_and_removed() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let made = admin.post("/robots", &setup("bench", 2)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["name"], &made["done"]), (&json!("bench"), &json!(true)));
    assert!(made["notes"][0].as_str().is_some_and(|note| note.contains("no robot answers")), "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();

    let taken = admin.post("/robots", &setup("bench", 3)).await.problem(409, "illegal-transition");
    assert!(taken["detail"].as_str().is_some_and(|detail| detail.contains("of this name")), "{taken}");
    let read = admin.get("/robots/bench/setup").await.json();
    let deck: DeckSetup = serde_json::from_value(read["deck"].clone()).expect("a deck");
    assert_eq!(deck.deck(), Ok(Deck::default()), "what is read can be sent");

    // Everything that speaks against it, each with its place.
    let mut wrong = read["deck"].clone();
    wrong["slots"][0]["labware"] = json!("corning_24_wellplate_3.4ml_flat");
    wrong["slots"][2]["slot"] = json!(3);
    let refused = patch(&admin, "/robots/bench", &json!({ "url": "ftp://x", "deck": wrong })).await;
    let errors = refused.problem(422, "invalid-request")["errors"].clone();
    let places: Vec<_> =
        errors.as_array().expect("errors").iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(places, ["url", "slot 3", "slot 1"], "{errors}");

    let mut green = read["deck"].clone();
    green["slots"][1]["dyes"][2]["name"] = json!("green");
    let change = json!({ "name": "window", "deck": green });
    let shown = patch(&admin, "/robots/bench?dry_run=true", &change).await.json();
    assert_eq!(shown["done"], false);
    assert_eq!(shown["changes"][0]["after"], "window");
    assert_eq!((&shown["changes"][1]["at"], &shown["changes"][1]["forgets"]), (&json!("vial B3"), &json!(true)));
    let lossy = patch(&admin, "/robots/bench", &change).await.problem(409, "illegal-transition");
    assert!(lossy["detail"].as_str().is_some_and(|detail| detail.contains("vial B3")), "{lossy}");
    assert_eq!(admin.get("/robots/bench").await.status, StatusCode::OK, "nothing was changed");
    let done = patch(&admin, "/robots/bench?replace=true", &change).await.json();
    assert_eq!((&done["done"], done["id"].as_str()), (&json!(true), Some(id.as_str())));
    let now = admin.get("/robots/window").await.json();
    assert_eq!(now["limits"]["dyes"], json!(["red", "yellow", "green"]));
    let same = patch(&admin, "/robots/window", &json!({})).await.json();
    assert_eq!((&same["done"], &same["changes"]), (&json!(false), &json!([])));

    assert_eq!(admin.delete("/robots/window").await.status, StatusCode::NO_CONTENT);
    assert_eq!(admin.get("/robots/window").await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get(&format!("/robots/{id}")).await.status, StatusCode::NOT_FOUND);
    let log = admin.get("/activity?limit=3").await.json();
    let acts: Vec<_> = log["data"].as_array().expect("lines").iter().map(|line| &line["action"]).collect();
    assert_eq!(acts, ["robot_removed", "robot_changed", "robot_renamed"]);
}

#[tokio::test]
async fn a_robot_that_experiments_hold_or_wait_for_isnt_removed() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 10).await;
    let waiting = admin.experiment(1).await;
    let refused = admin.delete("/robots/one").await.problem(409, "illegal-transition");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("no other robot can mix")), "{refused}");
    admin.post("/robots", &setup("two", 2)).await;
    let lease = lab.lane().await;
    lab.start(&lease, waiting).await;
    let refused = admin.delete("/robots/one").await.problem(409, "illegal-transition");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("haven't ended")), "{refused}");
    assert_eq!(admin.get("/robots/one").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_operator_looks_whether_a_robot_is_ready_and_sets_nothing_up() {
    let lab = TestLab::new().await;
    let operator = lab.person("olga", Role::Operator, 0).await;
    let check = operator.post("/robots/one/check", &json!({})).await;
    assert_eq!(check.status, StatusCode::OK, "{}", check.text);
    let check = check.json();
    assert_eq!(check["ready"], false, "nothing is at its address");
    let findings = check["findings"].as_array().expect("findings");
    let found = |what: &str| findings.iter().find(|finding| finding["what"] == what).expect("a line");
    assert!(found("reachable")["remedy"].as_str().is_some_and(|remedy| remedy.contains("switched on")));
    assert_eq!((&found("deck")["fine"], &found("sensor")["fine"]), (&json!(true), &json!(false)));
    operator.get("/robots/one/setup").await.problem(403, "not-allowed");
    patch(&operator, "/robots/one", &json!({ "name": "x" })).await.problem(403, "not-allowed");
    operator.delete("/robots/one").await.problem(403, "not-allowed");
}

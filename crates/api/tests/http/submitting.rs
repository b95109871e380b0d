//! Asking for wells: charged once, stored once, returned when it doesn't run.

use crate::lab::{Answer, TestLab, ochre};
use domain::{Deck, Role};
use request::Changes;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_accepted_experiment_looks_as_the_contract_says() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let answer = ada.post("/experiments", &ochre(2)).await;
    assert_eq!(answer.status, 201);
    let created = answer.json();
    assert_eq!(created["quota_remaining"], 8);
    assert_eq!((created["status"].as_str(), created["name"].as_str()), (Some("queued"), Some("ochre")));
    assert_eq!(answer.header("location"), format!("/api/v1/experiments/{}", created["id"].as_str().expect("id")));
    assert_eq!(created["progress"]["queue_position"], 1);
    let read = lab.client.get(format!("{}{}", lab.base, answer.header("location"))).bearer_auth(&ada.token);
    let read = Answer::of(read).await.json();
    insta::assert_json_snapshot!(read, {
        ".id" => "[id]", ".user_id" => "[id]", ".created_at" => "[time]", ".wells[].id" => "[id]",
        ".progress.seconds_to_start" => "[seconds]",
    });
}

#[tokio::test]
async fn how_liquids_are_handled_is_asked_for_shown_and_checked() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let asked = |handling: Value| {
        let mut body = ochre(1);
        body["handling"] = handling;
        body
    };
    let handling = json!({ "mix": { "repetitions": 3, "volume": 50 }, "tips": "per_dye", "air_gap": 2.5 });
    let made = ada.post("/experiments", &asked(handling)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = ada.get(&format!("/experiments/{}", made.json()["id"].as_str().expect("an id"))).await.json();
    assert_eq!(
        shown["handling"],
        json!({
            "mix": { "repetitions": 3, "volume": 50 }, "tips": "per_dye", "air_gap": 2.5,
            "sentence": "mixed 3 × with 50 µL, 2.5 µL of air behind each dye, a new tip for each dye",
        })
    );
    assert_eq!(shown["plan"]["travel"]["seconds_saved"], 0.0, "one well is where it is");
    assert_eq!(shown["plan"]["pipettes"][0]["model"], "p300_single_gen2");
    assert_eq!(shown["plan"]["pipettes"][0]["mount"], "right");
    let usual = ada.post("/experiments", &asked(json!({ "tips": "reused", "touch_tip": false }))).await.json();
    assert_eq!(usual.get("handling"), None, "as ever");

    let wrong = json!({ "mix": { "repetitions": 0, "volume": 301 }, "air_gap": 21 });
    let problem = ada.post("/experiments", &asked(wrong)).await.problem(422, "invalid-request");
    let pointers: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/handling/mix/repetitions", "/handling/mix/volume", "/handling/air_gap"]);
    for unknown in [json!({ "tips": "washed" }), json!({ "shake": true }), json!({ "air_gap": 0.05 }), json!(null)] {
        assert_eq!(ada.post("/experiments", &asked(unknown.clone())).await.status, 422, "{unknown}");
    }
    assert_eq!(ada.quota().await, 8);
}

#[tokio::test]
async fn a_well_may_aim_at_a_colour() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let asked = |target: Value| {
        let mut body = ochre(2);
        body["wells"][1]["target"] = target;
        body
    };
    for (given, l) in [(json!("#808080"), 53.585), (json!({ "l": 40, "a": -5.5, "b": 12 }), 40.0)] {
        let made = ada.post("/experiments", &asked(given)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        let shown = ada.get(&format!("/experiments/{id}")).await.json();
        assert_eq!(shown["wells"][0].get("target"), None);
        assert!((shown["wells"][1]["target"]["l"].as_f64().expect("a number") - l).abs() < 0.01, "{shown}");
        let csv = ada.get(&format!("/experiments/{id}/results.csv")).await;
        let last: Vec<_> = csv.text.lines().nth(2).expect("a line").rsplit(',').take(4).collect();
        assert!(last[0].is_empty() && last[3].starts_with(&l.to_string()[..2]), "{last:?}");
    }
    for wrong in
        [json!("red"), json!("#8080"), json!({ "l": 101, "a": 0, "b": 0 }), json!({ "l": 1, "a": 0 }), json!(7)]
    {
        let problem = ada.post("/experiments", &asked(wrong.clone())).await.problem(422, "invalid-request");
        let pointer = problem["errors"][0]["pointer"].as_str().expect("a pointer");
        assert!(pointer.starts_with("/wells/1/target"), "{wrong}: {problem}");
    }
    assert_eq!(ada.quota().await, 6);
}

#[tokio::test]
async fn two_clients_spending_the_last_quota_at_once() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 4).await;
    let body = ochre(3);
    let (one, other) = tokio::join!(ada.post("/experiments", &body), ada.post("/experiments", &body));
    let (accepted, refused) = if one.status == 201 { (one, other) } else { (other, one) };
    assert_eq!(accepted.status, 201);
    let problem = refused.problem(403, "quota-exhausted");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("3 wells") && detail.contains("1 are left"))
    );
    assert_eq!(ada.quota().await, 1);
    assert_eq!(ada.get("/experiments").await.json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_repeated_request_makes_one_experiment() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let send = |wells| {
        let request = ada.request(Method::POST, "/experiments").header("idempotency-key", "run-1");
        Answer::of(request.json(&ochre(wells)))
    };
    let (first, again) = (send(2).await, send(2).await);
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    send(3).await.problem(409, "idempotency-conflict");
    assert_eq!(ada.quota().await, 8);
    let bob = lab.person("bob", Role::Student, 10).await;
    let request = bob.request(Method::POST, "/experiments").header("idempotency-key", "run-1").json(&ochre(3));
    assert_eq!(Answer::of(request).await.status, 201, "a key is its owner's");
}

/// A client that lost the answer asks again when much has changed: what was accepted stays accepted.
#[tokio::test]
async fn a_repeated_request_is_known_before_it_is_checked() {
    let lab = TestLab::new().await;
    let (ada, admin) = (lab.person("ada", Role::Operator, 2).await, lab.person("root", Role::Admin, 0).await);
    let send = |priority| {
        let mut body = ochre(2);
        body["priority"] = json!(priority);
        Answer::of(ada.request(Method::POST, "/experiments").header("idempotency-key", "run-1").json(&body))
    };
    let first = send(3).await;
    assert_eq!(first.status, 201, "{}", first.text);

    // Her role gives no priority any more, her quota is spent, and no deck has a dye of hers.
    let change = admin.request(Method::PATCH, &format!("/users/{}", ada.id)).json(&json!({ "role": "student" }));
    assert_eq!(Answer::of(change).await.status, 200);
    let mut deck = Deck::default();
    for (vial, name) in deck.dyes.iter_mut().zip(["green", "pink", "grey"]) {
        vial.name = name.parse().expect("a name");
    }
    lab.redeck(deck).await;
    let again = send(3).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"), "{}", again.text);
    assert_eq!(first.json()["id"], again.json()["id"]);
    send(4).await.problem(409, "idempotency-conflict");
}

#[tokio::test]
async fn pause_resume_and_cancel_in_the_queue() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let id = ada.experiment(4).await;
    let wish = |what: &'static str| {
        let ada = &ada;
        async move { ada.post(&format!("/experiments/{id}/{what}"), &json!({})).await }
    };
    wish("resume").await.problem(409, "illegal-transition");
    assert_eq!(wish("pause").await.json()["status"], "paused");
    assert_eq!(wish("resume").await.json()["status"], "queued");
    let cancelled = wish("cancel").await.json();
    assert_eq!(
        (cancelled["status"].as_str(), cancelled["wells"][0]["status"].as_str()),
        (Some("cancelled"), Some("cancelled"))
    );
    assert!(cancelled["completed_at"].is_string());
    assert_eq!(ada.quota().await, 10, "what didn't run is returned");
    wish("cancel").await.problem(409, "illegal-transition");
}

#[tokio::test]
async fn a_running_experiment_is_cancelled_by_its_worker() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let id = ada.experiment(1).await;
    lab.start(&lab.lane().await, id).await;
    let answer = ada.post(&format!("/experiments/{id}/cancel"), &json!({})).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        (answer.json()["status"].as_str(), answer.json()["requested"].as_str()),
        (Some("running"), Some("cancel"))
    );
}

/// Creating and cancelling costs no quota, but room on a disk.
#[tokio::test]
async fn one_persons_loop_is_slowed_down_and_nobody_elses() {
    let lab = TestLab::with_changes(Changes::per_minute(1)).await;
    let ada = lab.person("ada", Role::Student, 96).await;
    let first = ada.post("/experiments", &ochre(3)).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(first.header("ratelimit-policy"), "\"changes\";q=10;w=600");
    assert_eq!(first.header("ratelimit"), "\"changes\";r=6;t=60", "the request and three wells");
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let cancelled = ada.post(&format!("/experiments/{id}/cancel"), &json!({})).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.header("ratelimit")), (200, "\"changes\";r=5;t=60"));

    let refused = ada.post("/experiments", &ochre(5)).await;
    refused.problem(429, "too-many-requests");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(ada.quota().await, 96, "nothing was charged");
    assert!(ada.get("/experiments").await.status.is_success(), "reading changes nothing");

    let olga = lab.person("olga", Role::Operator, 96).await;
    for somebody in [lab.person("bob", Role::Student, 96).await, olga] {
        let accepted = somebody.post("/experiments", &ochre(5)).await;
        assert_eq!(accepted.status, 201, "{}", accepted.text);
    }
}

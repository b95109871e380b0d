//! Groups over the API: what a teacher sees and steers, what they grant, and what they are told of nothing.

use crate::lab::{Answer, Person, TestLab, ochre};
use api::ApiState;
use auth::{AccountPolicy, Registration};
use domain::Role;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn group(admin: &Person<'_>, name: &str, allowance: i32, reserve: i32) -> String {
    let made = admin.post("/groups", &json!({ "name": name, "allowance": allowance, "reserve": reserve })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["id"].as_str().expect("an id").to_owned()
}

async fn put_in(admin: &Person<'_>, group: &str, people: &[&str], standing: &str) {
    let emails: Vec<_> = people.iter().map(|name| format!("{name}@example.org")).collect();
    let body = json!({ "emails": emails, "standing": standing });
    assert_eq!(admin.post(&format!("/groups/{group}/members"), &body).await.status, 204);
}

async fn ask(person: &Person<'_>, group: &str, wells: i32) -> String {
    let wish = json!({ "wells": wells, "reason": "the last plate was dirty", "group_id": group });
    let asked = person.post("/me/quota/request", &wish).await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    asked.json()["id"].as_str().expect("an id").to_owned()
}

fn ids(list: &Answer) -> Vec<Value> {
    list.json()["data"].as_array().expect("a list").iter().map(|line| line["id"].clone()).collect()
}

#[tokio::test]
async fn a_teacher_sees_and_steers_what_members_do_and_nobody_elses() {
    let mut lab = TestLab::new().await;
    let often = lab.api.clone().with_streams_looked_at_every(Duration::from_millis(200));
    lab.serve(often).await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let (ada, bob) = (lab.person("ada", Role::Student, 0).await, lab.person("bob", Role::Student, 20).await);
    let prof = lab.person("prof", Role::Student, 0).await;
    for halved in ["scope=group", "group_id=", "scope=mine&group_id=x"] {
        prof.get(&format!("/experiments?{halved}")).await.problem(422, "invalid-request");
    }
    let (class, other) = (group(&admin, "Colour 101", 12, 0).await, group(&admin, "Colour 102", 12, 0).await);
    put_in(&admin, &class, &["ada"], "member").await;
    put_in(&admin, &class, &["prof"], "teacher").await;
    put_in(&admin, &other, &["prof", "bob"], "member").await;
    let (hers, his) = (ada.experiment(3).await, bob.experiment(3).await);

    for part in ["", "/results", "/results.csv", "/operations", "/documents", "/download.json"] {
        assert_eq!(prof.get(&format!("/experiments/{hers}{part}")).await.status, 200, "{part}");
        prof.get(&format!("/experiments/{his}{part}")).await.problem(404, "not-found");
        bob.get(&format!("/experiments/{hers}{part}")).await.problem(404, "not-found");
    }
    assert_eq!(ids(&prof.get(&format!("/experiments?scope=group&group_id={class}")).await), [json!(hers)]);
    for closed in [&other, &uuid::Uuid::now_v7().to_string()] {
        prof.get(&format!("/experiments?scope=group&group_id={closed}")).await.problem(404, "not-found");
        prof.get(&format!("/groups/{closed}")).await.problem(404, "not-found");
        prof.get(&format!("/groups/{closed}/members")).await.problem(404, "not-found");
    }
    prof.get("/experiments?scope=all").await.problem(403, "not-allowed");
    assert_eq!((ids(&prof.get("/groups").await), ids(&ada.get("/groups").await)), (vec![json!(class)], vec![]));
    assert_eq!(ids(&admin.get("/groups").await).len(), 2);
    let queue = prof.get("/queue").await.json();
    let shown: Vec<_> =
        queue["data"].as_array().expect("a queue").iter().map(|place| &place["experiment_id"]).collect();
    assert!(shown.contains(&&json!(hers)) && !shown.contains(&&json!(his)), "{queue}");
    let token = prof.post("/tokens", &json!({ "name": "notebook", "scopes": ["read"] })).await.json();
    let token = token["secret"].as_str().expect("a secret").to_owned();
    let by_token = |method, path: String| lab.request(method, &format!("/api/v1{path}")).bearer_auth(&token).send();
    assert_eq!(by_token(Method::GET, format!("/experiments/{hers}")).await.expect("an answer").status(), 200);
    assert_eq!(by_token(Method::GET, format!("/experiments/{his}")).await.expect("an answer").status(), 404);
    assert_eq!(by_token(Method::POST, format!("/experiments/{hers}/pause")).await.expect("an answer").status(), 403);

    for (word, status) in [("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")] {
        assert_eq!(prof.post(&format!("/experiments/{hers}/{word}"), &Value::Null).await.json()["status"], status);
        prof.post(&format!("/experiments/{his}/{word}"), &Value::Null).await.problem(404, "not-found");
    }
    assert_eq!((ada.quota().await, prof.quota().await), (12, 12), "the second is of what they are a member of");
    let again = prof.post(&format!("/experiments/{hers}/retry"), &Value::Null).await.json();
    assert_eq!((ada.quota().await, prof.quota().await), (9, 12), "at its owner's cost: {again}");

    // A stream that a teacher follows ends with the group, and what waits goes on.
    let again = again["id"].as_str().expect("an id").to_owned();
    let stream = prof.request(Method::GET, &format!("/experiments/{again}/events")).send().await.expect("a stream");
    let ended = tokio::spawn(stream.text());
    let own = ada.request(Method::GET, &format!("/experiments/{again}/events")).send().await.expect("a stream");
    assert_eq!(admin.delete(&format!("/groups/{class}/members/{}", ada.id)).await.status, 204);
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends").expect("joined").expect("text");
    prof.get(&format!("/experiments/{again}")).await.problem(404, "not-found");
    prof.post(&format!("/experiments/{again}/cancel"), &Value::Null).await.problem(404, "not-found");
    assert_eq!(ada.get(&format!("/experiments/{again}")).await.json()["status"], "queued");
    drop(own);
    assert_eq!(ada.quota().await, 0);
}

#[tokio::test]
async fn what_is_asked_for_is_granted_once_by_who_teaches_it() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 0).await;
    let (prof, colleague) = (lab.person("prof", Role::Student, 0).await, lab.person("them", Role::Researcher, 0).await);
    let (class, other) = (group(&admin, "Colour 101", 2, 10).await, group(&admin, "Colour 102", 2, 10).await);
    put_in(&admin, &class, &["ada"], "member").await;
    put_in(&admin, &class, &["prof"], "teacher").await;
    put_in(&admin, &other, &["them"], "teacher").await;
    for wrong in [
        json!({ "wells": 0, "reason": "x" }),
        json!({ "wells": 961, "reason": "x" }),
        json!({ "wells": 5, "reason": " " }),
        json!({ "wells": 5, "reason": "x\u{202e}" }),
        json!({ "wells": 5, "reason": "x".repeat(301) }),
    ] {
        ada.post("/me/quota/request", &wrong).await.problem(422, "invalid-request");
    }
    let strangers = json!({ "wells": 5, "reason": "x", "group_id": other });
    ada.post("/me/quota/request", &strangers).await.problem(404, "not-found");
    let request = ask(&ada, &class, 6).await;
    ada.post("/me/quota/request", &json!({ "wells": 5, "reason": "x" })).await.problem(409, "illegal-transition");
    assert_eq!(ids(&prof.get("/quota-requests").await), [json!(request)]);
    for stranger in [&ada, &colleague] {
        assert!(ids(&stranger.get("/quota-requests").await).is_empty());
        for act in ["grant", "refuse"] {
            stranger.post(&format!("/quota-requests/{request}/{act}"), &Value::Null).await.problem(404, "not-found");
        }
    }
    let grant = format!("/quota-requests/{request}/grant");
    assert_eq!(prof.post(&grant, &Value::Null).await.json(), json!({ "wells": 6 }));
    prof.post(&grant, &Value::Null).await.problem(409, "illegal-transition");
    assert_eq!(ada.quota().await, 8);
    let request = ask(&ada, &class, 5).await;
    let spent = prof.post(&format!("/quota-requests/{request}/grant"), &Value::Null).await;
    assert!(spent.problem(409, "illegal-transition")["detail"].as_str().expect("text").contains("4 wells left"));
    assert_eq!(prof.post(&format!("/quota-requests/{request}/refuse"), &Value::Null).await.status, 204);

    let quota = ada.get("/me/quota").await.json();
    assert_eq!((&quota["remaining"], &quota["own"], &quota["groups"][0]["left"]), (&json!(8), &json!(0), &json!(8)));
    assert_eq!((&quota["request"], &quota["decided"]["granted"]), (&Value::Null, &json!(0)));
    let granted = &quota["history"][0];
    assert_eq!((&granted["cause"], &granted["before"], &granted["after"]), (&json!("granted"), &json!(2), &json!(8)));
    assert_eq!((&granted["by"], &granted["note"]), (&json!("prof@example.org"), &json!("the last plate was dirty")));
    let seen = admin.get(&format!("/users/{}/quota", ada.id)).await.json();
    assert_eq!(seen["history"], quota["history"]);
    prof.get(&format!("/users/{}/quota", ada.id)).await.problem(403, "not-allowed");
    assert_eq!(admin.post(&format!("/groups/{class}/refill"), &Value::Null).await.json()["reserve_left"], 10);
    assert_eq!(ada.quota().await, 2);
    assert_eq!(ada.post("/experiments", &ochre(3)).await.problem(403, "quota-exhausted")["status"], 403);
}

#[tokio::test]
async fn groups_are_made_changed_and_removed_and_people_come_in_with_one() {
    let mut lab = TestLab::new().await;
    let policy = AccountPolicy { registration: Registration::Invitation, ..AccountPolicy::default() };
    lab.state.auth = lab.state.auth.clone().with_account_policy(policy).expect("a policy");
    let state = lab.state.clone().with_site("https://lab.example.org".to_owned());
    lab.serve(ApiState::new(state)).await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let class = group(&admin, "Colour 101", 12, 3).await;
    admin.post("/groups", &json!({ "name": "COLOUR 101" })).await.problem(409, "illegal-transition");
    for (wrong, pointer) in [
        (json!({}), "/name"),
        (json!({ "name": "a\u{200b}b" }), "/name"),
        (json!({ "name": "b", "refill": "daily" }), "/refill"),
        (json!({ "name": "b", "time_zone": "Mars/Base" }), "/time_zone"),
        (json!({ "name": "b", "allowance": -1 }), "/quota"),
    ] {
        let problem = admin.post("/groups", &wrong).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let terms = json!({ "refill": "on 2099-09-07, 2099-02-16", "time_zone": "Europe/Zurich" });
    let changed = Answer::of(admin.request(Method::PATCH, &format!("/groups/{class}")).json(&terms)).await.json();
    assert_eq!((&changed["refill"], &changed["name"]), (&json!("on 2099-02-16 2099-09-07"), &json!("Colour 101")));
    assert_eq!(changed["next_refill_at"], "2099-02-15T23:00:00Z");
    let next = admin.post("/groups", &json!({ "name": "Colour 102" })).await.json();
    assert_eq!(next["time_zone"], "Europe/Zurich", "the lab says it once");

    let known = lab.person("known", Role::Student, 7).await;
    let sheet =
        "email,quota,group\nada@example.org,,colour 101\nbob@example.org,5,Colour 101\nknown@example.org,,Colour 101\n";
    let wrong = format!("{sheet}eve@example.org,,Colour 999\n");
    let preview = admin.post("/users/import", &json!({ "sheet": wrong })).await.json();
    assert_eq!(preview["lines"][3]["fate"], "fault");
    let done = admin.post("/users/import", &json!({ "sheet": sheet, "commit": true })).await.json();
    assert_eq!((&done["lines"][0]["fate"], &done["lines"][2]["fate"]), (&json!("new"), &json!("known")));
    let invited = admin.post("/invitations", &json!({ "group": "Colour 101" })).await.json();
    assert_eq!((&invited["group_id"], &invited["quota"]), (&json!(class), &json!(0)));
    admin.post("/invitations", &json!({ "group": "Colour 999" })).await.problem(404, "not-found");
    let secret = invited["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a link");
    let accept = json!({ "secret": secret, "password": crate::lab::PASSWORD, "email": "guest@example.org" });
    assert_eq!(lab.post("/api/v1/auth/link", &accept).await.status, 200);
    let members = admin.get(&format!("/groups/{class}/members")).await.json();
    let mut left: Vec<_> = members["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|member| (member["email"].as_str().expect("text").to_owned(), member["quota_remaining"].as_i64()))
        .collect();
    left.sort();
    let expected = [("ada", 12), ("bob", 17), ("guest", 12), ("known", 19)];
    assert_eq!(left, expected.map(|(name, wells)| (format!("{name}@example.org"), Some(wells))));

    let nobody = json!({ "emails": ["nobody@example.org"] });
    let unknown = admin.post(&format!("/groups/{class}/members"), &nobody).await.problem(422, "invalid-request");
    assert_eq!(unknown["errors"][0]["pointer"], "/emails");
    admin.delete(&format!("/groups/{class}")).await.problem(409, "illegal-transition");
    assert_eq!(admin.delete(&format!("/groups/{class}?members=true")).await.status, 204);
    admin.get(&format!("/groups/{class}")).await.problem(404, "not-found");
    assert_eq!(known.quota().await, 7);
}

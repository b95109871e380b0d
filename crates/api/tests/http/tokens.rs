//! API tokens: made by people, shown by programs.

use crate::lab::{Answer, PASSWORD, Person, TestLab, ochre};
use auth::SESSION_COOKIE;
use domain::Role;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

async fn made(person: &Person<'_>, body: &Value) -> (String, String) {
    let answer = person.post("/tokens", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    let token = answer.json();
    let text = |field: &str| token[field].as_str().expect("text").to_owned();
    (text("id"), text("secret"))
}

async fn with(person: &Person<'_>, scopes: &[&str]) -> (String, String) {
    made(person, &json!({ "name": "notebook", "scopes": scopes })).await
}

fn request(lab: &TestLab, method: Method, path: &str, secret: &str) -> RequestBuilder {
    lab.request(method, &format!("/api/v1{path}")).bearer_auth(secret)
}

async fn get(lab: &TestLab, path: &str, secret: &str) -> Answer {
    Answer::of(request(lab, Method::GET, path, secret)).await
}

#[tokio::test]
async fn a_notebook_asks_with_its_token_alone_and_its_owner_sees_when() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let wish = json!({ "name": " notebook on the lab's laptop ", "scopes": ["experiments", "read"], "days": 30 });
    let (id, secret) = made(&ada, &wish).await;
    assert!(secret.len() == 50 && secret.starts_with("tct_"), "{}", secret.len());
    assert_eq!(get(&lab, "/me", &secret).await.json()["email"], "ada@example.org");
    let asked = Answer::of(request(&lab, Method::POST, "/experiments", &secret).json(&ochre(2))).await;
    assert_eq!((asked.status, asked.json()["quota_remaining"].as_i64()), (StatusCode::CREATED, Some(8)));
    let path = format!("/experiments/{}", asked.json()["id"].as_str().expect("an id"));
    let cancelled = Answer::of(request(&lab, Method::POST, &format!("{path}/cancel"), &secret)).await;
    assert_eq!(cancelled.status, StatusCode::OK);
    let events = get(&lab, &format!("{path}/events"), &secret).await;
    assert!(events.text.contains("cancelled"), "{}", events.text);

    lab.state.auth.settle().await.expect("written");
    let listed = ada.get("/tokens").await;
    let token = listed.json()["data"][0].clone();
    assert_eq!((&token["id"], &token["user_id"]), (&json!(id), &json!(ada.id)));
    assert_eq!((&token["name"], &token["expired"]), (&json!("notebook on the lab's laptop"), &json!(false)));
    assert_eq!(token["scopes"], json!(["read", "experiments"]));
    assert!(token["last_used_at"].is_string(), "{token}");
    assert!(!listed.text.contains(&secret) && !listed.text.contains("hash"), "shown once");
}

#[tokio::test]
async fn a_token_is_for_its_scopes_and_says_which_it_lacks() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let (_, reads) = with(&ada, &["read"]).await;
    let (_, asks) = with(&ada, &["experiments"]).await;
    let refused = Answer::of(request(&lab, Method::POST, "/experiments", &reads).json(&ochre(1))).await;
    let problem = refused.problem(403, "not-allowed");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("experiments")), "{problem}");
    let challenge = refused.header("www-authenticate");
    assert_eq!(challenge, r#"Bearer realm="tincture", error="insufficient_scope", scope="experiments""#);
    get(&lab, "/experiments", &asks).await.problem(403, "not-allowed");
    for path in ["/tokens", "/me/export"] {
        get(&lab, path, &reads).await.problem(403, "not-allowed");
    }
    let another = request(&lab, Method::POST, "/tokens", &asks).json(&json!({ "name": "x", "scopes": ["read"] }));
    Answer::of(another).await.problem(403, "not-allowed");
}

#[tokio::test]
async fn an_operators_token_is_an_operator_only_where_it_is_for_that() {
    let lab = TestLab::new().await;
    let (ada, admin) = (lab.person("ada", Role::Student, 10).await, lab.person("root", Role::Admin, 10).await);
    let id = ada.experiment(1).await;
    let (_, small) = with(&admin, &["read", "experiments"]).await;
    let (_, large) = with(&admin, &["read", "experiments", "operate"]).await;
    get(&lab, &format!("/experiments/{id}"), &small).await.problem(404, "not-found");
    get(&lab, "/experiments?scope=all", &small).await.problem(403, "not-allowed");
    let first = json!({ "wells": ochre(1)["wells"], "priority": 5 });
    Answer::of(request(&lab, Method::POST, "/experiments", &small).json(&first)).await.problem(403, "not-allowed");
    Answer::of(request(&lab, Method::POST, "/robots/one/pause", &small)).await.problem(403, "not-allowed");

    assert_eq!(get(&lab, &format!("/experiments/{id}"), &large).await.status, 200);
    assert_eq!(Answer::of(request(&lab, Method::POST, "/experiments", &large).json(&first)).await.status, 201);
    assert_eq!(Answer::of(request(&lab, Method::POST, "/robots/one/pause", &large)).await.status, 200);
    for path in ["/users", "/activity"] {
        get(&lab, path, &large).await.problem(403, "not-allowed");
    }
    assert_eq!(get(&lab, "/me", &small).await.json()["role"], "admin", "whose it is, is said as it is");

    // The role counts as it is now.
    let path = format!("/users/{}", admin.id);
    let other = lab.person("ruth", Role::Admin, 0).await;
    let demoted = other.request(Method::PATCH, &path).json(&json!({ "role": "student" }));
    assert_eq!(Answer::of(demoted).await.status, 200);
    Answer::of(request(&lab, Method::POST, "/robots/one/resume", &large)).await.problem(403, "not-allowed");
    get(&lab, &format!("/experiments/{id}"), &large).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_makes_no_token_is_pointed_at() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    for (body, pointer) in [
        (json!({ "name": " ", "scopes": ["read"] }), "/name"),
        (json!({ "name": "x".repeat(61), "scopes": ["read"] }), "/name"),
        (json!({ "name": "evil\u{202e}", "scopes": ["read"] }), "/name"),
        (json!({ "name": "x", "scopes": [] }), "/scopes"),
        (json!({ "name": "x", "scopes": ["operate"] }), "/scopes"),
        (json!({ "name": "x", "scopes": ["admin"] }), "/scopes/0"),
        (json!({ "name": "x", "scopes": ["read"], "days": 0 }), "/days"),
        (json!({ "name": "x", "scopes": ["read"], "days": 366 }), "/days"),
    ] {
        let problem = ada.post("/tokens", &body).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    assert_eq!(ada.get("/tokens").await.json()["data"], json!([]));
}

#[tokio::test]
async fn a_person_has_so_many_and_makes_room_by_revoking() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let mut first = String::new();
    for _ in 0..50 {
        (first, _) = with(&ada, &["read"]).await;
    }
    let more = json!({ "name": "one more", "scopes": ["read"] });
    ada.post("/tokens", &more).await.problem(409, "illegal-transition");
    assert_eq!(ada.get("/tokens").await.json()["data"].as_array().map(Vec::len), Some(50));
    let revoked = Answer::of(ada.request(Method::DELETE, &format!("/tokens/{first}"))).await;
    assert_eq!(revoked.status, 204);
    made(&ada, &more).await;
}

#[tokio::test]
async fn owners_and_administrators_revoke_and_nobody_else() {
    let lab = TestLab::new().await;
    let (ada, bob) = (lab.person("ada", Role::Student, 10).await, lab.person("bob", Role::Operator, 10).await);
    let admin = lab.person("root", Role::Admin, 0).await;
    let (id, secret) = with(&ada, &["read"]).await;
    let (own, _) = with(&ada, &["read"]).await;
    let path = format!("/tokens/{id}");
    Answer::of(bob.request(Method::DELETE, &path)).await.problem(404, "not-found");
    bob.get(&format!("/tokens?user={}", ada.id)).await.problem(403, "not-allowed");
    Answer::of(request(&lab, Method::DELETE, &path, &secret)).await.problem(403, "not-allowed");
    assert_eq!(get(&lab, "/me", &secret).await.status, 200);
    assert_eq!(admin.get("/tokens?user=Ada@example.org").await.json()["data"].as_array().map(Vec::len), Some(2));
    admin.get("/tokens?user=nobody@example.org").await.problem(422, "invalid-request");

    assert_eq!(Answer::of(admin.request(Method::DELETE, &path)).await.status, 204);
    let refused = get(&lab, "/me", &secret).await;
    refused.problem(401, "not-signed-in");
    assert!(refused.header("www-authenticate").contains("invalid_token"));
    Answer::of(admin.request(Method::DELETE, &path)).await.problem(404, "not-found");
    assert_eq!(Answer::of(ada.request(Method::DELETE, &format!("/tokens/{own}"))).await.status, 204);
    assert_eq!(ada.get("/tokens").await.json()["data"], json!([]));

    let log = admin.get("/activity").await;
    let lines = log.json()["data"].as_array().expect("a list").clone();
    let of = |action: &str| lines.iter().filter(|line| line["action"] == action).count();
    assert_eq!((of("api_token_made"), of("api_token_revoked")), (2, 2));
    let revoked = lines.iter().find(|line| line["details"]["token"] == json!(id)).expect("a line");
    assert_eq!((&revoked["user_id"], &revoked["details"]["user"]), (&json!(admin.id), &json!(ada.id)));
    assert!(!log.text.contains("tct_") && !log.text.contains("notebook"), "{}", log.text);
}

#[tokio::test]
async fn a_new_password_and_a_disabled_account_end_tokens_and_signing_out_doesnt() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let (_, secret) = with(&ada, &["read"]).await;
    assert_eq!(lab.post("/api/v1/auth/logout", &json!({ "refresh_token": ada.refresh_token })).await.status, 204);
    assert_eq!(get(&lab, "/me", &secret).await.status, 200, "it is there to outlive a sign-in");
    lab.state.auth.reset_password(ada.id, "another one".into()).await.expect("a new password");
    get(&lab, "/me", &secret).await.problem(401, "not-signed-in");

    let bob = lab.person("bob", Role::Student, 10).await;
    let (_, secret) = with(&bob, &["read"]).await;
    assert_eq!(get(&lab, "/me", &secret).await.status, 200);
    for disabled in [true, false] {
        let body = json!({ "disabled": disabled });
        let path = format!("/users/{}", bob.id);
        assert_eq!(Answer::of(admin.request(Method::PATCH, &path).json(&body)).await.status, 200);
        get(&lab, "/me", &secret).await.problem(401, "not-signed-in");
    }
}

#[tokio::test]
async fn one_that_has_run_out_says_so_and_is_listed() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let (_, secret) = with(&ada, &["read"]).await;
    lab.database.store.run_sql("UPDATE api_tokens SET expires_at = '2026-01-01T00:00:00+00:00'").await;
    let refused = get(&lab, "/me", &secret).await;
    refused.problem(401, "token-expired");
    assert!(refused.header("www-authenticate").contains("expired"));
    assert_eq!(ada.get("/tokens").await.json()["data"][0]["expired"], true);
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let id = ada.experiment(1).await;
    let (token, secret) = with(&ada, &["read"]).await;
    let follow = |secret: &str| request(&lab, Method::GET, &format!("/experiments/{id}/events"), secret).send();
    let opened = follow(&secret).await.expect("a stream");
    let other = follow(&ada.token).await.expect("a stream");
    assert_eq!((opened.status().as_u16(), other.status().as_u16()), (200, 200));
    let other = tokio::spawn(other.text());
    assert_eq!(Answer::of(ada.request(Method::DELETE, &format!("/tokens/{token}"))).await.status, 204);
    tokio::time::timeout(PATIENCE, opened.text()).await.expect("ends").expect("text");
    assert!(!other.is_finished(), "her own sign-in goes on");
}

/// Whoever is a student to a token and an operator by role keeps a stream that was opened so.
#[tokio::test]
async fn a_small_token_of_an_operator_keeps_its_stream() {
    let mut lab = TestLab::new().await;
    let often = lab.api.clone().with_streams_looked_at_every(Duration::from_millis(100));
    lab.serve(often).await;
    let olga = lab.person("olga", Role::Operator, 20).await;
    let id = olga.experiment(1).await;
    let (_, secret) = with(&olga, &["read"]).await;
    let opened =
        request(&lab, Method::GET, &format!("/experiments/{id}/events"), &secret).send().await.expect("a stream");
    let followed = tokio::spawn(opened.text());
    // Some looks at who follows: they come at most once a second.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!followed.is_finished());
}

#[tokio::test]
async fn the_secret_is_in_its_one_answer_and_nowhere_else() {
    telemetry::install_metrics().expect("metrics");
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let (_, secret) = with(&ada, &["read", "experiments"]).await;
    get(&lab, "/me", &secret).await;
    let wrong = format!("{}x", &secret[..49]);
    let mut told = vec![get(&lab, "/me", &wrong).await.text, get(&lab, "/tokens", &secret).await.text];
    told.push(ada.get("/me/export").await.text);
    assert!(told[2].contains("\"table\":\"api_tokens\""), "it says that there is one");
    told.push(lab.get("/metrics").await.text);
    told.push(format!("{:?}", lab.state));
    for text in told {
        assert!(!text.contains(&secret[4..44]), "{text}");
    }
    let cookie = format!("{SESSION_COOKIE}={secret}");
    let request = lab.request(Method::GET, "/api/v1/me").header("cookie", cookie);
    Answer::of(request).await.problem(401, "not-signed-in");
    let as_password = json!({ "email": "ada@example.org", "password": secret });
    lab.post("/api/v1/auth/login", &as_password).await.problem(401, "sign-in-failed");
    assert_ne!(PASSWORD, secret);
}

/// A loop with a token is a loop of its owner.
#[tokio::test]
async fn what_a_token_changes_counts_with_all_else_that_its_owner_does() {
    let lab = TestLab::with_changes(request::Changes::per_minute(1)).await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let (_, secret) = with(&ada, &["experiments"]).await;
    let mut refused = 0;
    for _ in 0..10 {
        let path = "/experiments/00000000-0000-0000-0000-000000000000/cancel";
        let answer = Answer::of(request(&lab, Method::POST, path, &secret)).await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!(refused, 1, "one was spent on making the token");
    ada.post("/experiments", &ochre(1)).await.problem(429, "too-many-requests");
}

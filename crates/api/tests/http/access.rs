//! Who may do what: tokens, cookies, roles, other people's experiments.

use crate::lab::{Answer, PASSWORD, TestLab, ochre};
use auth::{AUDIENCE, ISSUER, SESSION_COOKIE};
use domain::Role;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use store::SigningKey;

fn with_token(lab: &TestLab, token: &str) -> reqwest::RequestBuilder {
    lab.request(Method::GET, "/api/v1/me").bearer_auth(token)
}

/// A token with this lab's claims and its key's id.
async fn forged(lab: &TestLab, key: &EncodingKey, algorithm: Algorithm, subject: &str, expires_in: i64) -> String {
    let now = chrono::Utc::now().timestamp();
    let id = uuid::Uuid::now_v7();
    let claims = json!({ "sub": subject, "role": "admin", "iat": now, "exp": now + expires_in, "iss": ISSUER,
        "aud": AUDIENCE, "jti": id, "sid": id });
    let kid = Some(own_key(lab).await.kid);
    jsonwebtoken::encode(&Header { kid, ..Header::new(algorithm) }, &claims, key).expect("signed")
}

/// The lab's own private key, as somebody with the database would have it.
async fn own_key(lab: &TestLab) -> SigningKey {
    lab.database.store.signing_keys().await.expect("the keys").remove(0)
}

#[tokio::test]
async fn missing_forged_and_expired_tokens_are_told_apart() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let subject = ada.id.to_string();
    let missing = lab.get("/api/v1/me").await;
    missing.problem(401, "not-signed-in");
    assert_eq!(missing.header("www-authenticate"), r#"Bearer realm="tincture""#);

    let mut foreign_key = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    foreign_key.extend([7; 32]);
    let signature_of_another = {
        let (head, _) = ada.token.rsplit_once('.').expect("a JWT");
        format!("{head}.{}", "A".repeat(86))
    };
    let none = format!("eyJhbGciOiJub25lIn0.{}.", ada.token.split('.').nth(1).expect("claims"));
    let own = EncodingKey::from_ed_pem(own_key(&lab).await.private_pem.as_bytes()).expect("a key");
    for token in [
        forged(&lab, &EncodingKey::from_ed_der(&foreign_key), Algorithm::EdDSA, &subject, 600).await,
        forged(&lab, &EncodingKey::from_secret(b"secret"), Algorithm::HS256, &subject, 600).await,
        forged(&lab, &own, Algorithm::EdDSA, &uuid::Uuid::now_v7().to_string(), 600).await,
        // Of her, but of no session of hers.
        forged(&lab, &own, Algorithm::EdDSA, &subject, 600).await,
        signature_of_another,
        none,
        "x".to_owned(),
        "y".repeat(5_000),
    ] {
        let answer = Answer::of(with_token(&lab, &token)).await;
        answer.problem(401, "not-signed-in");
    }
    let expired = forged(&lab, &own, Algorithm::EdDSA, &subject, -1).await;
    let answer = Answer::of(with_token(&lab, &expired)).await;
    answer.problem(401, "token-expired");
    assert!(answer.header("www-authenticate").contains("invalid_token"));
    let basic = lab.request(Method::GET, "/api/v1/me").basic_auth("ada@example.org", Some(PASSWORD));
    Answer::of(basic).await.problem(401, "not-signed-in");
}

#[tokio::test]
async fn signing_in_renewing_and_signing_out() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let wrong = json!({ "email": "ada@example.org", "password": "wrong" });
    lab.post("/api/v1/auth/login", &wrong).await.problem(401, "sign-in-failed");
    let unknown = json!({ "email": "nobody@example.org", "password": PASSWORD });
    lab.post("/api/v1/auth/login", &unknown).await.problem(401, "sign-in-failed");

    let renewed = lab.post("/api/v1/auth/refresh", &json!({ "refresh_token": ada.refresh_token })).await.json();
    assert_eq!((renewed["token_type"].as_str(), renewed["expires_in"].as_i64()), (Some("Bearer"), Some(900)));
    let token = renewed["access_token"].as_str().expect("a token");
    assert_eq!(Answer::of(with_token(&lab, token)).await.json()["email"], "ada@example.org");
    let body = json!({ "refresh_token": renewed["refresh_token"] });
    assert_eq!(lab.post("/api/v1/auth/logout", &body).await.status, 204);
    Answer::of(with_token(&lab, token)).await.problem(401, "not-signed-in");
    lab.post("/api/v1/auth/refresh", &body).await.problem(401, "not-signed-in");
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let lab = TestLab::new().await;
    lab.person("ada", Role::Student, 10).await;
    let wrong = json!({ "email": "ada@example.org", "password": "wrong" });
    for _ in 0..8 {
        lab.post("/api/v1/auth/login", &wrong).await.problem(401, "sign-in-failed");
    }
    let answer = lab.post("/api/v1/auth/login", &wrong).await;
    answer.problem(429, "too-many-requests");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=8;w=86400");
    assert!(answer.header("ratelimit").starts_with("\"sign-in\";r=0;t="), "{}", answer.header("ratelimit"));
}

#[tokio::test]
async fn somebody_elses_experiment_isnt_there() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let bob = lab.person("bob", Role::Researcher, 10).await;
    let operator = lab.person("olga", Role::Operator, 10).await;
    let id = ada.experiment(1).await;
    for path in ["", "/events", "/results", "/results.csv", "/download.json", "/protocol.py", "/protocol.json"] {
        bob.get(&format!("/experiments/{id}{path}")).await.problem(404, "not-found");
    }
    for wish in ["cancel", "pause", "resume"] {
        bob.post(&format!("/experiments/{id}/{wish}"), &json!({})).await.problem(404, "not-found");
    }
    assert_eq!(bob.get("/experiments").await.json()["data"], json!([]));
    bob.get("/experiments?scope=all").await.problem(403, "not-allowed");
    assert_eq!(bob.get("/queue").await.json()["data"][0]["experiment_id"], Value::Null);

    assert_eq!(operator.get(&format!("/experiments/{id}")).await.json()["status"], "queued");
    assert_eq!(operator.get("/experiments?scope=all").await.json()["data"][0]["id"], id.to_string());
    assert_eq!(operator.post(&format!("/experiments/{id}/cancel"), &json!({})).await.status, 200);
    ada.get("/experiments/not-an-id").await.problem(404, "not-found");
    ada.get(&format!("/experiments/{}", uuid::Uuid::now_v7())).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_cookie_reads_but_acts_only_from_our_own_pages() {
    let lab = TestLab::new().await;
    lab.person("ada", Role::Student, 10).await;
    let session =
        lab.state.auth.start_cookie_session("ada@example.org", PASSWORD.into(), None).await.expect("signed in");
    let cookie = format!("{SESSION_COOKIE}={}", session.token.expose());
    let request = |method, path: &str| lab.request(method, path).header("cookie", &cookie);
    assert_eq!(Answer::of(request(Method::GET, "/api/v1/me")).await.json()["email"], "ada@example.org");
    let post = || request(Method::POST, "/api/v1/experiments").json(&ochre(1));
    Answer::of(post().header("origin", "https://evil.example")).await.problem(403, "not-allowed");
    Answer::of(post().header("sec-fetch-site", "cross-site")).await.problem(403, "not-allowed");
    assert_eq!(Answer::of(post().header("sec-fetch-site", "same-origin")).await.status, 201);
    assert_eq!(Answer::of(post().header("origin", &lab.base)).await.status, 201);
}

#[tokio::test]
async fn administrators_and_nobody_else_look_after_accounts() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 10).await;
    let bob = lab.person("bob", Role::Operator, 0).await;
    let new = json!({ "email": "Eve@Example.org", "password": "long enough" });
    bob.post("/users", &new).await.problem(403, "not-allowed");
    bob.get("/users").await.problem(403, "not-allowed");

    let made = admin.post("/users", &new).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        (made.json()["role"].as_str(), made.json()["email"].as_str()),
        (Some("student"), Some("eve@example.org"))
    );
    assert!(!made.text.contains("argon2"), "no hash leaves the server");
    admin.post("/users", &new).await.problem(409, "email-taken");
    let short = json!({ "email": "fay@example.org", "password": "short" });
    let problem = admin.post("/users", &short).await.problem(422, "invalid-request");
    assert_eq!(problem["errors"][0]["pointer"], "/password");

    let patch = |id: String, body: Value| Answer::of(admin.request(Method::PATCH, &format!("/users/{id}")).json(&body));
    assert_eq!(patch(bob.id.to_string(), json!({ "quota": 5, "role": "student" })).await.json()["role"], "student");
    assert_eq!(bob.quota().await, 5);
    bob.get("/experiments?scope=all").await.problem(403, "not-allowed");
    patch(bob.id.to_string(), json!({ "quota": -1 })).await.problem(422, "invalid-request");
    patch(bob.id.to_string(), json!({ "role": "king" })).await.problem(422, "invalid-request");
    patch(admin.id.to_string(), json!({ "role": "student" })).await.problem(403, "not-allowed");
    patch(uuid::Uuid::now_v7().to_string(), json!({ "quota": 1 })).await.problem(404, "not-found");

    // All of it or nothing.
    patch(bob.id.to_string(), json!({ "role": "operator", "quota": 1_000_001 })).await.problem(422, "invalid-request");
    let listed = admin.get("/users").await.json();
    let seen = listed["data"].as_array().expect("a list").iter().find(|user| user["id"] == bob.id.to_string());
    assert_eq!(seen.map(|bob| (&bob["role"], &bob["quota_remaining"])), Some((&json!("student"), &json!(5))));

    patch(admin.id.to_string(), json!({ "disabled": true })).await.problem(403, "not-allowed");
    assert_eq!(patch(bob.id.to_string(), json!({ "disabled": true })).await.json()["disabled"], true);
    bob.get("/me").await.problem(401, "not-signed-in");
    let right = json!({ "email": "bob@example.org", "password": PASSWORD });
    lab.post("/api/v1/auth/login", &right).await.problem(403, "not-allowed");
    assert_eq!(patch(bob.id.to_string(), json!({ "disabled": false })).await.json()["disabled"], false);
    assert_eq!(lab.post("/api/v1/auth/login", &right).await.status, 200);
}

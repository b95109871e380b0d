//! Second factors by the API: the two steps of a sign-in, and proving anew who one is.

use crate::lab::{Answer, PASSWORD, TestLab};
use auth::testing::{code_of_now, next_code};
use domain::Role;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_program_signs_in_with_two_steps() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 5).await;
    let offer = Answer::of(ada.request(Method::POST, "/me/totp")).await.json();
    let secret = offer["secret"].as_str().expect("a secret");
    assert!(offer["uri"].as_str().expect("a URI").contains(secret));
    let confirm = async |code: &str| {
        Answer::of(ada.request(Method::POST, "/me/totp/confirm").json(&json!({ "code": code }))).await
    };
    let wrong = confirm("no code").await.problem(422, "invalid-request");
    assert_eq!(wrong["errors"][0]["pointer"], "/code");
    let made = confirm(&code_of_now(secret)).await.json();
    assert_eq!(made["recovery_codes"].as_array().map(Vec::len), Some(10));
    let factors = ada.get("/me/factors").await.json();
    assert_eq!((&factors["recovery_codes_left"], &factors["required"]), (&json!(10), &json!(false)));
    assert!(factors["totp_since"].is_string() && factors["passkeys"] == json!([]));
    Answer::of(ada.request(Method::POST, "/me/totp")).await.problem(409, "illegal-transition");

    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let needed = lab.post("/api/v1/auth/login", &login).await.problem(401, "second-factor-needed");
    assert_eq!(needed["ways"], json!(["totp", "recovery_code"]));
    assert!(needed.get("access_token").is_none());
    let step = |code: &str| json!({ "pending_token": needed["pending_token"], "code": code });
    lab.post("/api/v1/auth/second-factor", &step("000000")).await.problem(401, "sign-in-failed");
    lab.post("/api/v1/auth/second-factor", &json!({ "pending_token": "x" })).await.problem(422, "invalid-request");
    let forged = json!({ "pending_token": ada.token, "code": next_code(secret) });
    lab.post("/api/v1/auth/second-factor", &forged).await.problem(401, "sign-in-failed");
    let tokens = lab.post("/api/v1/auth/second-factor", &step(&next_code(secret))).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    let me =
        lab.request(Method::GET, "/api/v1/me").bearer_auth(tokens.json()["access_token"].as_str().expect("a token"));
    assert_eq!(Answer::of(me).await.json()["email"], "ada@example.org");
    let options = lab.post("/api/v1/auth/passkey/options", &json!({})).await.json();
    let junk = json!({ "challenge": options["challenge"], "credential": {} });
    lab.post("/api/v1/auth/passkey", &junk).await.problem(401, "sign-in-failed");
}

#[tokio::test]
async fn what_is_grave_waits_for_a_proof_and_is_done_then() {
    let lab = TestLab::new().await;
    let root = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 5).await;
    let change = || root.request(Method::PATCH, &format!("/users/{}", ada.id)).json(&json!({ "quota": 7 }));
    assert_eq!(Answer::of(change()).await.status, 200, "right after signing in nobody is asked");
    lab.database.store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
    // What this process remembers of who asks is of a moment ago.
    tokio::time::sleep(store::UNSEEN).await;
    let refused = Answer::of(change()).await;
    assert!(refused.header("www-authenticate").contains("error=\"insufficient_user_authentication\", max_age=\"600\""));
    let refused = refused.problem(403, "fresh-proof-needed");
    assert!(refused["detail"].as_str().expect("words").contains("password"));
    assert_eq!(root.get("/users").await.status, 200, "looking never asks");
    assert_eq!(
        Answer::of(root.request(Method::POST, "/lab/stop")).await.status,
        200,
        "nor does what keeps people safe"
    );
    let prove = async |body: Value| Answer::of(root.request(Method::POST, "/auth/proof").json(&body)).await;
    let wrong = prove(json!({ "password": "wrong horse" })).await.problem(422, "invalid-request");
    assert_eq!(wrong["errors"][0]["pointer"], "/password");
    prove(json!({ "code": "123456" })).await.problem(422, "invalid-request");
    prove(json!({})).await.problem(422, "invalid-request");
    prove(json!({ "password": PASSWORD, "code": "123456" })).await.problem(422, "invalid-request");
    Answer::of(change()).await.problem(403, "fresh-proof-needed");
    assert_eq!(prove(json!({ "password": PASSWORD })).await.status, 204);
    assert_eq!(Answer::of(change()).await.status, 200, "at once");
    let reset = || root.request(Method::DELETE, &format!("/users/{}/factors", ada.id));
    assert_eq!(Answer::of(reset()).await.status, 204);
    ada.get("/me").await.problem(401, "not-signed-in");
}

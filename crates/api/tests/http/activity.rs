//! The activity log: searched, given out, and how far it is sealed.

use crate::lab::TestLab;
use domain::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn the_log_is_searched_by_who_whom_what_when_and_text() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 20).await;
    ada.experiment(1).await;
    let change = json!({ "role": "operator" });
    let path = format!("/users/{}", ada.id);
    let changed = crate::lab::Answer::of(admin.request(reqwest::Method::PATCH, &path).json(&change)).await;
    assert_eq!(changed.status.as_u16(), 200);
    let actions = async |query: &str| {
        let found = admin.get(&format!("/activity?{query}")).await.json();
        let lines = found["data"].as_array().expect("lines").iter();
        lines.map(|line| line["action"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions("user=ada@example.org&action=experiment_created").await, ["experiment_created"]);
    assert_eq!(actions("whom=ada@example.org&limit=1").await, ["role_changed"]);
    assert_eq!(actions(&format!("whom={}&q=OPERATOR", ada.id)).await, ["role_changed"]);
    assert_eq!(actions("action=role_changed&until=2026-01-01").await, [""; 0]);
    assert_eq!(
        actions("action=role_changed&since=2026-01-01&until=2126-01-01T00:00:00%2B01:00").await,
        ["role_changed"]
    );
    for wrong in [
        "user=eve@example.org",
        "whom=x",
        "action=A",
        "action=",
        "since=yesterday",
        "until=1",
        "q=",
        "q=%00",
        "cursor=x",
    ] {
        admin.get(&format!("/activity?{wrong}")).await.problem(422, "invalid-request");
    }
    ada.get("/activity?q=x").await.problem(403, "not-allowed");
}

#[tokio::test]
async fn the_log_is_given_out_and_says_how_far_it_is_sealed() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 20).await;
    assert_eq!(admin.get("/activity/anchor").await.json(), json!({ "anchor": null, "signed": null }));
    // What somebody types where anybody may type, and a spreadsheet would take for a formula.
    let typed = json!({ "email": "=cmd@example.org", "password": "x" });
    lab.post("/api/v1/auth/login", &typed).await;
    lab.database.store.seal_activity().await.expect("sealed");
    let anchor = admin.get("/activity/anchor").await.json();
    let number: i64 = anchor["anchor"].as_str().expect("one").split(':').next().expect("a number").parse().expect("it");
    let signed = anchor["signed"].as_str().expect("a JWT");
    assert_eq!(signed.split('.').count(), 3);
    // It opens nothing.
    let shown = lab.request(reqwest::Method::GET, "/api/v1/me").bearer_auth(signed);
    crate::lab::Answer::of(shown).await.problem(401, "not-signed-in");

    let all = admin.get("/activity/export").await;
    assert_eq!((all.status.as_u16(), all.header("content-type")), (200, "application/jsonl"));
    let lines: Vec<Value> = all.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.last().expect("a line")["number"], 1);
    assert!(lines.iter().any(|line| line["number"] == number), "{}", all.text);
    let csv = admin.get("/activity/export?format=csv").await;
    assert!(csv.header("content-type").starts_with("text/csv"), "{}", csv.header("content-type"));
    assert!(csv.header("content-disposition").contains("tincture-activity.csv"));
    assert_eq!(csv.text.lines().count(), lines.len() + 1, "{}", csv.text);
    assert!(
        csv.text.lines().all(|line| line.split(',').all(|field| !field.starts_with(['=', '\u{ff1d}', '@', '+']))),
        "{}",
        csv.text
    );
    // Whatever a browser makes of it, it runs nothing and stands in nobody's frame.
    for answer in [&csv, &admin.get("/activity/anchor").await, &lab.get("/api/v1/me").await] {
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{answer:?}");
        assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"));
    }
    let some = admin.get("/activity/export?format=csv&action=sign_in_failed").await;
    assert_eq!(some.text.lines().count(), 2, "{}", some.text);
    admin.get("/activity/export?format=xml").await.problem(422, "invalid-request");
    admin.get("/activity/export?user=eve@example.org").await.problem(422, "invalid-request");
    for path in ["/activity/export", "/activity/anchor"] {
        ada.get(path).await.problem(403, "not-allowed");
        lab.get(&format!("/api/v1{path}")).await.problem(401, "not-signed-in");
    }
}

#[tokio::test]
async fn sign_ins_are_listed_and_ended_by_their_person_and_administrators() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 0).await;
    let bob = lab.person("bob", Role::Student, 0).await;
    let again = json!({ "email": "ada@example.org", "password": crate::lab::PASSWORD });
    let tokens = lab.post("/api/v1/auth/login", &again).await.json();
    let other = tokens["access_token"].as_str().expect("a token").to_owned();
    let ask = async |token: &str| {
        let asked = lab.request(reqwest::Method::GET, "/api/v1/me").bearer_auth(token);
        crate::lab::Answer::of(asked.header("user-agent", "notebook/1.0 (x)")).await.status.as_u16()
    };
    assert_eq!(ask(&other).await, 200);
    lab.state.auth.settle().await.expect("written");
    let list = ada.get("/sessions").await.json();
    let lines = list["data"].as_array().expect("a list");
    assert_eq!((lines.len(), &lines[0]["current"], &lines[1]["current"]), (2, &json!(false), &json!(true)));
    assert_eq!((&lines[0]["client"], &lines[0]["ip_address"]), (&json!("notebook"), &json!("127.0.0.1")));
    assert!(lines[0]["last_used_at"].is_string(), "{list}");
    let id = |line: usize| lines[line]["id"].as_str().expect("an id").to_owned();

    bob.get("/sessions?user=ada@example.org").await.problem(403, "not-allowed");
    bob.delete(&format!("/sessions/{}", id(0))).await.problem(404, "not-found");
    ada.delete(&format!("/sessions/{}", id(1))).await.problem(403, "not-allowed");
    ada.delete("/sessions/x").await.problem(404, "not-found");
    assert_eq!(ada.delete(&format!("/sessions/{}", id(0))).await.status.as_u16(), 204);
    assert_eq!(ask(&other).await, 401, "at once");
    assert_eq!(ada.get("/sessions").await.json()["data"].as_array().map(Vec::len), Some(1));

    let tokens = lab.post("/api/v1/auth/login", &again).await.json();
    let other = tokens["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(ada.post("/sessions/end-others", &json!({})).await.status.as_u16(), 204);
    assert_eq!(ask(&other).await, 401);
    let found = admin.get("/sessions?user=ada@example.org").await.json();
    let last = found["data"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(admin.delete(&format!("/sessions/{last}")).await.status.as_u16(), 204);
    ada.get("/me").await.problem(401, "not-signed-in");
    let log = admin.get("/activity?whom=ada@example.org&limit=3").await.json();
    let acts: Vec<_> = log["data"].as_array().expect("lines").iter().map(|line| line["action"].as_str()).collect();
    assert_eq!(acts, [Some("session_ended"), Some("signed_out_elsewhere"), Some("session_ended")]);
}

//! All that is stored of a person: given out to them and to administrators, and made nobody's. And raw documents.

use crate::lab::{PASSWORD, TestLab};
use domain::Role;
use reqwest::Method;
use serde_json::{Value, json};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn an_experiments_documents_are_its_owners_and_come_in_pages() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let bob = lab.person("bob", Role::Student, 20).await;
    let id = ada.experiment(2).await;
    let path = format!("/experiments/{id}/documents");
    assert_eq!(ada.get(&path).await.json(), json!({ "data": [], "next_cursor": null }));
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    lab.finish(&lease, id, &wells).await;
    let found = ada.get(&format!("{path}?limit=1")).await.json();
    let plate = &found["data"][0];
    assert_eq!((plate["collection"].as_str(), plate["id"].as_str()), (Some("plates"), Some(id.to_string().as_str())));
    assert_eq!(plate["body"]["wells"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["next_cursor"], Value::Null);
    let past = format!("{path}?cursor={id}.plates");
    assert_eq!(ada.get(&past).await.json()["data"], json!([]));
    bob.get(&path).await.problem(404, "not-found");
    for wrong in ["nonsense", "01.plates", "00000000-0000-0000-0000-000000000000.nothing"] {
        ada.get(&format!("{path}?cursor={wrong}")).await.problem(422, "invalid-request");
    }
}

#[tokio::test]
async fn a_person_takes_everything_home_and_so_may_administrators() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let bob = lab.person("bob", Role::Operator, 20).await;
    let id = ada.experiment(2).await;
    let theirs = bob.experiment(1).await;
    let lease = lab.lane().await;
    let wells = lab.start(&lease, id).await;
    lab.finish(&lease, id, &wells).await;

    let own = ada.get("/me/export").await;
    assert_eq!((own.status.as_u16(), own.header("content-type")), (200, "application/jsonl"));
    assert!(own.header("content-disposition").contains(&ada.id.to_string()));
    let rows = lines(&own.text);
    assert_eq!(rows[0]["person"], ada.id.to_string());
    assert_eq!(rows.last().expect("a line"), &json!({ "end": true, "rows": rows.len() - 2 }));
    let of =
        |table: &str| rows.iter().filter(|line| line["table"] == table).map(|line| &line["row"]).collect::<Vec<_>>();
    assert_eq!(of("users")[0]["email"], "ada@example.org");
    assert_eq!(of("experiments").iter().map(|row| &row["id"]).collect::<Vec<_>>(), [&json!(id)]);
    assert_eq!((of("wells").len(), of("results").len(), of("documents").len()), (2, 2, 1));
    assert_eq!(of("results")[0]["measurement_data"]["srgb"], "#a0522d");
    assert!(!of("sessions").is_empty() && !of("user_activity_log").is_empty() && !of("events").is_empty());
    assert!(!own.text.contains(&theirs.to_string()) && !own.text.contains("bob@"), "nothing of anybody else");
    assert!(!own.text.contains("argon2") && !own.text.contains("refresh_hash"), "no hash leaves the server");

    let same = admin.get(&format!("/users/{}/export", ada.id)).await;
    assert_eq!(lines(&same.text).len(), rows.len());
    bob.get(&format!("/users/{}/export", ada.id)).await.problem(403, "not-allowed");
    admin.get(&format!("/users/{}/export", uuid::Uuid::now_v7())).await.problem(404, "not-found");
    lab.get("/api/v1/me/export").await.problem(401, "not-signed-in");

    let packed =
        ada.request(Method::GET, "/me/export").header("accept-encoding", "gzip").send().await.expect("an answer");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.expect("it comes to its end").starts_with(&[0x1f, 0x8b]));
}

#[tokio::test]
async fn a_person_is_erased_once_it_is_meant_and_nothing_is_under_way() {
    let lab = TestLab::new().await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 20).await;
    let bob = lab.person("bob", Role::Operator, 0).await;
    let id = ada.experiment(1).await;
    let path = format!("/users/{}/erase", ada.id);
    let meant = json!({ "email": "Ada@example.org" });
    bob.post(&path, &meant).await.problem(403, "not-allowed");
    admin.post(&path, &json!({ "email": "adam@example.org" })).await.problem(422, "invalid-request");
    admin.post(&path, &json!({})).await.problem(422, "invalid-request");
    admin.post(&path, &meant).await.problem(409, "illegal-transition");
    ada.post(&format!("/experiments/{id}/cancel"), &json!({})).await;
    let myself = json!({ "email": "root@example.org" });
    admin.post(&format!("/users/{}/erase", admin.id), &myself).await.problem(403, "not-allowed");

    let done = admin.post(&path, &meant).await;
    assert_eq!(done.status, 204, "{}", done.text);
    ada.get("/me").await.problem(401, "not-signed-in");
    assert!(!admin.get("/activity").await.text.contains("ada@"), "no line of the log names them");
    let right = json!({ "email": "ada@example.org", "password": PASSWORD });
    lab.post("/api/v1/auth/login", &right).await.problem(401, "sign-in-failed");
    let listed = admin.get("/users").await.text;
    assert!(!listed.contains("ada@example.org") && listed.contains(&format!("erased-{}@tincture.invalid", ada.id)));
    assert_eq!(admin.get(&format!("/experiments/{id}")).await.json()["status"], "cancelled");
    admin.post(&path, &meant).await.problem(422, "invalid-request");
    let unknown = format!("/users/{}/erase", uuid::Uuid::now_v7());
    admin.post(&unknown, &meant).await.problem(404, "not-found");
}

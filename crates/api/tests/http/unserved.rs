//! What can't be served now or can't be kept: said at once, and nothing is charged or moved.

use crate::lab::{TestLab, ochre};
use auth::Service;
use domain::Role;
use serde_json::json;
use store::{Options, Store};

#[tokio::test]
async fn text_that_cannot_be_kept_is_refused_before_anything_moves() {
    let lab = TestLab::new().await;
    let olga = lab.person("olga", Role::Operator, 10).await;
    for name in ["a\0b", "a\u{202e}b", "a\u{2066}b", "a\nb", "a\u{200b}b", &"ä".repeat(121)] {
        let mut request = ochre(1);
        request["name"] = json!(name);
        let problem = olga.post("/experiments", &request).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], "/name", "{problem}");
    }
    assert_eq!(olga.quota().await, 10);
    olga.post("/lab/pause", &json!({})).await;
    // Nobody answers at this virtual robot's address: had its vial been filled first, this would be a 502.
    for (field, value) in [("batch", json!("R\0")), ("batch", json!("R".repeat(81))), ("volume", json!(1e6))] {
        let mut refill = json!({ "act": "refill", "vial": "B1" });
        refill[field] = value;
        let problem = olga.post("/robots/one/deck", &refill).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"), "{problem}");
    }
    olga.get("/robots/o%00ne").await.problem(404, "not-found");
    let login = json!({ "email": "a\0b@example.org", "password": "a password for tests" });
    lab.post("/api/v1/auth/login", &login).await.problem(401, "sign-in-failed");
    let admin = lab.person("ann", Role::Admin, 0).await;
    for email in ["e\u{202e}ve@example.org", "e\u{200d}ve@example.org", "e\0ve@example.org"] {
        let account = json!({ "email": email, "password": "a password for tests", "role": "student", "quota": 1 });
        admin.post("/users", &account).await.problem(422, "invalid-request");
    }
}

#[tokio::test]
async fn a_database_that_only_reads_is_unavailable_for_a_while() {
    let lab = TestLab::new().await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let id = ada.experiment(1).await;
    lab.database.store.run_sql("PRAGMA query_only = ON").await;
    for answer in [
        ada.post("/experiments", &ochre(1)).await,
        ada.post(&format!("/experiments/{id}/cancel"), &json!({})).await,
        lab.post("/api/v1/auth/login", &json!({ "email": "ada@example.org", "password": "a password for tests" }))
            .await,
    ] {
        answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), "5");
    }
    assert_eq!(ada.get(&format!("/experiments/{id}")).await.json()["status"], "queued", "it is read as ever");
}

#[tokio::test]
async fn a_full_queue_says_when_to_ask_again() {
    let mut lab = TestLab::new().await;
    let options = Options { queue_limit: 2, ..Options::default() };
    let store = Store::connect(&lab.database.url, options).await.expect("it opens");
    let auth = Service::new(store.clone()).await.expect("auth");
    let state = request::AppState::new(store.clone(), auth, workflow::Lab::new(store));
    lab.serve(api::ApiState::new(state)).await;
    let ada = lab.person("ada", Role::Student, 10).await;
    let second = ochre(1);
    ada.experiment(1).await;
    let created = ada.post("/experiments", &second).await.json();
    assert_eq!(created["progress"]["queue_position"], 2, "{created}");
    let answer = ada.post("/experiments", &second).await;
    answer.problem(503, "queue-full");
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(ada.quota().await, 8);
}

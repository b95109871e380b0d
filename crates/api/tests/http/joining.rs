//! How people come to an account, over the API: forgotten passwords, registration, invitations, a class, many at once.

use crate::lab::{PASSWORD, Person, TestLab};
use api::ApiState;
use auth::{AccountPolicy, Registration};
use domain::Role;
use serde_json::{Value, json};

async fn lab_with(registration: Registration) -> TestLab {
    let mut lab = TestLab::new().await;
    let policy = AccountPolicy { registration, ..AccountPolicy::default() };
    let mut state = lab.state.clone().with_site("https://lab.example.org".to_owned());
    state.auth = state.auth.clone().with_account_policy(policy).expect("a policy");
    lab.state = state.clone();
    lab.serve(ApiState::new(state)).await;
    lab
}

/// The last part of a link that was handed back.
fn secret(url: &Value) -> String {
    let url = url.as_str().expect("a link");
    url.strip_prefix("https://lab.example.org/link/").expect("a link to this lab").to_owned()
}

async fn mailed_secret(lab: &TestLab) -> Option<String> {
    let mail = lab.state.store.take_mail().await.expect("an answer").expect("a mail");
    let letter = lab.state.auth.letter(&mail).await.expect("an answer");
    Some(letter?.secret?.expose().to_owned())
}

async fn sign_in(lab: &TestLab, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    lab.post("/api/v1/auth/login", &body).await.status.as_u16()
}

#[tokio::test]
async fn a_forgotten_password_is_asked_for_without_telling_who_has_an_account() {
    let lab = lab_with(Registration::Closed).await;
    let ada = lab.person("ada", Role::Student, 5).await;
    let token = json!({ "name": "notebook", "scopes": ["read"] });
    let token = ada.post("/tokens", &token).await.json()["secret"].as_str().expect("a secret").to_owned();
    let mut answers = Vec::new();
    for email in ["ada@example.org", "nobody@example.org"] {
        let answer = lab.post("/api/v1/auth/forgot", &json!({ "email": email })).await;
        answers.push((answer.status, answer.text.clone(), answer.headers.len()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 202);
    lab.post("/api/v1/auth/forgot", &json!({ "email": "ada" })).await.problem(422, "invalid-request");
    let secret = mailed_secret(&lab).await.expect("a link");
    assert_eq!(mailed_secret(&lab).await, None);

    let using = |password: &str| json!({ "secret": secret, "password": password });
    let weak = lab.post("/api/v1/auth/link", &using("password1")).await.problem(422, "invalid-request");
    assert_eq!(weak["errors"][0]["pointer"], "/password");
    let used = lab.post("/api/v1/auth/link", &using("three odd words")).await;
    assert_eq!((used.status.as_u16(), used.json()), (200, json!({ "outcome": "password_set" })));
    lab.post("/api/v1/auth/link", &using("three odd words")).await.problem(404, "not-found");
    ada.get("/me").await.problem(401, "not-signed-in");
    let by_token = lab.request(reqwest::Method::GET, "/api/v1/me").bearer_auth(&token).send().await;
    assert_eq!(by_token.expect("an answer").status(), 401, "API tokens end with it");
    assert_eq!(
        (sign_in(&lab, "ada@example.org", PASSWORD).await, sign_in(&lab, "ada@example.org", "three odd words").await),
        (401, 200)
    );
    for _ in 0..3 {
        lab.post("/api/v1/auth/forgot", &json!({ "email": "eve@example.org" })).await;
    }
    lab.post("/api/v1/auth/forgot", &json!({ "email": "eve@example.org" })).await;
    let often = lab.post("/api/v1/auth/forgot", &json!({ "email": "Eve@example.org" })).await;
    often.problem(429, "too-many-requests");
    assert!(!often.header("retry-after").is_empty());
}

#[tokio::test]
async fn people_register_where_they_may() {
    let closed = TestLab::new().await;
    let ask = json!({ "email": "ada@example.org" });
    closed.post("/api/v1/auth/register", &ask).await.problem(403, "not-allowed");

    let ours = lab_with(Registration::Domains(vec!["example.org".to_owned()])).await;
    ours.post("/api/v1/auth/register", &json!({ "email": "ada@example.com" })).await.problem(403, "not-allowed");
    assert_eq!(ours.post("/api/v1/auth/register", &ask).await.status, 202);
    let secret = mailed_secret(&ours).await.expect("a link");
    let used = ours.post("/api/v1/auth/link", &json!({ "secret": secret, "password": PASSWORD })).await.json();
    assert_eq!(used, json!({ "outcome": "account_made" }));
    assert_eq!(sign_in(&ours, "ada@example.org", PASSWORD).await, 200);

    let open = lab_with(Registration::Open).await;
    let admin = open.person("root", Role::Admin, 0).await;
    assert_eq!(open.post("/api/v1/auth/register", &ask).await.status, 202);
    let secret = mailed_secret(&open).await.expect("a link");
    let used = open.post("/api/v1/auth/link", &json!({ "secret": secret, "password": PASSWORD })).await.json();
    assert_eq!(used, json!({ "outcome": "waits" }));
    let waiting = admin.get("/registrations").await;
    assert!(!waiting.text.contains("argon2"), "{}", waiting.text);
    let path = format!("/registrations/{}", waiting.json()["data"][0]["id"].as_str().expect("an id"));
    let approved = admin.post(&format!("{path}/approve"), &json!({ "quota": 3 })).await;
    assert_eq!((approved.status.as_u16(), &approved.json()["quota_remaining"]), (201, &json!(3)));
    admin.post(&format!("{path}/approve"), &json!({})).await.problem(404, "not-found");
    admin.delete(&path).await.problem(404, "not-found");
    assert_eq!(sign_in(&open, "ada@example.org", PASSWORD).await, 200);
}

#[tokio::test]
async fn invitations_are_made_used_listed_and_revoked() {
    let lab = lab_with(Registration::Invitation).await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let wish = json!({ "role": "researcher", "quota": 12, "uses": 2, "days": 7 });
    let made = admin.post("/invitations", &wish).await;
    assert_eq!(made.status, 201);
    let (secret, made) = (secret(&made.json()["url"]), made.json());
    let accept = |email: &str| json!({ "secret": secret, "password": PASSWORD, "email": email });
    lab.post("/api/v1/auth/link", &json!({ "secret": secret, "password": PASSWORD }))
        .await
        .problem(422, "invalid-request");
    lab.post("/api/v1/auth/link", &accept("root@example.org")).await.problem(409, "email-taken");
    assert_eq!(lab.post("/api/v1/auth/link", &accept("ada@example.org")).await.status, 200);
    let listed = admin.get("/invitations").await;
    assert!(!listed.text.contains(&secret) && !listed.text.contains("hash"), "{}", listed.text);
    assert_eq!(listed.json()["data"][0]["uses_left"], 1);
    let path = format!("/invitations/{}", made["id"].as_str().expect("an id"));
    assert_eq!(admin.delete(&path).await.status, 204);
    lab.post("/api/v1/auth/link", &accept("bob@example.org")).await.problem(404, "not-found");
    admin.delete(&path).await.problem(404, "not-found");

    let bound = admin.post("/invitations", &json!({ "email": "Eve@example.org" })).await.json();
    let bound = json!({ "secret": self::secret(&bound["url"]), "password": PASSWORD, "email": "mallory@example.org" });
    assert_eq!(lab.post("/api/v1/auth/link", &bound).await.status, 200);
    assert_eq!(
        (sign_in(&lab, "eve@example.org", PASSWORD).await, sign_in(&lab, "mallory@example.org", PASSWORD).await),
        (200, 401)
    );
    for (wish, pointer) in [
        (json!({ "uses": 0 }), "/uses"),
        (json!({ "uses": 2, "email": "x@example.org" }), "/uses"),
        (json!({ "days": 366 }), "/days"),
        (json!({ "quota": -1 }), "/quota"),
        (json!({ "email": "x" }), "/email"),
        (json!({ "email": "" }), "/email"),
    ] {
        let problem = admin.post("/invitations", &wish).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{wish}");
    }
    admin.post("/invitations", &json!({ "email": "eve@example.org" })).await.problem(409, "email-taken");
    let closed = TestLab::new().await;
    let admin = closed.person("root", Role::Admin, 0).await;
    admin.post("/invitations", &json!({})).await.problem(403, "not-allowed");
}

async fn import(admin: &Person<'_>, sheet: &str, commit: bool) -> crate::lab::Answer {
    admin.post("/users/import", &json!({ "sheet": sheet, "commit": commit })).await
}

#[tokio::test]
async fn a_class_is_imported_whole_and_many_are_changed_at_once() {
    let lab = lab_with(Registration::Closed).await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let sheet = "email,quota\nada@example.org,5\nbob@example.org,\nroot@example.org,\n";
    let preview = import(&admin, &format!("{sheet}nonsense,\n"), false).await.json();
    let fates: Vec<_> = preview["lines"].as_array().expect("lines").iter().map(|line| line["fate"].clone()).collect();
    assert_eq!(
        (fates, &preview["committed"]),
        (vec![json!("new"), json!("new"), json!("known"), json!("fault")], &json!(false))
    );
    let refused = import(&admin, &format!("{sheet}nonsense,\n"), true).await.problem(422, "invalid-request");
    assert_eq!(refused["errors"][0]["pointer"], "/sheet");
    import(&admin, "", true).await.problem(422, "invalid-request");
    assert_eq!(admin.get("/users?q=example").await.json()["data"].as_array().map(Vec::len), Some(1), "nobody came in");
    let done = import(&admin, sheet, true).await.json();
    assert_eq!(done["committed"], true);
    assert_eq!(done["lines"][2]["url"], Value::Null);
    let way_in = json!({ "secret": secret(&done["lines"][0]["url"]), "password": PASSWORD });
    assert_eq!(lab.post("/api/v1/auth/link", &way_in).await.status, 200);
    assert_eq!(sign_in(&lab, "ada@example.org", PASSWORD).await, 200);

    let found = admin.get("/users?q=ADA").await.json();
    let (ada, quota) = (found["data"][0]["id"].clone(), &found["data"][0]["quota_remaining"]);
    assert_eq!((found["data"].as_array().map(Vec::len), quota), (Some(1), &json!(5)));
    let bob = admin.get("/users?q=bob").await.json()["data"][0]["id"].clone();
    admin.get("/users?q=").await.problem(422, "invalid-request");
    let all = json!({ "ids": [ada, bob], "quota": 40, "role": "researcher" });
    assert_eq!(admin.post("/users/bulk", &all).await.status, 204);
    assert_eq!(admin.get("/users?q=bob").await.json()["data"][0]["quota_remaining"], 40);
    admin
        .post("/users/bulk", &json!({ "ids": [ada, uuid::Uuid::now_v7()], "disabled": true }))
        .await
        .problem(404, "not-found");
    assert_eq!(admin.get("/users?q=ada").await.json()["data"][0]["disabled"], false, "all or none");
    for wrong in [json!({ "ids": [], "quota": 1 }), json!({ "ids": [ada] })] {
        admin.post("/users/bulk", &wrong).await.problem(422, "invalid-request");
    }
    let own = json!({ "ids": [ada, admin.id], "disabled": true });
    admin.post("/users/bulk", &own).await.problem(403, "not-allowed");
}

#[tokio::test]
async fn an_administrator_signs_somebody_out_and_gives_them_a_way_in_again() {
    let lab = lab_with(Registration::Closed).await;
    let admin = lab.person("root", Role::Admin, 0).await;
    let ada = lab.person("ada", Role::Student, 5).await;
    let way_in = admin.post(&format!("/users/{}/link", ada.id), &json!({})).await.json();
    assert_eq!(way_in["mailed"], false);
    assert_eq!(ada.get("/me").await.status, 200, "to make a link ends nothing");
    assert_eq!(admin.post(&format!("/users/{}/sign-out", ada.id), &json!({})).await.status, 204);
    let oneself = admin.post(&format!("/users/{}/sign-out", admin.id), &json!({})).await;
    assert_eq!(oneself.status, 403, "an administrator's own sessions end otherwise");
    ada.get("/me").await.problem(401, "not-signed-in");
    let late = json!({ "secret": secret(&way_in["url"]), "password": "three odd words" });
    lab.post("/api/v1/auth/link", &late).await.problem(404, "not-found");
    assert_eq!(sign_in(&lab, "ada@example.org", PASSWORD).await, 200, "the password is as before");
    for act in ["link", "sign-out"] {
        let unknown = format!("/users/{}/{act}", uuid::Uuid::now_v7());
        admin.post(&unknown, &json!({})).await.problem(404, "not-found");
    }
}

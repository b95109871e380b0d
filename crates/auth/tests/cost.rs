//! What it costs to know who asks. A program of its own: statements are counted by the process.

use auth::{Credential, NewAccount, Service, TokenWish};
use domain::{Role, Scope};
use std::time::Duration;
use store::{
    UNSEEN,
    testing::{TestDatabase, cost, direct::statements},
};

const PASSWORD: &str = "correct horse";

/// Statements until somebody is known, afresh.
async fn asked(service: &Service, token: &str) -> u64 {
    // What was known a moment ago isn't any more.
    tokio::time::sleep(UNSEEN + Duration::from_millis(20)).await;
    let before = statements();
    service.authenticate(token).await.expect("somebody");
    statements() - before
}

#[tokio::test]
async fn an_api_token_costs_one_question_as_an_access_token_does_and_its_use_is_written_once_a_minute() {
    let database = TestDatabase::sqlite().await;
    let service = Service::new(database.store.clone()).await.expect("the service");
    let account =
        NewAccount { email: "ada@example.org".into(), password: PASSWORD.into(), role: Role::Student, quota: 10 };
    let ada = service.create_user(account, None, None).await.expect("an account");
    cost::listen();
    let access = service.sign_in("ada@example.org", PASSWORD.into(), None).await.expect("signed in").access_token;
    let asked_of_failures = cost::heard().into_iter().map(|asked| asked.text());
    let asked_of_failures: Vec<_> = asked_of_failures.filter(|text| text.contains("sign_in_failures")).collect();
    let [read] = &asked_of_failures[..] else { panic!("one question, and nothing written: {asked_of_failures:?}") };
    assert!(read.starts_with("SELECT"), "{read}");
    let wish = TokenWish { name: "notebook".to_owned(), scopes: vec![Scope::Read], days: None };
    let (token, secret) = service.create_api_token(&ada, wish, None, None).await.expect("a token");
    let last_used = async || database.store.api_token(token.id).await.expect("an answer").expect("it").last_used_at;

    assert_eq!(asked(&service, access.expose()).await, 1);
    assert_eq!(asked(&service, secret.expose()).await, 1, "its use isn't written while it waits");
    let before = statements();
    let known = service.authenticate(secret.expose()).await.expect("somebody");
    assert_eq!(statements(), before, "and a moment later nothing is asked");
    assert_eq!((known.user_id(), known.role()), (ada.id, Role::Student));
    assert!(matches!(known.shown, Credential::ApiToken { id, .. } if id == token.id));

    service.settle().await.expect("written");
    let first = last_used().await.expect("used");
    for _ in 0..3 {
        assert_eq!(asked(&service, secret.expose()).await, 1);
    }
    let before = statements();
    service.settle().await.expect("nothing to write");
    assert_eq!(statements(), before);
    assert_eq!(last_used().await, Some(first));

    database.store.run_sql("UPDATE api_tokens SET last_used_at = '2026-01-01T00:00:00+00:00'").await;
    asked(&service, secret.expose()).await;
    let written = async {
        while last_used().await < Some(first) {
            tokio::time::sleep(Duration::from_millis(50)).await
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.expect("by itself, a moment later");

    // What is no token costs nothing.
    let before = statements();
    for wrong in ["tct_", &format!("tct_{}", "a".repeat(46)), &secret.expose()[..49]] {
        service.authenticate(wrong).await.expect_err("nobody");
    }
    assert_eq!(statements(), before);
}

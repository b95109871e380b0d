//! What the service promises about sessions, roles and the first administrator, on a real database.

use auth::{AuthError, FIRST_ADMIN_EMAIL, Identity, NewAccount, Service};
use domain::Role;
use std::net::IpAddr;
use store::testing::TestDatabase;
use tokio::task::JoinSet;

const IP: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const PASSWORD: &str = "correct horse";

async fn service(database: &TestDatabase) -> Service {
    Service::new(database.store.clone()).await.expect("the service")
}

async fn with_ada() -> (TestDatabase, Service) {
    let database = TestDatabase::sqlite().await;
    let service = service(&database).await;
    let account =
        NewAccount { email: "Ada@Example.org".into(), password: PASSWORD.into(), role: Role::Admin, quota: 10 };
    service.create_user(account, None, None).await.expect("an account");
    (database, service)
}

async fn identity(service: &Service) -> Identity {
    let session = service.start_cookie_session("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    session.identity
}

#[tokio::test]
async fn an_address_in_any_case_signs_in_and_each_attempt_is_logged() {
    let (database, service) = with_ada().await;
    let tokens = service.sign_in(" ADA@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let identity = service.authenticate(tokens.access_token.expose()).await.expect("who it is");
    assert_eq!(identity.user.email, "ada@example.org");
    for (email, password) in [("ada@example.org", "wrong horse"), ("nobody@example.org", PASSWORD)] {
        assert!(matches!(service.sign_in(email, password.into(), IP).await, Err(AuthError::SignInFailed)));
    }
    let log = database.store.activity(None, None, 50).await.expect("the log").data;
    let of = |action: &str| log.iter().filter(|line| line.action == action).count();
    assert_eq!((of("sign_in"), of("sign_in_failed")), (1, 2));
    assert!(log.iter().filter(|line| line.action.starts_with("sign_in")).all(|line| line.ip_address == IP));
    assert!(!format!("{log:?}").contains("horse"), "no password is ever logged");
}

#[tokio::test]
async fn the_right_password_doesnt_help_a_guesser_who_must_wait() {
    let (_database, service) = with_ada().await;
    for _ in 0..8 {
        let _ = service.sign_in("ada@example.org", "wrong horse".into(), IP).await;
    }
    let throttled = service.sign_in("ada@example.org", PASSWORD.into(), IP).await;
    assert!(matches!(throttled, Err(AuthError::Throttled { .. })), "{throttled:?}");
    service.sign_in("ada@example.org", PASSWORD.into(), None).await.expect("Ada herself, from elsewhere");
}

/// A notebook's many processes, all with the right password.
#[tokio::test]
async fn many_at_once_with_the_right_password_are_all_let_in() {
    let (_database, service) = with_ada().await;
    let mut signing_in = JoinSet::new();
    for _ in 0..30 {
        let service = service.clone();
        signing_in.spawn(async move { service.sign_in("ada@example.org", PASSWORD.into(), IP).await });
    }
    while let Some(signed_in) = signing_in.join_next().await {
        signed_in.expect("a task").expect("signed in");
    }
}

/// Everybody mistypes once, all from one address.
#[tokio::test]
async fn a_class_behind_one_address_signs_in() {
    let (_database, service) = with_ada().await;
    let mut class = JoinSet::new();
    for number in 0..30 {
        let service = service.clone();
        class.spawn(async move {
            let email = format!("student{number}@example.org");
            let account =
                NewAccount { email: email.clone(), password: PASSWORD.into(), role: Role::Student, quota: 10 };
            service.create_user(account, None, None).await.expect("an account");
            assert!(matches!(service.sign_in(&email, "correct house".into(), IP).await, Err(AuthError::SignInFailed)));
            service.sign_in(&email, PASSWORD.into(), IP).await.expect("signed in");
        });
    }
    while let Some(student) = class.join_next().await {
        student.expect("signed in");
    }
}

/// `TINCTURE_TEST_FAILURES=100000` for as many as filled a disk.
#[tokio::test]
async fn a_flood_of_failures_is_a_few_lines_and_keeps_nobody_out() {
    let (database, service) = with_ada().await;
    service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("she was here before");
    let size: u64 = std::env::var("TINCTURE_TEST_FAILURES").map_or(2_000, |size| size.parse().expect("a number"));
    let mut refused = 0;
    for number in 0..size {
        let email = if number % 2 == 0 { "bob@example.org".to_owned() } else { format!("{number}@example.org") };
        match service.sign_in(&email, "wrong horse".into(), IP).await {
            Err(AuthError::SignInFailed) => {}
            Err(AuthError::Throttled(_)) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > size / 2, "{refused}");
    service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("from the same address");
    let elsewhere = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    service.sign_in("ada@example.org", PASSWORD.into(), elsewhere).await.expect("and from elsewhere");
    service.settle().await.expect("written");
    let log = database.store.activity(None, None, 200).await.expect("the log").data;
    let lines: Vec<_> = log.iter().filter(|line| line.action == "sign_in_failed").collect();
    assert!(lines.len() <= 20, "{} lines", lines.len());
    let told: u64 = lines.iter().map(|line| line.details["attempts"].as_u64().unwrap_or(1)).sum();
    assert_eq!(told, size, "none is left out");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_copy_ends_the_session() {
    let (_database, service) = with_ada().await;
    let first = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let second = service.refresh(first.refresh_token.expose(), IP).await.expect("renewed");
    assert!(matches!(service.refresh(first.refresh_token.expose(), IP).await, Err(AuthError::Forged)));
    let after = service.refresh(second.refresh_token.expose(), IP).await;
    assert!(matches!(after, Err(AuthError::Forged)), "the thief and the owner both have to sign in again");
}

#[tokio::test]
async fn kinds_of_tokens_dont_pass_for_each_other() {
    let (_database, service) = with_ada().await;
    let tokens = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let cookie = service.start_cookie_session("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    assert!(matches!(service.by_cookie(tokens.refresh_token.expose()).await, Err(AuthError::Forged)));
    assert!(matches!(service.refresh(cookie.token.expose(), IP).await, Err(AuthError::Forged)));
    assert!(matches!(service.authenticate(tokens.refresh_token.expose()).await, Err(AuthError::Forged)));
    service.by_cookie(cookie.token.expose()).await.expect("its own kind");
}

#[tokio::test]
async fn signing_out_and_a_new_password_end_sessions() {
    let (_database, service) = with_ada().await;
    let start = || service.start_cookie_session("ada@example.org", PASSWORD.into(), IP);
    let (one, other) = (start().await.expect("signed in"), start().await.expect("signed in"));
    service.end_cookie_session(one.token.expose(), IP).await.expect("signed out");
    assert!(matches!(service.by_cookie(one.token.expose()).await, Err(AuthError::Forged)));
    service.end_cookie_session(one.token.expose(), IP).await.expect("twice is no error");

    let wrong = service.change_password(&other.identity, "wrong horse".into(), "battery staple".into(), IP).await;
    assert!(matches!(wrong, Err(AuthError::SignInFailed)));
    service.change_password(&other.identity, PASSWORD.into(), "battery staple".into(), IP).await.expect("changed");
    assert!(matches!(service.by_cookie(other.token.expose()).await, Err(AuthError::Forged)));
    service.sign_in("ada@example.org", "battery staple".into(), IP).await.expect("the new one");
}

#[tokio::test]
async fn a_lost_role_counts_at_once() {
    let (_database, service) = with_ada().await;
    let account =
        NewAccount { email: "bob@example.org".into(), password: PASSWORD.into(), role: Role::Admin, quota: 0 };
    let bob = service.create_user(account, None, None).await.expect("an account");
    let tokens = service.sign_in("bob@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let ada = identity(&service).await;
    service.set_role(&ada, bob.id, Role::Student, IP).await.expect("demoted");
    let now = service.authenticate(tokens.access_token.expose()).await.expect("still signed in");
    assert_eq!(now.role(), Role::Student);
    let own = service.set_role(&ada, ada.user_id(), Role::Student, IP).await;
    assert!(matches!(own, Err(AuthError::OwnRole)), "or the lab could lose its last administrator");
}

#[tokio::test]
async fn a_token_of_one_process_is_good_in_another_of_the_same_database_only() {
    let (database, service) = with_ada().await;
    let tokens = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let second = Service::new(database.another().await).await.expect("another process");
    second.authenticate(tokens.access_token.expose()).await.expect("the same key");
    assert_eq!(second.jwks(), service.jwks());
    let (_elsewhere, foreign) = with_ada().await;
    assert!(matches!(foreign.authenticate(tokens.access_token.expose()).await, Err(AuthError::Forged)));
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let database = TestDatabase::sqlite().await;
    let service = service(&database).await;
    let one_time = service.ensure_first_admin(None).await.expect("made").expect("a password to print");
    assert!(!format!("{one_time:?}").contains(one_time.expose()));
    let tokens = service.sign_in(FIRST_ADMIN_EMAIL, one_time.expose().into(), None).await.expect("signed in");
    let identity = service.authenticate(tokens.access_token.expose()).await.expect("who it is");
    assert_eq!((identity.role(), identity.user.quota_remaining), (Role::Admin, 960));
    assert!(service.ensure_first_admin(Some("another one".into())).await.expect("there is one").is_none());
    assert!(service.sign_in(FIRST_ADMIN_EMAIL, "another one".into(), None).await.is_err());
}

#[tokio::test]
async fn a_given_password_isnt_printed_and_a_bad_one_is_refused() {
    let database = TestDatabase::sqlite().await;
    let service = service(&database).await;
    assert!(matches!(service.ensure_first_admin(Some("short".into())).await, Err(AuthError::InvalidPassword)));
    assert!(service.ensure_first_admin(Some("long enough".into())).await.expect("made").is_none());
    service.sign_in(FIRST_ADMIN_EMAIL, "long enough".into(), None).await.expect("signed in");
}

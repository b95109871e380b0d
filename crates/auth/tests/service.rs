//! What the service promises about sessions, roles and the first administrator, on a real database.

#[path = "service/factors.rs"]
mod factors;

use auth::{AuthError, Credential, FIRST_ADMIN_EMAIL, Identity, NewAccount, Service};
use domain::Role;
use std::net::IpAddr;
use store::{Options, Store, UserChanges, testing::TestDatabase};
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
    let student = UserChanges { role: Some(Role::Student), ..UserChanges::default() };
    service.update_user(Some(&ada), bob.id, student, IP).await.expect("demoted");
    let now = service.authenticate(tokens.access_token.expose()).await.expect("still signed in");
    assert_eq!(now.role(), Role::Student);
    let own = service.update_user(Some(&ada), ada.user_id(), student, IP).await;
    assert!(matches!(own, Err(AuthError::OwnRole)), "or the lab could lose its last administrator");
}

#[tokio::test]
async fn a_token_of_one_process_is_good_in_another_of_the_same_database_only() {
    let (database, service) = with_ada().await;
    let tokens = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let second = Service::new(database.another().await).await.expect("another process");
    second.authenticate(tokens.access_token.expose()).await.expect("the same key");
    assert_eq!(second.keys().jwks().await, service.keys().jwks().await);
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

/// A class that opens the page at once, and a notebook that signs in from many threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_with_the_right_password_are_let_in() {
    let (_database, service) = with_ada().await;
    let at_once: Vec<_> = (0..24)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { service.sign_in("ada@example.org", PASSWORD.into(), IP).await })
        })
        .collect();
    for sign_in in at_once {
        sign_in.await.expect("a task").expect("signed in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_class_behind_one_address_isnt_locked_out_by_its_typing_errors() {
    let (_database, service) = with_ada().await;
    let mut class = Vec::new();
    for number in 0..12 {
        let email = format!("student{number}@example.org");
        let account = NewAccount { email: email.clone(), password: PASSWORD.into(), role: Role::Student, quota: 0 };
        service.create_user(account, None, None).await.expect("an account");
        let service = service.clone();
        class.push(tokio::spawn(async move {
            for _ in 0..2 {
                let mistyped = service.sign_in(&email, "correct hose".into(), IP).await;
                assert!(matches!(mistyped, Err(AuthError::SignInFailed)), "{mistyped:?}");
            }
            service.sign_in(&email, PASSWORD.into(), IP).await.map(drop)
        }));
    }
    for student in class {
        student.await.expect("a task").expect("signed in");
    }
}

/// Guesses that come all at once are counted as those that come one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guessing_in_parallel_gains_nothing() {
    let (_database, service) = with_ada().await;
    let guesses: Vec<_> = (0..24)
        .map(|number| {
            let service = service.clone();
            let guess = format!("guess number {number}");
            tokio::spawn(async move { service.sign_in("ada@example.org", guess.as_str().into(), IP).await })
        })
        .collect();
    let mut verified = 0;
    for guess in guesses {
        match guess.await.expect("a task") {
            Err(AuthError::SignInFailed) => verified += 1,
            Err(AuthError::Throttled { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(verified, 8);
}

#[tokio::test]
async fn an_access_token_ends_with_its_session() {
    let (_database, service) = with_ada().await;
    let account =
        NewAccount { email: "bob@example.org".into(), password: PASSWORD.into(), role: Role::Student, quota: 0 };
    let bob = service.create_user(account, None, None).await.expect("an account");
    let sign_in = async || service.sign_in("bob@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let who = async |token: &auth::Secret| service.authenticate(token.expose()).await;
    let ended = |who: Result<Identity, AuthError>| assert!(matches!(who, Err(AuthError::Forged)), "{who:?}");

    let (signed_out, other) = (sign_in().await, sign_in().await);
    service.sign_out(signed_out.refresh_token.expose(), IP).await.expect("signed out");
    ended(who(&signed_out.access_token).await);
    who(&other.access_token).await.expect("another session of his");

    let renewed = service.refresh(other.refresh_token.expose(), IP).await.expect("renewed");
    who(&other.access_token).await.expect("the same session goes on");
    assert!(service.refresh(other.refresh_token.expose(), IP).await.is_err(), "a copy");
    ended(who(&other.access_token).await);
    ended(who(&renewed.access_token).await);

    let before = sign_in().await;
    service.reset_password(bob.id, PASSWORD.into()).await.expect("a new password");
    ended(who(&before.access_token).await);

    let before = sign_in().await;
    let disabled = |disabled| UserChanges { disabled: Some(disabled), ..UserChanges::default() };
    service.update_user(None, bob.id, disabled(true), IP).await.expect("disabled");
    ended(who(&before.access_token).await);
    let right = service.sign_in("bob@example.org", PASSWORD.into(), IP).await;
    assert!(matches!(right, Err(AuthError::Disabled)), "{right:?}");
    let wrong = service.sign_in("bob@example.org", "wrong horse".into(), IP).await;
    assert!(matches!(wrong, Err(AuthError::SignInFailed)), "who guesses learns nothing: {wrong:?}");
    service.update_user(None, bob.id, disabled(false), IP).await.expect("enabled");
    who(&sign_in().await.access_token).await.expect("back again");
}

#[tokio::test]
async fn a_change_is_made_whole_or_not_at_all() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    let account =
        NewAccount { email: "bob@example.org".into(), password: PASSWORD.into(), role: Role::Student, quota: 3 };
    let bob = service.create_user(account, None, None).await.expect("an account");
    let changes = |quota| UserChanges { role: Some(Role::Operator), quota: Some(quota), disabled: None };
    let refused = service.update_user(Some(&ada), bob.id, changes(-1), IP).await;
    assert!(matches!(refused, Err(AuthError::InvalidQuota)));
    let lines = async || database.store.activity(Some(ada.user_id()), None, 50).await.expect("the log").data.len();
    let before = lines().await;
    let same = database.store.user(bob.id).await.expect("an answer").expect("Bob");
    assert_eq!((same.role, same.quota_remaining), (Role::Student, 3));
    let changed = service.update_user(Some(&ada), bob.id, changes(9), IP).await.expect("changed");
    assert_eq!((changed.role, changed.quota_remaining), (Role::Operator, 9));
    assert_eq!(lines().await, before + 2, "a line for each");
}

#[tokio::test]
async fn every_process_follows_a_rotation_and_a_retired_key_lets_nobody_in() {
    let (database, here) = with_ada().await;
    let there = Service::new(database.another().await).await.expect("another process");
    let sign_in = async |service: &Service| {
        let tokens = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
        tokens.access_token
    };
    let before = sign_in(&here).await;
    let kid = here.keys().rotate(None, None).await.expect("rotated");
    let after = sign_in(&here).await;
    there.authenticate(before.expose()).await.expect("the old key verifies on");
    // A key that it has never heard of makes it look; not more than once a second, whatever it is shown.
    let looked = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while there.authenticate(after.expose()).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    looked.await.expect("the other process learns of the new key");
    let keys = here.keys().list().await.expect("keys");
    assert_eq!((keys.len(), &keys[0].kid, keys[0].verifies_until), (2, &kid, None));
    let published = here.keys().jwks().await;
    assert_eq!(published["keys"].as_array().map(Vec::len), Some(2));
    assert!(!published.to_string().contains("\"d\""), "public halves only");

    assert!(matches!(here.keys().retire(&kid, None, None).await, Err(AuthError::NoSuchKey)), "it signs");
    here.keys().retire(&keys[1].kid, None, None).await.expect("retired");
    assert!(matches!(here.authenticate(before.expose()).await, Err(AuthError::Forged)));
    here.authenticate(after.expose()).await.expect("the new one's");
    let log = database.store.activity(None, None, 50).await.expect("the log").data;
    let of = |action: &str| log.iter().filter(|line| line.action == action).count();
    assert_eq!((of("signing_key_rotated"), of("signing_key_retired")), (1, 1));
}

async fn rotates_by_age(database: TestDatabase) {
    let here = service(&database).await;
    let account =
        NewAccount { email: "ada@example.org".into(), password: PASSWORD.into(), role: Role::Admin, quota: 10 };
    here.create_user(account, None, None).await.expect("an account");
    let month = chrono::TimeDelta::days(30);
    assert_eq!(here.keys().rotate_when_older(month).await.expect("a look"), None, "it is new");
    let before = here.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in").access_token;

    database.store.run_sql("UPDATE signing_keys SET created_at = '2026-01-01T00:00:00Z'").await;
    let mut processes = JoinSet::new();
    for _ in 0..6 {
        let process = Service::new(database.another().await).await.expect("another process");
        processes.spawn(async move { process.keys().rotate_when_older(month).await });
    }
    let made: Vec<_> = processes.join_all().await.into_iter().filter_map(|made| made.expect("a look")).collect();
    let keys = here.keys().list().await.expect("keys");
    assert_eq!((made.len(), keys.len()), (1, 2), "of those who look at once, one makes a key");
    assert_eq!((&keys[0].kid, keys[0].verifies_until), (&made[0], None), "and that signs");
    here.authenticate(before.expose()).await.expect("tokens of the one before are good for their life");
    let log = database.store.activity(None, None, 50).await.expect("the log").data;
    assert_eq!(log.iter().filter(|line| line.action == "signing_key_rotated").count(), 1);
}

#[tokio::test]
async fn a_key_that_is_old_is_replaced_once_on_sqlite() {
    rotates_by_age(TestDatabase::sqlite().await).await;
}

#[tokio::test]
async fn a_key_that_is_old_is_replaced_once_on_postgres() {
    rotates_by_age(TestDatabase::postgres().await).await;
}

/// A lab of before keys were rows, with somebody signed in.
async fn an_old_lab_keeps_its_key_and_its_sessions(database: TestDatabase) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let directory = tempfile::tempdir().expect("a temporary directory");
    let on_sqlite = database.store.backend() == store::Backend::Sqlite;
    let url = match on_sqlite {
        true => format!("sqlite:{}/old.db", directory.path().display()),
        false => database.fresh_schema().await,
    };
    let old = Store::connect(&url, Options::default()).await.expect("it opens");
    old.migrate_first(5).await;
    let (user, session, kid) = (domain::UserId::new(), domain::SessionId::new(), "0197c8a0-old");
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([7; 32]);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    let id = |id: uuid::Uuid| if on_sqlite { format!("x'{}'", id.simple()) } else { format!("'{id}'") };
    old.run_sql(&format!(
        "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at)
             VALUES ({user}, 'ada@example.org', 'x', 'admin', 5, '2026-01-01T00:00:00Z');
         INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at)
             VALUES ({session}, {user}, 'hash', '2026-01-01T00:00:00Z', '2999-01-01T00:00:00Z');
         INSERT INTO signing_keys (id, private_pem, public_pem, created_at)
             VALUES (1, '{kid}', '{pem}', '2026-01-01T00:00:00Z');",
        user = id(user.as_uuid()),
        session = id(session.as_uuid()),
    ))
    .await;
    let now = chrono::Utc::now().timestamp();
    let claims = serde_json::json!({ "sub": user, "role": "admin", "iat": now, "exp": now + 600, "iss": auth::ISSUER,
        "aud": auth::AUDIENCE, "jti": uuid::Uuid::now_v7(), "sid": session });
    let header =
        jsonwebtoken::Header { kid: Some(kid.to_owned()), ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA) };
    let key = jsonwebtoken::EncodingKey::from_ed_pem(pem.as_bytes()).expect("a key");
    let token = jsonwebtoken::encode(&header, &claims, &key).expect("signed");

    old.migrate().await.expect("it migrates");
    let service = Service::new(old.clone()).await.expect("the service");
    let ada = service.authenticate(&token).await.expect("she is still signed in");
    assert_eq!((ada.user_id(), ada.shown), (user, Credential::Session(session)));
    let keys = service.keys().list().await.expect("keys");
    assert_eq!((keys.len(), keys[0].kid.as_str(), keys[0].verifies_until), (1, kid, None));
    service.keys().rotate(None, None).await.expect("rotated");
    service.authenticate(&token).await.expect("and the old key verifies on");
}

#[tokio::test]
async fn an_old_lab_keeps_its_key_and_its_sessions_on_sqlite() {
    an_old_lab_keeps_its_key_and_its_sessions(TestDatabase::sqlite().await).await;
}

#[tokio::test]
async fn an_old_lab_keeps_its_key_and_its_sessions_on_postgres() {
    an_old_lab_keeps_its_key_and_its_sessions(TestDatabase::postgres().await).await;
}

/// Who asks is known for a moment, also where another process signs them out meanwhile; no longer.
#[tokio::test]
async fn a_sign_out_counts_here_at_once_and_elsewhere_within_a_moment() {
    let (database, here) = with_ada().await;
    let elsewhere = Service::new(database.another().await).await.expect("another process");
    let tokens = here.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let who = async |service: &Service| service.authenticate(tokens.access_token.expose()).await;
    for service in [&here, &elsewhere] {
        who(service).await.expect("she is signed in, and known from now on");
    }
    here.sign_out(tokens.refresh_token.expose(), IP).await.expect("signed out");
    assert!(matches!(who(&here).await, Err(AuthError::Forged)));
    let believed_on = async {
        while who(&elsewhere).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), believed_on).await.expect("it is seen elsewhere");
}

async fn account(service: &Service, email: &str, role: Role) -> store::User {
    let account = NewAccount { email: email.into(), password: PASSWORD.into(), role, quota: 10 };
    service.create_user(account, None, None).await.expect("an account")
}

async fn stored_hash(database: &TestDatabase) -> String {
    let ada = database.store.user_by_email("ada@example.org").await.expect("an answer").expect("Ada");
    ada.hashed_password
}

#[tokio::test]
async fn a_hash_that_is_cheaper_than_todays_is_made_anew_at_sign_in_and_ends_nothing() {
    let (database, service) = with_ada().await;
    let open = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let (today, cheap) = (stored_hash(&database).await, {
        use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
        let params = Params::new(64, 1, 1, None).expect("parameters");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password(PASSWORD.as_bytes()).expect("a hash").to_string()
    });
    assert!(cheap.contains("m=64,t=1"), "{cheap}");
    database.store.run_sql(&format!("UPDATE users SET hashed_password = '{cheap}'")).await;
    let wrong = service.sign_in("ada@example.org", "wrong horse".into(), IP).await;
    assert!(matches!(wrong, Err(AuthError::SignInFailed)), "{wrong:?}");
    assert_eq!(stored_hash(&database).await, cheap, "a wrong password changes nothing");
    service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let anew = stored_hash(&database).await;
    assert!(anew.contains("m=19456,t=2,p=1") && anew != today, "{anew}");
    service.authenticate(open.access_token.expose()).await.expect("who was signed in still is");
    service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    assert_eq!(stored_hash(&database).await, anew, "once");
    // What is dearer than today's stays.
    let dear = anew.replace("m=19456,t=2", "m=65536,t=3");
    database.store.run_sql(&format!("UPDATE users SET hashed_password = '{dear}'")).await;
    let _ = service.sign_in("ada@example.org", PASSWORD.into(), IP).await;
    assert_eq!(stored_hash(&database).await, dear);
}

#[tokio::test]
async fn a_password_that_is_tried_first_is_refused_wherever_one_is_chosen() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    let account = |password: &str| NewAccount {
        email: "bob.builder@example.org".into(),
        password: password.into(),
        role: Role::Student,
        quota: 0,
    };
    for weak in ["password", "Password1!", "12345678", "qwertyuiop", "aaaaaaaa", "bob.builder", "builder99"] {
        let refused = service.create_user(account(weak), None, None).await;
        assert!(matches!(refused, Err(AuthError::WeakPassword(_))), "{weak}: {refused:?}");
    }
    let refused = service.change_password(&ada, PASSWORD.into(), "iloveyou".into(), IP).await.expect_err("weak");
    assert!(refused.to_string().contains("would be guessed") && refused.to_string().contains("take"), "{refused}");
    let refused = service.reset_password(ada.user_id(), "password1".into()).await;
    assert!(matches!(refused, Err(AuthError::WeakPassword(_))), "{refused:?}");
    let (secret, _) =
        service.create_password_link(ada.user_id(), auth::HANDED_LINK_LIFE, None, None).await.expect("a link");
    let refused = service.use_link(secret.expose(), None, "sunshine".into(), IP).await;
    assert!(matches!(refused, Err(AuthError::WeakPassword(_))), "{refused:?}");
    service.use_link(secret.expose(), None, "three odd words".into(), IP).await.expect("the link is still good");
    service.sign_in("ada@example.org", "three odd words".into(), IP).await.expect("signed in");
    assert!(database.store.user_by_email("bob.builder@example.org").await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_new_password_signs_out_everybody_else_at_once() {
    let (_database, service) = with_ada().await;
    let program = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let browser = service.start_cookie_session("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let mine = identity(&service).await;
    service.authenticate(program.access_token.expose()).await.expect("good, and remembered by this process");
    service.change_password(&mine, PASSWORD.into(), "another odd horse".into(), IP).await.expect("changed");
    assert!(matches!(service.authenticate(program.access_token.expose()).await, Err(AuthError::Forged)));
    assert!(matches!(service.by_cookie(browser.token.expose()).await, Err(AuthError::Forged)));
    assert!(matches!(service.refresh(program.refresh_token.expose(), IP).await, Err(AuthError::Forged)));
}

/// What a mail says at this moment, as whoever sends it asks.
async fn letter(database: &TestDatabase, service: &Service) -> Option<auth::Letter> {
    let mail = database.store.take_mail().await.expect("an answer").expect("a mail");
    let letter = service.letter(&mail).await.expect("an answer");
    database.store.forget_mail(mail.id).await.expect("sent");
    letter
}

#[tokio::test]
async fn a_forgotten_password_is_asked_for_by_anybody_and_answered_alike() {
    let (database, service) = with_ada().await;
    for email in [" Ada@example.org", "nobody@example.org"] {
        service.forgot_password(email, IP).await.expect("the same answer");
    }
    let known = letter(&database, &service).await.expect("a letter to Ada");
    assert_eq!(known.says, auth::Says::Reset);
    assert!(letter(&database, &service).await.is_none(), "nobody is written to");
    let secret = known.secret.expect("a link");
    assert!(!format!("{known:?}", known = secret).contains(secret.expose()));
    let mail = store::NewMail { kind: domain::MailKind::Reset, email: "ada@example.org".into(), invitation_id: None };
    database.store.post_mail(&mail, &auth_act()).await.expect("posted");
    let again = letter(&database, &service).await.expect("a letter");
    service.unsend(&again).await.expect("it reached nobody");
    let unsent = again.secret.expect("a link");
    assert!(matches!(service.open_link(unsent.expose()).await, Err(AuthError::NoSuchLink)));
    assert_eq!(
        service.use_link(secret.expose(), None, "another odd horse".into(), IP).await.expect("used"),
        auth::Used::PasswordSet
    );
    let twice = service.use_link(secret.expose(), None, "yet another horse".into(), IP).await;
    assert!(matches!(twice, Err(AuthError::NoSuchLink)), "{twice:?}");
    for nonsense in ["", "x", &"a".repeat(43), &"a".repeat(10_000)] {
        assert!(matches!(service.open_link(nonsense).await, Err(AuthError::NoSuchLink)));
    }
    let log = database.store.activity(None, None, 50).await.expect("the log").data;
    assert_eq!(log.iter().filter(|line| line.action == "password_reset_asked").count(), 2);
    assert!(!format!("{log:?}").contains(secret.expose()), "no secret is ever logged");
    // A few more for the same address, and it is asked for too often; whether it has an account or not.
    for email in ["ada@example.org", "nobody@example.org"] {
        let mut refused = 0;
        for _ in 0..6 {
            refused += usize::from(matches!(service.forgot_password(email, None).await, Err(AuthError::Throttled(_))));
        }
        assert_eq!(refused, 3, "{email}");
    }
}

fn auth_act() -> store::NewActivity {
    store::NewActivity { user_id: None, action: "asked", details: serde_json::json!({}), ip_address: None }
}

fn with_registration(service: Service, registration: auth::Registration) -> Service {
    let policy = auth::AccountPolicy { registration, quota: 7, ..auth::AccountPolicy::default() };
    service.with_account_policy(policy).expect("a policy")
}

#[tokio::test]
async fn who_may_register_is_as_the_policy_says() {
    let (database, service) = with_ada().await;
    let with = |registration| with_registration(service.clone(), registration);
    for closed in [auth::Registration::Closed, auth::Registration::Invitation] {
        let refused = with(closed).ask_to_register("eve@example.org", IP).await;
        assert!(matches!(refused, Err(AuthError::RegistrationClosed)), "{refused:?}");
    }
    let ours = with(auth::Registration::Domains(vec!["example.org".into()]));
    for elsewhere in ["eve@example.com", "eve@evil-example.org", "eve@example.org.evil.com", "eve@cs.example.org"] {
        let refused = ours.ask_to_register(elsewhere, IP).await;
        assert!(matches!(refused, Err(AuthError::OtherDomain(_))), "{elsewhere}: {refused:?}");
    }
    ours.ask_to_register("Eve@Example.org", IP).await.expect("asked");
    let secret = letter(&database, &ours).await.and_then(|letter| letter.secret).expect("a link");
    assert!(database.store.user_by_email("eve@example.org").await.expect("an answer").is_none(), "not proven yet");
    let now_closed = with(auth::Registration::Closed).use_link(secret.expose(), None, PASSWORD.into(), IP).await;
    assert!(matches!(now_closed, Err(AuthError::RegistrationClosed)), "{now_closed:?}");
    // Whatever address is typed, it is the proven one's account.
    let made = ours.use_link(secret.expose(), Some("mallory@example.org"), PASSWORD.into(), IP).await.expect("made");
    assert_eq!(made, auth::Used::AccountMade);
    let eve = database.store.user_by_email("eve@example.org").await.expect("an answer").expect("Eve");
    assert_eq!((eve.role, eve.quota_remaining), (Role::Student, 7));
    ours.ask_to_register("ada@example.org", IP).await.expect("the same answer");
    let known = letter(&database, &ours).await.expect("a letter");
    assert_eq!(known.says, auth::Says::HasAccount, "she is told, and nobody else");

    let open = with(auth::Registration::Open);
    open.ask_to_register("bob@elsewhere.example", IP).await.expect("asked");
    let secret = letter(&database, &open).await.and_then(|letter| letter.secret).expect("a link");
    let waits = open.use_link(secret.expose(), None, PASSWORD.into(), IP).await.expect("asked");
    assert_eq!(waits, auth::Used::Waits);
    let early = open.sign_in("bob@elsewhere.example", PASSWORD.into(), IP).await;
    assert!(matches!(early, Err(AuthError::SignInFailed)), "{early:?}");
    let waiting = database.store.registrations(None, 10).await.expect("a list").data;
    let bob = open.approve(waiting[0].id, None, Some(3), None, None).await.expect("approved");
    assert_eq!((bob.role, bob.quota_remaining), (Role::Student, 3));
    open.sign_in("bob@elsewhere.example", PASSWORD.into(), IP).await.expect("signed in");
}

#[tokio::test]
async fn whoever_was_imported_has_no_password_and_is_refused_like_anybody() {
    let (database, service) = with_ada().await;
    let done = service.import("email\neve@example.org\nada@example.org\n", None, None).await.expect("a class");
    assert_eq!(done.ways_in.iter().map(|way| way.email.as_str()).collect::<Vec<_>>(), ["eve@example.org"]);
    for password in ["!", "", PASSWORD] {
        let refused = service.sign_in("eve@example.org", password.into(), None).await;
        assert!(matches!(refused, Err(AuthError::SignInFailed)), "{refused:?}");
    }
    service.use_link(done.ways_in[0].secret.expose(), None, PASSWORD.into(), IP).await.expect("her way in");
    service.sign_in("eve@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let twice = service.import("email\nnew@example.org\nnonsense\n", None, None).await;
    assert!(matches!(&twice, Err(AuthError::Import(auth::ImportError::Faulty { line: 3, .. }))), "{twice:?}");
    assert!(database.store.user_by_email("new@example.org").await.expect("an answer").is_none());
    account(&service, "bob@example.org", Role::Student).await;
}

#[tokio::test]
async fn whoever_chose_a_new_password_by_a_link_waits_no_longer() {
    let (_database, service) = with_ada().await;
    let ada = identity(&service).await;
    for _ in 0..8 {
        let wrong = service.sign_in("ada@example.org", "wrong horse".into(), IP).await;
        assert!(matches!(wrong, Err(AuthError::SignInFailed)), "{wrong:?}");
    }
    let right = service.sign_in("ada@example.org", PASSWORD.into(), IP).await;
    assert!(matches!(right, Err(AuthError::Throttled(_))), "{right:?}");
    let (secret, _) =
        service.create_password_link(ada.user_id(), chrono::TimeDelta::hours(1), None, None).await.expect("a link");
    service.use_link(secret.expose(), None, "quite another horse".into(), IP).await.expect("chosen");
    service.sign_in("ada@example.org", "quite another horse".into(), IP).await.expect("at once");
}

//! Accounts, sign-ins, the activity log.

use crate::given::*;
use chrono::{TimeDelta, Utc};
use domain::{Role, UserId};
use serde_json::json;
use std::net::IpAddr;
use store::{testing::TestDatabase, *};

pub async fn an_account_reads_back_by_id_and_by_address_in_any_case(database: TestDatabase) {
    let store = &database.store;
    assert!(!store.has_users().await.expect("an answer"));
    let new = NewUser {
        id: UserId::new(),
        email: "Ada.Lovelace@Example.org".to_owned(),
        hashed_password: "hash".to_owned(),
        role: Role::Student,
        quota: 96,
    };
    let made = store.create_user(new).await.expect("a new account");
    assert!(store.has_users().await.expect("an answer"));
    store.set_role(made.id, Role::Operator).await.expect("a role");
    store.set_quota(made.id, 12).await.expect("a quota");

    let read = store.user_by_email("ADA.lovelace@example.ORG").await.expect("an answer").expect("the account");
    assert_eq!((read.id, read.email.as_str()), (made.id, "ada.lovelace@example.org"));
    assert_eq!((read.role, read.quota_remaining, read.created_at), (Role::Operator, 12, made.created_at));
    assert_eq!(read.hashed_password, "hash");
    assert!(store.set_quota(made.id, -1).await.is_err());
    assert!(matches!(store.set_role(UserId::new(), Role::Admin).await, Err(StoreError::NotFound(_))));
    assert!(!format!("{read:?}").contains("hash"));
}

pub async fn an_address_is_taken_once(database: TestDatabase) {
    let with = |email: &str| NewUser {
        id: UserId::new(),
        email: email.to_owned(),
        hashed_password: "hash".to_owned(),
        role: Role::Student,
        quota: 0,
    };
    database.store.create_user(with("a@example.org")).await.expect("a new account");
    assert!(matches!(database.store.create_user(with("A@Example.org")).await, Err(StoreError::EmailTaken)));
}

pub async fn lists_of_people_and_deeds_page_without_gaps(database: TestDatabase) {
    let store = &database.store;
    let mut people = Vec::new();
    for number in 0..5 {
        let id = user(store, number).await;
        let address = if number == 0 { None } else { Some(IpAddr::from([192, 0, 2, number as u8])) };
        let details = json!({ "number": number });
        store
            .log_activity(NewActivity { user_id: Some(id), action: "sign_in", details, ip_address: address })
            .await
            .expect("a line in the log");
        people.push(id);
    }
    let anonymous = NewActivity {
        user_id: None,
        action: "sign_in_failed",
        details: json!({}),
        ip_address: Some("2001:db8::1".parse().expect("an address")),
    };
    store.log_activity(anonymous).await.expect("a line in the log");

    let first = store.users(None, 3).await.expect("a page");
    let second = store.users(first.next, 3).await.expect("a page");
    assert_eq!(second.next, None);
    let paged: Vec<_> = first.data.iter().chain(&second.data).map(|user| user.id).collect();
    assert_eq!(paged, people);

    let first = store.activity(None, None, 4).await.expect("a page");
    let second = store.activity(None, first.next, 4).await.expect("a page");
    assert_eq!(second.next, None);
    let lines: Vec<_> = first.data.iter().chain(&second.data).collect();
    let addresses: Vec<_> = lines.iter().map(|line| line.ip_address.map(|address| address.to_string())).collect();
    let expected =
        ["2001:db8::1", "192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"].map(|text| Some(text.to_owned()));
    assert_eq!(addresses[..5], expected);
    assert_eq!(addresses[5..], [None]);

    let own = store.activity(people.get(3).copied(), None, 10).await.expect("a page");
    assert_eq!(own.data.len(), 1);
    assert_eq!(own.data[0].details, json!({ "number": 3 }));
}

pub async fn a_refresh_token_works_once_and_a_copy_ends_the_session(database: TestDatabase) {
    let store = &database.store;
    let session = store.create_session(user(store, 0).await, "first", in_an_hour()).await.expect("a session");
    let rotated = store.rotate_session("first", "second", in_an_hour()).await.expect("an answer");
    assert!(matches!(rotated, Rotation::Rotated(same) if same.id == session.id));
    let reused = store.rotate_session("first", "third", in_an_hour()).await.expect("an answer");
    assert!(matches!(reused, Rotation::Reused(id) if id == session.id));
    let refused = store.rotate_session("second", "fourth", in_an_hour()).await.expect("an answer");
    assert!(matches!(refused, Rotation::Refused), "{refused:?}");
    let unknown = store.rotate_session("never given", "fifth", in_an_hour()).await.expect("an answer");
    assert!(matches!(unknown, Rotation::Refused), "{unknown:?}");
}

pub async fn only_live_sessions_open_a_page(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 0).await;
    let live = store.create_session(owner, "live", in_an_hour()).await.expect("a session");
    store.create_session(owner, "old", Utc::now() - TimeDelta::seconds(1)).await.expect("a session");
    let (session, found) = store.session_by_hash("live").await.expect("an answer").expect("the session");
    assert_eq!((session.id, found.id), (live.id, owner));
    assert!(store.session_by_hash("old").await.expect("an answer").is_none());
    let expired = store.rotate_session("old", "new", in_an_hour()).await.expect("an answer");
    assert!(matches!(expired, Rotation::Refused));
    store.revoke_session(live.id).await.expect("revoked");
    assert!(store.session_by_hash("live").await.expect("an answer").is_none());
}

pub async fn a_new_password_ends_all_sessions(database: TestDatabase) {
    let store = &database.store;
    let (owner, other) = (user(store, 0).await, user(store, 0).await);
    store.create_session(owner, "mine", in_an_hour()).await.expect("a session");
    store.create_session(other, "yours", in_an_hour()).await.expect("a session");
    store.set_password(owner, "new hash").await.expect("a new password");
    assert!(store.session_by_hash("mine").await.expect("an answer").is_none());
    assert!(store.session_by_hash("yours").await.expect("an answer").is_some());
    assert_eq!(store.user(owner).await.expect("an answer").expect("the account").hashed_password, "new hash");
}

pub async fn everyone_gets_the_same_signing_key(database: TestDatabase) {
    let other = database.another().await;
    let make = |who: &'static str| move || (format!("private of {who}"), format!("public of {who}"));
    let (one, two) = tokio::join!(database.store.signing_key(make("one")), other.signing_key(make("two")));
    assert_eq!(one.expect("a key"), two.expect("a key"));
}

pub async fn what_has_run_out_is_forgotten_and_the_rest_is_kept(database: TestDatabase) {
    let store = &database.store;
    let person = user(store, 10).await;
    store.create_session(person, "old", Utc::now() + TimeDelta::milliseconds(1)).await.expect("a session");
    store.create_session(person, "rotated", in_an_hour()).await.expect("a session");
    store.rotate_session("rotated", "ended", Utc::now() - TimeDelta::hours(1)).await.expect("an answer");
    store.create_session(person, "spent", in_an_hour()).await.expect("a session");
    store.rotate_session("spent", "live", in_an_hour()).await.expect("an answer");
    let idempotency = Some(IdempotencyKey { key: "run-1".to_owned(), request_hash: "hash".to_owned() });
    let asked = NewExperiment { idempotency, ..request(person, 1) };
    store.accept(asked.clone()).await.expect("an answer");
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;

    let keep = Retention::FOR_EVER;
    let purged = store.purge(&keep, Utc::now()).await.expect("an answer");
    assert_eq!(purged, Purged { sessions: 2, spent_tokens: 1, ..Purged::default() });
    assert!(store.session_by_hash("live").await.expect("an answer").is_some());
    let again = store.accept(NewExperiment { id: domain::ExperimentId::new(), ..asked }).await.expect("an answer");
    assert!(matches!(again, Acceptance::Replayed { .. }), "the key of today is remembered: {again:?}");
    assert_eq!(store.purge(&keep, Utc::now()).await.expect("an answer"), Purged::default());
    let copy = store.rotate_session("spent", "x", in_an_hour()).await.expect("an answer");
    assert!(matches!(copy, Rotation::Reused(_)), "a copied token of a live session is still known: {copy:?}");
}

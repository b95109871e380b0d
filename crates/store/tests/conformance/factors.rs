//! Second factors: each is good once, tries are counted before they are looked at, and sessions know how they were proved.

use crate::{given::*, opening::at_schema};
use chrono::{TimeDelta, Utc};
use domain::{PasskeyId, SessionId, UserId};
use std::collections::HashMap;
use store::{testing::TestDatabase, *};
use uuid::Uuid;

fn waits(failures: i64) -> Option<TimeDelta> {
    (failures >= 3).then(|| TimeDelta::hours(1))
}

fn challenge() -> SpentChallenge {
    SpentChallenge { id: Uuid::now_v7(), expires_at: in_an_hour() }
}

pub fn passkey(of: UserId, credential: &str) -> Passkey {
    Passkey {
        id: PasskeyId::new(),
        user_id: of,
        name: "phone".to_owned(),
        credential_id: credential.to_owned(),
        public_key: "key".to_owned(),
        state: "0".to_owned(),
        created_at: Utc::now(),
        last_used_at: None,
    }
}

fn hashes() -> Vec<String> {
    (0..10).map(|n| format!("code-{n}")).collect()
}

/// Somebody with an app and the session in which they set it up.
async fn enrolled(store: &Store) -> (User, SessionId) {
    let id = user(store, 0).await;
    let session = session(store, id, &format!("first-{id}"), in_an_hour()).await.id;
    store.offer_totp(id, "SECRET").await.expect("offered");
    let factor = NewFactor::Totp { secret: "SECRET".to_owned(), step: 100 };
    let amr = Some(Amr::PASSWORD_AND_CODE);
    assert!(store.add_factor((id, session), &factor, amr, &hashes(), &act("added")).await.expect("added"));
    (store.user(id).await.expect("an answer").expect("the account"), session)
}

fn new_session(of: &User, hash: &str) -> NewSession {
    let (id, hash) = (SessionId::new(), hash.to_owned());
    NewSession { id, user_id: of.id, hash, expires_at: in_an_hour(), amr: Amr::PASSWORD_AND_CODE }
}

pub async fn a_password_alone_begins_no_session_beside_a_factor(database: TestDatabase) {
    let store = &database.store;
    let (user, session) = enrolled(store).await;
    let by = act("sign_in");
    let refused = store.create_session(SessionId::new(), &user, "alone", in_an_hour(), &by).await;
    assert!(matches!(refused, Err(StoreError::SecondFactorNeeded)), "{refused:?}");
    assert!(store.session_by_hash("alone").await.expect("an answer").is_none());
    let key = NewFactor::Passkey { passkey: passkey(user.id, "cred"), challenge: challenge(), most: 2 };
    assert!(!store.add_factor((user.id, session), &key, Some(Amr::PASSKEY), &hashes(), &by).await.expect("added"));
    store.remove_totp(user.id, LastFactor::Stays, &by).await.expect("a passkey is left");
    let refused = store.create_session(SessionId::new(), &user, "alone", in_an_hour(), &by).await;
    assert!(matches!(refused, Err(StoreError::SecondFactorNeeded)), "{refused:?}");
    let id = store.factors(user.id).await.expect("factors").passkeys[0].id;
    let last = store.remove_passkey(id, user.id, LastFactor::Stays, &by).await;
    assert!(matches!(last, Err(StoreError::LastFactor)), "{last:?}");
    store.remove_passkey(id, user.id, LastFactor::MayGo, &by).await.expect("it may go");
    assert_eq!(store.factors(user.id).await.expect("factors"), Factors::default(), "and the recovery codes with it");
    store.create_session(SessionId::new(), &user, "alone", in_an_hour(), &by).await.expect("a session");
}

pub async fn what_is_shown_is_used_up_with_the_session_that_it_begins(database: TestDatabase) {
    let store = &database.store;
    let (user, session) = enrolled(store).await;
    let by = act("sign_in");
    let key = passkey(user.id, "cred");
    let factor = NewFactor::Passkey { passkey: key.clone(), challenge: challenge(), most: 2 };
    store.add_factor((user.id, session), &factor, Some(Amr::PASSKEY), &[], &by).await.expect("added");
    let use_of = |was: &str, state: &str, challenge| {
        FactorUse::Passkey(PasskeyUse { id: key.id, was: was.to_owned(), state: state.to_owned(), challenge })
    };
    let (first, second) = (challenge(), challenge());
    let uses = [
        (FactorUse::Totp { step: 101 }, true),
        (FactorUse::Totp { step: 101 }, false),
        (FactorUse::Totp { step: 99 }, false),
        (FactorUse::RecoveryCode { hash: "code-3".to_owned() }, true),
        (FactorUse::RecoveryCode { hash: "code-3".to_owned() }, false),
        (FactorUse::RecoveryCode { hash: "no code".to_owned() }, false),
        (use_of("0", "1", first), true),
        (use_of("1", "2", first), false),
        (use_of("0", "2", second), false),
        (use_of("1", "2", second), true),
    ];
    for (n, (shown, is_good)) in uses.iter().enumerate() {
        let (token, hash) = (format!("pending-{n}"), format!("session-{n}"));
        store.begin_second_step(&user, &token, in_an_hour()).await.expect("it waits");
        let begun = store.begin_proved_session(Some(&token), &new_session(&user, &hash), shown, &by).await;
        assert_eq!(begun.is_ok(), *is_good, "{n}: {begun:?}");
        let live = store.session_by_hash(&hash).await.expect("an answer");
        assert_eq!(live.map(|(session, _)| session.proof.amr), is_good.then(|| Amr::PASSWORD_AND_CODE.to_owned()));
        // What was refused wrote nothing: the sign-in still waits.
        assert_eq!(store.waits_for_second_step(&token).await.expect("an answer").is_some(), !is_good, "{n}");
    }
    let kept = store.passkey("cred").await.expect("an answer").expect("it");
    assert!(kept.state == "2" && kept.last_used_at.is_some());
    assert_eq!(store.factors(user.id).await.expect("factors").recovery_codes, 9);
}

/// Of many with one code, at once, one gets a session.
pub async fn of_many_who_show_the_same_one_gets_in(database: TestDatabase) {
    let store = &database.store;
    let (user, _) = enrolled(store).await;
    let mut trying = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (store, user) = (store.clone(), user.clone());
        trying.spawn(async move {
            let shown = FactorUse::Totp { step: 200 };
            store
                .begin_proved_session(None, &new_session(&user, &format!("s{n}")), &shown, &act("sign_in"))
                .await
                .is_ok()
        });
    }
    assert_eq!(trying.join_all().await.into_iter().filter(|got_in| *got_in).count(), 1);
}

pub async fn tries_are_counted_before_they_are_looked_at(database: TestDatabase) {
    let store = &database.store;
    let (user, _) = enrolled(store).await;
    let mut trying = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (store, id) = (store.clone(), user.id);
        trying.spawn(async move { store.count_try(id, None, waits).await.expect("an answer") });
    }
    let open = trying.join_all().await.into_iter().filter(|outcome| matches!(outcome, Try::Open(Some(_)))).count();
    assert_eq!(open, 3, "the third begins the waiting");
    assert!(matches!(store.count_try(user.id, None, waits).await.expect("an answer"), Try::BlockedUntil(_)));
    // A passkey isn't counted, and who shows it is no guesser.
    let shown = FactorUse::RecoveryCode { hash: "code-1".to_owned() };
    store.begin_proved_session(None, &new_session(&user, "in"), &shown, &act("sign_in")).await.expect("a session");
    store.begin_second_step(&user, "token", in_an_hour()).await.expect("it waits");
    let mut of_one = 0;
    while let Try::Open(_) = store.count_try(user.id, Some("token"), |_| None).await.expect("an answer") {
        of_one += 1;
    }
    assert_eq!(of_one, 5);
    assert_eq!(store.count_try(user.id, Some("no token"), |_| None).await.expect("an answer"), Try::Over);
}

pub async fn the_first_factor_ends_what_began_without_it(database: TestDatabase) {
    let store = &database.store;
    let id = user(store, 0).await;
    let here = session(store, id, "here", in_an_hour()).await;
    session(store, id, "there", in_an_hour()).await;
    let account = store.user(id).await.expect("an answer").expect("the account");
    store.begin_second_step(&account, "waiting", in_an_hour()).await.expect("it waits");
    let add = async |credential: &str| {
        let factor = NewFactor::Passkey { passkey: passkey(id, credential), challenge: challenge(), most: 2 };
        store.add_factor((id, here.id), &factor, Some(Amr::PASSWORD_AND_PASSKEY), &hashes(), &act("added")).await
    };
    assert!(add("one").await.expect("added"), "with recovery codes");
    let (now, _) = store.session_by_hash("here").await.expect("an answer").expect("it lives");
    assert!(now.proof.has_second_factor() && now.proof.at >= here.proof.at);
    assert!(!here.proof.has_second_factor() && here.proof.at == here.created_at);
    assert!(store.session_by_hash("there").await.expect("an answer").is_none());
    assert!(store.waits_for_second_step("waiting").await.expect("an answer").is_none());
    assert!(matches!(add("one").await, Err(StoreError::FactorExists)));
    let shown = FactorUse::RecoveryCode { hash: "code-0".to_owned() };
    store
        .begin_proved_session(None, &new_session(&account, "later"), &shown, &act("sign_in"))
        .await
        .expect("a session");
    assert!(!add("two").await.expect("added"));
    assert!(store.session_by_hash("later").await.expect("an answer").is_some(), "a second one ends nothing");
    assert!(matches!(add("three").await, Err(StoreError::TooManyPasskeys { most: 2 })));
    store.reset_factors(id, &[act("reset")]).await.expect("reset");
    assert!(store.session_by_hash("later").await.expect("an answer").is_none());
    assert_eq!(store.factors(id).await.expect("factors"), Factors::default());
    assert!(matches!(store.reset_factors(UserId::new(), &[]).await, Err(StoreError::NotFound(_))));
}

pub async fn what_nobody_can_answer_any_more_is_forgotten(database: TestDatabase) {
    let store = &database.store;
    let (user, session) = enrolled(store).await;
    let over = Utc::now() - TimeDelta::seconds(1);
    for (token, expires_at) in [("old", over), ("new", in_an_hour())] {
        store.begin_second_step(&user, token, expires_at).await.expect("it waits");
    }
    for (credential, expires_at) in [("a", over), ("b", in_an_hour())] {
        let challenge = SpentChallenge { expires_at, ..challenge() };
        let factor = NewFactor::Passkey { passkey: passkey(user.id, credential), challenge, most: 5 };
        store.add_factor((user.id, session), &factor, Some(Amr::PASSKEY), &[], &act("added")).await.expect("added");
    }
    let purged = store.purge(&Retention::FOR_EVER, Utc::now()).await.expect("a step");
    // The old one went when the new one came.
    assert_eq!((purged.pending_sign_ins, purged.challenges), (0, 1));
    let purged = store.purge(&Retention::FOR_EVER, in_an_hour() + TimeDelta::seconds(1)).await.expect("a step");
    assert_eq!((purged.pending_sign_ins, purged.challenges), (1, 1));
}

pub async fn sessions_of_before_were_proved_when_they_began(database: TestDatabase) {
    let (store, _directory) = at_schema(&database, 13).await;
    let id = |number: u8| match store.backend() {
        Backend::Sqlite => format!("x'{}{number:02x}'", "00".repeat(15)),
        Backend::Postgres => format!("'00000000-0000-0000-0000-0000000000{number:02x}'"),
    };
    let at = "'2026-05-01T10:00:00+00:00'";
    store
        .run_sql(&format!(
            "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at)
             VALUES ({}, 'ada@example.org', 'hash', 'admin', 5, {at})",
            id(1)
        ))
        .await;
    store
        .run_sql(&format!(
            "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at)
             VALUES ({}, {}, 'old', {at}, '2099-01-01T00:00:00+00:00')",
            id(2),
            id(1)
        ))
        .await;
    store.migrate().await.expect("it migrates");
    let (session, user) = store.session_by_hash("old").await.expect("an answer").expect("it lives");
    assert_eq!((session.proof.at, session.proof.amr.as_str()), (session.created_at, Amr::PASSWORD));
    let live: HashMap<_, _> = store.live_sessions(&[session.id]).await.expect("an answer");
    assert_eq!(live.len(), 1);
    store.prove_session(session.id, user.id, None, None, &act("proved")).await.expect("proved");
    let (session, _) = store.session_by_hash("old").await.expect("an answer").expect("it lives");
    assert!(session.proof.at > session.created_at && session.proof.amr == Amr::PASSWORD);
}

//! Sign-ins by the word of a provider of identity: whose account it is, what it becomes, and what ends it. And tokens of
//! programs that are nobody's.

use crate::{given::*, opening::at_schema};
use chrono::{SubsecRound, TimeDelta, Utc};
use domain::{Role, ServiceKind, ServiceTokenId, SessionId, UserId};
use store::{testing::TestDatabase, *};
use tokio::task::JoinSet;

async fn come(store: &Store, sign_in: &ExternalSignIn) -> (User, Session) {
    match store.sign_in_external(sign_in).await.expect("an answer") {
        Admission::SignedIn(user, session) => (user, session),
        other => panic!("{other:?}"),
    }
}

/// Actions of the log about somebody, oldest first.
async fn told(store: &Store, user: UserId) -> Vec<String> {
    let lines = store.activity(Some(user), None, 100).await.expect("the log").data;
    lines.into_iter().rev().map(|line| line.action).collect()
}

async fn is_live(store: &Store, sign_in: &ExternalSignIn) -> bool {
    store.session_by_hash(&sign_in.refresh_hash).await.expect("an answer").is_some()
}

fn ends(which: ProviderSessions, once: &str) -> ExternalEnd {
    ExternalEnd { issuer: "https://id.example.org".to_owned(), which, once: (once.to_owned(), in_an_hour()), ip: None }
}

pub async fn a_newcomer_gets_an_account_and_comes_back_to_it(database: TestDatabase) {
    let store = &database.store;
    let first = external("ada", Role::Operator, 7);
    let (ada, session) = come(store, &first).await;
    assert_eq!((ada.email.as_str(), ada.role, ada.quota_remaining), ("ada@example.org", Role::Operator, 7));
    let (found, user) = store.session_by_hash(&first.refresh_hash).await.expect("an answer").expect("the session");
    assert_eq!((found.id, user.id), (session.id, ada.id));
    assert!(store.is_external_session(&first.refresh_hash).await.expect("an answer"));
    // Known by what doesn't change: with another address, or none, it is the same account.
    let again = ExternalSignIn { email: Some("countess@example.org".to_owned()), ..external("ada", Role::Operator, 7) };
    let (same, _) = come(store, &again).await;
    let (also, _) = come(store, &ExternalSignIn { email: None, ..external("ada", Role::Operator, 7) }).await;
    assert_eq!((same.id, also.id, same.email.as_str()), (ada.id, ada.id, "ada@example.org"));
    assert_eq!(told(store, ada.id).await, ["user_created", "sign_in", "sign_in", "sign_in"]);
    // Another issuer's person of the same name is somebody else.
    let elsewhere = ExternalSignIn { issuer: "https://other.example.org".to_owned(), ..again };
    let elsewhere = ExternalSignIn {
        once: ("another".to_owned(), in_an_hour()),
        session: SessionId::new(),
        refresh_hash: "another".to_owned(),
        ..elsewhere
    };
    assert_ne!(come(store, &elsewhere).await.0.id, ada.id);
}

pub async fn nobody_comes_twice_with_the_same_word(database: TestDatabase) {
    let store = &database.store;
    let first = external("ada", Role::Student, 7);
    come(store, &first).await;
    let copy = ExternalSignIn { session: SessionId::new(), refresh_hash: "a copy".to_owned(), ..first };
    let again = store.sign_in_external(&copy).await.expect("an answer");
    assert!(matches!(again, Admission::Replayed), "{again:?}");
    assert!(!is_live(store, &copy).await);
}

pub async fn a_newcomer_who_is_not_welcome_leaves_nothing(database: TestDatabase) {
    let store = &database.store;
    let welcome = Unknown { is_welcome: true, takes_over: true };
    for (unknown, email) in [
        (Unknown { is_welcome: false, takes_over: true }, Some("ada@example.org")),
        // No address that anybody vouches for.
        (welcome, None),
    ] {
        let sign_in = ExternalSignIn { unknown, email: email.map(str::to_owned), ..external("ada", Role::Student, 1) };
        let refused = store.sign_in_external(&sign_in).await.expect("an answer");
        assert!(matches!(refused, Admission::NoAccount), "{refused:?}");
        assert!(!is_live(store, &sign_in).await && !store.has_users().await.expect("an answer"));
    }
}

pub async fn an_account_is_handed_over_only_where_that_is_wanted(database: TestDatabase) {
    let store = &database.store;
    let local = user(store, 40).await;
    let email = store.user(local).await.expect("an answer").expect("it").email;
    let sign_in = |takes_over| {
        let unknown = Unknown { is_welcome: true, takes_over };
        ExternalSignIn { unknown, email: Some(email.clone()), ..external("ada", Role::Student, 96) }
    };
    let refused = store.sign_in_external(&sign_in(false)).await.expect("an answer");
    assert!(matches!(refused, Admission::AddressTaken), "{refused:?}");
    assert!(told(store, local).await.is_empty());
    let (linked, _) = come(store, &sign_in(true)).await;
    assert_eq!((linked.id, linked.role, linked.quota_remaining), (local, Role::Student, 40), "its quota stays");
    assert_eq!(told(store, local).await, ["role_changed", "identity_linked", "sign_in"]);
}

pub async fn what_changes_there_changes_here_and_what_was_used_stays_used(database: TestDatabase) {
    let store = &database.store;
    let (ada, _) = come(store, &external("ada", Role::Student, 100)).await;
    set_quota(store, ada.id, 30).await;
    let (ada, _) = come(store, &external("ada", Role::Operator, 500)).await;
    assert_eq!((ada.role, ada.quota_remaining), (Role::Operator, 430), "70 are used");
    let (ada, _) = come(store, &external("ada", Role::Student, 100)).await;
    assert_eq!((ada.role, ada.quota_remaining), (Role::Student, 30));
    let (ada, _) = come(store, &external("ada", Role::Student, 10)).await;
    assert_eq!(ada.quota_remaining, 0);
    let stored = store.user(ada.id).await.expect("an answer").expect("it");
    assert_eq!((stored.role, stored.quota_remaining), (Role::Student, 0));
    let told = told(store, ada.id).await;
    let count = |action: &str| told.iter().filter(|line| *line == action).count();
    assert_eq!((count("role_changed"), count("quota_changed"), count("sign_in")), (2, 3, 4), "{told:?}");
}

pub async fn what_an_administrator_changed_stays_until_the_provider_says_something_new(database: TestDatabase) {
    let store = &database.store;
    let (ada, _) = come(store, &external("ada", Role::Student, 100)).await;
    let changes = UserChanges { role: Some(Role::Researcher), ..UserChanges::default() };
    store.update_user(ada.id, changes, &[act("role_changed")]).await.expect("changed");
    assert_eq!(come(store, &external("ada", Role::Student, 100)).await.0.role, Role::Researcher);
    assert_eq!(
        come(store, &external("ada", Role::Student, 200)).await.0.role,
        Role::Researcher,
        "the role is the same"
    );
    assert_eq!(come(store, &external("ada", Role::Operator, 200)).await.0.role, Role::Operator);
}

pub async fn the_last_administrator_stays_one_whatever_the_provider_says(database: TestDatabase) {
    let store = &database.store;
    let (ada, _) = come(store, &external("ada", Role::Admin, 100)).await;
    let (still, _) = come(store, &external("ada", Role::Student, 50)).await;
    assert_eq!((still.id, still.role, still.quota_remaining), (ada.id, Role::Admin, 50));
    // By being linked, neither.
    let local = NewUser { role: Role::Admin, ..new_user(1) };
    let email = local.email.clone();
    let bob = store.create_user(local, &act("user_created")).await.expect("an account");
    let (bob_linked, _) =
        come(store, &ExternalSignIn { email: Some(email), ..external("bob", Role::Student, 1) }).await;
    assert_eq!((bob_linked.id, bob_linked.role), (bob.id, Role::Student), "there is another one");
}

pub async fn a_first_sign_in_in_two_places_makes_one_account(database: TestDatabase) {
    let mut coming = JoinSet::new();
    for _ in 0..8 {
        let store = database.another().await;
        coming.spawn(async move {
            let sign_in = external("ada", Role::Student, 10);
            loop {
                match store.sign_in_external(&sign_in).await {
                    Ok(Admission::SignedIn(user, _)) => return user.id,
                    Err(StoreError::Contended(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    let mut all = coming.join_all().await;
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
}

pub async fn what_ends_there_ends_here_once_and_nothing_else(database: TestDatabase) {
    let store = &database.store;
    let (one, two) = (external("ada", Role::Student, 1), external("ada", Role::Student, 1));
    let two = ExternalSignIn { provider_session: Some("another".to_owned()), ..two };
    let (ada, _) = come(store, &one).await;
    come(store, &two).await;
    let local = session(store, ada.id, "by password", in_an_hour()).await;
    let eve = external("eve", Role::Student, 1);
    come(store, &eve).await;

    let that_one = ProviderSessions::One("session of ada".to_owned());
    let strange = ExternalEnd { issuer: "https://other.example.org".to_owned(), ..ends(that_one.clone(), "a") };
    assert_eq!(store.end_external_sessions(&strange).await.expect("an answer"), Some(0), "not theirs to end");
    assert_eq!(store.end_external_sessions(&ends(that_one.clone(), "b")).await.expect("an answer"), Some(1));
    assert!(!is_live(store, &one).await && is_live(store, &two).await);
    assert!(!store.is_external_session(&one.refresh_hash).await.expect("an answer"));
    assert_eq!(store.end_external_sessions(&ends(that_one, "b")).await.expect("an answer"), None, "told before");
    let all = ProviderSessions::All("ada".to_owned());
    assert_eq!(store.end_external_sessions(&ends(all.clone(), "c")).await.expect("an answer"), Some(1));
    assert_eq!(store.end_external_sessions(&ends(all, "d")).await.expect("an answer"), Some(0));
    assert!(!is_live(store, &two).await && is_live(store, &eve).await);
    assert!(store.user_in_session(local.id, ada.id).await.expect("an answer").is_some(), "it came by password");
    assert_eq!(told(store, ada.id).await.iter().filter(|line| *line == "sign_out").count(), 2);
}

pub async fn a_disabled_person_does_not_come_in(database: TestDatabase) {
    let store = &database.store;
    let (ada, _) = come(store, &external("ada", Role::Student, 1)).await;
    let disabled = UserChanges { disabled: Some(true), ..UserChanges::default() };
    store.update_user(ada.id, disabled, &[act("account_disabled")]).await.expect("disabled");
    let again = external("ada", Role::Operator, 1);
    let refused = store.sign_in_external(&again).await.expect("an answer");
    assert!(matches!(refused, Admission::Disabled(id) if id == ada.id), "{refused:?}");
    assert!(!is_live(store, &again).await);
    assert_eq!(store.user(ada.id).await.expect("an answer").expect("it").role, Role::Student);
}

pub async fn services_tokens_are_made_found_used_and_revoked(database: TestDatabase) {
    let store = &database.store;
    let new = |name: &str, hash: &str| NewServiceToken {
        id: ServiceTokenId::new(),
        service: ServiceKind::Display,
        name: name.to_owned(),
        hash: hash.to_owned(),
        expires_at: in_an_hour().trunc_subsecs(6),
    };
    let made = store.create_service_token(&new("wall", "hash"), 2, &act("service_token_made")).await.expect("made");
    let found = store.service_token_by_hash("hash").await.expect("an answer");
    assert_eq!(found.as_ref(), Some(&made));
    assert!(store.service_token_by_hash("another").await.expect("an answer").is_none());
    let (at, before) = (Utc::now().trunc_subsecs(6), Utc::now().trunc_subsecs(6) - TimeDelta::minutes(5));
    for used in [at, before] {
        store.note_service_tokens_used(&[(made.id, used)]).await.expect("noted");
    }
    let listed = store.service_tokens().await.expect("a list");
    assert_eq!(listed[0].last_used_at, Some(at), "the latest, whoever comes last");
    store.create_service_token(&new("door", "door"), 2, &act("service_token_made")).await.expect("made");
    let more = store.create_service_token(&new("roof", "roof"), 2, &act("service_token_made")).await;
    assert!(matches!(more, Err(StoreError::TooManyTokens { most: 2 })), "{more:?}");
    store.revoke_service_token(made.id, &act("service_token_revoked")).await.expect("revoked");
    assert!(store.service_token_by_hash("hash").await.expect("an answer").is_none());
    let again = store.revoke_service_token(made.id, &act("service_token_revoked")).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    let log = store.activity(None, None, 50).await.expect("the log").data;
    let count = |action: &str| log.iter().filter(|line| line.action == action).count();
    assert_eq!((count("service_token_made"), count("service_token_revoked")), (2, 1));
}

pub async fn what_has_served_its_time_is_forgotten(database: TestDatabase) {
    let store = &database.store;
    let sign_in = external("ada", Role::Student, 1);
    come(store, &sign_in).await;
    let old = NewServiceToken {
        id: ServiceTokenId::new(),
        service: ServiceKind::Monitoring,
        name: "old".to_owned(),
        hash: "old".to_owned(),
        expires_at: Utc::now() - TimeDelta::days(31),
    };
    store.create_service_token(&old, 5, &act("service_token_made")).await.expect("made");
    let now = store.purge(&Retention::FOR_EVER, Utc::now()).await.expect("a step");
    assert_eq!((now.service_tokens, now.used_once), (1, 0));
    let later = store.purge(&Retention::FOR_EVER, Utc::now() + TimeDelta::hours(2)).await.expect("a step");
    assert_eq!((later.used_once, later.sessions), (1, 1));
}

/// A database as it was before this step, with somebody signed in.
pub async fn old_sessions_are_nobodys_elsewhere(database: TestDatabase) {
    let (store, _directory) = at_schema(&database, 13).await;
    let (id, at) = match store.backend() {
        Backend::Sqlite => ("x'01900000000070008000000000000001'", "'2026-01-01T00:00:00+00:00'"),
        Backend::Postgres => {
            ("CAST('01900000-0000-7000-8000-000000000001' AS uuid)", "CAST('2026-01-01' AS timestamptz)")
        }
    };
    let soon = at.replace("2026", "2090");
    let user = format!(
        "INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at) VALUES ({id}, 'ada@example.org', 'x', 'student', 1, {at})"
    );
    let session = format!(
        "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at) VALUES ({id}, {id}, 'by password', {at}, {soon})"
    );
    store.run_sql(&user).await;
    store.run_sql(&session).await;
    store.migrate().await.expect("it migrates");
    let (session, ada) = store.session_by_hash("by password").await.expect("an answer").expect("still signed in");
    assert!(!store.is_external_session("by password").await.expect("an answer"));
    let sign_in = ExternalSignIn { email: Some(ada.email), ..external("ada", Role::Student, 1) };
    assert_eq!(come(&store, &sign_in).await.0.id, ada.id);
    let all = ends(ProviderSessions::All("ada".to_owned()), "x");
    assert_eq!(store.end_external_sessions(&all).await.expect("an answer"), Some(1));
    assert!(store.user_in_session(session.id, ada.id).await.expect("an answer").is_some());
}

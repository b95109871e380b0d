//! Accounts, sign-ins, the activity log.

use crate::given::*;
use chrono::{TimeDelta, Utc};
use domain::{Control, ExperimentStatus, MailKind, Role, SessionId, UserId};
use serde_json::json;
use std::{collections::HashMap, net::IpAddr};
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
    let made = store.create_user(new, &act("user_created")).await.expect("a new account");
    assert!(store.has_users().await.expect("an answer"));
    let changes = UserChanges { role: Some(Role::Operator), quota: Some(12), disabled: None };
    store.update_user(made.id, changes, &[]).await.expect("changed");

    let read = store.user_by_email("ADA.lovelace@example.ORG").await.expect("an answer").expect("the account");
    assert_eq!((read.id, read.email.as_str()), (made.id, "ada.lovelace@example.org"));
    assert_eq!((read.role, read.quota_remaining, read.created_at), (Role::Operator, 12, made.created_at));
    assert_eq!(read.hashed_password, "hash");
    assert!(matches!(store.update_user(UserId::new(), changes, &[]).await, Err(StoreError::NotFound(_))));
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
    database.store.create_user(with("a@example.org"), &act("user_created")).await.expect("a new account");
    assert!(matches!(
        database.store.create_user(with("A@Example.org"), &act("user_created")).await,
        Err(StoreError::EmailTaken)
    ));
}

pub async fn lists_of_people_and_deeds_page_without_gaps(database: TestDatabase) {
    let store = &database.store;
    let mut people = Vec::new();
    for number in 0..5 {
        people.push(user(store, number).await);
    }
    for (number, id) in (0..).zip(people.iter().copied()) {
        let address = if number == 0 { None } else { Some(IpAddr::from([192, 0, 2, number])) };
        let details = json!({ "number": number });
        store
            .log_activity(NewActivity { user_id: Some(id), action: "sign_in", details, ip_address: address })
            .await
            .expect("a line in the log");
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
    let second = store.activity(None, first.next, 7).await.expect("a page");
    assert_eq!(second.next, None);
    let lines: Vec<_> = first.data.iter().chain(&second.data).collect();
    let addresses: Vec<_> = lines.iter().map(|line| line.ip_address.map(|address| address.to_string())).collect();
    let expected =
        ["2001:db8::1", "192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"].map(|text| Some(text.to_owned()));
    assert_eq!(addresses[..5], expected);
    assert_eq!(addresses[5..], [const { None }; 6], "the first's, and that they were made");

    let own = store.activity(people.get(3).copied(), None, 10).await.expect("a page");
    assert_eq!(own.data.len(), 1);
    assert_eq!(own.data[0].details, json!({ "number": 3 }));
}

pub async fn a_refresh_token_works_once_and_a_copy_ends_the_session(database: TestDatabase) {
    let store = &database.store;
    let session = session(store, user(store, 0).await, "first", in_an_hour()).await;
    let rotated = store.rotate_session("first", "second", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(rotated, Rotation::Rotated(same) if same.id == session.id));
    let reused = store.rotate_session("first", "third", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(reused, Rotation::Reused(id) if id == session.id));
    let refused = store.rotate_session("second", "fourth", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(refused, Rotation::Refused), "{refused:?}");
    // Its person is told, once, however often the copy is shown.
    let again = store.rotate_session("first", "third", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(again, Rotation::Reused(_)), "{again:?}");
    let told = store.activity(None, None, 50).await.expect("the log").data;
    let told: Vec<_> = told.iter().filter(|line| line.action == "refresh_token_reused").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].details, json!({ "session": session.id, "user": session.user_id }));
    let mail = store.take_mail().await.expect("an answer").expect("a mail");
    assert_eq!((mail.kind, mail.email), (MailKind::TokenReused, format!("{}@example.org", session.user_id)));
    assert!(store.take_mail().await.expect("an answer").is_none());
    assert!(store.unseen_reuse(session.user_id).await.expect("an answer").is_some());
    store.see_reuse(session.user_id).await.expect("read");
    assert_eq!(store.unseen_reuse(session.user_id).await.expect("an answer"), None);
    let unknown = store.rotate_session("never given", "fifth", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(unknown, Rotation::Refused), "{unknown:?}");
}

pub async fn only_live_sessions_open_a_page(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 0).await;
    let live = session(store, owner, "live", in_an_hour()).await;
    let old = session(store, owner, "old", Utc::now() - TimeDelta::seconds(1)).await;
    let (session, found) = store.session_by_hash("live").await.expect("an answer").expect("the session");
    assert_eq!((session.id, found.id), (live.id, owner));
    let disabled = user(store, 0).await;
    let theirs = self::session(store, disabled, "theirs", in_an_hour()).await;
    let off = UserChanges { disabled: Some(true), ..UserChanges::default() };
    store.update_user(disabled, off, &[]).await.expect("disabled");
    let asked = [live.id, old.id, theirs.id, SessionId::new()];
    let role = found.role;
    assert_eq!(store.live_sessions(&asked).await.expect("an answer"), HashMap::from([(live.id, role)]));
    assert!(store.session_by_hash("old").await.expect("an answer").is_none());
    let expired = store.rotate_session("old", "new", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(expired, Rotation::Refused));
    // However often it is renewed.
    self::session(store, owner, "renewed", in_an_hour()).await;
    let begun = async |days: i64| {
        let at = (Utc::now() - TimeDelta::days(days)).to_rfc3339();
        store.run_sql(&format!("UPDATE sessions SET created_at = '{at}' WHERE refresh_hash LIKE 'renewed%'")).await;
    };
    begun(89).await;
    let in_a_month = Utc::now() + TimeDelta::days(30);
    let last = store.rotate_session("renewed", "renewed again", in_a_month, None).await.expect("an answer");
    let Rotation::Rotated(last) = last else { panic!("{last:?}") };
    assert!(last.expires_at < Utc::now() + TimeDelta::days(1), "{last:?}");
    begun(90).await;
    let over = store.rotate_session("renewed again", "renewed still", in_a_month, None).await.expect("an answer");
    assert!(matches!(over, Rotation::Refused));
    store.revoke_session(live.id, &act("sign_out")).await.expect("revoked");
    assert!(store.session_by_hash("live").await.expect("an answer").is_none());
}

pub async fn a_new_password_ends_all_sessions(database: TestDatabase) {
    let store = &database.store;
    let (owner, other) = (user(store, 0).await, user(store, 0).await);
    session(store, owner, "mine", in_an_hour()).await;
    session(store, other, "yours", in_an_hour()).await;
    store.set_password(owner, "new hash", &act("password_changed")).await.expect("a new password");
    assert!(store.session_by_hash("mine").await.expect("an answer").is_none());
    assert!(store.session_by_hash("yours").await.expect("an answer").is_some());
    assert_eq!(store.user(owner).await.expect("an answer").expect("the account").hashed_password, "new hash");
}

/// Each kind of act with a change that can't be made beside one that can: nothing of it is there, and no line.
pub async fn an_act_and_its_line_are_one(database: TestDatabase) {
    let store = &database.store;
    let (person, before) = (user(store, 7).await, lines(store, None).await);
    let changes = UserChanges { role: Some(Role::Operator), quota: Some(-1), disabled: Some(true) };
    let refused = store.update_user(person, changes, &[act("role_changed"), act("quota_changed")]).await;
    assert!(refused.is_err(), "a quota below 0: {refused:?}");
    let read = store.user(person).await.expect("an answer").expect("the account");
    assert_eq!((read.role, read.quota_remaining, read.disabled_at), (Role::Researcher, 7, None));
    assert_eq!(lines(store, None).await, before);

    // A log that can't be written: the acts aren't done either.
    let live = session(store, person, "live", in_an_hour()).await;
    let waiting = queued(store, person, 1).await;
    store.run_sql("ALTER TABLE user_activity_log RENAME TO elsewhere").await;
    let new = NewUser {
        id: UserId::new(),
        email: "eve@example.org".to_owned(),
        hashed_password: "hash".to_owned(),
        role: Role::Admin,
        quota: 0,
    };
    let changes = UserChanges { role: Some(Role::Admin), ..UserChanges::default() };
    assert!(store.create_user(new, &act("user_created")).await.is_err());
    assert!(store.update_user(person, changes, &[act("role_changed")]).await.is_err());
    assert!(store.set_password(person, "other", &act("password_changed")).await.is_err());
    assert!(store.revoke_session(live.id, &act("sign_out")).await.is_err());
    assert!(store.create_session(SessionId::new(), &read, "more", in_an_hour(), &act("sign_in")).await.is_err());
    assert!(store.control(waiting.experiment.id, Control::Cancel, &act("experiment_cancelled")).await.is_err());
    store.run_sql("ALTER TABLE elsewhere RENAME TO user_activity_log").await;

    assert!(store.user_by_email("eve@example.org").await.expect("an answer").is_none());
    let (_, unchanged) = store.session_by_hash("live").await.expect("an answer").expect("it lives");
    assert_eq!((unchanged.role, unchanged.hashed_password), (Role::Researcher, read.hashed_password));
    assert!(store.session_by_hash("more").await.expect("an answer").is_none());
    assert_eq!(experiment(store, waiting.experiment.id).await.experiment.status, ExperimentStatus::Queued);
}

async fn lines(store: &Store, of: Option<UserId>) -> usize {
    store.activity(of, None, 200).await.expect("the log").data.len()
}

/// Two who take the role from each other at once, many times: one stays.
pub async fn of_two_administrators_who_depose_each_other_one_stays(database: TestDatabase) {
    let store = &database.store;
    let (one, other) = (user(store, 0).await, user(store, 0).await);
    let to = |role| UserChanges { role: Some(role), ..UserChanges::default() };
    let off = UserChanges { disabled: Some(true), ..UserChanges::default() };
    // With connections that are open already, or the second would always come after the first.
    let second_process = database.another().await;
    second_process.user(one).await.expect("an answer");
    for round in 0..30 {
        for id in [one, other] {
            let on = UserChanges { role: Some(Role::Admin), disabled: Some(false), quota: None };
            store.update_user(id, on, &[]).await.expect("an administrator");
        }
        let change = if round % 2 == 0 { to(Role::Student) } else { off };
        let depose = |id, store: Store| tokio::spawn(async move { store.update_user(id, change, &[]).await });
        let (first, second) = (depose(one, store.clone()), depose(other, second_process.clone()));
        let ends = [first.await.expect("a task"), second.await.expect("a task")];
        assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1, "{ends:?}");
        assert!(ends.iter().any(|end| matches!(end, Err(StoreError::LastAdministrator))), "{ends:?}");
    }
    let quota = UserChanges { quota: Some(5), ..UserChanges::default() };
    for id in [one, other] {
        store.update_user(id, quota, &[]).await.expect("what takes no power is anybody's");
    }
}

pub async fn whoever_is_disabled_is_signed_out_and_comes_back_by_signing_in(database: TestDatabase) {
    let store = &database.store;
    let person = user(store, 3).await;
    let live = session(store, person, "live", in_an_hour()).await;
    assert!(store.user_in_session(live.id, person).await.expect("an answer").is_some());
    assert!(store.user_in_session(live.id, user(store, 0).await).await.expect("an answer").is_none());
    let disabled = |disabled| UserChanges { disabled: Some(disabled), ..UserChanges::default() };
    let off = store.update_user(person, disabled(true), &[act("account_disabled")]).await.expect("disabled");
    assert!(off.disabled_at.is_some());
    assert!(store.user_in_session(live.id, person).await.expect("an answer").is_none());
    let late = store.create_session(SessionId::new(), &off, "late", in_an_hour(), &act("sign_in")).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))), "{late:?}");
    let on = store.update_user(person, disabled(false), &[act("account_enabled")]).await.expect("enabled");
    assert_eq!((on.disabled_at, on.quota_remaining), (None, 3));
    assert!(store.session_by_hash("live").await.expect("an answer").is_none(), "what ended stays ended");
    session(store, person, "anew", in_an_hour()).await;
    // Verified with a password that is another by now.
    store.set_password(person, "new hash", &act("password_changed")).await.expect("a new password");
    let late = store.create_session(SessionId::new(), &on, "late", in_an_hour(), &act("sign_in")).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))), "{late:?}");
}

pub async fn everyone_gets_the_same_signing_key(database: TestDatabase) {
    let other = database.another().await;
    let (one, two) =
        tokio::join!(database.store.first_signing_key("a", "key of one"), other.first_signing_key("b", "key of two"));
    one.and(two).expect("answers");
    let keys = database.store.signing_keys().await.expect("keys");
    assert_eq!(keys.len(), 1);
    assert_eq!(keys, other.signing_keys().await.expect("keys"));
    assert!(!format!("{keys:?}").contains("key of"));
}

pub async fn a_key_that_is_replaced_verifies_for_a_while_and_is_forgotten(database: TestDatabase) {
    let store = &database.store;
    store.first_signing_key("a", "A").await.expect("a key");
    let rotate = |kid, until| async move { store.rotate_signing_key(kid, kid, until, &act("rotated")).await };
    rotate("b", in_an_hour()).await.expect("rotated");
    let kids = async || store.signing_keys().await.expect("keys").into_iter().map(|key| key.kid).collect::<Vec<_>>();
    assert_eq!(kids().await, ["b", "a"], "the one that signs is first");
    rotate("c", Utc::now() - TimeDelta::seconds(1)).await.expect("rotated");
    assert_eq!(kids().await, ["c", "a"]);
    assert_eq!(store.purge(&Retention::FOR_EVER, Utc::now()).await.expect("an answer").signing_keys, 1);
    assert!(matches!(store.retire_signing_key("c", &act("retired")).await, Err(StoreError::NotFound(_))));
    store.retire_signing_key("a", &act("retired")).await.expect("retired");
    assert_eq!(kids().await, ["c"]);

    let (one, two) = (database.another().await, database.another().await);
    let at_once = [("d", one), ("e", two)].map(|(kid, store)| {
        tokio::spawn(async move { store.rotate_signing_key(kid, kid, in_an_hour(), &act("rotated")).await })
    });
    for rotated in at_once {
        rotated.await.expect("a task").expect("rotated");
    }
    assert_eq!(kids().await.len(), 3, "each of the keys that ever signed");
}

pub async fn what_has_run_out_is_forgotten_and_the_rest_is_kept(database: TestDatabase) {
    let store = &database.store;
    let person = user(store, 10).await;
    session(store, person, "old", Utc::now() + TimeDelta::milliseconds(1)).await;
    session(store, person, "rotated", in_an_hour()).await;
    store.rotate_session("rotated", "ended", Utc::now() - TimeDelta::hours(1), None).await.expect("an answer");
    session(store, person, "spent", in_an_hour()).await;
    store.rotate_session("spent", "live", in_an_hour(), None).await.expect("an answer");
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
    let copy = store.rotate_session("spent", "x", in_an_hour(), None).await.expect("an answer");
    assert!(matches!(copy, Rotation::Reused(_)), "a copied token of a live session is still known: {copy:?}");
}

pub async fn a_person_sees_where_they_are_signed_in(database: TestDatabase) {
    let store = &database.store;
    let (owner, other) = (user(store, 0).await, user(store, 0).await);
    let first = session(store, owner, "first", in_an_hour()).await;
    let second = session(store, owner, "second", in_an_hour()).await;
    session(store, owner, "over", Utc::now() - TimeDelta::seconds(1)).await;
    let theirs = session(store, other, "theirs", in_an_hour()).await;
    let at = Utc::now() - TimeDelta::minutes(1);
    let used = SessionUse { at, ip_address: "2001:db8::7".parse().ok(), client: Some("Firefox on Linux".to_owned()) };
    store.note_sessions_used(&[(first.id, used.clone())]).await.expect("noted");
    let older = SessionUse { at: at - TimeDelta::hours(1), ip_address: None, client: None };
    store.note_sessions_used(&[(first.id, older), (theirs.id, used.clone())]).await.expect("noted");
    let open = store.open_sessions(owner).await.expect("a list");
    assert_eq!(open.iter().map(|session| session.id).collect::<Vec<_>>(), [second.id, first.id]);
    assert_eq!((open[0].last_used_at, open[0].client.as_deref()), (None, None));
    assert_eq!((open[1].ip_address, open[1].client.clone()), (used.ip_address, used.client), "the newest counts");
    assert_eq!(store.owner_of_session(theirs.id).await.expect("an answer"), Some(other));
    store.end_other_sessions(owner, second.id, &act("signed_out_elsewhere")).await.expect("ended");
    let open = store.open_sessions(owner).await.expect("a list");
    assert_eq!(open.iter().map(|session| session.id).collect::<Vec<_>>(), [second.id]);
    assert!(store.session_by_hash("first").await.expect("an answer").is_none());
    assert_eq!(store.open_sessions(other).await.expect("a list").len(), 1);
    assert_eq!(store.owner_of_session(first.id).await.expect("an answer"), None);
}

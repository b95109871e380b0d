//! How people come to an account: links that work once, invitations that are for so many, classes that come in whole, and
//! mails that nobody loses.

use crate::given::*;
use chrono::{TimeDelta, Utc};
use domain::*;
use serde_json::json;
use std::collections::BTreeMap;
use store::{testing::TestDatabase, *};
use tokio::task::JoinSet;

fn link(hash: &str, to: LinkTo) -> NewLink {
    NewLink { hash: hash.to_owned(), to, expires_at: in_an_hour() }
}

fn invitation(email: Option<&str>, uses: i32) -> Invitation {
    Invitation {
        id: InvitationId::new(),
        email: email.map(str::to_owned),
        role: Role::Researcher,
        quota: 12,
        uses,
        uses_left: uses,
        created_at: Utc::now(),
        expires_at: in_an_hour(),
        group_id: None,
    }
}

fn mail(kind: MailKind, email: &str) -> NewMail {
    NewMail { kind, email: email.to_owned(), invitation_id: None }
}

async fn invited(store: &Store, new: &Invitation, hash: &str) {
    let made = store.create_invitation(new, &link(hash, new.link()), None, &act("invitation_made")).await;
    made.expect("an invitation");
}

/// How often the log says so.
async fn lines(store: &Store, action: &str) -> usize {
    let log = store.activity(None, None, 200).await.expect("the log");
    log.data.iter().filter(|line| line.action == action).count()
}

pub async fn a_link_sets_a_password_once_and_ends_what_was_open(database: TestDatabase) {
    let store = &database.store;
    let id = user(store, 0).await;
    session(store, id, "open", in_an_hour()).await;
    for hash in ["one", "two"] {
        store.create_link(&link(hash, LinkTo::Password(id)), Some(&act("made"))).await.expect("a link");
    }
    assert!(matches!(store.open_link("one").await, Ok(Some(Opened::Password(user))) if user.id == id));
    assert!(store.open_link("another").await.expect("an answer").is_none());
    let mut using = JoinSet::new();
    for number in 0..4 {
        let store = database.another().await;
        using.spawn(async move { store.set_password_by_link("one", &format!("hash {number}"), &act("used")).await });
    }
    let used = using.join_all().await;
    assert_eq!(used.iter().filter(|used| used.is_ok()).count(), 1, "{used:?}");
    assert!(used.iter().all(|used| matches!(used, Ok(()) | Err(StoreError::NotFound("link")))), "{used:?}");
    assert!(store.session_by_hash("open").await.expect("an answer").is_none(), "whoever was signed in isn't");
    assert!(store.open_link("two").await.expect("an answer").is_none(), "the others end with it");
    assert!(store.user(id).await.expect("an answer").expect("it").hashed_password.starts_with("hash "));
    assert_eq!((lines(store, "made").await, lines(store, "used").await), (2, 1), "an act and its line are one");
}

pub async fn a_link_ends_with_its_account_its_time_and_a_new_password(database: TestDatabase) {
    let store = &database.store;
    let id = user(store, 0).await;
    let is_open = async |hash: &str| store.open_link(hash).await.expect("an answer").is_some();
    let late = NewLink { expires_at: Utc::now() - TimeDelta::seconds(1), ..link("late", LinkTo::Password(id)) };
    store.create_link(&late, None).await.expect("a link");
    assert!(!is_open("late").await);
    store.set_password_by_link("late", "x", &act("used")).await.expect_err("it has run out");
    store.create_link(&link("before", LinkTo::Password(id)), None).await.expect("a link");
    store.set_password(id, "hash", &act("password_changed")).await.expect("changed");
    assert!(!is_open("before").await);
    store.create_link(&link("then", LinkTo::Password(id)), None).await.expect("a link");
    let disabled = UserChanges { disabled: Some(true), ..UserChanges::default() };
    store.update_user(id, disabled, &[act("account_disabled")]).await.expect("disabled");
    assert!(!is_open("then").await);
    let refused = store.create_link(&link("now", LinkTo::Password(id)), None).await;
    assert!(matches!(refused, Err(StoreError::NotFound("account"))), "{refused:?}");
    // A mail that is tried again and again makes one each time.
    let other = user(store, 0).await;
    for number in 0..60 {
        store.create_link(&link(&format!("{number}"), LinkTo::Password(other)), None).await.expect("a link");
    }
    let mut open = 0;
    for number in 0..60 {
        open += usize::from(is_open(&format!("{number}")).await);
    }
    assert!(is_open("59").await && open == 20, "{open}");
}

pub async fn an_invitation_makes_as_many_accounts_as_it_is_for_and_none_for_others(database: TestDatabase) {
    let store = &database.store;
    let three = invitation(None, 3);
    invited(store, &three, "three").await;
    let mut coming = JoinSet::new();
    for _ in 0..8 {
        let store = database.another().await;
        coming.spawn(async move { store.accept_invitation("three", &new_user(12), &act("invitation_used")).await });
    }
    let came = coming.join_all().await;
    assert_eq!(came.iter().filter(|came| came.is_ok()).count(), 3, "{came:?}");
    assert!(came.iter().all(|came| matches!(came, Ok(()) | Err(StoreError::NotFound("link")))), "{came:?}");
    assert_eq!(store.invitation(three.id).await.expect("an answer").map(|left| left.uses_left), Some(0));
    assert!(store.open_link("three").await.expect("an answer").is_none());
    assert_eq!(
        (store.users(None, 200).await.expect("a list").data.len(), lines(store, "invitation_used").await),
        (3, 3)
    );

    let bound = invitation(Some("ada@example.org"), 1);
    invited(store, &bound, "bound").await;
    let refused = store.accept_invitation("bound", &new_user(12), &act("invitation_used")).await;
    assert!(matches!(refused, Err(StoreError::NotFound("link"))), "{refused:?}");
    let ada = NewUser { email: "ada@example.org".to_owned(), ..new_user(12) };
    store.accept_invitation("bound", &ada, &act("invitation_used")).await.expect("hers");

    let open = invitation(None, 2);
    invited(store, &open, "open").await;
    let taken = store.accept_invitation("open", &NewUser { id: UserId::new(), ..ada }, &act("invitation_used")).await;
    assert!(matches!(taken, Err(StoreError::EmailTaken)), "{taken:?}");
    assert_eq!(store.invitation(open.id).await.expect("an answer").map(|left| left.uses_left), Some(2), "not used up");
    store.revoke_invitation(open.id, &act("invitation_revoked")).await.expect("revoked");
    assert!(store.open_link("open").await.expect("an answer").is_none());
    let again = store.revoke_invitation(open.id, &act("invitation_revoked")).await;
    assert!(matches!(again, Err(StoreError::NotFound("invitation"))), "{again:?}");
    let listed = store.invitations(None, 2).await.expect("a list");
    assert_eq!(listed.data.iter().map(|one| one.id).collect::<Vec<_>>(), [bound.id, three.id]);
}

pub async fn whoever_proves_an_address_gets_its_account_or_waits(database: TestDatabase) {
    let store = &database.store;
    let proof = |hash: &str, email: &str| link(hash, LinkTo::Registration(email.to_owned()));
    let ada = NewUser { email: "ada@example.org".to_owned(), ..new_user(5) };
    for hash in ["first", "second"] {
        store.create_link(&proof(hash, &ada.email), None).await.expect("a link");
    }
    let bob = NewUser { email: "bob@example.org".to_owned(), ..new_user(5) };
    let foreign = store.register("first", &bob, &act("registered")).await;
    assert!(matches!(foreign, Err(StoreError::NotFound("link"))), "{foreign:?}");
    store.register("first", &ada, &act("registered")).await.expect("an account");
    assert!(store.open_link("second").await.expect("an answer").is_none(), "it has what it asked for");

    let asked = |email: &str, hash: &str| Registration {
        id: RegistrationId::new(),
        email: email.to_owned(),
        hashed_password: hash.to_owned(),
        created_at: Utc::now(),
    };
    store.create_link(&proof("late", &ada.email), None).await.expect("a link");
    let taken = store.ask_for_account("late", &asked(&ada.email, "x"), &act("account_asked")).await;
    assert!(matches!(taken, Err(StoreError::EmailTaken)), "{taken:?}");
    for hash in ["bob 1", "bob 2"] {
        store.create_link(&proof(hash, &bob.email), None).await.expect("a link");
        let waits = store.ask_for_account(hash, &asked(&bob.email, hash), &act("account_asked")).await;
        waits.expect("bob waits");
    }
    let waiting = store.registrations(None, 50).await.expect("a list").data;
    assert_eq!(waiting.iter().map(|one| one.hashed_password.as_str()).collect::<Vec<_>>(), ["bob 2"]);
    let id = waiting[0].id;
    let made = store.approve(id, UserId::new(), Role::Student, 7, &act("account_approved")).await.expect("an account");
    let found = store.user_by_email(&bob.email).await.expect("an answer").expect("bob");
    assert_eq!((found.id, found.hashed_password.as_str(), found.quota_remaining), (made.id, "bob 2", 7));
    let written = store.take_mail().await.expect("an answer").expect("a mail");
    assert_eq!((written.kind, written.email), (MailKind::Approved, bob.email));
    let again = store.reject(id, &act("account_refused")).await;
    assert!(matches!(again, Err(StoreError::NotFound("registration"))), "{again:?}");
}

pub async fn many_are_changed_or_none_and_an_administrator_stays(database: TestDatabase) {
    let store = &database.store;
    let admin = NewUser { role: Role::Admin, ..new_user(0) };
    store.create_user(admin.clone(), &act("user_created")).await.expect("an account");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = user(store, 1).await;
        session(store, id, &id.to_string(), in_an_hour()).await;
        ids.push(id);
    }
    let quota = UserChanges { quota: Some(40), ..UserChanges::default() };
    let by: Vec<_> = ids.iter().map(|_| act("account_changed")).collect();
    store.update_users(&ids, quota, &by).await.expect("changed");
    let with_nobody = [ids.clone(), vec![UserId::new()]].concat();
    let operators = UserChanges { role: Some(Role::Operator), ..UserChanges::default() };
    let refused = store.update_users(&with_nobody, operators, &by).await;
    assert!(matches!(refused, Err(StoreError::NotFound("account"))), "{refused:?}");
    let disabled = UserChanges { disabled: Some(true), ..UserChanges::default() };
    let everybody = [ids.clone(), vec![admin.id]].concat();
    let refused = store.update_users(&everybody, disabled, &by).await;
    assert!(matches!(refused, Err(StoreError::LastAdministrator)), "{refused:?}");
    for id in &ids {
        let account = store.user(*id).await.expect("an answer").expect("it");
        assert_eq!((account.quota_remaining, account.role, account.disabled_at), (40, Role::Researcher, None));
        assert!(store.session_by_hash(&id.to_string()).await.expect("an answer").is_some());
    }
    assert_eq!(lines(store, "account_changed").await, 3, "what was refused has no line");
    store.update_users(&ids, disabled, &by).await.expect("disabled");
    for id in &ids {
        assert!(store.user(*id).await.expect("an answer").expect("it").disabled_at.is_some());
        assert!(store.session_by_hash(&id.to_string()).await.expect("an answer").is_none());
    }
}

pub async fn a_class_comes_in_whole_or_not_at_all(database: TestDatabase) {
    let store = &database.store;
    let person = |number: usize| {
        let new = NewUser { email: format!("{number}@example.org"), ..new_user(96) };
        let link = link(&format!("link {number}"), LinkTo::Password(new.id));
        (new, Some(link))
    };
    let class: Vec<_> = (0..1_000).map(person).collect();
    let mails: Vec<_> = class.iter().map(|(new, _)| mail(MailKind::Welcome, &new.email)).collect();
    let lines: Vec<_> = class
        .iter()
        .map(|(new, _)| NewActivity {
            user_id: None,
            action: "user_created",
            details: json!({ "email": new.email }),
            ip_address: Some("192.0.2.7".parse().expect("an address")),
        })
        .collect();
    let made = store.import_users(&class, &BTreeMap::new(), &mails, &lines).await.expect("a class");
    assert_eq!(made.made, 1_000);
    let one = store.user_by_email("7@example.org").await.expect("an answer").expect("it");
    assert!(matches!(store.open_link("link 7").await, Ok(Some(Opened::Password(user))) if user.id == one.id));
    let log = store.activity(None, None, 200).await.expect("the log").data;
    assert!(log.iter().all(|line| line.ip_address.is_some() && line.details["email"].is_string()), "{log:?}");

    let next = vec![person(2_000), person(7)];
    let taken = store.import_users(&next, &BTreeMap::new(), &[], &[]).await;
    assert!(matches!(taken, Err(StoreError::EmailTaken)), "{taken:?}");
    assert!(store.user_by_email("2000@example.org").await.expect("an answer").is_none(), "none of them");
    let known = store.taken_emails(&["7@example.org".to_owned(), "2000@example.org".to_owned()]).await;
    assert_eq!(known.expect("an answer").into_keys().collect::<Vec<_>>(), ["7@example.org"]);

    let flood = vec![mail(MailKind::Welcome, "x@example.org"); MOST_MAILS as usize - 999];
    let refused = store.import_users(&[person(3_000)], &BTreeMap::new(), &flood, &[]).await;
    assert!(matches!(refused, Err(StoreError::TooManyMails { .. })), "{refused:?}");
    assert!(store.user_by_email("3000@example.org").await.expect("an answer").is_none());
}

pub async fn a_mail_is_taken_by_one_and_again_if_that_one_dies(database: TestDatabase) {
    let store = &database.store;
    store.post_mail(&mail(MailKind::Reset, "ada@example.org"), &act("asked")).await.expect("posted");
    let mut taking = JoinSet::new();
    for _ in 0..6 {
        let store = database.another().await;
        taking.spawn(async move { store.take_mail().await.expect("an answer") });
    }
    let taken: Vec<_> = taking.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!((taken[0].kind, taken[0].email.as_str(), taken[0].attempts), (MailKind::Reset, "ada@example.org", 1));
    // Its time comes again.
    store.run_sql("UPDATE mails SET due_at = '2026-01-01T00:00:00+00:00'").await;
    let again = store.take_mail().await.expect("an answer").expect("it");
    assert_eq!((again.id, again.attempts), (taken[0].id, 2));
    store.put_mail_off(again.id, Some(in_an_hour()), "nobody answers").await.expect("put off");
    assert!(store.take_mail().await.expect("an answer").is_none());
    let failed = store.failed_mails().await.expect("a list");
    assert_eq!(failed.iter().map(|mail| mail.failure.as_deref()).collect::<Vec<_>>(), [Some("nobody answers")]);
    store.put_mail_off(again.id, None, "no such address").await.expect("given up");
    let failed = store.failed_mails().await.expect("a list");
    assert!(failed.len() == 1 && failed[0].due_at.is_none(), "{failed:?}");
    store.forget_mail(again.id).await.expect("forgotten");
    assert!(store.failed_mails().await.expect("a list").is_empty());
}

pub async fn what_has_run_out_goes(database: TestDatabase) {
    let store = &database.store;
    let id = user(store, 0).await;
    let (old, fresh) = (invitation(None, 1), invitation(None, 1));
    invited(store, &old, "old").await;
    invited(store, &fresh, "fresh").await;
    store.create_link(&link("own", LinkTo::Password(id)), None).await.expect("a link");
    store.post_mail(&mail(MailKind::Reset, "ada@example.org"), &act("asked")).await.expect("posted");
    let keep = Retention::FOR_EVER;
    let purged = store.purge(&keep, Utc::now()).await.expect("a step");
    assert_eq!(purged.account_links, 0);
    let tomorrow = Utc::now() + TimeDelta::days(1);
    assert_eq!(store.purge(&keep, tomorrow).await.expect("a step").account_links, 3, "links that have run out");
    assert_eq!(store.invitations(None, 50).await.expect("a list").data.len(), 2, "they are still listed");
    let next_month = Utc::now() + TimeDelta::days(32);
    assert_eq!(store.purge(&keep, next_month).await.expect("a step").account_links, 3, "invitations and the mail");
    assert!(store.invitations(None, 50).await.expect("a list").data.is_empty());
}

pub async fn people_are_found_by_a_part_of_their_address(database: TestDatabase) {
    let store = &database.store;
    for email in ["ada.lovelace@example.org", "ada_l@example.org", "bob%x@example.com", "lovelace@cs.example.org"] {
        store.create_user(NewUser { email: email.to_owned(), ..new_user(0) }, &act("user_created")).await.expect("it");
    }
    let found = async |part: &str| {
        let page = store.search_users(part, None, 50).await.expect("a list");
        page.data.into_iter().map(|user| user.email).collect::<Vec<_>>()
    };
    assert_eq!(found("LOVELACE").await, ["ada.lovelace@example.org", "lovelace@cs.example.org"]);
    assert_eq!(found("ada_").await, ["ada_l@example.org"], "an underscore is itself");
    assert_eq!(found("%").await, ["bob%x@example.com"]);
    assert!(found("\\").await.is_empty());
    let first = store.search_users("example", None, 3).await.expect("a list");
    let rest = store.search_users("example", first.next, 3).await.expect("a list");
    assert_eq!((first.data.len(), rest.data.len(), rest.next), (3, 1, None));
}

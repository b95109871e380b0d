//! Every column has a class (`docs/data.md`), and what is secret is shown by nothing.

use crate::given::*;
use domain::{Role, UserId};
use std::{collections::BTreeSet, fs, path::Path};
use store::{testing::TestDatabase, *};

/// `(table, column, class)`
type Classified = BTreeSet<(String, String, String)>;

fn classified() -> Classified {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/data.md");
    let text = fs::read_to_string(file).expect("the table of columns");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, table, column, class, _, _, _] = cells[..] else { return None };
        (table != "table" && !table.starts_with('-')).then(|| [table, column, class].map(str::to_owned).into())
    });
    rows.collect()
}

pub async fn every_column_has_a_class(database: TestDatabase) {
    let classified = classified();
    for (table, column, class) in &classified {
        assert!(["public", "private", "secret"].contains(&class.as_str()), "{table}.{column} is '{class}'");
    }
    let named: BTreeSet<_> = classified.iter().map(|(table, column, _)| format!("{table}.{column}")).collect();
    assert_eq!(named.len(), classified.len(), "a column has one class");
    let stored: BTreeSet<_> =
        database.columns().await.into_iter().map(|stored| format!("{}.{}", stored.table, stored.column)).collect();
    assert_eq!(stored.difference(&named).collect::<Vec<_>>(), [""; 0], "say in docs/data.md what these are");
    assert_eq!(named.difference(&stored).collect::<Vec<_>>(), [""; 0], "these are no more");
}

/// What comes out of the store with a secret in it doesn't show it.
pub async fn no_secret_is_printed(database: TestDatabase) {
    let store = &database.store;
    let new = NewUser {
        id: UserId::new(),
        email: "ada@example.org".to_owned(),
        hashed_password: "hush-password".to_owned(),
        role: Role::Admin,
        quota: 0,
    };
    let asked = format!("{new:?}");
    let user = store.create_user(new, &act("user_created")).await.expect("an account");
    let begun = session(store, user.id, "hush-refresh", in_an_hour()).await;
    let scopes = domain::Scopes::of([domain::Scope::Read]).expect("one");
    let new = NewApiToken {
        id: domain::ApiTokenId::new(),
        name: "notebook".to_owned(),
        hash: "hush-token".to_owned(),
        scopes,
        expires_at: in_an_hour(),
    };
    let token = store.create_api_token(&user, &new, 50, &act("api_token_made")).await.expect("a token");
    let shown = store.user_by_api_token("hush-token").await.expect("an answer").expect("it");
    store.offer_totp(user.id, "hush-totp").await.expect("offered");
    let app = NewFactor::Totp { secret: "hush-totp".to_owned(), step: 1 };
    let codes = ["hush-code".to_owned()];
    store
        .add_factor((user.id, begun.id), &app, Some(Amr::PASSWORD_AND_CODE), &codes, &act("added"))
        .await
        .expect("added");
    let tried = store.count_try(user.id, None, |_| None).await.expect("counted");
    let code = FactorUse::RecoveryCode { hash: "hush-code".to_owned() };
    let proved = NewSession {
        id: domain::SessionId::new(),
        user_id: user.id,
        hash: "hush-session".to_owned(),
        expires_at: in_an_hour(),
        amr: Amr::PASSWORD,
    };
    let asked = format!("{asked} {new:?} {token:?} {shown:?} {app:?} {tried:?} {code:?} {proved:?}");
    store.first_signing_key("kid", "hush-key").await.expect("a key");
    let live = store.session_by_hash("hush-refresh").await.expect("an answer");
    let keys = store.signing_keys().await.expect("keys");
    let rotated = store.rotate_session("hush-refresh", "hush-next", in_an_hour(), None).await.expect("an answer");
    // The database quotes what it was given where it can't take it.
    let twice =
        store.rotate_signing_key("kid", "hush-key", in_an_hour(), &act("rotated")).await.expect_err("a kid twice");
    let printed = format!("{asked} {user:?} {begun:?} {live:?} {keys:?} {rotated:?} {twice:?} {twice} {store:?}");
    assert!(!printed.contains("hush"), "{printed}");
    let log = store.activity(None, None, 50).await.expect("the log");
    assert!(!format!("{log:?}").contains("hush"));
}

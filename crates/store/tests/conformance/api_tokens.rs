//! API tokens: made within bounds and only by whoever still is who they were, and ended with all that ends them.

use crate::given::*;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::{ApiTokenId, Role, Scope, Scopes, UserId};
use std::collections::HashMap;
use store::{testing::TestDatabase, *};
use tokio::task::JoinSet;

fn token(hash: &str, expires_at: DateTime<Utc>) -> NewApiToken {
    let scopes = Scopes::of([Scope::Experiments, Scope::Read]).expect("two");
    NewApiToken { id: ApiTokenId::new(), name: "notebook".to_owned(), hash: hash.to_owned(), scopes, expires_at }
}

async fn account(store: &Store, id: UserId) -> User {
    store.user(id).await.expect("an answer").expect("the account")
}

async fn made(store: &Store, owner: UserId, hash: &str) -> ApiToken {
    let owner = account(store, owner).await;
    let new = token(hash, in_an_hour().trunc_subsecs(6));
    store.create_api_token(&owner, &new, 50, &act("api_token_made")).await.expect("made")
}

pub async fn a_token_is_found_by_its_hash_with_its_owner(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 7).await;
    let made = made(store, owner, "hash").await;
    let (found, user) = store.user_by_api_token("hash").await.expect("an answer").expect("it");
    assert_eq!((&found, user.id, user.quota_remaining), (&made, owner, 7));
    assert_eq!(found.scopes.to_string(), "read experiments");
    assert_eq!(store.api_token(made.id).await.expect("an answer"), Some(made.clone()));
    assert_eq!(store.api_tokens(owner).await.expect("a list"), [made]);
    assert!(store.user_by_api_token("another").await.expect("an answer").is_none());
    assert!(store.api_tokens(self::user(store, 0).await).await.expect("a list").is_empty());
}

/// Also where they are asked for at once, by two processes.
pub async fn nobody_has_more_than_may_be(database: TestDatabase) {
    let store = &database.store;
    let id = user(store, 0).await;
    let owner = account(store, id).await;
    let old = token("old", Utc::now() - TimeDelta::seconds(1));
    store.create_api_token(&owner, &old, 3, &act("api_token_made")).await.expect("what has run out doesn't count");
    let mut asking = JoinSet::new();
    for number in 0..8 {
        let (store, owner) = (database.another().await, owner.clone());
        asking.spawn(async move {
            let new = token(&format!("hash {number}"), in_an_hour());
            store.create_api_token(&owner, &new, 3, &act("api_token_made")).await
        });
    }
    let made = asking.join_all().await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 3, "{made:?}");
    assert!(made.iter().all(|made| matches!(made, Ok(_) | Err(StoreError::TooManyTokens { most: 3 }))), "{made:?}");
    let (listed, log) =
        (store.api_tokens(id).await.expect("a list"), store.activity(None, None, 50).await.expect("the log"));
    assert_eq!(listed.len(), 4);
    assert_eq!(listed.last().map(|last| last.id), Some(old.id), "what has run out comes last");
    assert_eq!(log.data.iter().filter(|line| line.action == "api_token_made").count(), 4);
}

/// Of somebody whose password or account is another meanwhile nothing is made.
pub async fn a_token_is_made_by_whoever_signed_in_with_the_password_of_now(database: TestDatabase) {
    let store = &database.store;
    let owner = account(store, user(store, 0).await).await;
    store.set_password(owner.id, "new hash", &act("password_changed")).await.expect("changed");
    let new = token("hash", in_an_hour());
    let late = store.create_api_token(&owner, &new, 50, &act("api_token_made")).await;
    assert!(matches!(late, Err(StoreError::NotFound("account"))), "{late:?}");
    let owner = account(store, owner.id).await;
    let off = UserChanges { disabled: Some(true), ..UserChanges::default() };
    store.update_user(owner.id, off, &[]).await.expect("disabled");
    let late = store.create_api_token(&owner, &new, 50, &act("api_token_made")).await;
    assert!(matches!(late, Err(StoreError::NotFound("account"))), "{late:?}");
    assert!(store.user_by_api_token("hash").await.expect("an answer").is_none());
}

pub async fn tokens_end_with_a_new_password_a_disabled_account_and_themselves(database: TestDatabase) {
    let store = &database.store;
    let (one, two, three, four) =
        (user(store, 0).await, user(store, 0).await, user(store, 0).await, user(store, 0).await);
    let all = [
        made(store, one, "1").await,
        made(store, two, "2").await,
        made(store, three, "3").await,
        made(store, four, "4").await,
    ];
    let ids = all.each_ref().map(|token| token.id);
    let live = async || store.live_api_tokens(&ids).await.expect("an answer");
    assert_eq!(live().await.len(), 4);
    store.set_password(one, "new", &act("password_changed")).await.expect("changed");
    let disabled = |disabled| UserChanges { disabled: Some(disabled), ..UserChanges::default() };
    store.update_user(two, disabled(true), &[]).await.expect("disabled");
    store.update_user(two, disabled(false), &[]).await.expect("enabled");
    store.revoke_api_token(ids[2], &act("api_token_revoked")).await.expect("revoked");
    assert_eq!(live().await, HashMap::from([(ids[3], Role::Researcher)]));
    for hash in ["1", "2", "3"] {
        assert!(store.user_by_api_token(hash).await.expect("an answer").is_none(), "{hash}");
    }
    let twice = store.revoke_api_token(ids[2], &act("api_token_revoked")).await;
    assert!(matches!(twice, Err(StoreError::NotFound(_))), "{twice:?}");
    let log = store.activity(None, None, 50).await.expect("the log").data;
    assert_eq!(log.iter().filter(|line| line.action == "api_token_revoked").count(), 1);
}

/// What a release that knows of no tokens left behind.
pub async fn a_disabled_accounts_token_opens_nothing(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 0).await;
    let token = made(store, owner, "hash").await;
    store.run_sql("UPDATE users SET disabled_at = created_at").await;
    assert!(store.user_by_api_token("hash").await.expect("an answer").is_none());
    assert!(store.live_api_tokens(&[token.id]).await.expect("an answer").is_empty());
}

pub async fn the_last_use_is_the_latest_whoever_comes_last(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 0).await;
    let (used, unused) = (made(store, owner, "used").await, made(store, owner, "unused").await);
    let now = Utc::now().trunc_subsecs(6);
    let gone = ApiTokenId::new();
    for at in [now, now - TimeDelta::minutes(5)] {
        store.note_api_tokens_used(&[(used.id, at), (gone, at)]).await.expect("noted");
    }
    let last = async |id| store.api_token(id).await.expect("an answer").expect("it").last_used_at;
    assert_eq!((last(used.id).await, last(unused.id).await), (Some(now), None));
}

pub async fn a_token_that_ran_out_is_listed_for_a_month(database: TestDatabase) {
    let store = &database.store;
    let owner = account(store, user(store, 0).await).await;
    let now = Utc::now();
    for (hash, days) in [("long ago", -31), ("lately", -29), ("good", 1)] {
        let new = token(hash, now + TimeDelta::days(days));
        store.create_api_token(&owner, &new, 50, &act("api_token_made")).await.expect("made");
    }
    let (found, _) = store.user_by_api_token("lately").await.expect("an answer").expect("it is told that it ran out");
    assert!(found.expires_at < now && store.live_api_tokens(&[found.id]).await.expect("an answer").is_empty());
    let purged = store.purge(&Retention::FOR_EVER, now).await.expect("a step");
    assert_eq!((purged.api_tokens, store.api_tokens(owner.id).await.expect("a list").len()), (1, 2));
    assert!(store.purge(&Retention::FOR_EVER, now).await.expect("a step").is_nothing());
}

/// A log that can't be written: the act isn't done either.
pub async fn an_act_on_a_token_and_its_line_are_one(database: TestDatabase) {
    let store = &database.store;
    let id = user(store, 0).await;
    let there = made(store, id, "there").await;
    let owner = account(store, id).await;
    store.run_sql("ALTER TABLE user_activity_log RENAME TO elsewhere").await;
    let new = token("new", in_an_hour());
    assert!(store.create_api_token(&owner, &new, 50, &act("api_token_made")).await.is_err());
    assert!(store.revoke_api_token(there.id, &act("api_token_revoked")).await.is_err());
    store.run_sql("ALTER TABLE elsewhere RENAME TO user_activity_log").await;
    assert_eq!(store.api_tokens(id).await.expect("a list"), [there]);
}

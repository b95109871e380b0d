//! A database that doesn't do what is asked of it now, and text that not every database keeps.

use crate::given::*;
use domain::{Change, Collection, ExperimentId, OperationId};
use serde_json::json;
use std::time::Duration;
use store::{testing::TestDatabase, *};

const SHORT: Duration = Duration::from_millis(200);

/// The same database with a setting of PostgreSQL's.
async fn with_setting(database: &TestDatabase, setting: (&str, &str), options: Options) -> Store {
    let url = match database.store.backend() {
        Backend::Sqlite => database.url.clone(),
        Backend::Postgres => {
            let and = if database.url.contains('?') { '&' } else { '?' };
            let (name, value) = setting;
            format!("{}{and}options[{name}]={value}", database.url)
        }
    };
    Store::connect(&url, options).await.expect("it opens")
}

pub async fn a_database_that_only_reads_may_be_asked_again(database: TestDatabase) {
    let owner = user(&database.store, 10).await;
    let store = with_setting(&database, ("default_transaction_read_only", "on"), Options::default()).await;
    if store.backend() == Backend::Sqlite {
        store.run_sql("PRAGMA query_only = ON").await;
    }
    let refused = store.accept(request(owner, 1)).await.expect_err("nothing can be written");
    assert!(refused.is_passing(), "{refused:?}");
    assert_eq!(quota(&store, owner).await, 10, "it is read as ever");
}

pub async fn who_waits_too_long_for_a_lock_may_ask_again(database: TestDatabase) {
    let owner = user(&database.store, 10).await;
    let brief = Options { acquire_timeout: SHORT, ..Options::default() };
    let long = Duration::from_secs(60);
    let stores = [
        database.another_with(Options { lock_timeout: SHORT, acquire_timeout: SHORT * 5, ..brief.clone() }).await,
        database.another_with(Options { statement_timeout: SHORT, lock_timeout: long, ..brief }).await,
    ];
    let held = database.another().await.hold("UPDATE users SET quota_remaining = quota_remaining").await;
    for store in &stores {
        let refused = store.accept(request(owner, 1)).await.expect_err("somebody holds the account");
        assert!(refused.is_passing(), "{refused:?}");
    }
    drop(held);
    for store in &stores {
        let wanted = request(owner, 1);
        while store.accept(wanted.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(quota(&database.store, owner).await, 8);
}

pub async fn what_a_device_says_is_kept_whatever_it_holds(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let strange = domain::Fault { cause: "it said \0".to_owned(), ..fault() };
    let id = OperationId::new();
    let body = json!({ "a\0": ["b\0c", { "d": "\0" }] });
    let document = Change::Document { collection: Collection::Measurements, id, experiment: None, body };
    store.commit(&lease, changes([Change::Notice(Some(strange)), document])).await.expect("a commit");
    let robot = store.robot(robot.id).await.expect("an answer").expect("the robot");
    assert_eq!(robot.notice.expect("a notice").cause, "it said \u{fffd}");
    let kept = store.document(Collection::Measurements, id.as_uuid()).await.expect("an answer").expect("the document");
    assert_eq!(kept, json!({ "a\u{fffd}": ["b\u{fffd}c", { "d": "\u{fffd}" }] }));
    assert!(store.user_by_email("a\0b@example.org").await.expect("an answer").is_none());
    let key = store.experiment_of_key(user(store, 0).await, "k\0").await.expect("an answer");
    assert_eq!(key, None::<ExperimentId>);
}

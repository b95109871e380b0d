//! What is on record of failed sign-ins.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use store::{FailedSignIns, Retention, SignInCounts, SignInFailures, Store, testing::TestDatabase};
use uuid::Uuid;

const PAIR: Uuid = Uuid::from_u128(1);
const ACCOUNT: Uuid = Uuid::from_u128(2);
const NOBODY: Uuid = Uuid::from_u128(3);

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000).expect("a time")
}

fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

async fn fail(store: &Store, failures: u32, at: DateTime<Utc>) {
    let owed = |owed_ms| SignInFailures { failures, owed_ms: i64::from(failures) * owed_ms };
    let failed = BTreeMap::from([(PAIR, owed(0)), (ACCOUNT, owed(10_000))]);
    store.count_sign_ins(&SignInCounts { failed, ..SignInCounts::default() }, at).await.expect("written");
}

/// Failures and time of the pair, and when the account owes nothing any more.
async fn on_record(store: &Store, at: DateTime<Utc>) -> Option<(u32, i64, i64)> {
    let found = store.sign_in_failures([PAIR, ACCOUNT, NOBODY], at).await.expect("an answer");
    let of = |key| found.iter().find(|record| record.key == key).copied();
    let (pair, account): (FailedSignIns, FailedSignIns) = (of(PAIR)?, of(ACCOUNT)?);
    assert_eq!(found.len(), 2, "{found:?}");
    Some((pair.failures, pair.at_ms, account.at_ms))
}

pub async fn what_processes_add_at_once_is_all_there(database: TestDatabase) {
    let (here, there) = (&database.store, &database.another().await);
    let at = noon();
    let adding = (0..20).map(|n| fail(if n % 2 == 0 { here } else { there }, 1 + n % 2, at));
    futures::future::join_all(adding).await;
    assert_eq!(on_record(there, at).await, Some((30, ms(at), ms(at) + 300_000)));
    // What is owed is added to what was owed, and the newest failure counts.
    let later = at + TimeDelta::minutes(1);
    fail(here, 1, later).await;
    fail(there, 1, at).await;
    assert_eq!(on_record(here, later).await, Some((32, ms(later), ms(at) + 320_000)));
    let much_later = at + TimeDelta::hours(1);
    fail(here, 1, much_later).await;
    assert_eq!(on_record(here, much_later).await, Some((33, ms(much_later), ms(much_later) + 10_000)), "it was paid");
    let both = SignInCounts {
        forgiven: vec![PAIR, NOBODY],
        failed: BTreeMap::from([(PAIR, SignInFailures { failures: 2, owed_ms: 0 })]),
    };
    here.count_sign_ins(&both, much_later).await.expect("written");
    assert_eq!(on_record(there, much_later).await, Some((2, ms(much_later), ms(much_later) + 10_000)), "since");
    here.count_sign_ins(&SignInCounts::default(), at).await.expect("nothing to write");
}

pub async fn a_day_forgets_and_so_does_a_wrong_clock(database: TestDatabase) {
    let store = &database.store;
    let at = noon();
    fail(store, 5, at).await;
    let next_day = at + TimeDelta::days(1);
    assert!(on_record(store, next_day - TimeDelta::seconds(1)).await.is_some());
    assert_eq!(on_record(store, next_day).await, None);
    fail(store, 1, next_day).await;
    assert_eq!(on_record(store, next_day).await, Some((1, ms(next_day), ms(next_day) + 10_000)), "begun anew");
    // As a process with a clock years ahead leaves it.
    fail(store, 9, next_day + TimeDelta::days(3_650)).await;
    assert_eq!(on_record(store, next_day).await, None, "nobody waits for years");
    fail(store, 2, next_day).await;
    assert_eq!(on_record(store, next_day).await, Some((2, ms(next_day), ms(next_day) + 20_000)));

    let purged = async |at| store.purge(&Retention::FOR_EVER, at).await.expect("a step").sign_in_failures;
    assert_eq!(purged(next_day + TimeDelta::hours(23)).await, 0);
    assert_eq!(purged(next_day - TimeDelta::hours(2)).await, 2, "later than now");
    fail(store, 1, at).await;
    assert_eq!(purged(next_day + TimeDelta::hours(1)).await, 2);
}

//! What processes that share a PostgreSQL hear of each other. Other databases have nothing to tell it with.

use crate::given;
use std::{collections::HashSet, time::Duration};
use store::{
    Options, Signal, Store,
    testing::{TestDatabase, act},
};
use tasks::Tasks;
use tokio::{sync::broadcast::Receiver, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longer than any of this takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a notice takes, and shorter than between two looks.
const SOON: Duration = Duration::from_secs(2);

/// A store that tells and hears, as a process's does.
async fn joined(store: Store) -> (Store, Tasks) {
    let tasks = Tasks::new(CancellationToken::new());
    store.join(&tasks);
    until_it_hears(&store).await;
    (store, tasks)
}

async fn until_it_hears(store: &Store) {
    until(|| store.hears_others()).await;
}

async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waits).await.expect("it comes to be so");
}

/// All that is signalled until nothing is for a while.
async fn heard(signals: &mut Receiver<Signal>) -> Vec<Signal> {
    let mut heard = Vec::new();
    while let Ok(signal) = timeout(SOON, signals.recv()).await {
        heard.push(signal.expect("a signal"));
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_commits_the_other_hears_once_and_itself_only_from_itself() {
    let database = TestDatabase::postgres().await;
    let (here, _tasks) = joined(database.store.clone()).await;
    let (there, _others) = joined(database.another().await).await;
    let user = given::user(&here, 100).await;
    let (mut ours, mut theirs) = (here.signals(), there.signals());
    let accounts = there.account_changes();
    let id = given::queued(&here, user, 1).await.experiment.id;
    let expected = HashSet::from([Signal::Queue, Signal::Experiment(id)]);
    let (ours, theirs) = tokio::join!(heard(&mut ours), heard(&mut theirs));
    assert_eq!((theirs.len(), theirs.into_iter().collect()), (2, expected.clone()), "the other");
    assert_eq!((ours.len(), ours.into_iter().collect()), (2, expected), "itself");
    assert_eq!(there.account_changes(), accounts, "nobody's rights changed");
    here.set_password(user, "$argon2id$…", &act("password_changed")).await.expect("changed");
    timeout(SOON, until(|| there.account_changes() == accounts + 1)).await.expect("soon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_commits_are_few_notices_and_none_is_forgotten() {
    let database = TestDatabase::postgres().await;
    let (here, _tasks) = joined(database.store.clone()).await;
    let (there, _others) = joined(database.another().await).await;
    let user = given::user(&here, 10_000).await;
    let mut theirs = there.signals();
    let accept = |_| async { given::queued(&here, user, 1).await.experiment.id };
    let accepted: HashSet<_> = futures::future::join_all((0..400).map(accept)).await.into_iter().collect();
    let heard = heard(&mut theirs).await;
    let told: HashSet<_> = heard.iter().copied().collect();
    let all = accepted.iter().all(|&id| told.contains(&Signal::Experiment(id))) || told.contains(&Signal::Anything);
    assert!(all, "{} of {}", told.len(), accepted.len());
    let queues = heard.iter().filter(|signal| **signal == Signal::Queue).count();
    assert!((1..accepted.len() / 2).contains(&queues), "{queues} notices of the queue");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_loses_the_connection_knows_it_and_hears_again() {
    let database = TestDatabase::postgres().await;
    let (here, _tasks) = joined(database.store.clone()).await;
    let (there, _others) = joined(database.another().await).await;
    let user = given::user(&here, 100).await;
    let looks = Duration::from_millis(500);
    assert!(there.between_looks(looks) > looks, "it needn't look that often");
    let mut theirs = there.signals();
    // No more new ones for a while, and those that listen are ended.
    let name = database.url.split('?').next().and_then(|url| url.rsplit('/').next()).expect("a name");
    let elsewhere = TestDatabase::postgres().await;
    elsewhere.store.run_sql(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    here.run_sql(ended).await;
    until(|| !there.hears_others() && !here.hears_others()).await;
    assert_eq!(there.between_looks(looks), looks, "it looks as if nobody told");
    assert_eq!(timeout(SOON, theirs.recv()).await.expect("soon"), Ok(Signal::Anything), "whoever rests looks");
    given::queued(&here, user, 1).await;
    elsewhere.store.run_sql(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    until_it_hears(&there).await;
    assert_eq!(heard(&mut theirs).await, [Signal::Anything], "what was missed isn't known: it looks");
    let id = given::queued(&here, user, 1).await.experiment.id;
    let again: HashSet<_> = heard(&mut theirs).await.into_iter().collect();
    assert!(again.contains(&Signal::Experiment(id)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn labs_that_share_a_database_hear_nothing_of_each_other() {
    let database = TestDatabase::postgres().await;
    let fresh = Store::connect(&database.fresh_schema().await, Options::default()).await.expect("it opens");
    fresh.migrate().await.expect("it migrates");
    let (here, _tasks) = joined(database.store.clone()).await;
    let (there, _others) = joined(fresh).await;
    let mut theirs = there.signals();
    let user = given::user(&here, 100).await;
    given::queued(&here, user, 1).await;
    assert_eq!(heard(&mut theirs).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_ends_tells_what_it_did() {
    let database = TestDatabase::postgres().await;
    let (here, _tasks) = joined(database.store.clone()).await;
    let user = given::user(&here, 100).await;
    let accounts = here.account_changes();
    let command = database.another().await;
    command.set_password(user, "$argon2id$…", &act("password_changed")).await.expect("changed");
    command.close().await.expect("closed");
    timeout(SOON, until(|| here.account_changes() == accounts + 1)).await.expect("soon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_ends_both_and_the_last_change_is_told() {
    let database = TestDatabase::postgres().await;
    let (here, tasks) = joined(database.store.clone()).await;
    let (there, _others) = joined(database.another().await).await;
    let user = given::user(&here, 100).await;
    let mut theirs = there.signals();
    let id = given::queued(&here, user, 1).await.experiment.id;
    tasks.stop().cancel();
    timeout(SOON, tasks.ended()).await.expect("they end at once");
    assert!(tasks.status().iter().all(|task| task.state == tasks::State::Ended), "{:?}", tasks.status());
    assert!(heard(&mut theirs).await.contains(&Signal::Experiment(id)));
}

#[tokio::test]
async fn on_sqlite_nobody_tells() {
    let database = TestDatabase::sqlite().await;
    let tasks = Tasks::new(CancellationToken::new());
    database.store.join(&tasks);
    assert!(tasks.status().is_empty() && !database.store.hears_others());
    assert_eq!(database.store.between_looks(SOON), SOON);
}

//! Reads that go to a streaming replica, and what a person sees of what they did.

use crate::given;
use domain::{Control, ExperimentId, ExperimentStatus, UserId};
use std::time::{Duration, Instant};
use store::{
    Address, Freshness, Options, Position, ReplicaOptions, Signal, Store,
    testing::{TestDatabase, act, cluster::Cluster},
};
use tasks::Tasks;
use tokio_util::sync::CancellationToken;

/// Longer than any of this takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const DATABASE: &str = "postgres";

/// A primary with a replica.
struct Pair {
    primary: Cluster,
    replica: Cluster,
}

/// A process that serves: it reads from the replica, and hears of the others.
struct Process {
    store: Store,
    tasks: Tasks,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

impl Pair {
    async fn start() -> Self {
        let primary = Cluster::start_on_a_port(&[]);
        let store = Store::connect(&primary.url(DATABASE), Options::default()).await.expect("it opens");
        store.migrate().await.expect("it migrates");
        let replica = primary.start_standby("replica");
        Self { primary, replica }
    }

    async fn process(&self, most_behind: Duration) -> Process {
        let process = self.process_with(&self.replica.url(DATABASE), most_behind).await;
        until(async || is_used(&process.store) && process.store.hears_others()).await;
        process
    }

    async fn process_with(&self, replica: &str, most_behind: Duration) -> Process {
        let replica = Some(ReplicaOptions { address: Address::new(replica), most_behind });
        let options = Options { replica, ..Options::default() };
        let store = Store::connect(&self.primary.url(DATABASE), options).await.expect("it opens");
        let tasks = Tasks::new(CancellationToken::new());
        store.join(&tasks);
        Process { store, tasks }
    }

    /// What happens from now on stays unseen there.
    fn pause(&self) {
        self.replica.psql(DATABASE, "SELECT pg_wal_replay_pause()");
        self.replica.until("SELECT pg_get_wal_replay_pause_state() = 'paused'");
    }

    fn resume(&self) {
        self.replica.psql(DATABASE, "SELECT pg_wal_replay_resume()");
    }
}

fn is_used(store: &Store) -> bool {
    store.replica_status().is_some_and(|status| status.used)
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it doesn't come to be so");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn listed(store: &Store, freshness: Freshness, user: UserId) -> Vec<ExperimentId> {
    let page = store.reading(freshness).await.experiments(Some(user), None, 10).await.expect("a page");
    page.data.into_iter().map(|line| line.experiment.id).collect()
}

/// A day: nothing that a test does is too old.
const ANY_AGE: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_changed_something_sees_it_wherever_they_ask_and_others_perhaps_later() {
    let pair = Pair::start().await;
    let (here, there) = (pair.process(ANY_AGE).await, pair.process(ANY_AGE).await);
    let (here, there) = (&here.store, &there.store);
    let user = given::user(here, 20).await;
    let first = given::queued(here, user, 1).await.experiment.id;
    until(async || listed(there, Freshness::MayBeStale, user).await == [first]).await;
    pair.pause();
    let second = given::queued(here, user, 1).await.experiment.id;
    let told = here.position().await.expect("an answer").expect("there is a replica");
    let token: Position = told.to_string().parse().expect("as it was sent to a client and came back");
    assert_eq!(listed(there, Freshness::AtLeast(token), user).await, [second, first], "their own");
    assert_eq!(listed(here, Freshness::Now, user).await, [second, first], "what decides");
    assert_eq!(listed(there, Freshness::AtLeast(Position::START), user).await, [first], "somebody else's");
    assert_eq!(listed(there, Freshness::AtLeast(Position::UNKNOWN), user).await, [second, first], "nobody knows");

    // One by one they are as new as whatever told of them.
    let stale = there.reading(Freshness::MayBeStale).await;
    assert!(stale.experiment(second).await.expect("an answer").is_some(), "whoever knows its name finds it");
    let mut signals = there.signals();
    here.control(first, Control::Pause, &act("experiment_paused")).await.expect("an answer");
    let heard = async { while signals.recv().await.expect("a signal") != Signal::Experiment(first) {} };
    tokio::time::timeout(PATIENCE, heard).await.expect("it is told");
    let stale = there.reading(Freshness::MayBeStale).await;
    let listed_as = stale.experiments(Some(user), None, 10).await.expect("a page").data[0].experiment.status;
    assert_eq!(listed_as, ExperimentStatus::Queued, "a list may be older");
    let read = stale.experiment(first).await.expect("an answer").expect("the experiment").experiment.status;
    assert_eq!(read, ExperimentStatus::Paused);
    let listed_as = &stale.experiments(Some(user), None, 10).await.expect("a page").data;
    assert_eq!(listed_as.len(), 2, "who has seen the newer isn't shown the older again");

    let before = there.replica_status().expect("a replica");
    assert!(before.answered > 0 && before.passed_on > 0 && before.used, "{before:?}");
    pair.resume();
    until(async || listed(there, Freshness::MayBeStale, user).await == [second, first]).await;
    until(async || {
        let answered = there.replica_status().expect("a replica").answered;
        let paused = there.reading(Freshness::AtLeast(token)).await.experiment(first).await.expect("an answer");
        assert_eq!(paused.expect("the experiment").experiment.status, ExperimentStatus::Paused);
        there.replica_status().expect("a replica").answered > answered
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_is_gone_or_late_is_done_without_until_it_is_back() {
    let mut pair = Pair::start().await;
    let process = pair.process(Duration::from_secs(4)).await;
    let store = &process.store;
    let user = given::user(store, 20).await;
    let listed = async || listed(store, Freshness::MayBeStale, user).await.len();
    let why = || store.replica_status().expect("a replica").why.unwrap_or_default();

    pair.replica.crash();
    given::queued(store, user, 1).await;
    assert_eq!(listed().await, 1, "the primary answers at once");
    until(async || why().contains("doesn't answer")).await;
    let answered = store.replica_status().expect("a replica").answered;
    assert_eq!(listed().await, 1);
    assert_eq!(store.replica_status().expect("a replica").answered, answered);
    pair.replica.run();
    until(async || is_used(store)).await;
    until(async || listed().await == 1 && store.replica_status().expect("a replica").answered > answered).await;

    pair.replica.freeze();
    assert_eq!(listed().await, 1, "the primary, after a while");
    until(async || why().contains("doesn't answer")).await;
    assert_eq!(listed().await, 1);
    pair.replica.thaw();
    until(async || is_used(store)).await;

    pair.pause();
    given::queued(store, user, 1).await;
    until(async || why().contains("further behind")).await;
    assert_eq!(listed().await, 2, "from the primary");
    pair.resume();
    until(async || is_used(store)).await;

    // It follows nobody any more, and has a history of its own from here on.
    pair.replica.promote();
    until(async || why().contains("isn't a replica")).await;
    given::queued(store, user, 1).await;
    assert_eq!(listed().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_labs_replica_is_never_read_and_none_costs_nothing() {
    let pair = Pair::start().await;
    let elsewhere = Pair::start().await;
    given::user(&elsewhere.process(ANY_AGE).await.store, 1).await;
    let process = pair.process_with(&elsewhere.replica.url(DATABASE), ANY_AGE).await;
    until(async || process.store.replica_status().expect("one").why.is_some_and(|why| why.contains("isn't a"))).await;
    let user = given::user(&process.store, 1).await;
    assert_eq!(listed(&process.store, Freshness::MayBeStale, user).await, []);
    assert_eq!(process.store.reading(Freshness::MayBeStale).await.users(None, 9).await.expect("a page").data.len(), 1);

    let database = TestDatabase::postgres().await;
    assert_eq!(database.store.position().await.expect("an answer"), None);
    assert_eq!(database.store.replica_status(), None);
    let user = given::user(&database.store, 1).await;
    let id = given::queued(&database.store, user, 1).await.experiment.id;
    assert_eq!(listed(&database.store, Freshness::AtLeast(Position::UNKNOWN), user).await, [id]);
}

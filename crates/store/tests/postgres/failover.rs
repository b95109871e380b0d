//! Two servers in the database URL, of which another takes over: which one is written to, and what is believed of the other.

use crate::given;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::{
    Options, Store, StoreError,
    testing::pair::{Pair, Replication},
};
use tasks::Tasks;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Longer than any of this takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const DATABASE: &str = "postgres";

/// A process that goes on for long: it looks after its servers.
struct Process {
    store: Store,
    tasks: Tasks,
}

impl Process {
    async fn start(pair: &Pair) -> Self {
        let store = open(pair).await;
        let tasks = Tasks::new(CancellationToken::new());
        store.join(&tasks);
        Self { store, tasks }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

async fn start(replication: Replication) -> Arc<Pair> {
    let pair = Arc::new(spawn_blocking(move || Pair::start(replication)).await.expect("a pair of servers"));
    open(&pair).await.migrate().await.expect("it migrates");
    pair
}

async fn servers(pair: &Arc<Pair>, act: impl FnOnce(&Pair) + Send + 'static) {
    let pair = Arc::clone(pair);
    spawn_blocking(move || act(&pair)).await.expect("the servers do it");
}

async fn open(pair: &Pair) -> Store {
    Store::connect(&pair.url(DATABASE), Options::default()).await.expect("it opens")
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it doesn't come to be so");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn write(store: &Store) -> Result<(), StoreError> {
    store.create_user(given::new_user(10), &store::testing::act("user_created")).await.map(drop)
}

async fn count(pair: &Arc<Pair>, server: usize) -> i64 {
    let pair = Arc::clone(pair);
    let said = spawn_blocking(move || pair.psql(server, DATABASE, "SELECT count(*) FROM users"));
    said.await.expect("an answer").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_written_to_a_primary_that_comes_back_after_it_was_replaced() {
    let pair = start(Replication::Asynchronous).await;
    let process = Process::start(&pair).await;
    write(&process.store).await.expect("written");
    servers(&pair, |pair| pair.catch_up()).await;
    servers(&pair, |pair| pair.freeze(0)).await;
    let under_way = write(&process.store);
    let refused = timeout(PATIENCE, under_way).await.expect("nobody waits for a frozen server");
    assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
    servers(&pair, Pair::promote).await;
    until(async || write(&process.store).await.is_ok()).await;
    let before = count(&pair, 1).await;

    servers(&pair, |pair| pair.thaw(0)).await;
    // What was under way there is committed, and was believed by nobody.
    let there = count(&pair, 0).await;
    for _ in 0..30 {
        write(&open(&pair).await).await.expect("a process that starts now");
        write(&process.store).await.expect("one that saw it all");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&pair, 1).await, before + 60);
    assert!(count(&pair, 0).await <= there + 1, "only what was sent before it froze");
}

/// So short a freeze that no look fell into it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_promotion_that_nobody_noticed_is_found() {
    let pair = start(Replication::Asynchronous).await;
    let process = Process::start(&pair).await;
    servers(&pair, Pair::promote).await;
    let before = count(&pair, 1).await;
    until(async || write(&process.store).await.is_ok() && count(&pair, 1).await > before).await;
    let (old, new) = (count(&pair, 0).await, count(&pair, 1).await);
    process.store.confirm_primary().await.expect("there is one");
    for _ in 0..10 {
        write(&process.store).await.expect("written");
    }
    assert_eq!((count(&pair, 0).await, count(&pair, 1).await), (old, new + 10));
}

/// Who has seen the new timeline takes the old server for none, even where there is no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_primary_is_no_substitute_for_the_new_one() {
    let pair = start(Replication::Asynchronous).await;
    let process = Process::start(&pair).await;
    servers(&pair, Pair::promote).await;
    process.store.confirm_primary().await.expect("there is one");
    write(&process.store).await.expect("written");
    servers(&pair, |pair| pair.crash(1)).await;
    let old = count(&pair, 0).await;
    until(async || write(&process.store).await.is_err()).await;
    for _ in 0..40 {
        let refused = write(&process.store).await;
        assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
        sleep(Duration::from_millis(50)).await;
    }
    let error = process.store.confirm_primary().await.expect_err("there is none").to_string();
    assert!(error.contains("none of 2 servers takes writes"), "{error}");
    assert_eq!(count(&pair, 0).await, old);
}

/// All of a pool's connections lead to a frozen server, in the middle of something; they don't keep it from the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pool_full_of_frozen_connections_is_emptied() {
    let pair = start(Replication::Asynchronous).await;
    let process = Process::start(&pair).await;
    servers(&pair, |pair| pair.freeze(0)).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let store = process.store.clone();
        asking.spawn(async move { write(&store).await });
    }
    for refused in timeout(PATIENCE, asking.join_all()).await.expect("nobody waits for a frozen server") {
        assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
    }
    servers(&pair, Pair::promote).await;
    until(async || write(&process.store).await.is_ok()).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let store = process.store.clone();
        asking.spawn(async move { write(&store).await });
    }
    for written in asking.join_all().await {
        written.expect("written");
    }
    servers(&pair, |pair| pair.thaw(0)).await;
}

/// A commit waits for as much as the server was set up to, and for the standby's disk at the least.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_wait_for_what_the_server_says_or_more() {
    let pair = start(Replication::Synchronous).await;
    let set = async |level: &'static str| {
        let text = format!("ALTER SYSTEM SET synchronous_commit = {level}");
        servers(&pair, move |pair| drop(pair.psql(0, DATABASE, &text))).await;
        servers(&pair, |pair| drop(pair.psql(0, DATABASE, "SELECT pg_reload_conf()"))).await;
        let shown = async || {
            let asked = Arc::clone(&pair);
            spawn_blocking(move || asked.psql(0, DATABASE, "SHOW synchronous_commit")).await.expect("an answer")
                == level
        };
        until(shown).await;
    };
    for (level, held) in
        [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
    {
        set(level).await;
        let store = open(&pair).await;
        let said = store.read_text("SELECT current_setting('synchronous_commit') AS text".to_owned()).await;
        assert_eq!(said, held, "where the server says {level}");
    }
    // The standby has it on its disk, and doesn't show it.
    let shows = open(&pair).await;
    set("off").await;
    let has = open(&pair).await;
    servers(&pair, |pair| drop(pair.psql(1, DATABASE, "SELECT pg_wal_replay_pause()"))).await;
    timeout(PATIENCE, write(&has)).await.expect("that's enough for `on`").expect("written");
    let waiting = tokio::spawn(async move { write(&shows).await });
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let asked = Arc::clone(&pair);
    let is_waiting = async || {
        let asked = Arc::clone(&asked);
        spawn_blocking(move || asked.psql(0, DATABASE, waits)).await.expect("an answer") == "t"
    };
    until(is_waiting).await;
    assert!(!waiting.is_finished(), "`remote_apply` waits until the standby shows it");
    servers(&pair, |pair| drop(pair.psql(1, DATABASE, "SELECT pg_wal_replay_resume()"))).await;
    timeout(PATIENCE, waiting).await.expect("it ends").expect("no panic").expect("written");
}

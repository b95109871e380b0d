//! pgbouncer in transaction mode: few connections, lent to many for one transaction each.

use crate::given;
use std::{
    process::Command,
    time::{Duration, Instant},
};
use store::{
    Address, Options, Pooler, Store, StoreError,
    testing::{
        cluster::{Cluster, ROLE},
        pooler::Bouncer,
    },
};

/// Longer than any of this takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn open(bouncer: &Bouncer, options: Options) -> Store {
    Store::connect(&bouncer.url(ROLE), options).await.expect("it opens through the pooler")
}

fn lent() -> Options {
    Options { pooler: Pooler::Transaction, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_share_two_connections() {
    let bouncer = Bouncer::before(Cluster::start_on_a_port(&[]), &[ROLE]);
    let stores = [open(&bouncer, lent()).await, open(&bouncer, lent()).await, open(&bouncer, lent()).await];
    stores[0].migrate().await.expect("it migrates");
    // Their statements have the same names, and meet on the same two connections.
    let works = stores.iter().map(async |store| {
        for _ in 0..20 {
            let owner = given::user(store, 10).await;
            let accepted = futures::future::join_all((0..4).map(|_| given::queued(store, owner, 2))).await;
            for detail in &accepted {
                let read = store.experiment(detail.experiment.id).await.expect("an answer").expect("it is there");
                assert_eq!(read.wells.len(), 2);
            }
            let page = store.experiments(Some(owner), None, 10).await.expect("a page");
            assert_eq!(page.data.len(), 4);
            assert_eq!(store.user(owner).await.expect("an answer").expect("a user").quota_remaining, 2);
        }
    });
    futures::future::join_all(works).await;
    let servers =
        bouncer.server().psql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tincture'");
    assert!(["1", "2"].contains(&servers.as_str()), "{servers} connections");
}

#[tokio::test]
async fn what_a_session_would_be_told_holds_in_each_transaction_and_no_longer() {
    let bouncer = Bouncer::before(Cluster::start_on_a_port(&[]), &[ROLE]);
    bouncer.server().psql("postgres", &format!("ALTER ROLE {ROLE} SET synchronous_commit = off"));
    let brief = Options { lock_timeout: Duration::from_millis(300), ..lent() };
    let store = open(&bouncer, Options { statement_timeout: Duration::from_millis(1_500), ..brief }).await;
    let said = async |name: &str| store.read_text(format!("SELECT current_setting('{name}') AS text")).await;
    assert_eq!(said("synchronous_commit").await, "on");
    assert_eq!(said("statement_timeout").await, "1500ms");
    assert_eq!(said("lock_timeout").await, "300ms");
    assert_eq!(said("idle_in_transaction_session_timeout").await, "1500ms");
    // A neighbour gets the same connections.
    let unchanged = "SELECT current_setting('statement_timeout') || current_setting('synchronous_commit')
                     || (SELECT count(*) FROM pg_prepared_statements)";
    let neighbour = open(&bouncer, Options { lock_timeout: Duration::from_secs(77), ..lent() }).await;
    assert_eq!(neighbour.read_text("SELECT current_setting('lock_timeout') AS text".to_owned()).await, "77s");
    let through = |statement: &str| {
        let said = Command::new("psql").args(["-XAtq", "-d", &bouncer.url(ROLE), "-c", statement]).output();
        String::from_utf8_lossy(&said.expect("psql").stdout).trim().to_owned()
    };
    let left = through(unchanged);
    assert!(left.starts_with("0off"), "{left}");
}

#[tokio::test]
async fn who_does_not_say_that_a_pooler_is_there_is_told_to() {
    let bouncer = Bouncer::before(Cluster::start_on_a_port(&[]), &[ROLE]);
    let error = Store::connect(&bouncer.url(ROLE), Options::default()).await.expect_err("it takes no such parameters");
    assert!(error.to_string().contains("set database_pooler = \"transaction\""), "{error}");
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_are_heard_past_the_pooler() {
    let bouncer = Bouncer::before(Cluster::start_on_a_port(&[]), &[ROLE]);
    let direct = Some(Address::new(bouncer.server().url("postgres")));
    let hearing = open(&bouncer, Options { direct, ..lent() }).await;
    hearing.migrate().await.expect("it migrates");
    let looking = open(&bouncer, lent()).await;
    let tasks = tasks::Tasks::new(tokio_util::sync::CancellationToken::new());
    hearing.join(&tasks);
    looking.join(&tasks);
    let deadline = Instant::now() + PATIENCE;
    while !hearing.hears_others() {
        assert!(Instant::now() < deadline, "it hears itself");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut heard = hearing.signals();
    let owner = given::user(&looking, 10).await;
    let id = given::queued(&looking, owner, 1).await.experiment.id;
    let told = async { while heard.recv().await.expect("a signal") != store::Signal::Experiment(id) {} };
    tokio::time::timeout(PATIENCE, told).await.expect("the other is heard");
    assert!(!looking.hears_others(), "nobody listens through a pooler");
    let listening =
        bouncer.server().psql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
    assert_eq!(listening, "1");
    tasks.stop().cancel();
}

//! A lab moves to PostgreSQL as institutions run it: through a pooler, by TLS, to whichever of two servers takes writes.

use crate::{given, tls::Certified};
use std::path::Path;
use store::{
    Options, Pooler, Store, Tls, TlsMode,
    moving::{Outcome, move_lab},
    testing::{
        cluster::{Cluster, ROLE},
        pair::{Pair, Replication},
        pooler::Bouncer,
    },
};
use tokio::task::spawn_blocking;

/// More than is sent at once.
const PEOPLE: usize = 1_100;

/// A lab's file, and its address.
async fn old() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = address(directory.path());
    let store = Store::connect(&url, Options::default()).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    let owner = given::user(&store, 10).await;
    given::queued(&store, owner, 3).await;
    let many = format!(
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {PEOPLE})
         INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at)
         SELECT randomblob(16), 'somebody-' || i || '@example.org', '!',
             'student', 1, '2026-11-30T00:00:00+00:00' FROM n"
    );
    store.run_sql(&many).await;
    store.close().await.expect("closed");
    (directory, url)
}

fn address(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("tincture.sqlite").display())
}

/// It arrives, and works there.
async fn moves(to: &str, options: Options) {
    let (_directory, from) = old().await;
    let Outcome::Moved(moved) = move_lab(&from, to, &options).await.expect("it moves") else { panic!("nothing moved") };
    let place = to.rsplit_once('@').map_or("", |(_, place)| place);
    assert_eq!(moved.place, place.split('?').next().unwrap_or_default());
    let store = Store::connect(to, options.clone()).await.expect("it opens");
    store.check_schema().await.expect("a lab");
    let people = store.read_text("SELECT CAST(COUNT(*) AS TEXT) AS text FROM users".to_owned()).await;
    assert_eq!(people, (PEOPLE + 1).to_string());
    let owner = given::user(&store, 5).await;
    given::queued(&store, owner, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_moves_through_a_pooler() {
    let bouncer = Bouncer::before(Cluster::start_on_a_port(&[]), &[ROLE]);
    moves(&bouncer.url(ROLE), Options { pooler: Pooler::Transaction, ..Options::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_moves_by_tls_and_only_to_the_right_server() {
    let certified = Certified::start();
    let with = |ca: &str| {
        let tls = Tls { mode: Some(TlsMode::VerifyFull), ca: Some(certified.file(ca)) };
        Options { tls, ..Options::default() }
    };
    let (_directory, from) = old().await;
    let refused = move_lab(&from, &certified.url("localhost"), &with("another.pem")).await.expect_err("not that one");
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    moves(&certified.url("localhost"), with("ca.pem")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_moves_to_whichever_server_takes_writes() {
    let pair = spawn_blocking(|| Pair::start(Replication::Synchronous)).await.expect("a pair of servers");
    let both = pair.url("postgres");
    let (_, hosts) = both.split_once('@').expect("hosts");
    let (hosts, database) = hosts.split_once('/').expect("a database");
    let (primary, standby) = hosts.split_once(',').expect("two");
    let standby_first = both.replace(&format!("@{hosts}/{database}"), &format!("@{standby},{primary}/{database}"));
    moves(&standby_first, Options::default()).await;
}

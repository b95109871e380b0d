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
    timeout(PATIENCE, until(|| there.account_changes() == accounts + 1)).await.expect("soon");
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
    assert_eq!(timeout(PATIENCE, theirs.recv()).await.expect("soon"), Ok(Signal::Anything), "whoever rests looks");
    // A connection that is just being put back is missed for a moment, and no new one is let in.
    let asked = async { while here.accept(given::request(user, 1)).await.is_err() {} };
    timeout(PATIENCE, asked).await.expect("accepted");
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
    timeout(PATIENCE, until(|| here.account_changes() == accounts + 1)).await.expect("soon");
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
    timeout(PATIENCE, tasks.ended()).await.expect("they end at once");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_hears_nothing_through_a_pooler_knows_it_and_looks() {
    let database = TestDatabase::postgres().await;
    let deaf = Store::connect(&pooler::before(&database.url).await, Options::default()).await.expect("it opens");
    let tasks = Tasks::new(CancellationToken::new());
    deaf.join(&tasks);
    let found_out = || tasks.status().iter().any(|task| task.name == "hearing other processes" && task.failures > 0);
    until(found_out).await;
    assert!(!deaf.hears_others());
    let looks = Duration::from_millis(500);
    assert_eq!(deaf.between_looks(looks), looks);
    // It is heard all the same.
    let (there, _others) = joined(database.another().await).await;
    let mut theirs = there.signals();
    let user = given::user(&deaf, 100).await;
    given::queued(&deaf, user, 1).await;
    assert!(heard(&mut theirs).await.contains(&Signal::Queue));
}

/// What lies between a process and PostgreSQL and swallows notices, as a pooler does that lends connections for a transaction.
mod pooler {
    use std::{io, path::Path};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, copy, split},
        net::{TcpListener, TcpStream, UnixStream},
    };

    /// How PostgreSQL's message begins that a notice comes in.
    const NOTICE: u8 = b'A';

    trait Socket: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
    impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Socket for T {}

    /// The same database's URL, through the pooler.
    pub async fn before(url: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (head, parameters) = url.split_once('?').unwrap_or((url, ""));
        let (head, name) = head.rsplit_once('/').expect("a name");
        let (user, server) = head.rsplit_once('@').expect("a user");
        let socket = parameters.split('&').find_map(|parameter| parameter.strip_prefix("host="));
        let (server, socket) = (server.to_owned(), socket.map(str::to_owned));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, socket) = (server.clone(), socket.clone());
                tokio::spawn(async move {
                    let to: Box<dyn Socket> = match socket {
                        Some(directory) => {
                            Box::new(UnixStream::connect(Path::new(&directory).join(".s.PGSQL.5432")).await?)
                        }
                        None => Box::new(TcpStream::connect(server).await?),
                    };
                    between(client, to).await
                });
            }
        });
        format!("{user}@{address}/{name}?sslmode=disable")
    }

    async fn between(client: TcpStream, server: Box<dyn Socket>) -> io::Result<()> {
        let (mut asks, mut hears) = client.into_split();
        let (mut answers, mut takes) = split(server);
        let asked = async { copy(&mut asks, &mut takes).await.map(drop) };
        let answered = async {
            loop {
                let kind = answers.read_u8().await?;
                let length = answers.read_u32().await?;
                let mut rest = vec![0; length as usize - 4];
                answers.read_exact(&mut rest).await?;
                if kind != NOTICE {
                    hears.write_u8(kind).await?;
                    hears.write_u32(length).await?;
                    hears.write_all(&rest).await?;
                }
            }
        };
        tokio::select! {
            ended = asked => ended,
            ended = answered => ended,
        }
    }
}

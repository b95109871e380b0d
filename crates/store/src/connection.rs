//! Opening either database, and running one transaction on it.
//!
//! The pools are built with sqlx and handed to SeaORM: SeaORM's own connector traces its options, URL and password in all.

use crate::{
    acceptance::Gathered,
    error::{Result, StoreError, is_contention},
    freshness::Source,
    kept::Kept,
    link::Link,
    notices::Outbox,
    postgres::{self, WayToListen},
    records::{Event, Robot, Signal},
    replica::{Replica, ReplicaStatus},
    servers::{Servers, Term},
    turns::SharedTurns,
    usage::InUse,
};
use async_recursion::async_recursion as boxed;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, SqlxError, SqlxSqliteConnector,
    sqlx::{
        ConnectOptions as _, Connection as _,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::broadcast;

/// Signals kept for a receiver that lags behind; one that lags further only loses hints.
const SIGNAL_BACKLOG: usize = 1_024;
/// SQLite readers: few, since each has a thread and a page cache of its own.
const SQLITE_READERS: u32 = 4;
/// Times that a transaction is tried when others are in its way.
const ATTEMPTS: u32 = 6;

/// SQLite's primary result codes for a file that isn't what it should be.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// PostgreSQL's history. A replica that takes no writes has none of its own, so that no lease holds there.
macro_rules! history {
    () => {
        "(SELECT CASE WHEN NOT pg_is_in_recovery() THEN
              system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
          END FROM pg_control_system())"
    };
}

/// The few words that the two databases spell differently. All else is one text for both.
impl Backend {
    /// Appended to a `SELECT` whose rows this transaction is about to change. SQLite's transactions lock the whole file.
    pub(crate) const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// The clock leases are measured with: the server's, which all processes share, or this machine's, given as `$parameter`.
    pub(crate) fn clock(self, parameter: u8) -> String {
        match self {
            Self::Sqlite => format!("${parameter}"),
            Self::Postgres => "clock_timestamp()".to_owned(),
        }
    }

    /// The parameter, a text, as an address.
    pub(crate) fn inet(self, parameter: u8) -> String {
        match self {
            Self::Sqlite => format!("${parameter}"),
            Self::Postgres => format!("CAST(${parameter} AS inet)"),
        }
    }

    /// Which history of the database this is, a text: its system identifier, and its timeline, which another server's
    /// promotion and a restore to an earlier moment end. SQLite's has no name.
    pub(crate) const fn history(self) -> &'static str {
        match self {
            Self::Sqlite => "NULL",
            Self::Postgres => history!(),
        }
    }

    /// The history's timeline alone, a number; nothing for the first, which every database begins with.
    pub(crate) const fn timeline(self) -> &'static str {
        match self {
            Self::Sqlite => "NULL",
            Self::Postgres => {
                "CASE WHEN NOT pg_is_in_recovery() THEN
                     NULLIF(CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS BIT(32)) AS INTEGER), 1)
                 END"
            }
        }
    }

    /// A condition on a robot's row, to be appended: its lease was taken in the history that the database has now. A server
    /// that was promoted may lack what the last holder wrote; so no lease outlives a promotion.
    pub(crate) const fn leased_in_this_history(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => concat!(" AND lease_history = ", history!()),
        }
    }

    /// The database behind a transaction.
    pub(crate) fn of(connection: &impl ConnectionTrait) -> Self {
        match connection.get_database_backend() {
            DbBackend::Postgres => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    /// Gives a row where the table `migrations` is there.
    pub(crate) const fn has_migrations(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'",
            Self::Postgres => "SELECT 1 WHERE to_regclass('migrations') IS NOT NULL",
        }
    }

    /// An address column as text.
    pub(crate) fn inet_as_text(self, column: &str) -> String {
        match self {
            Self::Sqlite => column.to_owned(),
            Self::Postgres => format!("host({column})"),
        }
    }
}

/// Connection settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of the whole pool; SQLite uses one writer and at most four readers of it.
    pub max_connections: u32,
    /// How long a caller waits for a connection, and SQLite for another process's write.
    pub acquire_timeout: Duration,
    /// PostgreSQL ends a statement that takes longer, and a transaction that idles as long.
    pub statement_timeout: Duration,
    /// How long a statement of PostgreSQL's waits for what somebody else has locked.
    pub lock_timeout: Duration,
    /// How connections to PostgreSQL are kept from other eyes.
    pub tls: Tls,
    /// What stands between us and PostgreSQL.
    pub pooler: Pooler,
    /// PostgreSQL past the pooler, where processes can be heard ([`Store::join`]).
    pub direct: Option<Address>,
    /// A replica of PostgreSQL for reads that needn't be the newest ([`Store::reading`]).
    pub replica: Option<ReplicaOptions>,
    /// Experiments that may wait at once; what is asked for beyond is refused. Several processes that accept at the same
    /// moment may exceed it by as many as they have connections.
    pub queue_limit: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            tls: Tls::default(),
            pooler: Pooler::None,
            direct: None,
            replica: None,
            queue_limit: 20_000,
        }
    }
}

impl Options {
    /// What a session of PostgreSQL's is to be told, or each transaction where sessions aren't ours; besides how surely it is
    /// to commit ([`crate::link::durably`]).
    pub(crate) fn session(&self) -> [(&'static str, String); 3] {
        let patience = self.statement_timeout.as_millis().to_string();
        [
            ("statement_timeout", patience.clone()),
            ("lock_timeout", self.lock_timeout.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", patience),
        ]
    }
}

/// A streaming replica.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    pub address: Address,
    /// One that is further behind isn't used. Not less than three seconds, since it is looked at once a second.
    pub most_behind: Duration,
}

/// How connections to PostgreSQL are encrypted, and whom they trust.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Before what the URL says. Nothing is said by either: `verify-full` with a CA, else `prefer`.
    pub mode: Option<TlsMode>,
    /// PEM file of the authorities that sign the server's certificate.
    pub ca: Option<PathBuf>,
}

/// As PostgreSQL's own clients call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    /// Encrypted where the server can; nobody is asked who they are.
    Prefer,
    /// Encrypted; nobody is asked who they are.
    Require,
    /// The certificate is signed by a trusted authority.
    VerifyCa,
    /// … and is for the host that was asked for.
    VerifyFull,
}

impl TlsMode {
    /// Whether the server has to prove who it is.
    pub const fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }
}

/// What stands between us and PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or something that gives us connections for as long as we want them.
    #[default]
    None,
    /// One that lends connections for a transaction, as pgbouncer does in transaction mode.
    Transaction,
}

/// The URL of a database, which may hold a password.
#[derive(Clone)]
pub struct Address(String);

impl Address {
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// A handle to the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
    source: Source,
}

/// How many connections to the database there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    pub open: u32,
    /// … of which nobody uses so many.
    pub idle: u32,
    pub limit: u32,
}

impl Connections {
    pub const fn busy(self) -> u32 {
        self.open.saturating_sub(self.idle)
    }
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    /// Of SQLite.
    file: Option<PathBuf>,
    /// That this process uses it.
    _in_use: Option<InUse>,
    /// One connection on SQLite, so that writers queue here and not in the file's lock.
    writer: Link,
    reader: Link,
    listens: WayToListen,
    replica: Option<Replica>,
    signals: broadcast::Sender<Signal>,
    turns: SharedTurns,
    gathered: Gathered,
    robots: Kept<Vec<Robot>>,
    in_hand: Kept<Vec<Event>>,
    /// Changes that this process made or heard of.
    changes: AtomicU64,
    /// Commits that changed the queue: of this process, and those of others that were heard of.
    queue_changes: AtomicU64,
    /// … and that changed a robot.
    robot_changes: AtomicU64,
    /// … and that changed accounts, sessions or keys.
    account_changes: AtomicU64,
    outbox: Outbox,
    /// The tasks that tell and hear were begun.
    joined: AtomicBool,
    /// Of PostgreSQL.
    servers: Option<Arc<Servers>>,
    hears_others: AtomicBool,
    queue_limit: u32,
}

impl Store {
    /// Opens `sqlite://path` (made if missing, with its directory; WAL, foreign keys, full sync) or `postgres://…`.
    ///
    /// # Errors
    /// `Unreachable` where the URL is of neither kind, the file can't be made or opened, it is being replaced by a backup, or the
    /// server doesn't answer; `Damaged` where the file is no sound database.
    #[boxed]
    pub async fn connect(url: &str, options: Options) -> Result<Self> {
        if let Some(path) = sqlite_path(url) {
            make_private_file(path).await?;
        }
        Self::connect_existing(url, options).await
    }

    /// The same, but makes nothing.
    ///
    /// # Errors
    /// `Missing` where there is no such file.
    #[boxed]
    pub async fn connect_existing(url: &str, options: Options) -> Result<Self> {
        let (mut file, mut in_use, mut listens, mut replica, mut servers) = (None, None, WayToListen::None, None, None);
        let (backend, writer, reader) = if let Some(path) = sqlite_path(url) {
            if tokio::fs::try_exists(&path).await.is_ok_and(|exists| !exists) {
                return Err(StoreError::Missing(path.display().to_string()));
            }
            in_use = InUse::note(&path)?;
            let (writer, reader) = open_sqlite(&path, &options).await?;
            file = Some(path);
            (Backend::Sqlite, writer, reader)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            listens = postgres::way_to_listen(&options)?;
            replica = Replica::of(&options)?;
            let (link, all) = postgres::open(url, &options).await?;
            servers = Some(all);
            (Backend::Postgres, link.clone(), link)
        } else {
            return Err(StoreError::Unreachable("a database URL starts with sqlite:// or postgres://".to_owned()));
        };
        let (signals, _) = broadcast::channel(SIGNAL_BACKLOG);
        let inner = Inner {
            backend,
            file,
            _in_use: in_use,
            writer,
            reader,
            listens,
            replica,
            signals,
            turns: SharedTurns::default(),
            gathered: Gathered::default(),
            robots: Kept::default(),
            in_hand: Kept::default(),
            changes: AtomicU64::new(0),
            queue_changes: AtomicU64::new(0),
            robot_changes: AtomicU64::new(0),
            account_changes: AtomicU64::new(0),
            outbox: Outbox::default(),
            joined: AtomicBool::new(false),
            servers,
            hears_others: AtomicBool::new(false),
            queue_limit: options.queue_limit,
        };
        Ok(Self { inner: Arc::new(inner), source: Source::default() })
    }

    pub fn backend(&self) -> Backend {
        self.inner.backend
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.inner.file.as_deref()
    }

    /// A trivial query, for readiness.
    ///
    /// # Errors
    /// `Unreachable` where the database doesn't answer in time.
    #[boxed]
    pub async fn ping(&self) -> Result<()> {
        self.inner.reader.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// This process's connections to the database, a replica's left out.
    pub fn connections(&self) -> Connections {
        match self.inner.backend {
            Backend::Postgres => self.inner.writer.connections(),
            Backend::Sqlite => {
                let (writer, reader) = (self.inner.writer.connections(), self.inner.reader.connections());
                Connections {
                    open: writer.open + reader.open,
                    idle: writer.idle + reader.idle,
                    limit: writer.limit + reader.limit,
                }
            }
        }
    }

    /// Signals of this process's commits, and of other processes' where they are heard ([`Store::join`]).
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.inner.signals.subscribe()
    }

    /// Closes the connections; what is committed is safe without it. SQLite's writer is the last, so that it folds the
    /// write-ahead log into the file.
    ///
    /// # Errors
    /// What the database says against it. Its connections are closed all the same.
    #[boxed]
    pub async fn close(&self) -> Result<()> {
        self.tell_the_rest().await;
        if let Some(replica) = &self.inner.replica {
            replica.close().await;
        }
        self.inner.reader.close().await?;
        self.inner.writer.close().await
    }

    /// Tells whoever listens, here and in other processes; nobody listening is fine.
    pub(crate) fn signal(&self, signals: impl IntoIterator<Item = Signal>) {
        for signal in signals {
            self.raise(signal);
            if self.inner.backend == Backend::Postgres {
                self.inner.outbox.add(signal);
            }
        }
    }

    /// Changes that this process made or heard of so far: what it read before the last of them may be out of date.
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::Acquire)
    }

    /// Tells whoever listens here.
    pub(crate) fn raise(&self, signal: Signal) {
        if let Some(replica) = &self.inner.replica {
            replica.note(signal);
        }
        self.inner.changes.fetch_add(1, Ordering::AcqRel);
        let changes = [
            (&self.inner.queue_changes, Signal::Queue),
            (&self.inner.robot_changes, Signal::Robots),
            (&self.inner.account_changes, Signal::Accounts),
        ];
        for (count, of) in changes {
            if signal == of || signal == Signal::Anything {
                count.fetch_add(1, Ordering::AcqRel);
            }
        }
        let _ = self.inner.signals.send(signal);
    }

    /// Changes of the queue that this process made or heard of, so far.
    pub(crate) fn queue_changes(&self) -> u64 {
        self.inner.queue_changes.load(Ordering::Acquire)
    }

    /// Changes of robots that this process made or heard of, so far.
    pub(crate) fn robot_changes(&self) -> u64 {
        self.inner.robot_changes.load(Ordering::Acquire)
    }

    /// Changes that this process made or heard of, so far, of who may do what: an account's role or password, a session's
    /// end, a key.
    pub fn account_changes(&self) -> u64 {
        self.inner.account_changes.load(Ordering::Acquire)
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.inner.outbox
    }

    /// Whether [`Store::join`] was called before. It was, from now on.
    pub(crate) fn joined(&self) -> bool {
        self.inner.joined.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn servers(&self) -> Option<&Servers> {
        self.inner.servers.as_deref()
    }

    /// Whether other processes' commits raise signals here, soon after them.
    pub fn hears_others(&self) -> bool {
        self.inner.hears_others.load(Ordering::Acquire)
    }

    /// Gives whether that is a change.
    pub(crate) fn set_hears_others(&self, hears: bool) -> bool {
        self.inner.hears_others.swap(hears, Ordering::AcqRel) != hears
    }

    pub(crate) fn kept_robots(&self) -> &Kept<Vec<Robot>> {
        &self.inner.robots
    }

    pub(crate) fn kept_in_hand(&self) -> &Kept<Vec<Event>> {
        &self.inner.in_hand
    }

    pub(crate) fn shared_turns(&self) -> &SharedTurns {
        &self.inner.turns
    }

    pub(crate) fn gathered(&self) -> &Gathered {
        &self.inner.gathered
    }

    pub(crate) fn queue_limit(&self) -> u32 {
        self.inner.queue_limit
    }

    pub(crate) fn replica(&self) -> Option<&Replica> {
        self.inner.replica.as_ref()
    }

    /// How the replica stands, if there is one.
    pub fn replica_status(&self) -> Option<ReplicaStatus> {
        self.replica().map(Replica::status)
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn with_source(&self, source: Source) -> Self {
        Self { inner: self.inner.clone(), source }
    }

    /// What is true now, for whatever decides something. Reads that may be older ask [`Store::view`].
    pub(crate) fn reader(&self) -> &Link {
        &self.inner.reader
    }

    /// For single statements, which are transactions of their own.
    pub(crate) fn writer(&self) -> &Link {
        &self.inner.writer
    }

    pub(crate) fn way_to_listen(&self) -> &WayToListen {
        &self.inner.listens
    }

    /// For [`transact!`].
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction> {
        self.inner.writer.begin().await
    }

    /// For [`transact!`]: commits or rolls back. Nothing when the database gave way to somebody else's transaction and
    /// the work is to be done again.
    pub(crate) async fn conclude<T>(
        &self,
        transaction: DatabaseTransaction,
        outcome: Result<T>,
        attempt: u32,
        term: &Term,
    ) -> Result<Option<T>> {
        let outcome = match outcome {
            Ok(value) => term.during(transaction.commit()).await.map(|()| value).map_err(StoreError::from),
            Err(error) => {
                // Dropping it rolls back as well; this only does it sooner.
                let _ = term.during(transaction.rollback()).await;
                Err(error)
            }
        };
        match outcome {
            Err(StoreError::Contended(_)) if attempt < ATTEMPTS => {
                tokio::time::sleep(pause_after(attempt)).await;
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }
}

/// `transact!(store, |tx| { … })`: the block in one transaction, committed when it returns `Ok`, rolled back on `Err`. It
/// runs again, from the start and a bounded number of times, when the database gave way to somebody else's transaction. It is
/// given up, whatever came of it, when the server is left that it was begun on.
///
/// A macro and not a method with an async closure, whose future the compiler can't prove to be `Send` (rust#110338).
macro_rules! transact {
    ($store:expr, |$tx:ident| $work:block) => {{
        let mut attempt = 0;
        loop {
            attempt += 1;
            let term = $store.term();
            let transaction = $store.begin().await?;
            let $tx = &transaction;
            let outcome = term.during(async { $work }).await;
            if let Some(value) = $store.conclude(transaction, outcome, attempt, &term).await? {
                break value;
            }
        }
    }};
}

pub(crate) use transact;

/// Longer each time, and different in every process, so that two which met don't meet again.
fn pause_after(attempt: u32) -> Duration {
    let spread = u64::from(uuid::Uuid::now_v7().as_bytes()[15]) % 16;
    Duration::from_millis((5 << attempt) + spread)
}

/// The file of `sqlite://path` or `sqlite:path`; parameters after `?` are not ours and ignored.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

async fn open_sqlite(path: &Path, options: &Options) -> Result<(Link, Link)> {
    let base = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(options.acquire_timeout)
        .foreign_keys(true)
        .disable_statement_logging();
    let failed = |error| not_opened(path, &error);
    switch_to_wal(&base, options.acquire_timeout).await.map_err(failed)?;
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // When the disk is full a commit fails and so may its roll-back: the connection stays inside the transaction, and
        // what it "commits" from then on is lost with it. Closing it ends that.
        .after_release(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))))
        .connect_with(base.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full))
        .await
        .map_err(failed)?;
    let reader = SqlitePoolOptions::new()
        .max_connections(options.max_connections.clamp(1, SQLITE_READERS))
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .connect_with(base.read_only(true))
        .await
        .map_err(failed)?;
    let link = |pool| Link::own(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool));
    Ok((link(writer), link(reader)))
}

/// Says of a damaged file what to do.
pub(crate) fn not_opened(path: &Path, error: &SqlxError) -> StoreError {
    let code = error.as_database_error().and_then(|said| said.code());
    match code.as_deref().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            StoreError::Damaged { file: path.display().to_string(), said: error.to_string() }
        }
        _ => StoreError::Unreachable(format!("can't open {}: {error}", path.display())),
    }
}

/// Write-ahead logging is the file's, for ever, once it is on. Turning it on needs the file alone for a moment, for which
/// SQLite doesn't wait as it does for other locks: of processes that open a new file together all but one would fail.
async fn switch_to_wal(base: &SqliteConnectOptions, patience: Duration) -> Result<(), SqlxError> {
    let deadline = Instant::now() + patience;
    for attempt in 1.. {
        let error = match base.clone().journal_mode(SqliteJournalMode::Wal).connect().await {
            Ok(connection) => return connection.close().await,
            Err(error) => error,
        };
        let code = error.as_database_error().and_then(|said| said.code());
        if !code.is_some_and(|code| is_contention(&code)) || Instant::now() >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause_after(attempt.min(ATTEMPTS))).await;
    }
    Ok(())
}

/// The file holds password hashes and the signing keys: its owner's alone. SQLite gives its WAL the same mode.
async fn make_private_file(path: PathBuf) -> Result<()> {
    let shown = path.display().to_string();
    let made = tokio::task::spawn_blocking(move || {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)?;
        }
        let mut open = std::fs::OpenOptions::new();
        open.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        open.open(path).map(drop)
    });
    let made = made.await.map_err(std::io::Error::other).and_then(|made| made);
    made.map_err(|error| StoreError::Unreachable(format!("can't open {shown}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_sqlite_url_name_the_file() {
        for (url, path) in [
            ("sqlite://data/lab.db", "data/lab.db"),
            ("sqlite:data/lab.db", "data/lab.db"),
            ("sqlite:///var/lab.db?mode=rwc", "/var/lab.db"),
        ] {
            assert_eq!(sqlite_path(url), Some(PathBuf::from(path)));
        }
        assert_eq!(sqlite_path("postgres://x"), None);
    }
}

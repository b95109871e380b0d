//! A streaming replica for reads that needn't be the newest: how far it is, whether it is to be used, and who waits for it.
//!
//! [`Follow`], one of a process's tasks, compares it with the primary once a second. It is used while it follows and isn't
//! further behind than allowed; otherwise all reads go to the primary, which is said once, and told by [`ReplicaStatus`].

use crate::{
    connection::{Options, Store},
    error::{Result, StoreError},
    freshness::{self, LastChanges, Mark, Marks, Position},
    link::Link,
    postgres,
    records::Signal,
    sql::sql,
};
use domain::ExperimentId;
use sea_orm::{DbErr, RuntimeErr};
use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tasks::{Failure, Pauses, Task, Turn};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Between two comparisons with the primary.
const BEAT: Duration = Duration::from_secs(1);
/// Between two questions to a replica that has something to catch up with, and to one that somebody waits for.
const CATCHING_UP: Duration = Duration::from_millis(100);
const WAITED_FOR: Duration = Duration::from_millis(3);
/// How long a reading waits for the replica before it goes to the primary.
const PATIENCE: Duration = Duration::from_millis(100);
/// One that was behind for longer isn't waited for.
const NOT_WORTH_WAITING: Duration = Duration::from_secs(3);
/// How long the replica may take for an answer before the primary is asked instead.
const ANSWER: Duration = Duration::from_secs(2);
/// For connections that are to be closed.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) const NAME: &str = "following the replica";
pub(crate) const PAUSES: Pauses =
    Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(5), farewell: Duration::from_secs(1) };

const UNKNOWN: &str = "it has yet to catch up with the primary";

/// How a replica stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaStatus {
    /// Reads go to it.
    pub used: bool,
    /// Why not, without any address.
    pub why: Option<&'static str>,
    /// How long ago it was seen to have all that the primary had. Up to two seconds where it follows closely.
    pub behind: Option<Duration>,
    /// Reads that it answered so far.
    pub answered: u64,
    /// Reads that were to go to it, or might have, and went to the primary.
    pub passed_on: u64,
}

#[derive(Debug)]
pub(crate) struct Replica {
    link: Link,
    most_behind: Duration,
    marks: Marks,
    changes: LastChanges,
    replayed: watch::Sender<Position>,
    standing: Mutex<Standing>,
    waiting: AtomicUsize,
    wanted: Notify,
    answered: AtomicU64,
    passed_on: AtomicU64,
}

#[derive(Debug)]
struct Standing {
    /// Why it isn't used.
    unused: Option<&'static str>,
    /// All that was committed before then is there.
    as_of: Option<Instant>,
}

impl Replica {
    /// The one that the options name; it needn't be there.
    pub fn of(options: &Options) -> Result<Option<Self>> {
        let Some(replica) = &options.replica else { return Ok(None) };
        Ok(Some(Self {
            link: postgres::open_lazily(replica.address.url(), options, ANSWER)?,
            most_behind: replica.most_behind,
            marks: Marks::default(),
            changes: LastChanges::default(),
            replayed: watch::Sender::new(Position::START),
            standing: Mutex::new(Standing { unused: Some(UNKNOWN), as_of: None }),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
            answered: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
        }))
    }

    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// One that is frozen isn't waited for.
    pub async fn close(&self) {
        let _ = timeout(FAREWELL, self.link.close()).await;
    }

    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> ReplicaStatus {
        let standing = self.standing();
        ReplicaStatus {
            used: standing.unused.is_none(),
            why: standing.unused,
            behind: standing.as_of.map(|as_of| as_of.elapsed()),
            answered: self.answered.load(Ordering::Relaxed),
            passed_on: self.passed_on.load(Ordering::Relaxed),
        }
    }

    pub fn is_used(&self) -> bool {
        let is_used = self.standing().unused.is_none();
        if !is_used {
            self.passed_on.fetch_add(1, Ordering::Relaxed);
        }
        is_used
    }

    /// Remembers a change that was committed here or heard of.
    pub fn note(&self, signal: Signal) {
        match signal {
            Signal::Experiment(id) => self.changes.note(Some(id)),
            Signal::Anything => self.changes.note(None),
            Signal::Queue | Signal::Robots | Signal::Accounts => {}
        }
    }

    /// Whether it is used and has all up to there, or has it in a moment.
    pub async fn reaches(&self, position: Position) -> bool {
        if !self.is_used() {
            return false;
        }
        let reaches = *self.replayed.borrow() >= position || self.comes_to(position).await;
        if !reaches {
            self.passed_on.fetch_add(1, Ordering::Relaxed);
        }
        reaches
    }

    async fn comes_to(&self, position: Position) -> bool {
        let is_close = self.standing().as_of.is_some_and(|as_of| as_of.elapsed() < NOT_WORTH_WAITING);
        if position == Position::UNKNOWN || !is_close {
            return false;
        }
        let mut replayed = self.replayed.subscribe();
        let _waits = Waits::at(self);
        let reached = replayed.wait_for(|replayed| *replayed >= position);
        timeout(PATIENCE, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Whether it has all that this process heard of the experiment.
    pub async fn knows_as_much_of(&self, experiment: ExperimentId, primary: &Link) -> bool {
        let changed = self.changes.of(experiment);
        if self.standing().as_of.is_some_and(|as_of| as_of >= changed) {
            return true;
        }
        match self.marks.since(changed, primary).await {
            Ok(mark) => self.reaches(mark.position).await,
            Err(_) => false,
        }
    }

    /// What it answers, or nothing where the primary must be asked instead.
    pub async fn answer<T>(&self, asked: impl Future<Output = Result<T, DbErr>>) -> Option<T> {
        let why = match timeout(ANSWER, asked).await {
            Ok(Ok(answer)) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Some(answer);
            }
            Ok(Err(error)) if !breaks(&error) => None,
            Ok(Err(_)) => Some("it doesn't answer, or ended the connection"),
            // If it is gone, whoever follows it finds that out.
            Err(_) => None,
        };
        self.passed_on.fetch_add(1, Ordering::Relaxed);
        if let Some(why) = why {
            self.lose(why);
            self.wanted.notify_one();
        }
        None
    }

    /// Sends all reads to the primary.
    fn lose(&self, why: &'static str) {
        let before = self.standing().unused.replace(why);
        if before.is_none() || before == Some(UNKNOWN) {
            tracing::warn!(why, "the replica isn't used; the primary answers instead");
        }
    }

    fn use_it(&self) {
        if self.standing().unused.take().is_some() {
            tracing::info!("the replica is used for reads that needn't be the newest");
        }
    }

    /// Takes note of how far it is.
    fn heard(&self, replayed: Position, mark: Option<Mark>) {
        if let Some(mark) = mark.filter(|mark| replayed >= mark.position) {
            let mut standing = self.standing();
            standing.as_of = standing.as_of.max(Some(mark.at));
        }
        self.replayed.send_if_modified(|known| std::mem::replace(known, replayed) != replayed);
        let as_of = self.standing().as_of;
        match as_of {
            Some(as_of) if as_of.elapsed() <= self.most_behind => self.use_it(),
            Some(_) => self.lose("it is further behind than database_replica_lag allows"),
            None => {}
        }
    }

    /// What was known of it is of before: another server may answer now.
    fn forget(&self) {
        self.standing().as_of = None;
        self.replayed.send_replace(Position::START);
    }
}

/// Whether it says that the replica is gone, and not that this one statement met something there, as a row that the
/// primary has removed meanwhile.
fn breaks(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            let code = error.as_database_error().and_then(|said| said.code());
            code.is_none_or(|code| code.starts_with("57P") || code.starts_with("08"))
        }
        _ => true,
    }
}

/// Somebody waits for the replica, which is asked often meanwhile.
struct Waits<'a>(&'a Replica);

impl<'a> Waits<'a> {
    fn at(replica: &'a Replica) -> Self {
        if replica.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            replica.wanted.notify_one();
        }
        Self(replica)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Compares the replica with the primary.
pub(crate) struct Follow {
    pub store: Store,
}

impl Task for Follow {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let Some(replica) = self.store.replica() else { return Ok(Turn::Done) };
        match stop.run_until_cancelled(self.follow(replica)).await {
            None => Ok(Turn::Done),
            Some(Ok(never)) => match never {},
            Some(Err(error)) => Err(error.to_string()),
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        let Some(replica) = self.store.replica() else { return };
        let (Failure::Error(why) | Failure::Panic(why)) = failure;
        tracing::debug!(why, "the replica can't be followed");
        replica.lose("it doesn't answer, or isn't a replica of this database; the log's debug lines say more");
    }
}

impl Follow {
    async fn follow(&self, replica: &Replica) -> Result<Infallible> {
        replica.forget();
        self.check_that_it_is_ours(replica).await?;
        let mut mark = self.mark(replica).await;
        let mut next_mark = Instant::now() + BEAT;
        loop {
            let replayed = replayed(replica).await?;
            replica.heard(replayed, mark);
            let caught_up = mark.is_some_and(|mark| replayed >= mark.position);
            if Instant::now() >= next_mark {
                next_mark = Instant::now() + BEAT;
                // One that it hasn't come to yet is still what it is measured by.
                if caught_up || mark.is_none() {
                    mark = self.mark(replica).await;
                }
            }
            let pause = match (replica.waiting.load(Ordering::Acquire), caught_up) {
                (0, true) => next_mark.saturating_duration_since(Instant::now()),
                (0, false) => CATCHING_UP,
                _ => WAITED_FOR,
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = replica.wanted.notified() => {}
            }
        }
    }

    /// None while the primary doesn't answer: then the replica is as old as it was.
    async fn mark(&self, replica: &Replica) -> Option<Mark> {
        replica.marks().since(Instant::now(), self.store.writer()).await.ok()
    }

    /// Another lab's would answer as readily.
    async fn check_that_it_is_ours(&self, replica: &Replica) -> Result<()> {
        let ours = self.store.lab_id().await?;
        let asked = sql!("SELECT id FROM lab").one(replica.link());
        let row = timeout(ANSWER, asked).await.map_err(|_| late())??;
        let theirs = row.map(|row| row.get::<Uuid>("id")).transpose()?;
        if theirs == Some(ours) { Ok(()) } else { Err(other("it is another lab's, or has nothing yet")) }
    }
}

async fn replayed(replica: &Replica) -> Result<Position> {
    let asked = sql!("SELECT pg_is_in_recovery() AS follows, CAST(pg_last_wal_replay_lsn() AS text) AS replayed");
    let row = timeout(ANSWER, asked.one(replica.link())).await.map_err(|_| late())??;
    let row = row.ok_or(StoreError::NotFound("position"))?;
    match row.get::<Option<String>>("replayed")? {
        Some(replayed) if row.get("follows")? => freshness::read(&replayed),
        _ => Err(other("it isn't a replica, or isn't any more")),
    }
}

fn late() -> StoreError {
    other("it doesn't answer in time")
}

fn other(why: &str) -> StoreError {
    StoreError::Unreachable(format!("the replica: {why}"))
}

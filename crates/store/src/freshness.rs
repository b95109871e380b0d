//! How new a reading must be, and who remembers what a reader knows of already.
//!
//! A [`Store`] reads what is true now. [`Store::reading`] gives a handle for somebody to whom less is enough; what decides
//! something is read now by that handle too. Which reads may be older is said where they are: those that ask a
//! [`View`] and not the primary.

use crate::{
    connection::Store,
    error::{Result, StoreError},
    link::Link,
    replica::Replica,
    sql::sql,
};
use async_recursion::async_recursion as boxed;
use domain::ExperimentId;
use hashlink::LruCache;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, prelude::async_trait};
use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long the primary may take to say how far it is.
const ANSWER: Duration = Duration::from_secs(1);
/// Experiments of which it is remembered when they changed last.
const MOST_REMEMBERED: usize = 4_096;

/// A place in what PostgreSQL has written (an LSN, written as it writes it: `16/B374D848`). All that was committed before
/// it was read is in whatever has come as far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before everything: for who knows of nothing.
    pub const START: Self = Self(0);
    /// Beyond everything: for who knows of something, and nobody can say how new it is.
    pub const UNKNOWN: Self = Self(u64::MAX);
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (high, low) = text.split_once('/').ok_or(())?;
        let part = |digits: &str| match digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => u32::from_str_radix(digits, 16).map_err(|_| ()),
            false => Err(()),
        };
        Ok(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// How new a reading must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As things stand: for whatever decides something.
    Now,
    /// With all that was committed up to there: for a person who did that.
    AtLeast(Position),
    /// As old as a replica may be.
    MayBeStale,
}

/// Where a handle reads what may be older.
#[derive(Clone, Debug, Default)]
pub(crate) enum Source {
    #[default]
    Primary,
    /// The replica, until this is set: nobody who has read something newer is shown the older again.
    Replica(Arc<AtomicBool>),
}

/// Where a reading that may be older is made.
#[derive(Debug)]
pub(crate) struct View<'a> {
    primary: &'a Link,
    replica: Option<(&'a Replica, &'a AtomicBool)>,
}

impl Store {
    /// The same store for reads that are to be as new as this, once they are: it may wait a moment for the replica, and
    /// takes the primary where that takes longer. Without a replica it does nothing.
    #[boxed]
    pub async fn reading(&self, freshness: Freshness) -> Self {
        let source = match (self.replica(), freshness) {
            (None, _) | (_, Freshness::Now) => Source::Primary,
            (Some(replica), Freshness::MayBeStale) => source(replica.is_used()),
            (Some(replica), Freshness::AtLeast(position)) => source(replica.reaches(position).await),
        };
        self.with_source(source)
    }

    /// How far the primary is: what was committed before this was asked lies before. Nothing without a replica, where
    /// nobody needs to know; asked once for all who want to know in the same moment.
    ///
    /// # Errors
    /// It doesn't answer.
    #[boxed]
    pub async fn position(&self) -> Result<Option<Position>> {
        let Some(replica) = self.replica() else { return Ok(None) };
        let mark = replica.marks().since(Instant::now(), self.writer()).await?;
        Ok(Some(mark.position))
    }

    pub(crate) fn view(&self) -> View<'_> {
        let replica = match self.source() {
            Source::Replica(left) if !left.load(Ordering::Acquire) => self.replica().map(|replica| (replica, &**left)),
            _ => None,
        };
        View { primary: self.reader(), replica }
    }

    /// The same, as new as what this process has heard of the experiment: who follows it was told that.
    pub(crate) async fn view_of(&self, experiment: ExperimentId) -> View<'_> {
        let view = self.view();
        if let Some((replica, left)) = view.replica
            && !(self.hears_others() && replica.knows_as_much_of(experiment, self.writer()).await)
        {
            left.store(true, Ordering::Release);
        }
        self.view()
    }
}

impl View<'_> {
    /// Reads from the primary from now on. Whether it hadn't before, and what it read may be older.
    pub fn leave(&self) -> bool {
        self.replica.is_some_and(|(_, left)| !left.swap(true, Ordering::AcqRel))
    }
}

fn source(from_replica: bool) -> Source {
    if from_replica { Source::Replica(Arc::default()) } else { Source::Primary }
}

macro_rules! asked {
    ($view:expr, $statement:expr, $run:ident) => {{
        if let Some((replica, left)) = $view.replica
            && !left.load(Ordering::Acquire)
        {
            match replica.answer(replica.link().$run($statement.clone())).await {
                Some(answer) => return Ok(answer),
                None => left.store(true, Ordering::Release),
            }
        }
        $view.primary.$run($statement).await
    }};
}

/// Only what reads is sent to a replica.
#[async_trait::async_trait]
impl ConnectionTrait for View<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.primary.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.primary.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.primary.execute_unprepared(text).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        asked!(self, statement, query_one_raw)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        asked!(self, statement, query_all_raw)
    }
}

/// How far the primary was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Before it was asked.
    pub at: Instant,
    pub position: Position,
}

/// The newest mark, and the one who asks for the next.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    newest: RwLock<Option<Mark>>,
    asking: tokio::sync::Mutex<()>,
}

impl Marks {
    fn newest_since(&self, moment: Instant) -> Option<Mark> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).filter(|mark| mark.at >= moment)
    }

    /// One that was made at this moment or later.
    pub async fn since(&self, moment: Instant, primary: &Link) -> Result<Mark> {
        if let Some(mark) = self.newest_since(moment) {
            return Ok(mark);
        }
        let _asks = self.asking.lock().await;
        if let Some(mark) = self.newest_since(moment) {
            return Ok(mark);
        }
        let at = Instant::now();
        let asked = sql!("SELECT CAST(pg_current_wal_flush_lsn() AS text) AS position").one(primary);
        let late = || StoreError::Unreachable(format!("it didn't say in {} s how far it is", ANSWER.as_secs()));
        let row = timeout(ANSWER, asked).await.map_err(|_| late())??.ok_or(StoreError::NotFound("position"))?;
        let mark = Mark { at, position: read(&row.get::<String>("position")?)? };
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        Ok(mark)
    }
}

pub(crate) fn read(position: &str) -> Result<Position> {
    position.parse().map_err(|()| StoreError::Corrupt(format!("'{position}' is no position")))
}

/// When which experiment changed last, as far as this process heard.
#[derive(Debug)]
pub(crate) struct LastChanges(Mutex<Changes>);

#[derive(Debug)]
struct Changes {
    of: LruCache<ExperimentId, Instant>,
    /// Of all others, at the latest.
    others: Instant,
}

impl Default for LastChanges {
    fn default() -> Self {
        Self(Mutex::new(Changes { of: LruCache::new_unbounded(), others: Instant::now() }))
    }
}

impl LastChanges {
    /// Nothing means any of them.
    pub fn note(&self, experiment: Option<ExperimentId>) {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some(experiment) = experiment else {
            changes.of.clear();
            changes.others = now;
            return;
        };
        changes.of.insert(experiment, now);
        if changes.of.len() > MOST_REMEMBERED
            && let Some((_, oldest)) = changes.of.remove_lru()
        {
            changes.others = changes.others.max(oldest);
        }
    }

    pub fn of(&self, experiment: ExperimentId) -> Instant {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changes.of.get(&experiment).copied().unwrap_or(changes.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_as_it_is_written() {
        for (text, number) in [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", u64::MAX)] {
            assert_eq!(text.parse(), Ok(Position(number)));
            assert_eq!(Position(number).to_string(), text);
        }
        for bad in ["", "/", "1", "1/", "/1", "1/1/1", "x/1", "1/100000000", "+1/1", "-1/1", " 1/1", "1/1\n"] {
            assert_eq!(bad.parse::<Position>(), Err(()), "{bad:?}");
        }
        assert!("1/0".parse::<Position>() > "0/FFFFFFFF".parse());
    }

    #[test]
    fn what_is_forgotten_is_taken_for_as_new_as_it_may_have_been() {
        let changes = LastChanges::default();
        let (first, unknown) = (ExperimentId::new(), ExperimentId::new());
        let before = changes.of(unknown);
        changes.note(Some(first));
        let noted = changes.of(first);
        assert!(noted > before && changes.of(unknown) == before);
        for _ in 0..MOST_REMEMBERED {
            changes.note(Some(ExperimentId::new()));
        }
        assert_eq!((changes.of(first), changes.of(unknown)), (noted, noted));
        changes.note(None);
        assert!(changes.of(first) > noted);
    }
}

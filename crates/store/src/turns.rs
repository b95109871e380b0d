//! The queue in the order in which lanes take it: one reading of it, shared by all who ask in this process.
//!
//! Whose turn it is depends on everybody who waits, so there is no cheaper answer for one place than for all of them
//! (`docs/decisions/0009-turns.md`). [`Turns`] is such an answer as of one moment. It is made again when it is asked for
//! and out of date: a short queue's after each change, a long one's a few times a second at most, so seldom that making it
//! takes a twentieth of the time, and at least every two seconds.

use crate::{
    connection::Store,
    error::Result,
    kept::UNSEEN,
    records::{Experiment, Queued},
    sql::{Row, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{Bench, Deck, ExperimentId, RobotId, UserId, Volume};
use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

/// Up to so many that wait, reading them all costs no more than reading one of them.
const SHORT: usize = 100;
/// A long queue's reading is kept this many times as long as making it took.
const REST: u32 = 20;
/// … but never longer than this, on whatever machine.
const OLDEST: Duration = Duration::from_secs(2);

const WAITING: &str = "
    SELECT e.id, e.user_id, e.priority, e.created_at, e.robot_id, e.dyes, e.least_nl, e.fullest_nl,
        e.metadata ->> 'handling' IS NOT NULL AS handled, u.last_served_at,
        COALESCE(CASE WHEN e.started_at IS NULL THEN e.asked END, (
            SELECT COUNT(*) FROM wells w
            WHERE w.experiment_id = e.id AND w.status IN ('pending', 'dispensing', 'mixed')
        )) AS wells
    FROM experiments e JOIN users u ON u.id = e.user_id WHERE e.status = 'queued'";

/// Where an experiment stands among its owner's: higher priority first, then age.
type OwnPlace = (Reverse<i16>, DateTime<Utc>, ExperimentId);

/// Where it stands among everybody's: higher priority first; then everybody's first experiment before anybody's second;
/// among those, who was served longest ago (or never); then age.
type Place = (Reverse<i16>, u32, Option<DateTime<Utc>>, DateTime<Utc>, ExperimentId);

/// The queue as it stood at one moment. There may be tens of thousands, and two of these at a time: nothing stands in it
/// twice.
#[derive(Debug)]
pub struct Turns {
    queue: Vec<Waiting>,
    /// Places in `queue`, by the experiments' ids.
    by_id: Vec<u32>,
    people: People,
    kinds: Vec<Kind>,
    /// Wells of the first so many.
    wells_before: Vec<u64>,
    /// How many changes of the queue this process had made when it was read.
    changes: u64,
    read_at: Instant,
    took: Duration,
}

#[derive(Debug)]
struct Waiting {
    experiment: ExperimentId,
    created_at: DateTime<Utc>,
    robot_id: Option<RobotId>,
    person: u32,
    /// The how manieth of its owner's it is, from 1.
    turn: u32,
    kind: u32,
    wells: u32,
    priority: i16,
}

impl Waiting {
    const fn own_place(&self) -> OwnPlace {
        (Reverse(self.priority), self.created_at, self.experiment)
    }
}

/// Those who have experiments in the queue.
#[derive(Debug, Default)]
struct People {
    numbers: HashMap<UserId, u32>,
    by_number: Vec<Person>,
}

#[derive(Debug)]
struct Person {
    id: UserId,
    last_served_at: Option<DateTime<Utc>>,
    /// Places in the queue, in order.
    own: Vec<u32>,
}

impl People {
    fn number(&mut self, id: UserId) -> u32 {
        *self.numbers.entry(id).or_insert_with(|| {
            self.by_number.push(Person { id, last_served_at: None, own: Vec::new() });
            number(self.by_number.len() - 1)
        })
    }

    fn of(&self, waiting: &Waiting) -> &Person {
        &self.by_number[waiting.person as usize]
    }

    fn find(&self, id: UserId) -> Option<&Person> {
        self.by_number.get(*self.numbers.get(&id)? as usize)
    }

    fn place(&self, waiting: &Waiting) -> Place {
        let (priority, created_at, id) = waiting.own_place();
        (priority, waiting.turn, self.of(waiting).last_served_at, created_at, id)
    }
}

/// As it is kept of what there are less than four thousand million of.
fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// What an experiment asks of a robot, as it is stored. There are as many as kinds of experiments, not experiments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// Its dyes, its least amount of one and what its fullest well takes; nothing where that wasn't written down yet.
    deck: Option<(String, Volume, Volume)>,
    /// Its liquids are handled otherwise than usual ([`domain::Handling::KEPT_AS`]).
    handled: bool,
}

impl Kind {
    /// Of a row with `handled` beside the columns.
    pub fn read(row: &Row) -> Result<Self> {
        let handled = row.get("handled")?;
        let Some(dyes) = row.get("dyes")? else { return Ok(Self { deck: None, handled }) };
        Ok(Self { deck: Some((dyes, row.get("least_nl")?, row.get("fullest_nl")?)), handled })
    }

    /// Whether a bench can mix it, or may be able to.
    pub fn is_for(&self, bench: Bench<'_>) -> bool {
        let mixes = self.deck.as_ref().is_none_or(|(dyes, least, fullest)| {
            *least >= bench.deck.least_volume() && *fullest <= bench.deck.well_capacity && mixes(bench.deck, dyes)
        });
        mixes && (!self.handled || bench.handles_as_asked())
    }
}

/// Whether a deck has all dyes of a stored list.
fn mixes(deck: &Deck, dyes: &str) -> bool {
    dyes.split(' ').all(|dye| deck.dyes.iter().any(|vial| vial.name.as_str() == dye))
}

/// What is done before an experiment's turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    pub experiments: usize,
    pub wells: u64,
}

impl Turns {
    /// In the order in which lanes take them.
    pub fn iter(&self) -> impl Iterator<Item = Queued> {
        self.queue.iter().map(|waiting| Queued {
            experiment: waiting.experiment,
            user_id: self.people.of(waiting).id,
            wells: waiting.wells,
            robot_id: waiting.robot_id,
        })
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many changes of the queue this process had made when it was read.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Those that a lane may take, in order.
    pub(crate) fn for_lane<'a>(&'a self, robot: RobotId, bench: Bench<'_>) -> impl Iterator<Item = ExperimentId> + 'a {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.is_for(bench)).collect();
        let fits = move |waiting: &&Waiting| {
            waiting.robot_id.is_none_or(|bound| bound == robot) && kinds.get(waiting.kind as usize) == Some(&true)
        };
        self.queue.iter().filter(fits).map(|waiting| waiting.experiment)
    }

    /// Those bound to this robot, or to none, that no lane with one of these benches can mix, in order.
    pub(crate) fn for_no_lane<'a>(
        &'a self,
        robot: Option<RobotId>,
        benches: &[Bench<'_>],
    ) -> impl Iterator<Item = ExperimentId> + 'a {
        let is_lost = |kind: &Kind| kind.deck.is_some() && !benches.iter().any(|bench| kind.is_for(*bench));
        let kinds: Vec<_> = self.kinds.iter().map(is_lost).collect();
        let lost =
            move |waiting: &&Waiting| waiting.robot_id == robot && kinds.get(waiting.kind as usize) == Some(&true);
        self.queue.iter().filter(lost).map(|waiting| waiting.experiment)
    }

    /// What goes before one that waits, and that this reading saw.
    fn seen(&self, id: ExperimentId) -> Option<Ahead> {
        let found = self.by_id.binary_search_by_key(&id, |place| self.queue[*place as usize].experiment).ok()?;
        Some(self.ahead(self.by_id[found] as usize))
    }

    /// What goes before one that came after this reading, if it had been there. It moves nobody who goes before it: of its
    /// owner's others only those count a turn more that stand behind it anyway.
    fn would_be(&self, experiment: &Experiment, last_served_at: Option<DateTime<Utc>>) -> Ahead {
        let own = (Reverse(experiment.priority), experiment.created_at, experiment.id);
        let person = self.people.find(experiment.user_id);
        let before = |place: &u32| self.queue[*place as usize].own_place() < own;
        let turn = 1 + person.map_or(0, |person| number(person.own.partition_point(before)));
        let place = (own.0, turn, last_served_at, own.1, own.2);
        self.ahead(self.queue.partition_point(|waiting| self.people.place(waiting) < place))
    }

    fn ahead(&self, place: usize) -> Ahead {
        Ahead { experiments: place, wells: self.wells_before.get(place).copied().unwrap_or_default() }
    }

    /// Whether it may still be given out, when this process has made so many changes.
    fn is_fresh(&self, changes: u64) -> bool {
        let age = self.read_at.elapsed();
        if self.len() <= SHORT {
            return self.changes == changes && age < UNSEEN;
        }
        age < (self.took * REST).clamp(UNSEEN, OLDEST)
    }

    fn of(read: Reading, changes: u64, read_at: Instant) -> Self {
        let Reading { mut people, kinds, mut queue } = read;
        queue.shrink_to_fit();
        queue.sort_unstable_by_key(|waiting| (waiting.person, waiting.own_place()));
        for own in queue.chunk_by_mut(|one, next| one.person == next.person) {
            for (waiting, turn) in own.iter_mut().zip(1..) {
                waiting.turn = turn;
            }
        }
        queue.sort_unstable_by_key(|waiting| people.place(waiting));
        for (waiting, place) in queue.iter().zip(0..) {
            people.by_number[waiting.person as usize].own.push(place);
        }
        let mut by_id: Vec<_> = (0..number(queue.len())).collect();
        by_id.sort_unstable_by_key(|place| queue[*place as usize].experiment);
        let mut wells = 0;
        let wells_before = std::iter::once(0).chain(queue.iter().map(|waiting| {
            wells += u64::from(waiting.wells);
            wells
        }));
        let wells_before = wells_before.collect();
        let mut by_number: Vec<_> = kinds.into_iter().collect();
        by_number.sort_unstable_by_key(|(_, number)| *number);
        let kinds = by_number.into_iter().map(|(kind, _)| kind).collect();
        Self { queue, by_id, people, kinds, wells_before, changes, read_at, took: read_at.elapsed() }
    }
}

/// Who waits, row by row, in no order.
#[derive(Default)]
struct Reading {
    people: People,
    kinds: HashMap<Kind, u32>,
    queue: Vec<Waiting>,
}

impl Reading {
    fn add(&mut self, row: &Row) -> Result<()> {
        let person = self.people.number(row.get("user_id")?);
        self.people.by_number[person as usize].last_served_at = row.get("last_served_at")?;
        let next = number(self.kinds.len());
        let kind = *self.kinds.entry(Kind::read(row)?).or_insert(next);
        self.queue.push(Waiting {
            experiment: row.get("id")?,
            created_at: row.get("created_at")?,
            robot_id: row.get("robot_id")?,
            person,
            turn: 0,
            kind,
            wells: u32::try_from(row.get::<i64>("wells")?).unwrap_or(u32::MAX),
            priority: row.get("priority")?,
        });
        Ok(())
    }
}

/// The newest reading, and the one who makes the next.
#[derive(Debug, Default)]
pub(crate) struct SharedTurns {
    newest: RwLock<Option<Arc<Turns>>>,
    making: tokio::sync::Mutex<()>,
}

impl SharedTurns {
    fn newest(&self) -> Option<Arc<Turns>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, turns: &Arc<Turns>) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(turns.clone());
    }
}

impl Store {
    /// The queue as it stood a moment ago. What this process changed in a short one is in it; of a long one it is at most
    /// twenty times as old as reading it takes, or two seconds.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn turns(&self) -> Result<Arc<Turns>> {
        let shared = self.shared_turns();
        let known = shared.newest();
        if let Some(turns) = known.as_ref().filter(|turns| turns.is_fresh(self.queue_changes())) {
            return Ok(turns.clone());
        }
        let _maker = match (shared.making.try_lock(), known) {
            (Ok(maker), _) => maker,
            // While somebody reads a long one anew, the last reading is near enough.
            (Err(_), Some(turns)) if turns.len() > SHORT => return Ok(turns),
            (Err(_), _) => shared.making.lock().await,
        };
        match shared.newest().filter(|turns| turns.is_fresh(self.queue_changes())) {
            Some(turns) => Ok(turns),
            None => self.read_turns().await,
        }
    }

    /// The same for a lane that is about to take something: a short queue as it stands now, whoever changed it.
    pub(crate) async fn turns_to_take(&self) -> Result<Arc<Turns>> {
        let shared = self.shared_turns();
        if shared.newest().is_some_and(|turns| turns.len() > SHORT) {
            return self.turns().await;
        }
        self.turns_now().await
    }

    /// The queue as it stands now.
    pub(crate) async fn turns_now(&self) -> Result<Arc<Turns>> {
        let asked = Instant::now();
        let shared = self.shared_turns();
        let _maker = shared.making.lock().await;
        match shared.newest().filter(|turns| turns.read_at >= asked) {
            Some(turns) => Ok(turns),
            None => self.read_turns().await,
        }
    }

    /// For who holds `making`.
    async fn read_turns(&self) -> Result<Arc<Turns>> {
        let (changes, read_at) = (self.queue_changes(), Instant::now());
        let mut read = Reading::default();
        self.reader().each(WAITING, |row| read.add(&row)).await?;
        let turns = Arc::new(Turns::of(read, changes, read_at));
        self.shared_turns().keep(&turns);
        Ok(turns)
    }

    /// What goes before an experiment that waits, as of [`Store::turns`] with it.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn ahead_of(&self, experiment: &Experiment) -> Result<Ahead> {
        let turns = self.turns().await?;
        if let Some(ahead) = turns.seen(experiment.id) {
            return Ok(ahead);
        }
        let last_served_at = match turns.people.find(experiment.user_id) {
            Some(person) => person.last_served_at,
            None => {
                let text = "SELECT last_served_at FROM users WHERE id = $1";
                let row = sql!(text, experiment.user_id).one(self.reader()).await?;
                row.map(|row| row.get("last_served_at")).transpose()?.flatten()
            }
        };
        Ok(turns.would_be(experiment, last_served_at))
    }

    /// The queue in the order lanes take it, at most `limit` of it.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn queue(&self, limit: u32) -> Result<Vec<Queued>> {
        Ok(self.turns().await?.iter().take(limit as usize).collect())
    }

    /// How many experiments wait, as of [`Store::turns`].
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn queue_length(&self) -> Result<usize> {
        Ok(self.turns().await?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(length: usize, took: Duration) -> Turns {
        let waiting = || Waiting {
            experiment: ExperimentId::new(),
            created_at: Utc::now(),
            robot_id: None,
            person: 0,
            turn: 1,
            kind: 0,
            wells: 1,
            priority: 0,
        };
        Turns {
            queue: (0..length).map(|_| waiting()).collect(),
            by_id: Vec::new(),
            people: People::default(),
            kinds: Vec::new(),
            wells_before: Vec::new(),
            changes: 7,
            read_at: Instant::now(),
            took,
        }
    }

    #[test]
    fn a_short_queue_is_read_after_each_change_and_a_long_one_rests() {
        let took = Duration::from_millis(100);
        let before = |length, milliseconds| Turns {
            read_at: Instant::now().checked_sub(Duration::from_millis(milliseconds)).expect("an instant"),
            ..reading(length, took)
        };
        assert!(!before(SHORT, 0).is_fresh(8));
        assert!(!before(SHORT, 250).is_fresh(7), "another process may have changed it");
        assert!(before(SHORT + 1, 0).is_fresh(8));
        assert!(before(SHORT + 1, 1_500).is_fresh(8));
        assert!(!Turns { took: took / 2, ..before(SHORT + 1, 1_000) }.is_fresh(7));
        assert!(!Turns { took: 100 * took, ..before(SHORT + 1, 2_000) }.is_fresh(7));
    }
}

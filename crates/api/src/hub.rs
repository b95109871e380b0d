//! Each event is read once for all who follow its experiment.
//!
//! A [`Hub`] keeps the newest events of every experiment that somebody here follows. One task (`reader`) asks the table for
//! all of them together: at each signal of a commit, and every few seconds or, where other processes' commits send none, every
//! second. A [`Follower`] knows what it has seen. What lies further back than the hub remembers it reads for itself.
//!
//! Nothing is *sent* that could be lost, doubled or come late: a follower compares its own place with what is remembered,
//! so it misses nothing whenever it comes and however slow it is, and holds up nobody. The table is asked, and an
//! experiment is remembered, only while somebody follows.

mod reader;

use domain::{ExperimentEvent, ExperimentId};
use reader::Reader;
use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{Event, Store};
use tasks::Tasks;
use tokio::sync::{Notify, watch};

/// Events read at once.
const BATCH: u32 = 100;
/// Newest events of an experiment that are remembered: more than a batch, so that who is a little behind needn't read.
const REMEMBERED: usize = 128;

/// Shared by all streams of a process. Cheap to clone.
pub struct Hub<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    store: Store,
    tasks: Tasks,
    render: fn(&Event) -> T,
    topics: Mutex<Topics<T>>,
    /// Somebody began to follow, or the last one went.
    changed: Notify,
}

struct Topics<T> {
    followed: HashMap<ExperimentId, watch::Sender<Recent<T>>>,
    /// Those of them that were never looked at; some may have been left since.
    fresh: Vec<ExperimentId>,
    /// The task was started.
    started: bool,
    /// It looks at the table.
    read: bool,
}

/// An event as its followers get it.
#[derive(Debug)]
pub struct Told<T> {
    pub sequence: i64,
    /// What was made of it, once for all.
    pub shown: T,
    /// The experiment ends with it.
    ends: bool,
}

/// The newest events of an experiment.
struct Recent<T> {
    /// Up to where the table was looked at; nothing before the first look.
    last: Option<i64>,
    /// All that was committed together with the last was seen.
    whole: bool,
    /// Those up to the last, without a gap.
    events: VecDeque<Arc<Told<T>>>,
}

/// What a follower does next.
enum Next<T> {
    Tell(VecDeque<Arc<Told<T>>>),
    /// What it lacks, up to this sequence, is not remembered.
    Read(i64),
    Wait {
        /// There was nothing more when the table was last looked at.
        whole: bool,
    },
}

/// One reader of one experiment's events.
pub struct Follower<T> {
    recent: watch::Receiver<Recent<T>>,
    /// The last event given.
    after: i64,
    ready: VecDeque<Arc<Told<T>>>,
    /// The table may have more than was last read from it.
    unread: bool,
    /// The final status was seen: what is in the table now is all there will be.
    ended: bool,
    // Dropped after the receiver.
    leaving: Leaving<T>,
}

/// Forgets an experiment whose last follower has gone.
struct Leaving<T> {
    hub: Hub<T>,
    experiment: ExperimentId,
}

impl<T: Send + Sync + 'static> Hub<T> {
    /// `render` makes of an event what its followers get. The reader is one of `tasks` from the first follower on.
    pub fn new(store: Store, tasks: Tasks, render: fn(&Event) -> T) -> Self {
        let topics = Topics { followed: HashMap::new(), fresh: Vec::new(), started: false, read: false };
        Self { shared: Arc::new(Shared { store, tasks, render, topics: Mutex::new(topics), changed: Notify::new() }) }
    }

    /// Everything after a sequence (0: from the start), until the experiment ends; `ended` says that it has already.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn follow(&self, experiment: ExperimentId, after: i64, ended: bool) -> Follower<T> {
        let mut topics = self.topics();
        let is_new = !topics.followed.contains_key(&experiment);
        let topic = topics.followed.entry(experiment).or_insert_with(|| watch::Sender::new(Recent::unknown()));
        let recent = topic.subscribe();
        if is_new {
            topics.fresh.push(experiment);
            self.shared.changed.notify_one();
        }
        let first = !mem::replace(&mut topics.started, true);
        drop(topics);
        if first {
            self.shared.tasks.add(reader::NAME, reader::PAUSES, Reader::new(self.clone()));
        }
        let leaving = Leaving { hub: self.clone(), experiment };
        Follower { recent, after, ready: VecDeque::new(), unread: false, ended, leaving }
    }

    fn tell(&self, event: &Event) -> Arc<Told<T>> {
        let ends = matches!(event.read(), Some(ExperimentEvent::Status { status, .. }) if status.is_final());
        Arc::new(Told { sequence: event.sequence, shown: (self.shared.render)(event), ends })
    }
}

impl<T> Hub<T> {
    /// How many experiments somebody follows.
    pub fn followed(&self) -> usize {
        self.topics().followed.len()
    }

    /// Whether the table is being looked at.
    pub fn reads(&self) -> bool {
        self.topics().read
    }

    /// Ends all streams; their clients resume.
    fn cut_off(&self) {
        let mut topics = self.topics();
        topics.followed.clear();
        topics.fresh.clear();
        topics.read = false;
    }

    fn topics(&self) -> MutexGuard<'_, Topics<T>> {
        self.shared.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Recent<T> {
    const fn unknown() -> Self {
        Self { last: None, whole: false, events: VecDeque::new() }
    }

    /// Adds what was read next, up to `last`. Only the reader adds, so it follows without a gap.
    fn extend(&mut self, last: i64, told: Vec<Arc<Told<T>>>, whole: bool) {
        (self.last, self.whole) = (Some(last), whole);
        self.events.extend(told);
        let surplus = self.events.len().saturating_sub(REMEMBERED);
        self.events.drain(..surplus);
    }

    /// For a follower that has seen this much.
    fn next(&self, after: i64) -> Next<T> {
        let Some(last) = self.last else { return Next::Wait { whole: false } };
        if last <= after {
            return Next::Wait { whole: self.whole };
        }
        match self.events.front() {
            Some(first) if first.sequence <= after + 1 => {
                let seen = self.events.partition_point(|told| told.sequence <= after);
                Next::Tell(self.events.range(seen..).cloned().collect())
            }
            _ => Next::Read(last),
        }
    }
}

impl<T: Send + Sync + 'static> Follower<T> {
    /// The next event, or nothing when there will be none. A database that fails ends it too: who follows resumes.
    /// May be dropped while it waits; nothing is lost.
    pub async fn next(&mut self) -> Option<Arc<Told<T>>> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                self.after = told.sequence;
                self.ended |= told.ends;
                return Some(told);
            }
            let next = self.recent.borrow_and_update().next(self.after);
            match next {
                Next::Tell(ready) => (self.ready, self.unread) = (ready, false),
                Next::Read(last) => self.read(last).await?,
                Next::Wait { .. } if self.unread => self.read(self.after).await?,
                Next::Wait { whole: true } if self.ended => return None,
                Next::Wait { .. } => self.recent.changed().await.ok()?,
            }
        }
    }

    /// Reads on in the table, which has events up to `last` unless they were forgotten by age.
    async fn read(&mut self, last: i64) -> Option<()> {
        let hub = &self.leaving.hub;
        let read = hub.shared.store.events(self.leaving.experiment, self.after, BATCH).await;
        let events = read.inspect_err(|error| tracing::warn!(%error, "a live stream ends early")).ok()?;
        if events.is_empty() {
            self.after = self.after.max(last);
        }
        self.unread = events.len() >= BATCH as usize;
        self.ready = events.iter().map(|event| hub.tell(event)).collect();
        Some(())
    }
}

impl<T> Drop for Leaving<T> {
    fn drop(&mut self) {
        let mut topics = self.hub.topics();
        if topics.followed.get(&self.experiment).is_some_and(|topic| topic.receiver_count() == 0) {
            topics.followed.remove(&self.experiment);
            self.hub.shared.changed.notify_one();
        }
    }
}

impl<T> Clone for Hub<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Hub<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("followed", &self.followed()).field("reads", &self.reads()).finish()
    }
}

impl<T> fmt::Debug for Follower<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, ended, leaving, .. } = self;
        let experiment = &leaving.experiment;
        f.debug_struct("Follower").field("experiment", experiment).field("after", after).field("ended", ended).finish()
    }
}

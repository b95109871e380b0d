//! The task that reads for a hub: what is new of all that is followed, in as few statements as it takes.

use super::{BATCH, Hub, Told};
use domain::ExperimentId;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};
use store::{Latest, Signal, StoreError};
use tasks::{Failure, Pauses, Task, Turn};
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How often the table is looked at without a signal, where other processes' commits send us none.
const UNHEARD: Duration = Duration::from_secs(1);
/// Experiments in one question how far they are.
const ASKED_AT_ONCE: usize = 1_000;

pub(super) const NAME: &str = "live streams";
/// Whoever comes back after a failure shouldn't wait long.
pub(super) const PAUSES: Pauses =
    Pauses { first: Duration::from_millis(50), longest: Duration::from_secs(1), farewell: Duration::from_secs(1) };

pub(super) struct Reader<T> {
    hub: Hub<T>,
    signals: Receiver<Signal>,
    /// All were looked at.
    looked_at: Instant,
    /// Of whom a commit told.
    heard: HashSet<ExperimentId>,
    /// All are to be looked at.
    due: bool,
    /// The database's timeline when it was last asked, if it was since somebody follows.
    timeline: Option<Option<i32>>,
}

impl<T: Send + Sync + 'static> Task for Reader<T> {
    /// Waits until somebody follows, and reads until nobody does.
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        match stop.run_until_cancelled(self.read_while_followed()).await {
            Some(Ok(())) => Ok(Turn::After(Duration::ZERO)),
            Some(Err(error)) => {
                tracing::warn!(%error, streams_of = self.hub.followed(), "live streams end early");
                Err(error.to_string())
            }
            None => {
                self.hub.cut_off();
                Ok(Turn::Done)
            }
        }
    }

    /// Nobody is left waiting for what doesn't come: all streams end, and clients resume.
    async fn failed(&mut self, _: &Failure) {
        self.hub.cut_off();
    }
}

impl<T: Send + Sync + 'static> Reader<T> {
    /// Hears every signal from now on.
    pub(super) fn new(hub: Hub<T>) -> Self {
        let signals = hub.shared.store.signals();
        Self { hub, signals, looked_at: Instant::now(), heard: HashSet::new(), due: false, timeline: None }
    }

    async fn read_while_followed(&mut self) -> store::Result<()> {
        while !self.is_followed() {
            self.hub.shared.changed.notified().await;
        }
        // What was signalled until now is in what is read now.
        self.signals = self.signals.resubscribe();
        self.timeline = None;
        while self.is_followed() {
            self.catch_up().await?;
            self.wait().await;
        }
        Ok(())
    }

    fn is_followed(&self) -> bool {
        let mut topics = self.hub.topics();
        topics.read = !topics.followed.is_empty();
        topics.read
    }

    async fn wait(&mut self) {
        let next_look = self.looked_at + self.hub.shared.store.between_looks(UNHEARD);
        tokio::select! {
            signal = self.signals.recv() => match signal {
                Ok(signal) => self.hear(signal),
                Err(RecvError::Lagged(_)) => self.due = true,
                // The hub's store is what sends them.
                Err(RecvError::Closed) => std::future::pending().await,
            },
            () = self.hub.shared.changed.notified() => {}
            () = sleep_until(next_look) => self.due = true,
        }
        loop {
            match self.signals.try_recv() {
                Ok(signal) => self.hear(signal),
                Err(TryRecvError::Lagged(_)) => self.due = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Experiment(id) => drop(self.heard.insert(id)),
            Signal::Anything => self.due = true,
            Signal::Queue | Signal::Robots | Signal::Accounts => {}
        }
    }

    async fn catch_up(&mut self) -> store::Result<()> {
        let (all, heard) = (mem::take(&mut self.due), mem::take(&mut self.heard));
        if all {
            self.looked_at = Instant::now();
        }
        for asked in self.to_ask(all, &heard).chunks(ASKED_AT_ONCE) {
            let Latest { timeline, sequences: latest } = self.hub.shared.store.latest_sequences(asked).await?;
            if !latest.is_empty() && self.timeline.replace(timeline).is_some_and(|before| before != timeline) {
                // Events that were told may be lost, and their numbers others' now: each client says what it saw.
                return Err(StoreError::Unreachable(
                    "another server was promoted, or an earlier state put back".to_owned(),
                ));
            }
            for places in self.lacking(&latest).chunks(BATCH as usize) {
                self.read(places, &latest).await?;
            }
        }
        Ok(())
    }

    /// All that are followed, or those of which a commit told and those that were never looked at.
    fn to_ask(&self, all: bool, heard: &HashSet<ExperimentId>) -> Vec<ExperimentId> {
        let mut topics = self.hub.topics();
        let fresh = mem::take(&mut topics.fresh);
        if all {
            return topics.followed.keys().copied().collect();
        }
        let told = heard.iter().copied().chain(fresh).filter(|id| topics.followed.contains_key(id));
        told.collect::<HashSet<_>>().into_iter().collect()
    }

    /// The events that we haven't read. An experiment that was never looked at begins with what comes next.
    fn lacking(&self, latest: &HashMap<ExperimentId, i64>) -> Vec<(ExperimentId, i64)> {
        let topics = self.hub.topics();
        let mut lacking = Vec::new();
        for (&id, &latest) in latest {
            let Some(topic) = topics.followed.get(&id) else { continue };
            topic.send_if_modified(|recent| match recent.last {
                Some(last) => {
                    lacking.extend((last + 1..=latest).map(|sequence| (id, sequence)));
                    false
                }
                None => {
                    (recent.last, recent.whole) = (Some(latest), true);
                    true
                }
            });
        }
        lacking
    }

    /// Reads these events and hands them out.
    async fn read(&self, places: &[(ExperimentId, i64)], latest: &HashMap<ExperimentId, i64>) -> store::Result<()> {
        let mut told: HashMap<ExperimentId, Vec<Arc<Told<T>>>> = HashMap::new();
        for event in self.hub.shared.store.events_at(places).await? {
            told.entry(event.experiment_id).or_default().push(self.hub.tell(&event));
        }
        let topics = self.hub.topics();
        // Each experiment's last place is the one that counts.
        let last: HashMap<_, _> = places.iter().copied().collect();
        for (id, last) in last {
            let Some(topic) = topics.followed.get(&id) else { continue };
            let (told, whole) = (told.remove(&id).unwrap_or_default(), latest.get(&id) == Some(&last));
            topic.send_modify(|recent| recent.extend(last, told, whole));
        }
        Ok(())
    }
}

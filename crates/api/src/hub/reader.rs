//! The task that reads for a hub: what is new of all that is followed, in as few statements as it takes.

use super::{BATCH, Hub, Recent, Told};
use domain::ExperimentId;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};
use store::Signal;
use tokio::{
    sync::{
        broadcast::{
            Receiver,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

/// How often the table is looked at without a signal: other processes' commits send us none.
const POLL: Duration = Duration::from_secs(1);
/// Experiments in one question how far they are.
const ASKED_AT_ONCE: usize = 1_000;

pub(super) struct Reader<T> {
    hub: Hub<T>,
    signals: Receiver<Signal>,
    poll: Interval,
    /// Of whom a commit told.
    heard: HashSet<ExperimentId>,
    /// All are to be looked at.
    due: bool,
    /// Nobody follows, and whoever comes starts another task.
    done: bool,
}

impl<T: Send + Sync + 'static> Reader<T> {
    /// Hears every signal from now on.
    pub(super) fn new(hub: Hub<T>) -> Self {
        let signals = hub.shared.store.signals();
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { hub, signals, poll, heard: HashSet::new(), due: false, done: false }
    }

    /// Reads until nobody follows. A database that fails ends the streams; their clients resume.
    pub(super) async fn run(mut self) {
        while !self.nobody_follows() {
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, streams_of = self.hub.followed(), "live streams end early");
                return;
            }
            self.wait().await;
        }
    }

    fn nobody_follows(&mut self) -> bool {
        let mut topics = self.hub.topics();
        self.done = topics.followed.is_empty();
        topics.read = !self.done;
        self.done
    }

    async fn wait(&mut self) {
        tokio::select! {
            signal = self.signals.recv() => match signal {
                Ok(signal) => self.hear(signal),
                Err(RecvError::Lagged(_)) => self.due = true,
                // The hub's store is what sends them.
                Err(RecvError::Closed) => std::future::pending().await,
            },
            () = self.hub.shared.changed.notified() => {}
            _ = self.poll.tick() => self.due = true,
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
        if let Signal::Experiment(id) = signal {
            self.heard.insert(id);
        }
    }

    async fn turn(&mut self) -> store::Result<()> {
        let (all, heard) = (mem::take(&mut self.due), mem::take(&mut self.heard));
        for asked in self.to_ask(all, &heard).chunks(ASKED_AT_ONCE) {
            let latest = self.hub.shared.store.latest_sequences(asked).await?;
            for places in self.lacking(&latest).chunks(BATCH as usize) {
                self.read(places, &latest).await?;
            }
        }
        Ok(())
    }

    /// All that are followed, or those of which a commit told and those that were never looked at.
    fn to_ask(&self, all: bool, heard: &HashSet<ExperimentId>) -> Vec<ExperimentId> {
        let topics = self.hub.topics();
        let asked =
            |(id, topic): &(_, &watch::Sender<Recent<T>>)| all || heard.contains(*id) || topic.borrow().last.is_none();
        topics.followed.iter().filter(asked).map(|(id, _)| *id).collect()
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

impl<T> Drop for Reader<T> {
    /// A task that ends any other way than it should leaves nobody waiting: all streams end, and clients resume.
    fn drop(&mut self) {
        if !self.done {
            let mut topics = self.hub.topics();
            topics.followed.clear();
            topics.read = false;
        }
    }
}

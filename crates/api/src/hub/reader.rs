//! The task that reads for a hub: what is new of all that is followed, in as few statements as it takes.

use super::{BATCH, Hub, Told};
use domain::ExperimentId;
use std::{collections::HashSet, mem, sync::Arc, time::Duration};
use store::{Event, Signal};
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

/// How often the table is looked at without a signal: other processes' commits send us none.
const POLL: Duration = Duration::from_secs(1);
/// Experiments in one question how far they are.
const ASKED_AT_ONCE: usize = 1_000;
/// Experiments whose events are read in one statement.
const READ_AT_ONCE: usize = 50;

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
        let mut behind = mem::take(&mut self.heard);
        let all = mem::take(&mut self.due);
        let asked = self.to_ask(all);
        for asked in asked.chunks(ASKED_AT_ONCE) {
            let latest = self.hub.shared.store.latest_sequences(asked).await?;
            behind.extend(self.compare(&latest));
        }
        let behind = self.followed(behind);
        for behind in behind.chunks(READ_AT_ONCE) {
            while self.read(behind).await? {}
        }
        Ok(())
    }

    /// Those of them that anybody here follows.
    fn followed(&self, mut experiments: HashSet<ExperimentId>) -> Vec<ExperimentId> {
        let topics = self.hub.topics();
        experiments.retain(|id| topics.followed.contains_key(id));
        experiments.into_iter().collect()
    }

    /// All that are followed, or those that were never looked at.
    fn to_ask(&self, all: bool) -> Vec<ExperimentId> {
        let topics = self.hub.topics();
        let new = topics.followed.iter().filter(|(_, topic)| all || topic.borrow().last.is_none());
        new.map(|(id, _)| *id).collect()
    }

    /// Those with events that we haven't read. One that was never looked at begins with what comes next.
    fn compare(&self, latest: &[(ExperimentId, i64)]) -> Vec<ExperimentId> {
        let topics = self.hub.topics();
        let mut behind = Vec::new();
        for (id, latest) in latest {
            let Some(topic) = topics.followed.get(id) else { continue };
            topic.send_if_modified(|recent| {
                let is_new = recent.last.is_none();
                if is_new {
                    (recent.last, recent.whole) = (Some(*latest), true);
                } else if recent.last < Some(*latest) {
                    behind.push(*id);
                }
                is_new
            });
        }
        behind
    }

    /// Reads one batch of these; whether there may be more.
    async fn read(&self, experiments: &[ExperimentId]) -> store::Result<bool> {
        let from = self.places(experiments);
        let events = self.hub.shared.store.events_of_many(&from, BATCH).await?;
        let full = events.len() >= BATCH as usize;
        let of_each: Vec<_> = events.chunk_by(|one, next| one.experiment_id == next.experiment_id).collect();
        for (index, events) in of_each.iter().enumerate() {
            let cut_off = full && index + 1 == of_each.len();
            self.publish(events, !cut_off);
        }
        Ok(full)
    }

    /// How far each was read, of those that are followed and were looked at.
    fn places(&self, experiments: &[ExperimentId]) -> Vec<(ExperimentId, i64)> {
        let topics = self.hub.topics();
        let place = |id: &ExperimentId| Some((*id, topics.followed.get(id)?.borrow().last?));
        experiments.iter().filter_map(place).collect()
    }

    /// Hands out the next events of one experiment.
    fn publish(&self, events: &[Event], whole: bool) {
        let told: Vec<Arc<Told<T>>> = events.iter().map(|event| self.hub.tell(event)).collect();
        if let Some(topic) = self.hub.topics().followed.get(&events[0].experiment_id) {
            topic.send_modify(|recent| recent.extend(told, whole));
        }
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

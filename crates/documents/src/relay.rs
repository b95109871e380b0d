//! Carries documents from the outbox to the document store.
//!
//! One process does it at a time, under a lease. It is woken by the signals of commits and looks now and then in any case, as
//! everybody does. A batch is written, then forgotten here; whatever fails or dies in between, the batch is written again, and
//! is there once all the same (`mongo` says how).
//!
//! Two things could still put a reading there twice, and are kept out. *A write of ours that is still under way*: after a
//! start and after every failure nothing is written until the server has answered for a while ([`SETTLE`]); a write that was
//! given up has its connection closed. *A write of a process that lost the lease*: a batch is begun only while the lease is
//! sure to last longer than the write may.

use crate::mongo::{LONGEST_WRITE, Mongo, MongoError};
use chrono::{TimeDelta, Utc};
use std::{collections::BTreeMap, time::Duration};
use store::{HeldLease, Outgoing, Signal, Store, StoreError};
use tasks::{Ended, Failure, Pauses, Task, Tasks, Turn, under_lease};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Of the lease, and of the task.
const NAME: &str = "document relay";
/// How long the lease lasts: more than twice the longest write.
const LEASE: Duration = Duration::from_secs(20);
/// Documents written at once.
const BATCH: u32 = 200;
/// How long the server must have answered before something is written that may have been sent before.
const SETTLE: Duration = Duration::from_secs(3);
/// After a signal, so that a busy lab's documents go in batches.
const GATHER: Duration = Duration::from_millis(250);
/// Between two looks, where nothing is heard of other processes' commits.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks whether another process has let go of the lease.
const BETWEEN_CLAIMS: Duration = Duration::from_secs(10);
/// What was refused is tried again after this.
const REFUSED_AGAIN: TimeDelta = TimeDelta::hours(1);
const BETWEEN_PURGES: Duration = Duration::from_secs(24 * 60 * 60);
/// Experiments that began long ago and haven't ended, or not long ago. With more nothing is forgotten.
const MOST_EXEMPT: u32 = 10_000;

const PAUSES: Pauses = Pauses {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    // A batch under way may end.
    farewell: Duration::from_secs(10),
};

/// Why it has to begin again.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the database: {0}")]
    Store(#[from] StoreError),
    #[error("the document store: {0}")]
    Mongo(#[from] MongoError),
}

pub fn run(store: Store, mongo: Mongo, keep: Option<TimeDelta>, tasks: &Tasks) {
    let holder = format!("{}-{}", std::process::id(), Uuid::now_v7());
    tasks.run(NAME, PAUSES, Relay { store, mongo, keep, holder, failing: false, purged: None });
}

struct Relay {
    store: Store,
    mongo: Mongo,
    keep: Option<TimeDelta>,
    holder: String,
    /// The log says so once, and once that it is over.
    failing: bool,
    purged: Option<Instant>,
}

impl Task for Relay {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let claimed = self.store.hold_named(NAME, &self.holder, LEASE).await.map_err(|error| error.to_string())?;
        let Some(held) = claimed else { return Ok(Turn::After(BETWEEN_CLAIMS)) };
        match under_lease(&held, stop, PAUSES.farewell, self.carry(&held, stop)).await {
            Ended::Work(Ok(())) | Ended::Overdue => Ok(Turn::Done),
            Ended::Work(Err(error)) => Err(error.to_string()),
            Ended::Lost => Ok(Turn::After(BETWEEN_CLAIMS)),
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        metrics::counter!(telemetry::names::DOCUMENT_RELAY_FAILURES).increment(1);
        if !std::mem::replace(&mut self.failing, true) {
            let (Failure::Error(why) | Failure::Panic(why)) = failure;
            tracing::warn!(why, "documents can't be carried to the document store; they wait, and experiments go on");
        }
    }
}

impl Relay {
    /// Until the stop.
    async fn carry(&mut self, lease: &HeldLease, stop: &CancellationToken) -> Result<(), RelayError> {
        let mut signals = self.store.signals();
        self.mongo.prepare().await?;
        if stop.run_until_cancelled(sleep(SETTLE)).await.is_none() {
            return Ok(());
        }
        while !stop.is_cancelled() {
            let carried = self.carry_batch(lease).await?;
            self.went_well();
            if carried < BATCH as usize {
                self.forget_daily().await?;
                stop.run_until_cancelled(rest(&self.store, &mut signals)).await;
            }
        }
        Ok(())
    }

    /// Gives how many there were.
    async fn carry_batch(&self, lease: &HeldLease) -> Result<usize, RelayError> {
        let batch = self.store.outgoing_documents(Utc::now() - REFUSED_AGAIN, BATCH).await?;
        if batch.is_empty() {
            return Ok(0);
        }
        lease.last_for(LONGEST_WRITE).await?;
        let written = self.mongo.write(&batch).await?;
        for (key, why) in &written.refused {
            tracing::error!(document = %key, why, "the document store refuses a document; it stays here and is tried again");
            metrics::counter!(telemetry::names::DOCUMENTS_REFUSED).increment(1);
            self.store.refused(*key, why).await?;
        }
        self.store.relayed(&written.kept).await?;
        count(&written.kept);
        Ok(batch.len())
    }

    fn went_well(&mut self) {
        #[allow(clippy::cast_precision_loss, reason = "exact until the year 287 million")]
        metrics::gauge!(telemetry::names::DOCUMENTS_LAST_RELAYED).set(Utc::now().timestamp() as f64);
        if std::mem::take(&mut self.failing) {
            tracing::info!("documents are carried to the document store again");
        }
    }

    /// What is older than it is kept, except what belongs to an experiment that isn't over for as long.
    async fn forget_daily(&mut self) -> Result<(), RelayError> {
        let Some(before) = self.keep.and_then(|keep| Utc::now().checked_sub_signed(keep)) else { return Ok(()) };
        if self.purged.is_some_and(|at| at.elapsed() < BETWEEN_PURGES) {
            return Ok(());
        }
        let exempt = self.store.not_over_before(before, MOST_EXEMPT + 1).await?;
        if exempt.len() > MOST_EXEMPT as usize {
            tracing::warn!("too many experiments are older than documents are kept and not over: none is forgotten");
        } else {
            let forgotten = self.mongo.forget(before, &exempt).await?;
            if forgotten > 0 {
                tracing::info!(forgotten, "documents that are out of date are forgotten");
            }
        }
        self.purged = Some(Instant::now());
        Ok(())
    }
}

fn count(kept: &[&Outgoing]) {
    let mut counts = BTreeMap::<&'static str, u64>::new();
    for outgoing in kept {
        *counts.entry(outgoing.document.key.collection.as_str()).or_default() += 1;
    }
    for (collection, count) in counts {
        metrics::counter!(telemetry::names::DOCUMENTS_RELAYED, "collection" => collection).increment(count);
    }
}

/// Until somebody commits what may have a document, or the time comes to look all the same.
async fn rest(store: &Store, signals: &mut Receiver<Signal>) {
    tokio::select! {
        () = sleep(store.between_looks(LOOK)) => {}
        () = something_written(signals) => sleep(GATHER).await,
    }
    while signals.try_recv().is_ok() {}
}

async fn something_written(signals: &mut Receiver<Signal>) {
    loop {
        match signals.recv().await {
            Ok(Signal::Experiment(_) | Signal::Robots | Signal::Anything) | Err(RecvError::Lagged(_)) => return,
            Ok(Signal::Queue | Signal::Accounts) => {}
            // Whoever waits has a store, which is what sends them.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

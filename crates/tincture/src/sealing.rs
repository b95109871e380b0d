//! Seals the activity log, beside the requests that write it (`docs/decisions/0025-activity-log.md`).

use chrono::Utc;
use std::time::Duration;
use store::{Anchor, Store, StoreError};
use tasks::{Pauses, Task, Tasks, Turn};
use telemetry::names;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks: a line is sealed about so long after it was written.
const LOOK: Duration = Duration::from_secs(2);
/// In a storm of acts those come first: sealing takes a tenth of the time, and what it didn't come to waits until the storm is over.
const REST: u32 = 9;
/// How often the log says how far it has come: whoever keeps logs elsewhere keeps an anchor.
const BETWEEN_WORDS: Duration = Duration::from_secs(15 * 60);
/// For what is left at the end.
const FAREWELL: Duration = Duration::from_secs(5);
const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(2), longest: Duration::from_secs(60), farewell: Duration::from_secs(5) };

/// Runs for as long as the process. Several processes may do it at once: one of them does at a time.
pub fn run(store: Store, tasks: &Tasks) {
    tasks.run("activity seals", PAUSES, Sealing { store, untold: None, told: None });
}

/// Seals what is left when a process ends; whatever remains is the next one's.
pub async fn finish(store: &Store) {
    match timeout(FAREWELL, seal_all(store, 0)).await {
        Ok(Ok(Some(anchor))) => tell(&anchor),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the newest lines of the activity log aren't sealed yet"),
        Err(_) => tracing::warn!("the newest lines of the activity log aren't sealed yet: the database takes too long"),
    }
}

struct Sealing {
    store: Store,
    /// The newest seal that the log hasn't told of.
    untold: Option<Anchor>,
    told: Option<Instant>,
}

impl Task for Sealing {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let Some(sealed) = stop.run_until_cancelled(seal_all(&self.store, REST)).await else { return Ok(Turn::Done) };
        let sealed = sealed.map_err(|error| {
            tracing::warn!(%error, "the activity log could not be sealed; trying again");
            error.to_string()
        })?;
        set(names::ACTIVITY_LAST_SEALED, Utc::now().timestamp());
        if let Some(anchor) = sealed {
            set(names::ACTIVITY_SEALED, anchor.number);
            self.untold = Some(anchor);
        }
        if self.told.is_none_or(|at| at.elapsed() >= BETWEEN_WORDS)
            && let Some(anchor) = self.untold.take()
        {
            tell(&anchor);
            self.told = Some(Instant::now());
        }
        Ok(Turn::After(LOOK))
    }
}

/// The newest seal, where it made one. Between two batches it rests so many times as long as the first took.
async fn seal_all(store: &Store, rest: u32) -> Result<Option<Anchor>, StoreError> {
    let mut newest = None;
    loop {
        let begun = Instant::now();
        let sealed = store.seal_activity().await?;
        let is_full = sealed.is_full();
        newest = sealed.anchor.or(newest);
        if !is_full {
            return Ok(newest);
        }
        sleep(begun.elapsed() * rest).await;
    }
}

fn tell(anchor: &Anchor) {
    tracing::info!(%anchor, "the activity log is sealed so far");
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn set(name: &'static str, value: i64) {
    metrics::gauge!(name).set(value as f64);
}

//! What has to be done now and then, by whoever serves the lab.

use chrono::Utc;
use std::time::Duration;
use store::{Purged, Retention, Store, StoreError};
use tasks::{Pauses, Task, Tasks, Turn};
use tokio::time;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two steps, so that whoever waits for the database gets it.
const PAUSE: Duration = Duration::from_millis(100);
/// After a failure: the database may be away for a minute or for the night.
const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60), farewell: Duration::from_secs(5) };

/// Forgets what is out of date, once a day. Several processes may do it at once.
pub fn purge_daily(store: Store, keep: Retention, tasks: &Tasks) {
    tasks.run("purge", PAUSES, Purge { store, keep });
}

struct Purge {
    store: Store,
    keep: Retention,
}

impl Task for Purge {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        match stop.run_until_cancelled(self.purge()).await {
            None => return Ok(Turn::Done),
            Some(Ok(purged)) if purged.is_nothing() => {}
            Some(Ok(purged)) => tracing::info!(?purged, "what is out of date is forgotten"),
            Some(Err(error)) => {
                tracing::warn!(%error, "what is out of date could not be forgotten; trying again");
                return Err(error.to_string());
            }
        }
        Ok(Turn::After(DAY))
    }
}

impl Purge {
    async fn purge(&self) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        loop {
            let step = self.store.purge(&self.keep, Utc::now()).await?;
            if step.is_nothing() {
                return Ok(purged);
            }
            purged += step;
            time::sleep(PAUSE).await;
        }
    }
}

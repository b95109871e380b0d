//! What has to be done now and then, by whoever serves the lab.

use chrono::Utc;
use std::time::Duration;
use store::{Purged, Retention, Store, StoreError};
use tokio::time;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two steps, so that whoever waits for the database gets it.
const PAUSE: Duration = Duration::from_millis(100);

/// Forgets what is out of date: now and then daily, until `shutdown`. Several processes may do it at once; a day that
/// fails is made up for by the next.
pub async fn purge_daily(store: &Store, keep: &Retention, shutdown: &CancellationToken) {
    let mut days = time::interval(DAY);
    while shutdown.run_until_cancelled(days.tick()).await.is_some() {
        match shutdown.run_until_cancelled(purge(store, keep)).await {
            Some(Ok(purged)) if purged.is_nothing() => {}
            Some(Ok(purged)) => tracing::info!(?purged, "what is out of date is forgotten"),
            Some(Err(error)) => tracing::warn!(%error, "what is out of date could not be forgotten; trying tomorrow"),
            None => {}
        }
    }
}

async fn purge(store: &Store, keep: &Retention) -> Result<Purged, StoreError> {
    let mut purged = Purged::default();
    loop {
        let step = store.purge(keep, Utc::now()).await?;
        if step.is_nothing() {
            return Ok(purged);
        }
        purged += step;
        time::sleep(PAUSE).await;
    }
}

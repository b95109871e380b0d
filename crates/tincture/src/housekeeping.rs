//! What has to be done now and then, by whoever serves the lab.

use std::time::Duration;
use store::Store;
use tokio::time;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Forgets sign-ins and keys that have run out: now and then daily, until `shutdown`. Several processes may do it at
/// once; a day that fails is made up for by the next.
pub async fn purge_daily(store: &Store, shutdown: &CancellationToken) {
    let mut days = time::interval(DAY);
    while shutdown.run_until_cancelled(days.tick()).await.is_some() {
        match store.purge_expired().await {
            Ok(purged) => tracing::debug!(?purged, "expired sign-ins and keys are forgotten"),
            Err(error) => tracing::warn!(%error, "expired sign-ins and keys could not be forgotten; trying tomorrow"),
        }
    }
}

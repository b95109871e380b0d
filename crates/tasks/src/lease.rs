//! Work that only one process may do at a time: it is done while a lease on it is held, and not a moment longer.

use std::{future::Future, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long the giving back of a lease may take. One that isn't given back runs out.
const RELEASE: Duration = Duration::from_secs(1);

/// The right to do something, for a while.
pub trait Lease: Sync {
    /// How long it lasts without being renewed.
    fn time_to_live(&self) -> Duration;
    /// Renews it.
    fn renew(&self) -> impl Future<Output = Renewal> + Send;
    /// Gives it back. Best effort: whatever fails is this function's to say.
    fn release(&self) -> impl Future<Output = ()> + Send;
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    Held,
    /// Somebody else has it, or may have it.
    Lost,
    /// It could not be asked for; it is tried again while it may still be held.
    Unclear,
}

/// How work under a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// By itself.
    Work(T),
    /// It was dropped where it stood: the lease is somebody else's.
    Lost,
    /// It was dropped where it stood: it didn't end within its time after the stop.
    Overdue,
}

/// Does the work while the lease is held, which is renewed at a third of its time; then gives it back. Once `stop` is
/// cancelled the work has `farewell` to end by itself.
pub async fn under_lease<T>(
    lease: &impl Lease,
    stop: &CancellationToken,
    farewell: Duration,
    work: impl Future<Output = T>,
) -> Ended<T> {
    let ended = tokio::select! {
        outcome = work => Ended::Work(outcome),
        () = lost(lease) => return Ended::Lost,
        () = overdue(stop, farewell) => Ended::Overdue,
    };
    if timeout(RELEASE, lease.release()).await.is_err() {
        tracing::debug!("a lease was not released in time; it runs out by itself");
    }
    ended
}

async fn lost(lease: &impl Lease) {
    loop {
        sleep(lease.time_to_live() / 3).await;
        if lease.renew().await == Renewal::Lost {
            return;
        }
    }
}

async fn overdue(stop: &CancellationToken, farewell: Duration) {
    stop.cancelled().await;
    sleep(farewell).await;
}

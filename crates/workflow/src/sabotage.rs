//! Bugs that can be switched on, to show that the crash harness (`tests/crash`) catches them.
//!
//! Compiled with the feature `sabotage` alone, and even then asleep unless `TINCTURE_TEST_SABOTAGE` names one.

use domain::OperationId;
use std::{
    collections::HashMap,
    env,
    sync::{LazyLock, Mutex, PoisonError},
};
use store::{Entry, Intended, Lease, Store, StoreError};

/// A worker that lost its lease goes on.
pub const NO_FENCE: &str = "no-fence";
/// Recovery takes every open operation for one that the robot never got.
pub const NO_LOOKUP: &str = "no-lookup";
/// The intent is written with the outcome instead of before sending.
pub const LATE_INTENT: &str = "late-intent";

static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| env::var("TINCTURE_TEST_SABOTAGE").ok());
static WITHHELD: LazyLock<Mutex<HashMap<OperationId, Intended>>> = LazyLock::new(Mutex::default);

pub fn is_on(name: &str) -> bool {
    CHOSEN.as_deref() == Some(name)
}

/// What the lane takes for its lease becomes whatever lease there is.
pub async fn overlook_fence(store: &Store, lease: &mut Lease) {
    if !is_on(NO_FENCE) {
        return;
    }
    if let Ok(Some(robot)) = store.robot(lease.robot_id).await
        && let Some(holder) = robot.lease_holder
    {
        (lease.epoch, lease.holder) = (robot.lease_epoch, holder);
    }
}

/// As [`Store::commit`], with the chosen bug.
pub async fn commit(store: &Store, lease: &Lease, mut entry: Entry) -> Result<(), StoreError> {
    let mut lease = lease.clone();
    overlook_fence(store, &mut lease).await;
    if is_on(LATE_INTENT) {
        if let Some(ended) = &entry.ended
            && let Some(intended) = withheld(ended.operation)
        {
            store.commit(&lease, Entry { intended: Some(intended), ..Entry::default() }).await?;
        }
        if let Some(intended) = entry.intended.take() {
            WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).insert(intended.operation.id, intended);
        }
    }
    store.commit(&lease, entry).await
}

fn withheld(operation: OperationId) -> Option<Intended> {
    WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&operation)
}

//! Bugs that can be switched on, to show that the crash harness (`tests/crash`) catches them.
//!
//! Compiled with the feature `sabotage` alone, and even then asleep unless `TINCTURE_TEST_SABOTAGE` names one.

use domain::{FaultCode, OperationId};
use std::{
    collections::HashMap,
    env,
    sync::{LazyLock, Mutex, PoisonError},
};
use store::{Entry, Intended, Lease, LeaseClaim, Store, StoreError};

/// A worker that lost its lease goes on with its plan: neither the journal's refusals nor the robot's tell it anything.
pub const NO_FENCE: &str = "no-fence";
/// Recovery takes every open operation for one that the robot never got.
pub const NO_LOOKUP: &str = "no-lookup";
/// After a promotion of another database server no robot is asked what it was told.
pub const NO_LISTS: &str = "no-lists";
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

/// A worker that once had a lane takes no other's lease seriously.
pub fn insist(claim: &mut LeaseClaim) {
    if is_on(NO_FENCE) {
        *claim = LeaseClaim::Seize;
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
    let unconcluded = Entry { ended: None, ..entry.clone() };
    match store.commit(&lease, entry).await {
        Err(StoreError::IllegalTransition { .. }) if is_on(NO_FENCE) => store.commit(&lease, unconcluded).await,
        committed => committed,
    }
}

/// Whether a worker that was told that it lost the robot takes it back and goes on where it was.
pub fn fights_on(code: FaultCode) -> bool {
    is_on(NO_FENCE) && code == FaultCode::RobotTaken
}

fn withheld(operation: OperationId) -> Option<Intended> {
    WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&operation)
}

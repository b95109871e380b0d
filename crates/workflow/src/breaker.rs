//! A lane's breaker: an experiment that breaks the lane again and again by its own nature is parked, so that the lane
//! serves the next.

use crate::{fault, lane::LaneError};
use domain::ExperimentId;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Store, StoreError};
use telemetry::names;

/// How often an experiment may break its lane before it is parked. Once may be a meeting of two acts that recovery clears.
const MOST_STRIKES: u32 = 2;

/// Which experiment a lane deals with at the moment. Outlives the lane's panic.
#[derive(Clone, Debug, Default)]
pub struct Concern(Arc<Mutex<Option<ExperimentId>>>);

impl Concern {
    pub fn set(&self, experiment: Option<ExperimentId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = experiment;
    }

    fn get(&self) -> Option<ExperimentId> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts how often the same experiment broke the lane.
#[derive(Debug, Default)]
pub struct Breaker {
    experiment: Option<ExperimentId>,
    strikes: u32,
}

impl Breaker {
    /// Takes note of what broke the lane, and parks the experiment that did it too often.
    pub async fn broken(&mut self, store: &Store, concern: &Concern, cause: &str) {
        let Some(experiment) = concern.get() else { return };
        self.strikes = if self.experiment == Some(experiment) { self.strikes + 1 } else { 1 };
        self.experiment = Some(experiment);
        if self.strikes < MOST_STRIKES {
            return;
        }
        match store.park(experiment, &fault::parked(cause)).await {
            Ok(()) => {
                tracing::error!(%experiment, cause, "an experiment that breaks its lane was parked");
                metrics::counter!(names::EXPERIMENTS_PARKED).increment(1);
                *self = Self::default();
            }
            Err(error) => tracing::warn!(%experiment, %error, "an experiment could not be parked; trying again"),
        }
    }
}

/// Whether an error lies in the nature of what was being done: trying again as it is leads to the same.
pub fn is_by_nature(error: &LaneError) -> bool {
    matches!(
        error,
        LaneError::Store(
            StoreError::IllegalTransition { .. }
                | StoreError::Corrupt(_)
                | StoreError::Database(_)
                | StoreError::WellTaken(_)
                | StoreError::NotFound(_)
        )
    )
}

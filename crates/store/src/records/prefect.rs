//! What a Prefect server was told, and what it said.

use chrono::{DateTime, Utc};
use domain::{ExperimentId, ExperimentStatus};

/// How far Prefect is told of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefectRun {
    pub experiment: ExperimentId,
    /// Prefect's id of its flow run; nothing until that is there.
    pub flow_run: Option<String>,
    /// Sequence of the last event that was told; 0 before the first.
    pub told: i64,
    /// Id of the run's state as it was last set or seen from here.
    pub state_id: Option<String>,
    /// That state's type, like `RUNNING`.
    pub state: Option<String>,
    /// Prefect's id of the artifact that shows the progress.
    pub progress: Option<String>,
    /// Everything was told.
    pub is_closed: bool,
    /// Of the experiment, now.
    pub status: ExperimentStatus,
    /// The robot that has it or had it last.
    pub robot: Option<String>,
    /// Sequence of the experiment's last event.
    pub last_sequence: i64,
}

impl PrefectRun {
    /// Events that haven't been told.
    pub const fn waiting(&self) -> i64 {
        self.last_sequence - self.told
    }
}

/// What Prefect hasn't been told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefectWaiting {
    /// Experiments of which something wasn't told; counted up to 100,000.
    pub count: u64,
    /// When the oldest of them was first noted.
    pub oldest: Option<DateTime<Utc>>,
}

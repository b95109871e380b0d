//! What a lane writes down.

use chrono::{DateTime, Utc};
use domain::{Change, ExperimentId, JournalEvent, Operation, OperationId, RobotId};
use serde_json::Value;

/// An operation as the journal has it.
#[derive(Clone, Debug)]
pub struct JournalledOperation {
    pub operation: Operation,
    pub robot_id: RobotId,
    pub experiment_id: Option<ExperimentId>,
    pub lease_epoch: i64,
    /// The robot run it was (to be) sent to.
    pub run_id: Option<String>,
    /// Its place in the robot's journal; grows by one.
    pub sequence: i64,
    /// The fold of its events.
    pub state: JournalEvent,
    pub intended_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// What the robot or sensor answered, or why not.
    pub outcome: Option<Value>,
}

/// One durable write of the journal: how the last operation ended, what that changes, and what is intended next.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub ended: Option<Ended>,
    pub changes: Vec<Change>,
    pub intended: Option<Intended>,
    /// Oldest first.
    pub lost: Vec<Lost>,
}

/// An operation of which only the robot still knows: the database lost it. It is written down as a doubt that is settled.
#[derive(Clone, Debug)]
pub struct Lost {
    pub operation: Operation,
    pub experiment_id: Option<ExperimentId>,
    /// The robot run in whose list it is.
    pub run_id: String,
    /// What the robot says of it.
    pub outcome: Value,
}

#[derive(Clone, Debug)]
pub struct Ended {
    pub operation: OperationId,
    pub event: JournalEvent,
    pub outcome: Value,
}

#[derive(Clone, Debug)]
pub struct Intended {
    pub operation: Operation,
    pub experiment_id: Option<ExperimentId>,
    pub run_id: Option<String>,
    pub purpose: Purpose,
    /// [`Robot::acts`] as the worker last saw it. An intent made before an act of somebody's is refused
    /// ([`StoreError::Held`](crate::StoreError::Held)): what it believes of deck and nozzle may be wrong.
    pub acts: i64,
}

/// What a step is for, and so which holds it passes. Nothing passes a stop or an open question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An experiment's work: passes no hold.
    Work,
    /// Leaves nothing on the nozzle: passes a pause.
    PutDown,
}

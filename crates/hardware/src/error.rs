//! What can go wrong with a robot, and what is then certain.

use domain::FaultCode;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why the robot didn't give what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RobotError {
    #[error("the robot can't be reached: {detail}")]
    Unreachable { detail: String },
    #[error("the connection to the robot broke before it answered: {detail}")]
    Interrupted { detail: String },
    #[error("the robot didn't answer within {} s", after.as_secs_f64())]
    TimedOut { after: Duration },
    #[error("the robot is starting up")]
    Booting,
    #[error("the robot has lost the memory of run {run}: its server restarted, or the run is too old")]
    HistoryLost { run: String },
    #[error("another client has taken the robot: {detail}")]
    RunStopped { detail: String },
    /// It told of something that nobody under this hold asked for.
    #[error("the robot does more than it is told here: {detail}")]
    NotAlone { detail: String },
    #[error("the robot is busy with another client's work: {detail}")]
    Busy { detail: String },
    #[error("what stands on the robot isn't what the deck says: {detail}")]
    DeckMismatch { detail: String },
    #[error("the machine at this address isn't this robot: {detail}")]
    Mistaken { detail: String },
    #[error("the robot refused ({status} {id}): {detail}")]
    Refused { status: u16, id: String, detail: String },
    #[error("the robot's answer ({status}) makes no sense: {detail}")]
    BadAnswer { status: u16, detail: String },
    /// Not sent: a step that would be dangerous or isn't the robot's. A programming error.
    #[error("{step} was not sent: {why}")]
    Unsafe { step: &'static str, why: &'static str },
}

impl RobotError {
    /// Its code, and so its help page.
    pub const fn code(&self) -> FaultCode {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::BadAnswer { .. } => FaultCode::RobotUnreachable,
            Self::TimedOut { .. } => FaultCode::CommandTimedOut,
            Self::Booting => FaultCode::RobotBooting,
            Self::HistoryLost { .. } => FaultCode::RobotRestarted,
            Self::RunStopped { .. } | Self::NotAlone { .. } => FaultCode::RobotTaken,
            Self::Busy { .. } => FaultCode::RobotBusy,
            Self::DeckMismatch { .. } => FaultCode::DeckMismatch,
            Self::Mistaken { .. } => FaultCode::RobotMistaken,
            Self::Refused { .. } => FaultCode::CommandFailed,
            Self::Unsafe { .. } => FaultCode::Internal,
        }
    }
}

/// A command that the robot carried out, or began to, and that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error_type} ({error_code}): {detail}")]
pub struct CommandFailure {
    /// Like `InvalidDispenseVolumeError`.
    pub error_type: String,
    /// Opentrons' number, like `3012`.
    pub error_code: String,
    pub detail: String,
    /// Whether the robot had begun with it. A command of a run that was stopped first fails without.
    pub started: bool,
}

/// Why a step has no success to show, by what is certain about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PerformError {
    /// The robot certainly never got it: no connection came about.
    #[error(transparent)]
    NotSent(RobotError),
    /// The robot's server certainly didn't carry it out.
    #[error(transparent)]
    Refused(RobotError),
    /// Not carried out, and nothing in this run will be any more: another client or worker has the robot.
    #[error(transparent)]
    LostControl(RobotError),
    /// The robot tried and failed. What moved before, moved.
    #[error("the robot couldn't: {0}")]
    Failed(#[source] CommandFailure),
    /// Nobody knows. It may even still happen: open a new run, then look it up.
    #[error("nobody knows whether the robot did it: {0}")]
    Unknown(#[source] RobotError),
}

impl PerformError {
    /// Its code, and so its help page.
    pub const fn code(&self) -> FaultCode {
        match self {
            Self::NotSent(error) | Self::Refused(error) | Self::LostControl(error) => error.code(),
            Self::Failed(_) => FaultCode::CommandFailed,
            Self::Unknown(_) => FaultCode::CommandInDoubt,
        }
    }
}

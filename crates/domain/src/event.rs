//! What the followers of an experiment are told. The one list of its kinds: stored events, the live stream, its
//! documentation and the pages' scripts all follow from it.

use crate::{
    ExperimentStatus, Fault, RobotMode, WellId, WellName, WellStatus, doubt::Shared, experiment::named_states,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

named_states! {
    /// A kind of event, as stored and as the live stream's `event` field.
    EventKind {
        Status = "status",
        Well = "well",
        Result = "result",
        Doubts = "doubts",
        Operation = "operation",
        Fault = "fault",
        Robot = "robot",
        Progress = "progress",
    }
}

impl EventKind {
    /// What an event of this kind says, in Markdown, for whoever follows a stream.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Status => "`status`, and `fault` where one is the reason",
            Self::Well => {
                "`id`, `position`, `well_id`, `status`, `fault` where one is the reason, `replaces` for a fresh one"
            }
            Self::Result => {
                "a well was measured: `well`, `position`, `well_id`, `srgb`, `lab`, and `doubt` where it isn't to be believed"
            }
            Self::Doubts => {
                "comes before the last `status` of an experiment with doubtful wells: `wells`, `measured`, `shared`, `sentence`"
            }
            Self::Operation => "`step`, `sentence` and `well`: what the robot does now",
            Self::Fault => {
                "a step went wrong: `code`, `what`, `cause`, `done`, `next`, `help`; the experiment may go on by itself"
            }
            Self::Robot => {
                "what keeps its robot from working, or doesn't any more: `mode`, `asks`, `unusable`. Read the experiment to see what it waits for"
            }
            Self::Progress => "`steps_done`, `steps_total`, `seconds_left`",
        }
    }
}

/// Something that happened to an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum ExperimentEvent {
    Status {
        status: ExperimentStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    Well {
        id: WellId,
        /// Its place in the request, from 0.
        position: i32,
        well_id: Option<WellName>,
        status: WellStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
        /// The quarantined well in whose place this one is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<WellId>,
    },
    /// Parts of the measurement's document, which has the rest.
    Result {
        well: WellId,
        position: i32,
        well_id: Option<WellName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        srgb: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lab: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doubt: Option<Value>,
    },
    Doubts {
        /// Where they lie, in plate order.
        wells: Vec<WellName>,
        /// Wells of the experiment that were measured, doubtful or not.
        measured: usize,
        /// What sets them apart from the others, the likeliest cause first.
        shared: Vec<Shared>,
        sentence: String,
    },
    Operation {
        /// The step's name, like `aspirate`.
        step: String,
        sentence: String,
        well: Option<WellId>,
    },
    Fault(Fault),
    Robot {
        mode: RobotMode,
        /// Its operator is asked something.
        asks: bool,
        /// Its worker can't use it at the moment.
        unusable: bool,
    },
    Progress(Report),
}

/// How far an experiment is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub steps_done: u64,
    pub steps_total: u64,
    pub seconds_left: f64,
    /// Real seconds a nominal second.
    pub pace: f64,
}

impl ExperimentEvent {
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Status { .. } => EventKind::Status,
            Self::Well { .. } => EventKind::Well,
            Self::Result { .. } => EventKind::Result,
            Self::Doubts { .. } => EventKind::Doubts,
            Self::Operation { .. } => EventKind::Operation,
            Self::Fault(_) => EventKind::Fault,
            Self::Robot { .. } => EventKind::Robot,
            Self::Progress(_) => EventKind::Progress,
        }
    }

    /// Its data alone: a JSON object.
    pub fn data(&self) -> Value {
        let mut whole = serde_json::to_value(self).unwrap_or_default();
        whole.get_mut("data").map(Value::take).unwrap_or_default()
    }

    /// From kind and data as they are stored; nothing where a newer or older release wrote something else.
    pub fn read(kind: &str, data: &Value) -> Option<Self> {
        serde_json::from_value(json!({ "kind": kind, "data": data })).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultCode;

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let fault = Fault {
            code: FaultCode::DyeShort,
            what: "a".to_owned(),
            cause: "b".to_owned(),
            done: "c".to_owned(),
            next: "d".to_owned(),
        };
        let well_id = WellName::all().next();
        let events = [
            ExperimentEvent::Status { status: ExperimentStatus::Paused, fault: Some(fault.clone()) },
            ExperimentEvent::Well {
                id: WellId::new(),
                position: 3,
                well_id,
                status: WellStatus::Pending,
                fault: None,
                replaces: Some(WellId::new()),
            },
            ExperimentEvent::Result {
                well: WellId::new(),
                position: 0,
                well_id,
                srgb: Some("#a0522d".into()),
                lab: None,
                doubt: None,
            },
            ExperimentEvent::Doubts {
                wells: well_id.into_iter().collect(),
                measured: 8,
                shared: Vec::new(),
                sentence: "1 of 8".to_owned(),
            },
            ExperimentEvent::Operation { step: "home".to_owned(), sentence: "homing".to_owned(), well: None },
            ExperimentEvent::Fault(fault),
            ExperimentEvent::Robot { mode: RobotMode::Paused, asks: true, unusable: false },
            ExperimentEvent::Progress(Report { steps_done: 1, steps_total: 2, seconds_left: 3.5, pace: 1.0 }),
        ];
        assert_eq!(events.each_ref().map(ExperimentEvent::kind), *EventKind::ALL);
        for event in events {
            assert!(event.data().is_object(), "{event:?}");
            assert_eq!(ExperimentEvent::read(event.kind().as_str(), &event.data()), Some(event));
        }
        assert_eq!(ExperimentEvent::read("fanfare", &json!({})), None);
    }
}

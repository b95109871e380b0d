//! A plan: what is done, what is believed once it is, and what the client is told.

use super::{belief::Update, error::CommandError};
use crate::world::{Action, PhysicalLabware, Slot};
use serde_json::{Value, json};

/// One thing to carry out.
#[derive(Clone, Debug)]
pub enum Step {
    Act(Action),
    /// Seconds.
    Wait(f64),
    Lights(bool),
    Place {
        slot: Slot,
        labware: PhysicalLabware,
    },
    /// Until someone plays the run.
    AwaitResume,
}

/// All of a command: what is done, then what is believed, and how it ends. A command may fail after it moved.
#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub updates: Vec<Update>,
    pub outcome: Result<Value, CommandError>,
}

impl Plan {
    /// Nothing moves; `result` is told.
    pub(super) fn telling(result: Value) -> Self {
        Self { steps: Vec::new(), updates: Vec::new(), outcome: Ok(result) }
    }

    pub(super) fn doing(steps: Vec<Step>) -> Self {
        Self { steps, ..Self::telling(json!({})) }
    }

    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn believing(mut self, update: Update) -> Self {
        self.updates.push(update);
        self
    }

    pub(super) fn ending(mut self, outcome: Result<Value, CommandError>) -> Self {
        self.outcome = outcome;
        self
    }
}

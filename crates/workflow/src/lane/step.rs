//! One step: sent to the robot or the sensor under its operation's id, and what became of it.

use super::Lane;
use crate::{fault, measure};
use domain::{
    Ending, ExperimentId, Fault, FaultCode, JournalEvent, Operation, Step,
    reading::{Average, Reading},
};
use hardware::{PerformError, RobotError};
use serde_json::{Value, json};
use telemetry::names;
use tokio::time::Instant;
use tracing::Instrument;

/// What became of one step.
pub(super) enum Outcome {
    Done(Value, Option<Average>),
    /// It certainly ended so; to be recorded.
    Not(JournalEvent, Ending, Fault),
    /// The sensor gave no reading, or none that can be used. It may be asked again.
    Missed(Fault),
    /// Left open in the journal.
    Unknown(Fault),
}

impl Lane {
    /// Sends one intended operation and waits for its end.
    pub(super) async fn perform(&mut self, operation: &Operation, experiment: Option<ExperimentId>) -> Outcome {
        let began = Instant::now();
        let span = tracing::info_span!("operation", operation = %operation.id, step = operation.step.name());
        let sent = async {
            match &operation.step {
                Step::Read { .. } | Step::CheckBlank { .. } => self.read(operation, experiment).await,
                _ => self.command(operation).await,
            }
        };
        let outcome = sent.instrument(span).await;
        if let Outcome::Not(.., fault) | Outcome::Missed(fault) | Outcome::Unknown(fault) = &outcome {
            self.intruded |= fault.code == FaultCode::RobotTaken;
        }
        let label = match &outcome {
            Outcome::Done(..) => "succeeded",
            Outcome::Not(event, ..) => event.as_str(),
            Outcome::Missed(_) => "missed",
            Outcome::Unknown(_) => "unknown",
        };
        metrics::counter!(names::OPERATIONS, "kind" => operation.step.name(), "outcome" => label).increment(1);
        if matches!(outcome, Outcome::Done(..)) {
            self.pace.observe(&operation.step, began.elapsed());
            metrics::gauge!(names::ROBOT_PACE, "robot" => self.robot.name.clone()).set(self.pace.factor());
        }
        metrics::histogram!(names::OPERATION_SECONDS, "kind" => operation.step.name())
            .record(began.elapsed().as_secs_f64());
        outcome
    }

    async fn read(&self, operation: &Operation, experiment: Option<ExperimentId>) -> Outcome {
        let white = self.white_reference();
        let reading = match self.look(operation, experiment, white.as_ref()).await {
            Ok(reading) => reading,
            Err(error) => {
                tracing::warn!(%error, "no reading");
                return Outcome::Missed(fault::of_reading(&operation.step, &error));
            }
        };
        if let Err(error) = self.confirm().await {
            let fault = fault::of_command(&operation.step, &PerformError::LostControl(error));
            return Outcome::Not(JournalEvent::NotReceived, Ending::NotDone, fault);
        }
        match measure::check(&operation.step, experiment, &reading, white.as_ref()) {
            Ok(()) => {
                let Reading { channels, saturated, .. } = reading.reading;
                Outcome::Done(json!({ "channels": channels, "saturated": saturated }), Some(reading))
            }
            Err(flaw) => {
                let fault = fault::of_flaw(&operation.step, &flaw);
                tracing::warn!(code = %fault.code, cause = fault.cause, "a reading can't be used");
                Outcome::Missed(fault)
            }
        }
    }

    /// The sensor says what it saw, not where it was: a reading counts only if nobody took the robot until it was taken.
    async fn confirm(&self) -> Result<(), RobotError> {
        match &self.run {
            Some(run) => run.confirm().await,
            None => Err(no_run()),
        }
    }

    async fn command(&self, operation: &Operation) -> Outcome {
        let Some(run) = &self.run else {
            let error = PerformError::NotSent(no_run());
            return Outcome::Not(
                JournalEvent::NotReceived,
                Ending::NotDone,
                fault::of_command(&operation.step, &error),
            );
        };
        let error = match run.perform(operation, self.memory).await {
            Ok(answer) => return Outcome::Done(answer, None),
            Err(error) => error,
        };
        tracing::warn!(%error, "a step did not succeed");
        let fault = fault::of_command(&operation.step, &error);
        match error {
            PerformError::NotSent(_) | PerformError::Refused(_) | PerformError::LostControl(_) => {
                Outcome::Not(JournalEvent::NotReceived, Ending::NotDone, fault)
            }
            PerformError::Failed(failure) => {
                let ending = if failure.started { Ending::Unsure } else { Ending::NotDone };
                Outcome::Not(JournalEvent::Failed, ending, fault)
            }
            // The driver has asked the robot and found nothing. That may still mean "under way": recovery shuts late
            // messages out before it believes it.
            PerformError::Unknown(_) => Outcome::Unknown(fault),
        }
    }
}

fn no_run() -> RobotError {
    RobotError::Unreachable { detail: "no run is open".to_owned() }
}

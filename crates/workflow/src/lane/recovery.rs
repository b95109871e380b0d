//! The one way into work: whatever was under way is settled and the machine made safe, whether the worker is new, was
//! killed, lost its connection or saw a step fail.

use super::{
    Lane, LaneError,
    carry::{Conclusion, end},
    step::Outcome,
};
use crate::{fault, plan, whole};
use domain::{Attendance, Change, Ending, Grain, JournalEvent, Operation, RobotKind, Step, Tool};
use hardware::{Lookup, Memory, RobotError};
use serde_json::{Value, json};
use std::time::Duration;
use store::{Entry, JournalledOperation, Purpose};
use tokio::time::{Instant, sleep};

impl Lane {
    /// Settles every operation whose end is unknown and makes the machine safe. The one way into work, whether the
    /// worker is new, was killed, lost its connection or saw a step fail.
    pub(super) async fn recover(&mut self) -> Result<(), LaneError> {
        self.reload().await?;
        self.run = None;
        let open = self.store.open_operations(self.lease.robot_id).await?;
        if open.is_empty() && self.tool == Tool::Nothing {
            return Ok(());
        }
        self.hold_robot().await?;
        for operation in open {
            self.reconcile(&operation).await?;
        }
        if self.tool != Tool::Nothing {
            // The run is newer than whatever put it there, even where the journal learned of it only just now.
            self.memory = Memory::Forgot;
        }
        if self.robot.is_held() {
            return Ok(());
        }
        self.make_safe().await
    }

    /// Finds out how an open operation ended and records it, or that nobody can know.
    pub(super) async fn reconcile(&mut self, open: &JournalledOperation) -> Result<(), LaneError> {
        let step = &open.operation.step;
        let (event, ending, outcome) = match step {
            // A reading that nobody received is worth nothing; the well is read again under a new id.
            Step::Read { .. } | Step::CheckBlank { .. } => {
                (JournalEvent::NotReceived, Ending::NotDone, json!({ "reason": "the reading was not received" }))
            }
            _ => self.look_up(open).await?,
        };
        let experiment = open.experiment_id.map(tracing::field::display);
        tracing::info!(experiment, operation = %open.operation.id, step = step.name(), %event, "reconciled after an interruption");
        let mut conclusion = Conclusion {
            ended: end(&open.operation, event, outcome),
            robot: self.robot_consequences(step, ending),
            wells: Vec::new(),
        };
        if let Some(id) = open.experiment_id
            && let Some(experiment) = self.store.experiment(id).await?
            && !experiment.experiment.status.is_final()
            && experiment.experiment.robot_id == Some(self.lease.robot_id)
        {
            conclusion.wells = self.hand(&experiment).await?.ended(step, ending);
        }
        if event == JournalEvent::InDoubt && self.robot.attendance == Attendance::Operator {
            // In one commit with the doubt: a worker that dies right after it must not take the question with it.
            let fault = fault::in_doubt(step, self.why_unknown());
            self.tell_question(&fault);
            self.robot.attention.get_or_insert_with(|| fault.clone());
            conclusion.robot.push(Change::Ask(fault));
        }
        self.conclude(open.experiment_id, conclusion).await?;
        metrics::counter!(telemetry::names::RECONCILED, "outcome" => event.as_str()).increment(1);
        if event == JournalEvent::InDoubt {
            self.settle_doubt(open).await?;
        }
        Ok(())
    }

    async fn look_up(&self, open: &JournalledOperation) -> Result<(JournalEvent, Ending, Value), LaneError> {
        let Some(run) = &open.run_id else {
            return Ok((JournalEvent::NotReceived, Ending::NotDone, json!({ "reason": "no run was open" })));
        };
        #[cfg(feature = "sabotage")]
        if crate::sabotage::is_on(crate::sabotage::NO_LOOKUP) {
            return Ok((JournalEvent::NotReceived, Ending::NotDone, json!({ "reason": "sabotage" })));
        }
        let deadline = Instant::now() + self.patience.command;
        loop {
            match self.machine.lookup(run, open.operation.id).await? {
                Lookup::Succeeded(answer) => return Ok((JournalEvent::Succeeded, Ending::Done, answer)),
                Lookup::Failed(failure) => {
                    let ending = if failure.started { Ending::Unsure } else { Ending::NotDone };
                    return Ok((JournalEvent::Failed, ending, json!({ "failure": failure })));
                }
                Lookup::Absent if !self.machine.fences() => {
                    let reason = "the robot hasn't got it, and may get it yet";
                    return Ok((JournalEvent::InDoubt, Ending::Unsure, json!({ "reason": reason })));
                }
                Lookup::Absent => {
                    return Ok((
                        JournalEvent::NotReceived,
                        Ending::NotDone,
                        json!({ "reason": "the robot never got it" }),
                    ));
                }
                Lookup::Running if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
                Lookup::Running | Lookup::HistoryLost => {
                    let reason = self.why_unknown();
                    return Ok((JournalEvent::InDoubt, Ending::Unsure, json!({ "reason": reason })));
                }
            }
        }
    }

    const fn why_unknown(&self) -> &'static str {
        match self.robot.kind {
            RobotKind::Ot2 => "the robot's server restarted and forgot its commands",
            RobotKind::Script => "no word came of its end, and the robot's script keeps none",
        }
    }

    /// The well is quarantined already, and a real robot waits for somebody to look at it.
    async fn settle_doubt(&mut self, open: &JournalledOperation) -> Result<(), LaneError> {
        let by = match self.robot.attendance {
            Attendance::Virtual => "policy: the virtual lab recovers by itself",
            Attendance::Operator => "policy: the operator is asked",
        };
        self.record_end(end(&open.operation, JournalEvent::Settled, json!({ "by": by })), Vec::new()).await
    }

    /// Takes the robot, unless it is ours. From then on nothing that was sent earlier can be carried out. `Intruded` if
    /// somebody had it since we did.
    pub(super) async fn hold_robot(&mut self) -> Result<(), LaneError> {
        if self.run.is_some() {
            return Ok(());
        }
        self.homed = false;
        self.memory = Memory::Forgot;
        // A worker that slept through the end of its lease must not take the robot from whoever drives it now.
        self.store.renew(&self.lease, self.time_to_live).await?;
        let run = match self.machine.hold(&self.robot.deck, self.lease.epoch).await {
            Ok(run) => run,
            Err(error) => {
                self.complain(&error).await?;
                return Err(error.into());
            }
        };
        if self.holders.took(run.id(), &*self.machine).await? {
            tracing::warn!(robot = self.robot.name, "another held the robot since we did; it is asked what they did");
            self.intruded = true;
            return Err(LaneError::Intruded);
        }
        let mut changes = vec![Change::Run(Some(run.id().to_owned()))];
        if self.robot.notice.take().is_some() {
            changes.push(Change::Notice(None));
        }
        self.record(changes).await?;
        self.run = Some(run);
        if self.tool == Tool::Nothing {
            self.memory = Memory::Knows;
        }
        Ok(())
    }

    /// Says, once, on the robot's page why it doesn't work.
    pub(super) async fn complain(&mut self, error: &RobotError) -> Result<(), LaneError> {
        let notice = Some(fault::of_robot(error));
        if self.robot.notice == notice {
            return Ok(());
        }
        tracing::warn!(robot = self.robot.name, %error, "the robot can't be used");
        metrics::counter!(telemetry::names::FAULTS, "code" => error.code().as_str()).increment(1);
        self.robot.notice.clone_from(&notice);
        self.record(vec![Change::Notice(notice)]).await
    }

    /// Leaves nothing on the nozzle, or asks what hangs there where that can't be done without knowing.
    pub(super) async fn make_safe(&mut self) -> Result<(), LaneError> {
        let steps = match self.robot.kind.grain() {
            Grain::Strokes => Some(plan::make_safe(&self.tool, self.memory)),
            Grain::Mixtures => whole::make_safe(&self.tool),
        };
        let Some(steps) = steps else {
            return self.ask_operator(fault::nozzle_unknown(&self.tool)).await;
        };
        for step in steps {
            self.safe_step(step).await?;
        }
        self.memory = Memory::Knows;
        Ok(())
    }

    async fn safe_step(&mut self, step: Step) -> Result<(), LaneError> {
        self.hold_robot().await?;
        let operation = Operation::new(step);
        let intended = self.intent(&operation, None, Purpose::PutDown);
        self.commit(Entry { intended: Some(intended), ..Entry::default() }).await?;
        match self.perform(&operation, None).await {
            Outcome::Done(answer, _) => {
                let changes = self.robot_consequences(&operation.step, Ending::Done);
                self.record_end(end(&operation, JournalEvent::Succeeded, answer), changes).await
            }
            Outcome::Not(event, ending, fault) => {
                let changes = self.robot_consequences(&operation.step, ending);
                self.record_end(end(&operation, event, json!({ "fault": fault })), changes).await?;
                Err(LaneError::Unsafe(fault.to_string()))
            }
            Outcome::Missed(fault) | Outcome::Unknown(fault) => Err(LaneError::Unsafe(fault.to_string())),
        }
    }
}

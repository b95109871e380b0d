//! The journal's heart: intend durably, send, record; each step's ending and the next step's intent share one commit.

use super::{Lane, LaneError, step::Outcome};
use crate::{
    forecast,
    hand::{Hand, robot_changes},
    measure::{self, WhiteReference},
    plan::Shortage,
};
use chrono::{DateTime, Utc};
use domain::{
    Change, Collection, Control, DyeName, Ending, ExperimentEvent, ExperimentId, Fault, FaultCode, Grain, Inventory,
    JournalEvent, Mount, Operation, Report, ResultId, Slot, Step, Volume, WellId, WellName, WellStatus,
    reading::Average,
};
use serde_json::{Value, json};
use store::{Ended, Entry, Intended, Purpose, StoreError};
use tokio::time::Instant;

/// Readings asked for again in place before the sensor is parked and everything looked at anew.
const MOST_MISSED_READINGS: u32 = 2;

/// How a plan's execution ended.
pub(super) enum Carried {
    Through,
    /// A step didn't succeed. It has been recorded, or is still open and for recovery to settle.
    Trouble(Fault, Aftermath),
    Wish(Control),
    /// Look again before anything moves: somebody holds the robot, attended it or answered; the experiment is in no lane's
    /// hand any more; or the worker is shutting down.
    Halt,
    Short(Shortage),
}

/// What has to follow a step that didn't succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// The robot is as we believe: put things down and plan again.
    PutDown,
    /// Nothing is to be believed but the journal.
    Recover,
}

/// How an operation ended and what that changes, not yet written down.
#[derive(Clone)]
pub(super) struct Conclusion {
    pub ended: Ended,
    /// Of the robot: true whatever became of the experiment meanwhile.
    pub robot: Vec<Change>,
    /// Of the experiment and its wells.
    pub wells: Vec<Change>,
}

impl Conclusion {
    fn of(operation: &Operation, event: JournalEvent, outcome: Value) -> Self {
        Self { ended: end(operation, event, outcome), robot: Vec::new(), wells: Vec::new() }
    }
}

impl Lane {
    /// Carries steps out until they are through or something comes between. `progressed` tells whether a well got on: that
    /// a drop fell or a result was kept, not that the robot moved.
    pub(super) async fn carry_out(
        &mut self,
        hand: &mut Hand,
        mut steps: Vec<Step>,
        progressed: &mut bool,
    ) -> Result<Carried, LaneError> {
        self.hold_robot().await?;
        if !self.homed && self.robot.kind.grain() == Grain::Strokes {
            steps.insert(0, Step::Home);
        }
        let mut supplies = self.store.inventory(self.lease.robot_id).await?;
        let mut conclusion = None;
        let mut index = 0;
        let mut readings_missed = 0;
        let mut answered_at = Instant::now();
        while let Some(step) = steps.get(index) {
            if let Some(held_up) = self.held_up(hand.experiment, step, &mut supplies).await? {
                self.conclude_if_any(hand, conclusion).await?;
                return Ok(held_up);
            }
            let operation = Operation::new(step.clone());
            if !self.intend(hand, &operation, conclusion.take()).await? {
                return Ok(Carried::Halt);
            }
            metrics::histogram!(telemetry::names::OPERATION_OVERHEAD_SECONDS)
                .record(answered_at.elapsed().as_secs_f64());
            let outcome = self.perform(&operation, Some(hand.experiment)).await;
            answered_at = Instant::now();
            match outcome {
                Outcome::Done(answer, reading) => {
                    index += 1;
                    let stain = self.stain(step, reading.as_ref());
                    let mut done = self.succeeded(hand, &operation, answer, reading);
                    *progressed |= gets_a_well_on(step, &done);
                    done.wells.push(self.report(hand.experiment, &steps, index));
                    conclusion = Some(done);
                    if let Some(stain) = stain {
                        self.conclude_if_any(hand, conclusion).await?;
                        return Ok(Carried::Short(stain));
                    }
                }
                Outcome::Not(event, ending, fault) => {
                    let mut failed = Conclusion::of(&operation, event, json!({ "fault": fault }));
                    failed.robot = self.robot_consequences(step, ending);
                    failed.wells = hand.ended(step, ending);
                    self.conclude(Some(hand.experiment), failed).await?;
                    #[cfg(feature = "sabotage")]
                    if crate::sabotage::fights_on(fault.code) {
                        (self.run, self.intruded) = (None, false);
                        self.hold_robot().await?;
                        continue;
                    }
                    return Ok(Carried::Trouble(fault, Aftermath::Recover));
                }
                Outcome::Missed(fault) => {
                    let missed = Conclusion::of(&operation, JournalEvent::Failed, json!({ "fault": fault }));
                    self.conclude(Some(hand.experiment), missed).await?;
                    readings_missed += 1;
                    if readings_missed > MOST_MISSED_READINGS {
                        return Ok(Carried::Trouble(fault, Aftermath::PutDown));
                    }
                }
                Outcome::Unknown(fault) => return Ok(Carried::Trouble(fault, Aftermath::Recover)),
            }
        }
        self.conclude_if_any(hand, conclusion).await?;
        Ok(Carried::Through)
    }

    fn succeeded(
        &mut self,
        hand: &mut Hand,
        operation: &Operation,
        answer: Value,
        reading: Option<Average>,
    ) -> Conclusion {
        let mut done = Conclusion::of(operation, JournalEvent::Succeeded, answer);
        done.robot = self.robot_consequences(&operation.step, Ending::Done);
        done.wells = hand.ended(&operation.step, Ending::Done);
        if let Some(reading) = reading {
            done.wells.extend(self.reading_changes(hand, operation, &reading));
        }
        done
    }

    /// Whether something speaks against beginning this step.
    async fn held_up(
        &mut self,
        id: ExperimentId,
        step: &Step,
        supplies: &mut Inventory,
    ) -> Result<Option<Carried>, LaneError> {
        // What was drawn from a well to mix it is given back first.
        let may_halt = !matches!(step, Step::MixGive { .. });
        if may_halt && self.stop.is_cancelled() {
            return Ok(Some(Carried::Halt));
        }
        #[cfg(feature = "sabotage")]
        crate::sabotage::overlook_fence(&self.store, &mut self.lease).await;
        let wishes = self.store.wishes(&self.lease, id).await?;
        if let Some(wish) = wishes.control.filter(|_| may_halt) {
            return Ok(Some(Carried::Wish(wish)));
        }
        if wishes.held || wishes.acts != self.robot.acts || !wishes.running {
            return Ok(Some(Carried::Halt));
        }
        Ok(self.shortage(step, supplies).map(Carried::Short))
    }

    /// Whether the deck lacks what this step takes. What it takes is taken from `supplies`.
    fn shortage(&self, step: &Step, supplies: &mut Inventory) -> Option<Shortage> {
        let reserve = self.robot.deck.vial_reserve;
        let drawn = drawn(step);
        for (dye, at, volume) in &drawn {
            let Some(vial) = supplies.vials.iter().find(|vial| vial.vial == *at) else { continue };
            let held = forecast::left_in(vial, Utc::now());
            if *volume + reserve > held {
                let (dye, vial, wanted) = ((*dye).clone(), *at, *volume);
                return Some(Shortage::Dye { dye, vial, wanted, held, reserve });
            }
        }
        for (_, at, volume) in drawn {
            if let Some(vial) = supplies.vials.iter_mut().find(|vial| vial.vial == at) {
                vial.volume = vial.volume.saturating_sub(volume);
            }
        }
        None
    }

    /// The durable write that comes before every command. `false`: people were faster, and nothing may be sent; what
    /// ended before is written down all the same.
    async fn intend(
        &mut self,
        hand: &mut Hand,
        operation: &Operation,
        conclusion: Option<Conclusion>,
    ) -> Result<bool, LaneError> {
        let mut entry = Entry::default();
        if let Some(Conclusion { ended, robot, wells }) = conclusion.clone() {
            entry.ended = Some(ended);
            entry.changes.extend(robot.into_iter().chain(wells));
        }
        entry.changes.extend(hand.intending(&operation.step));
        for (mount, tip, dye) in tips_taken(&operation.step) {
            let assigned = |slot| Change::TipAssigned { slot, tip, dye: dye.clone() };
            entry.changes.extend(self.tip_slot(mount).map(assigned));
        }
        entry.changes.push(doing(hand.experiment, &operation.step));
        entry.intended = Some(self.intent(operation, Some(hand.experiment), Purpose::Work));
        match self.commit(entry).await {
            Ok(()) => Ok(true),
            Err(LaneError::Store(StoreError::Held)) => {
                self.conclude_if_any(hand, conclusion).await?;
                Ok(false)
            }
            Err(error @ LaneError::Store(StoreError::IllegalTransition { .. })) => {
                if self.is_in_hand(hand.experiment).await? {
                    return Err(error);
                }
                self.conclude_if_any(hand, conclusion).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn intent(
        &self,
        operation: &Operation,
        experiment_id: Option<ExperimentId>,
        purpose: Purpose,
    ) -> Intended {
        let run_id = self.run.as_ref().map(|run| run.id().to_owned());
        Intended { operation: operation.clone(), experiment_id, run_id, purpose, acts: self.robot.acts }
    }

    async fn conclude_if_any(&mut self, hand: &Hand, conclusion: Option<Conclusion>) -> Result<(), LaneError> {
        match conclusion {
            Some(conclusion) => self.conclude(Some(hand.experiment), conclusion).await,
            None => Ok(()),
        }
    }

    /// Writes down how an operation ended. Where its experiment was ended meanwhile (its owner cancelled while the robot was
    /// at it), what that meant for its wells is nobody's business any more; what it meant for the robot is.
    pub(super) async fn conclude(
        &mut self,
        experiment: Option<ExperimentId>,
        conclusion: Conclusion,
    ) -> Result<(), LaneError> {
        let Conclusion { ended, robot, wells } = conclusion;
        let all = robot.iter().cloned().chain(wells).collect();
        match (self.record_end(ended.clone(), all).await, experiment) {
            (Err(LaneError::Store(StoreError::IllegalTransition { .. })), Some(id)) if !self.is_in_hand(id).await? => {
                self.record_end(ended, robot).await
            }
            (outcome, _) => outcome,
        }
    }

    async fn is_in_hand(&self, experiment: ExperimentId) -> Result<bool, LaneError> {
        Ok(self.store.wishes(&self.lease, experiment).await?.running)
    }

    /// The journal's one way to the disk: durable when it returns, and refused to whoever has lost the lease.
    pub(super) async fn commit(&self, entry: Entry) -> Result<(), LaneError> {
        #[cfg(feature = "sabotage")]
        crate::sabotage::commit(&self.store, &self.lease, entry).await?;
        #[cfg(not(feature = "sabotage"))]
        self.store.commit(&self.lease, entry).await?;
        Ok(())
    }

    pub(super) async fn record_end(&mut self, ended: Ended, changes: Vec<Change>) -> Result<(), LaneError> {
        self.commit(Entry { ended: Some(ended), changes, ..Entry::default() }).await
    }

    pub(super) async fn record(&mut self, changes: Vec<Change>) -> Result<(), LaneError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.commit(Entry { changes, ..Entry::default() }).await
    }

    /// What a step's end means for nozzle and consumables. Keeps the lane's own picture in step.
    pub(super) fn robot_consequences(&mut self, step: &Step, ending: Ending) -> Vec<Change> {
        let changes = robot_changes(&self.tool, step, ending, |mount| self.tip_slot(mount));
        self.tool = std::mem::take(&mut self.tool).after(step, ending);
        if ending == Ending::Done && *step == Step::Home {
            self.homed = true;
        }
        changes
    }

    fn tip_slot(&self, mount: Mount) -> Option<Slot> {
        self.robot.deck.pipette(mount).map(|pipette| pipette.tip_slot)
    }

    /// A reading's document, and the result or the white reference that it is.
    fn reading_changes(&mut self, hand: &Hand, operation: &Operation, reading: &Average) -> Vec<Change> {
        let at = Utc::now();
        let (over, well) = match operation.step {
            Step::Read { over, well } => (over, well),
            Step::CheckBlank { over } => (over, None),
            _ => return Vec::new(),
        };
        let body = json!({
            "experiment_id": hand.experiment, "plate_id": hand.plate, "well": well, "well_id": over, "robot": self.robot.name,
            "lease_epoch": self.lease.epoch, "at": at, "reading": reading,
        });
        let (collection, experiment) = (Collection::Measurements, Some(hand.experiment));
        let mut changes = vec![Change::Document { collection, id: operation.id, experiment, body }];
        if matches!(operation.step, Step::CheckBlank { .. }) {
            changes.extend(self.looked(over, reading));
            return changes;
        }
        let Some(well) = well else {
            let last = self.white_reference().filter(|white| white.plate == hand.plate);
            let drift = last.as_ref().and_then(|last| last.drift_to(reading, hand.experiment, over));
            if let Some(drift) = drift {
                metrics::gauge!(telemetry::names::WHITE_DRIFT, "robot" => self.robot.name.clone()).set(drift.delta_e);
            }
            if let (Some(last), Some(doubt)) = (&last, drift.and_then(|drift| drift.doubt())) {
                tracing::warn!(robot = self.robot.name, drift = doubt.delta_e, "the white reference has drifted");
                changes.push(Change::Doubted { experiment: hand.experiment, white: last.operation, doubt });
            }
            let white = WhiteReference {
                operation: operation.id,
                experiment: hand.experiment,
                plate: hand.plate,
                over,
                at,
                reading: reading.clone(),
                blank: last.map(|white| white.blank).unwrap_or_default(),
                is_outdated: false,
                drift,
            };
            changes.push(self.keep_white(&white));
            return changes;
        };
        let measured = self.judged(hand, operation, (well, reading), at);
        changes.push(match measured {
            Ok(measurement_data) => {
                metrics::counter!(telemetry::names::WELLS_MEASURED).increment(1);
                Change::Result { id: ResultId::new(), well, measurement_data }
            }
            Err(cause) => {
                let fault = Fault {
                    code: FaultCode::SensorError,
                    what: "The reading can't be turned into a colour.".to_owned(),
                    cause,
                    done: "The raw reading is kept; the well's quota is returned.".to_owned(),
                    next: "Check the sensor's light over an empty well.".to_owned(),
                };
                Change::Well { id: well, to: WellStatus::Failed, fault: Some(fault) }
            }
        });
        changes
    }

    /// A well's result, or why there can't be one.
    fn judged(
        &self,
        hand: &Hand,
        operation: &Operation,
        (well, reading): (WellId, &Average),
        at: DateTime<Utc>,
    ) -> Result<Value, String> {
        let mixture = hand.mixtures.iter().find(|mixture| mixture.well == well);
        let mixture = mixture.ok_or("the experiment has no such well")?;
        let white = self.white_reference().ok_or("no white reference has been read on this robot")?;
        measure::measurement(operation.id, reading, &white, (mixture, &self.robot.deck), at)
            .map_err(|error| error.to_string())
    }

    pub(super) fn white_reference(&self) -> Option<WhiteReference> {
        self.robot.white_reference.clone().and_then(|value| serde_json::from_value(value).ok())
    }

    fn report(&self, experiment: ExperimentId, steps: &[Step], done: usize) -> Change {
        let rest = steps.get(done..).unwrap_or_default();
        let report = Report {
            steps_done: done as u64,
            steps_total: steps.len() as u64,
            seconds_left: self.pace.seconds(rest),
            pace: self.pace.factor(),
        };
        Change::Event { experiment, event: ExperimentEvent::Progress(report) }
    }
}

/// Whether a well got on by a step that was done.
fn gets_a_well_on(step: &Step, done: &Conclusion) -> bool {
    matches!(step, Step::Dispense { .. } | Step::MixGive { .. } | Step::Mix { .. })
        || done.wells.iter().any(|change| matches!(change, Change::Result { .. }))
}

/// What a step draws: of which dye, from which vial, how much.
fn drawn(step: &Step) -> Vec<(&DyeName, WellName, Volume)> {
    match step {
        Step::Aspirate { dye, vial, volume, .. } => vec![(dye, *vial, *volume)],
        Step::Mix { portions, .. } => {
            portions.iter().map(|portion| (&portion.dye, portion.vial, portion.volume)).collect()
        }
        _ => Vec::new(),
    }
}

/// The tips that a step takes, and for which dye.
fn tips_taken(step: &Step) -> Vec<(Mount, WellName, &DyeName)> {
    match step {
        Step::PickUpTip { mount, tip, dye } => vec![(*mount, *tip, dye)],
        Step::Mix { mount, portions, .. } => {
            portions.iter().map(|portion| (*mount, portion.tip, &portion.dye)).collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn end(operation: &Operation, event: JournalEvent, outcome: Value) -> Ended {
    Ended { operation: operation.id, event, outcome }
}

fn doing(experiment: ExperimentId, step: &Step) -> Change {
    let event =
        ExperimentEvent::Operation { step: step.name().to_owned(), sentence: step.sentence(), well: step.well() };
    Change::Event { experiment, event }
}

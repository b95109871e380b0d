//! The journal's heart: intend durably, send, record; each step's ending and the next step's intent share one commit.

use super::{Lane, LaneError, step::Outcome};
use crate::{
    estimate::Report,
    forecast,
    hand::{Hand, robot_changes},
    measure::{self, WhiteReference},
    plan::Shortage,
};
use chrono::{DateTime, Utc};
use domain::{
    Ending, ExperimentId, Fault, FaultCode, JournalEvent, Mount, Operation, ResultId, Slot, Step, WellId, WellStatus,
    reading::Reading,
};
use serde_json::{Value, json};
use store::{Change, Control, Ended, Entry, Intended};
use tokio::time::Instant;

/// Readings asked for again in place before the sensor is parked and everything looked at anew.
const MOST_MISSED_READINGS: u32 = 2;

/// How a plan's execution ended.
pub(super) enum Carried {
    Through,
    /// A step didn't succeed. It has been recorded, or is still open and for recovery to settle.
    Trouble(Fault, Aftermath),
    Wish(Control),
    /// The robot is to stand still: paused, waiting for its operator (then not even to put things down), or the worker is
    /// shutting down.
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
struct Conclusion {
    ended: Ended,
    changes: Vec<Change>,
}

impl Lane {
    /// Carries steps out until they are through or something comes between. `progressed` tells whether any succeeded.
    pub(super) async fn carry_out(
        &mut self,
        hand: &mut Hand,
        mut steps: Vec<Step>,
        progressed: &mut bool,
    ) -> Result<Carried, LaneError> {
        self.hold_robot().await?;
        if !self.homed {
            steps.insert(0, Step::Home);
        }
        let mut vials = self.store.inventory(self.lease.robot_id).await?.vials;
        let mut conclusion = None;
        let mut index = 0;
        let mut readings_missed = 0;
        let mut answered_at = Instant::now();
        while let Some(step) = steps.get(index) {
            if let Some(held_up) = self.held_up(hand.experiment, step, &mut vials).await? {
                self.conclude(conclusion).await?;
                return Ok(held_up);
            }
            let operation = Operation::new(step.clone());
            self.intend(hand, &operation, conclusion.take()).await?;
            metrics::histogram!(telemetry::names::OPERATION_OVERHEAD_SECONDS)
                .record(answered_at.elapsed().as_secs_f64());
            let outcome = self.perform(&operation, Some(hand.experiment)).await;
            answered_at = Instant::now();
            match outcome {
                Outcome::Done(answer, reading) => {
                    *progressed |= advances(step);
                    index += 1;
                    let stain = self.stain(step, reading.as_ref());
                    let mut done = self.succeeded(hand, &operation, answer, reading);
                    done.changes.push(self.report(hand.experiment, &steps, index));
                    conclusion = Some(done);
                    if let Some(stain) = stain {
                        self.conclude(conclusion).await?;
                        return Ok(Carried::Short(stain));
                    }
                }
                Outcome::Not(event, ending, fault) => {
                    let changes = self.consequences(hand, step, ending);
                    let ended = end(&operation, event, json!({ "fault": fault }));
                    self.record_end(ended, changes).await?;
                    #[cfg(feature = "sabotage")]
                    if crate::sabotage::fights_on(fault.code) {
                        self.run = None;
                        self.hold_robot().await?;
                        continue;
                    }
                    return Ok(Carried::Trouble(fault, Aftermath::Recover));
                }
                Outcome::Missed(fault) => {
                    let ended = end(&operation, JournalEvent::Failed, json!({ "fault": fault }));
                    self.record_end(ended, Vec::new()).await?;
                    readings_missed += 1;
                    if readings_missed > MOST_MISSED_READINGS {
                        return Ok(Carried::Trouble(fault, Aftermath::PutDown));
                    }
                }
                Outcome::Unknown(fault) => return Ok(Carried::Trouble(fault, Aftermath::Recover)),
            }
        }
        self.conclude(conclusion).await?;
        Ok(Carried::Through)
    }

    fn succeeded(
        &mut self,
        hand: &mut Hand,
        operation: &Operation,
        answer: Value,
        reading: Option<Reading>,
    ) -> Conclusion {
        let mut changes = self.consequences(hand, &operation.step, Ending::Done);
        if let Some(reading) = reading {
            changes.extend(self.reading_changes(hand, operation, &reading));
        }
        Conclusion { ended: end(operation, JournalEvent::Succeeded, answer), changes }
    }

    /// Whether something speaks against beginning this step.
    async fn held_up(
        &mut self,
        id: ExperimentId,
        step: &Step,
        vials: &mut [store::Vial],
    ) -> Result<Option<Carried>, LaneError> {
        if self.stop.is_cancelled() {
            return Ok(Some(Carried::Halt));
        }
        #[cfg(feature = "sabotage")]
        crate::sabotage::overlook_fence(&self.store, &mut self.lease).await;
        let wishes = self.store.wishes(&self.lease, id).await?;
        if let Some(wish) = wishes.control {
            return Ok(Some(Carried::Wish(wish)));
        }
        self.robot.mode = wishes.mode;
        if self.is_held() {
            return Ok(Some(Carried::Halt));
        }
        if let Step::Aspirate { dye, vial: at, volume, .. } = step
            && let Some(vial) = vials.iter_mut().find(|vial| vial.vial == *at)
        {
            let reserve = self.robot.deck.vial_reserve;
            let held = forecast::left_in(vial, Utc::now());
            if *volume + reserve > held {
                let dye = dye.clone();
                return Ok(Some(Carried::Short(Shortage::Dye { dye, vial: *at, wanted: *volume, held, reserve })));
            }
            vial.volume = vial.volume.saturating_sub(*volume);
        }
        Ok(None)
    }

    /// The durable write that comes before every command.
    async fn intend(
        &mut self,
        hand: &mut Hand,
        operation: &Operation,
        conclusion: Option<Conclusion>,
    ) -> Result<(), LaneError> {
        let (ended, mut changes) = match conclusion {
            Some(conclusion) => (Some(conclusion.ended), conclusion.changes),
            None => (None, Vec::new()),
        };
        changes.extend(hand.intending(&operation.step));
        if let Step::PickUpTip { mount, tip, dye } = &operation.step {
            changes.extend(self.tip_slot(*mount).map(|slot| Change::TipAssigned { slot, tip: *tip, dye: dye.clone() }));
        }
        changes.push(doing(hand.experiment, &operation.step));
        let intended = Some(self.intent(operation, Some(hand.experiment)));
        self.commit(Entry { ended, changes, intended }).await
    }

    pub(super) fn intent(&self, operation: &Operation, experiment_id: Option<ExperimentId>) -> Intended {
        let run_id = self.run.as_ref().map(|run| run.id().to_owned());
        Intended { operation: operation.clone(), experiment_id, run_id }
    }

    async fn conclude(&mut self, conclusion: Option<Conclusion>) -> Result<(), LaneError> {
        match conclusion {
            Some(Conclusion { ended, changes }) => self.record_end(ended, changes).await,
            None => Ok(()),
        }
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
        self.commit(Entry { ended: Some(ended), changes, intended: None }).await
    }

    pub(super) async fn record(&mut self, changes: Vec<Change>) -> Result<(), LaneError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.commit(Entry { changes, ..Entry::default() }).await
    }

    /// What a step's end means for wells, nozzle and consumables. Keeps the lane's own picture in step.
    fn consequences(&mut self, hand: &mut Hand, step: &Step, ending: Ending) -> Vec<Change> {
        let mut changes = self.robot_consequences(step, ending);
        changes.extend(hand.ended(step, ending));
        changes
    }

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
    fn reading_changes(&mut self, hand: &Hand, operation: &Operation, reading: &Reading) -> Vec<Change> {
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
        let mut changes = vec![Change::Document { collection: "measurements", id: operation.id, body }];
        if matches!(operation.step, Step::CheckBlank { .. }) {
            changes.extend(self.looked(over, reading));
            return changes;
        }
        let Some(well) = well else {
            let last = self.white_reference().filter(|white| white.plate == hand.plate);
            let white = WhiteReference {
                operation: operation.id,
                experiment: hand.experiment,
                plate: hand.plate,
                over,
                at,
                reading: *reading,
                blank: last.map(|white| white.blank).unwrap_or_default(),
                is_outdated: false,
            };
            changes.push(self.keep_white(&white));
            return changes;
        };
        let measured = self.judged(hand, operation, (well, reading), at);
        changes.push(match measured {
            Ok(measurement_data) => Change::Result { id: ResultId::new(), well, measurement_data },
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
        (well, reading): (WellId, &Reading),
        at: DateTime<Utc>,
    ) -> Result<Value, String> {
        let mixture = hand.mixtures.iter().find(|mixture| mixture.well == well);
        let recipe = mixture.map(|mixture| &mixture.recipe).ok_or("the experiment has no such well")?;
        let white = self.white_reference().ok_or("no white reference has been read on this robot")?;
        measure::measurement(operation.id, reading, &white, (recipe, &self.robot.deck), at)
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
        Change::Event { experiment, kind: "progress", data: serde_json::to_value(report).unwrap_or_default() }
    }
}

/// Whether a step that was carried out brought a well on. That the sensor was picked up and parked again didn't.
const fn advances(step: &Step) -> bool {
    matches!(step, Step::Dispense { .. } | Step::Read { .. } | Step::CheckBlank { .. })
}

pub(super) fn end(operation: &Operation, event: JournalEvent, outcome: Value) -> Ended {
    Ended { operation: operation.id, event, outcome }
}

fn doing(experiment: ExperimentId, step: &Step) -> Change {
    let data = json!({ "step": step.name(), "sentence": step.sentence(), "well": step.well() });
    Change::Event { experiment, kind: "operation", data }
}

//! What becomes of readings that can't be used, and of experiments that end with wells that aren't to be believed.

use super::{Lane, LaneError};
use crate::{
    doubts, fault,
    measure::{self, WhiteReference},
    plan::Shortage,
};
use domain::{Attendance, Change, ExperimentEvent, ExperimentId, Fault, FaultCode, Step, reading::Average};
use serde_json::Value;

/// Plans in a row that ended at a blind sensor, each with its readings asked for again, after which somebody is asked.
const MOST_BLIND: u32 = 2;

/// Plates in a row that a virtual lab takes for used ones before it takes the sensor for broken.
const MOST_PLATES_REFUSED: u32 = 3;

impl Lane {
    /// What an experiment that ends now says of its doubtful wells: to its owner, and to the robot's operator.
    pub(super) async fn doubts_at_end(&mut self, id: ExperimentId) -> Result<Vec<Change>, LaneError> {
        let Some(experiment) = self.store.experiment(id).await? else { return Ok(Vec::new()) };
        let Some(doubts) = doubts::doubts(&self.store, &experiment).await? else { return Ok(Vec::new()) };
        metrics::counter!(telemetry::names::WELLS_DOUBTED).increment(doubts.wells.len() as u64);
        let event = ExperimentEvent::Doubts {
            wells: doubts.wells.clone(),
            measured: doubts.measured,
            shared: doubts.shared.clone(),
            sentence: format!("{} {}", doubts.headline(), doubts.causes()),
        };
        let mut changes = vec![Change::Event { experiment: id, event }];
        if self.robot.attendance == Attendance::Operator && !self.robot.is_held() {
            changes.push(self.asking(fault::of_doubts(&doubts)));
        }
        Ok(changes)
    }

    /// The change that asks the robot's operator.
    pub(super) fn asking(&mut self, question: Fault) -> Change {
        self.tell_question(&question);
        self.robot.attention.get_or_insert_with(|| question.clone());
        Change::Ask(question)
    }

    pub(super) fn tell_question(&self, question: &Fault) {
        tracing::warn!(robot = self.robot.name, code = %question.code, question = question.what, "the operator is asked");
    }

    /// Whether the sensor has been blind often enough for its operator to be asked.
    pub(super) fn asks_about_sensor(&self, fault: &Fault, troubles: u32) -> bool {
        is_blind(fault) && troubles >= MOST_BLIND && self.robot.attendance == Attendance::Operator
    }

    /// Somebody learns that whites aren't what they were; the next one is taken as it comes.
    pub(super) fn outdate_white(&mut self, fault: &Fault) -> Vec<Change> {
        let outdated = self
            .white_reference()
            .filter(|_| is_blind(fault))
            .map(|white| WhiteReference { is_outdated: true, ..white });
        outdated.map(|white| self.keep_white(&white)).into_iter().collect()
    }

    pub(super) fn keep_white(&mut self, white: &WhiteReference) -> Change {
        let value: Value = serde_json::to_value(white).unwrap_or_default();
        self.robot.white_reference = Some(value.clone());
        Change::WhiteReference(value)
    }

    /// Whether another plate may be laid in the place of this one: a sensor that sees stains everywhere would have all.
    pub(super) fn takes_another_plate(&mut self) -> bool {
        self.plates_refused += 1;
        self.plates_refused < MOST_PLATES_REFUSED || self.robot.attendance == Attendance::Operator
    }

    /// A well that should be empty and isn't.
    pub(super) fn stain(&self, step: &Step, reading: Option<&Average>) -> Option<Shortage> {
        let (Step::CheckBlank { over }, Some(reading)) = (step, reading) else { return None };
        let delta_e = measure::stain(reading, &self.white_reference()?)?;
        Some(Shortage::UsedPlate { well: *over, delta_e })
    }

    /// What the look at a well that should be empty leaves behind: one well more that is known to be, or doubt about all.
    pub(super) fn looked(&mut self, over: domain::WellName, reading: &Average) -> Option<Change> {
        let mut white = self.white_reference()?;
        match measure::stain(reading, &white) {
            Some(_) => white.blank.clear(),
            None => {
                self.plates_refused = 0;
                if !white.blank.contains(&over) {
                    white.blank.push(over);
                }
            }
        }
        Some(self.keep_white(&white))
    }
}

const fn is_blind(fault: &Fault) -> bool {
    matches!(fault.code, FaultCode::SensorDark | FaultCode::SensorSaturated)
}

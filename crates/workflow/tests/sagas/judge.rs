//! What must be so in the end, by the world's word against the journal's, the results' and the quota's.

use crate::{
    bench::Bench,
    case,
    template::Furnished,
    world::{Cell, Fallen, World},
};
use chrono::{DateTime, Utc};
use domain::{DyeName, ExperimentId, ExperimentStatus, JournalEvent, OperationId, Step, Tool, Volume, WellStatus};
use store::{ExperimentDetail, JournalledOperation, Measurement, Store, StoreError, Well};
use workflow::doubt_of;

/// What was forbidden while a robot was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Everything,
    /// Putting down was allowed.
    Work,
}

/// A time in which nothing may have been intended, by the database's own clock.
#[derive(Clone, Copy, Debug)]
pub struct Stood {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub hold: Hold,
}

pub struct Case<'a> {
    pub case: &'a case::Case,
    pub bench: &'a Bench,
    pub furnished: &'a Furnished,
    pub experiments: Vec<ExperimentId>,
    pub stood: Vec<Stood>,
}

impl Case<'_> {
    pub async fn judge(&self, store: &Store) -> Result<(), String> {
        let mut wrong = Vec::new();
        let found = self.examine(store, &mut wrong).await;
        found.map_err(|error| error.to_string())?;
        let inner = self.bench.lock();
        wrong.extend(inner.world.violations.iter().cloned());
        if self.case.is_certain() && !inner.is_played() {
            wrong.push(format!("the case never came to its fault: {}", inner.rest_of_script()));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    async fn examine(&self, store: &Store, wrong: &mut Vec<String>) -> Result<(), StoreError> {
        let mut measured = 0;
        for id in &self.experiments {
            let detail = store.experiment(*id).await?.ok_or(StoreError::NotFound("experiment"))?;
            let journal = store.operations(*id, 0, 1_000).await?;
            let inner = self.bench.lock();
            self.check_ending(&detail, wrong);
            self.check_journal(&journal, &inner.world, wrong);
            for (well, result) in &detail.wells {
                match (well.status, result) {
                    (WellStatus::Measured, Some(result)) => {
                        measured += 1;
                        check_well(well, result, &inner.world, wrong);
                    }
                    (WellStatus::Measured, None) | (_, Some(_)) => {
                        wrong.push(format!("{:?} is {} and its result doesn't fit", well.well_id, well.status));
                    }
                    _ => {}
                }
            }
        }
        let robot = store.robot(self.furnished.robot.id).await?.ok_or(StoreError::NotFound("robot"))?;
        let quota = store.user(self.furnished.user.id).await?.map(|user| user.quota_remaining);
        if quota != Some(template_quota() - measured) {
            wrong.push(format!("{measured} wells are measured and the quota is {quota:?}"));
        }
        let open = store.open_operations(robot.id).await?;
        if robot.tool != Tool::Nothing || !open.is_empty() {
            wrong.push(format!(
                "the journal ends with {} on the nozzle and {} open",
                robot.tool.sentence(),
                open.len()
            ));
        }
        if !self.bench.lock().world.is_left_safe() {
            wrong.push(format!("in the end {:?} hangs on the nozzle", self.bench.lock().world.nozzle));
        }
        Ok(())
    }

    fn check_ending(&self, detail: &ExperimentDetail, wrong: &mut Vec<String>) {
        let status = detail.experiment.status;
        let is_first = self.experiments.first() == Some(&detail.experiment.id);
        if is_first && self.case.may_end_otherwise() {
            return;
        }
        let measured = detail.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured).count();
        let asked = detail.wells.iter().filter(|(well, _)| well.replaces.is_none()).count();
        if status != ExperimentStatus::Completed || measured != asked {
            let fault = detail.experiment.fault.as_ref().map(ToString::to_string);
            wrong.push(format!("{measured} of {asked} wells are measured and the experiment is {status}: {fault:?}"));
        }
    }

    fn check_journal(&self, journal: &[JournalledOperation], world: &World, wrong: &mut Vec<String>) {
        for entry in journal {
            let key = entry.operation.id;
            let name = entry.operation.step.name();
            let reads = matches!(entry.operation.step, Step::Read { .. } | Step::CheckBlank { .. });
            let happened = world.done.contains_key(&key) || (reads && world.looks.contains_key(&key));
            match entry.state {
                JournalEvent::Succeeded if !happened => wrong.push(format!("{name} succeeded and never happened")),
                JournalEvent::NotReceived if happened && !reads => {
                    wrong.push(format!("{name} wasn't received and happened"));
                }
                JournalEvent::Intended => wrong.push(format!("{name} has no ending")),
                _ => {}
            }
            for stood in &self.stood {
                if entry.intended_at > stood.from && entry.intended_at < stood.until {
                    wrong.push(format!("{name} was intended while the robot was held ({:?})", stood.hold));
                }
            }
        }
        let known = |key: &OperationId| journal.iter().any(|entry| entry.operation.id == *key);
        let of_these = |drop: &&Fallen| journal.iter().any(|entry| entry.operation.step.well() == Some(drop.well));
        let unknown = world.wells.values().flatten().filter(of_these).filter(|drop| !known(&drop.key)).count();
        if unknown > 0 {
            wrong.push(format!("{unknown} drops fell of which the journal knows nothing"));
        }
    }
}

fn template_quota() -> i32 {
    crate::template::QUOTA
}

/// Exactly its recipe, at one place, and a reading of that very place after the last drop.
fn check_well(well: &Well, result: &Measurement, world: &World, wrong: &mut Vec<String>) {
    let name = well.well_id.map(|at| at.to_string()).unwrap_or_default();
    let places: Vec<(&Cell, &Vec<Fallen>)> =
        world.wells.iter().filter(|(_, drops)| drops.iter().any(|drop| drop.well == well.id)).collect();
    let [(cell, drops)] = places.as_slice() else {
        return wrong.push(format!("{name} is measured and has drops at {} places", places.len()));
    };
    if Some(cell.1) != well.well_id {
        wrong.push(format!("{name} is measured and its drops fell into {}", cell.1));
    }
    let asked: Vec<_> = well.recipe.iter().filter(|(_, volume)| !volume.is_zero()).collect();
    let given = |dye: &DyeName| drops.iter().filter(|drop| drop.dye == *dye).map(|drop| drop.volume).sum::<Volume>();
    if asked.len() != drops.len() || asked.iter().any(|(dye, volume)| given(dye) != *volume) {
        wrong.push(format!("{name} is measured and holds {drops:?}, asked was {asked:?}"));
    }
    let key = result.measurement_data["operation_id"].as_str().unwrap_or_default();
    let look = world.looks.iter().find(|(operation, _)| operation.to_string() == key).map(|(_, look)| *look);
    let last = drops.iter().map(|drop| drop.at).max().unwrap_or_default();
    if !look.is_some_and(|look| look.cell == **cell && look.at > last) {
        wrong.push(format!("{name}'s reading is {look:?}; its last drop fell into {cell:?} at {last}"));
    }
    let dazzled = result.measurement_data["saturated"] == true;
    if let Some(doubt) = doubt_of(result)
        && !dazzled
    {
        wrong.push(format!("{name} is as it should be and is called doubtful: {doubt}"));
    }
}

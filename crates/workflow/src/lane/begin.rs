//! Taking an experiment: wells on the plate, and a deck that has what it needs.

use super::{BETWEEN_INSPECTIONS, Lane, LaneError};
use crate::{
    attend, fault, handling_of,
    mixture::{self, Mixture},
    needs_of,
    plan::{self, Shortage},
};
use chrono::Utc;
use domain::{Attendance, Change, Fault, FaultCode, PlateId, WellId, WellName, WellStatus};
use store::{ExperimentDetail, JournalledOperation, Robot};
use tokio::time::Instant;

impl Lane {
    /// Takes the next experiment, if the deck has what it needs and the robot answers.
    pub(super) async fn begin(&mut self, next: ExperimentDetail) -> Result<(), LaneError> {
        let id = next.experiment.id;
        let needs = needs_of(&next);
        if self.robot.bench().lacks(&needs).is_some() {
            // Older than its needs being written down: with them, it is the business of a lane that can.
            return Ok(self.store.note_needs(id, &needs).await?);
        }
        let (pending, started): (Vec<_>, Vec<_>) = next
            .wells
            .iter()
            .map(|(well, _)| well)
            .filter(|well| !well.status.is_final())
            .partition(|w| w.status == WellStatus::Pending);
        let inventory = self.store.inventory(self.lease.robot_id).await?;
        let lies_here = |plate: Option<PlateId>| plate.is_some() && plate == inventory.plate;
        let unplaced: Vec<WellId> =
            pending.iter().filter(|well| !lies_here(well.plate_id)).map(|well| well.id).collect();
        let stranded: Vec<_> = started.iter().filter(|well| !lies_here(well.plate_id)).map(|well| well.id).collect();

        let free = plan::free_wells(&inventory);
        let wanted = unplaced.len() + stranded.len();
        let journal = self.journal(id).await?;
        let mixtures = to_mix(&next, &journal, &stranded);
        let handling = handling_of(&next.experiment);
        let shortage = match (inventory.plate, free.len() < wanted) {
            (None, _) | (_, true) => Some(Shortage::Plate { wanted, free: free.len() }),
            _ => {
                let grain = self.robot.kind.grain();
                plan::check_supplies(&self.robot.deck, grain, &handling, &mixtures, &inventory, Utc::now()).err()
            }
        };
        if let Some(shortage) = shortage {
            return self.supply(&shortage).await;
        }
        let Some(plate) = inventory.plate else { return Ok(()) };
        // The robot is reached first: an experiment that it can't serve stays free for another.
        self.hold_robot().await?;
        let places: Vec<_> = unplaced.iter().copied().zip(free.iter().copied()).collect();
        if self.store.take(&self.lease, self.robot.acts, id, plate, &places).await? {
            tracing::info!(experiment = %id, robot = self.robot.name, %plate, wells = mixtures.len(), "an experiment was begun");
            if next.experiment.started_at.is_none() {
                let waited = Utc::now() - next.experiment.created_at;
                metrics::histogram!(telemetry::names::QUEUE_WAIT_SECONDS).record(waited.as_seconds_f64());
            }
            let fresh = free.into_iter().skip(places.len());
            self.replace_stranded(&stranded, fresh, plate).await?;
            self.work(id).await?;
        }
        Ok(())
    }

    /// Now and then, while there is nothing else to do: ends what no robot of this lab can mix any more, since its deck was
    /// changed under the queue.
    pub(super) async fn inspect_queue(&mut self) -> Result<(), LaneError> {
        if self.inspected_at.is_some_and(|at| at.elapsed() < BETWEEN_INSPECTIONS) {
            return Ok(());
        }
        self.inspected_at = Some(Instant::now());
        let robots = self.store.robots().await?;
        let benches: Vec<_> = robots.iter().map(Robot::bench).collect();
        let mut lost = self.store.unmixable(None, &benches).await?;
        // Its wells are on this robot's plate: nobody else can go on with it.
        lost.extend(self.store.unmixable(Some(self.lease.robot_id), &[self.robot.bench()]).await?);
        for id in lost {
            let Some(experiment) = self.store.experiment(id).await? else { continue };
            let Some(lack) = self.robot.bench().lacks(&needs_of(&experiment)) else { continue };
            if self.store.give_up(id, &fault::unmixable(&lack)).await? {
                tracing::warn!(experiment = %id, %lack, "no robot can mix an experiment any more; it was ended");
            }
        }
        Ok(())
    }

    /// Wells of an experiment that was paused while its plate was taken away: what was in them is gone.
    async fn replace_stranded(
        &mut self,
        stranded: &[WellId],
        fresh: impl Iterator<Item = WellName>,
        plate: PlateId,
    ) -> Result<(), LaneError> {
        let fault = Fault {
            code: FaultCode::PlateFull,
            what: "The plate was replaced before this well was measured.".to_owned(),
            cause: "The experiment was paused meanwhile.".to_owned(),
            done: "It is mixed again on the new plate.".to_owned(),
            next: "Nothing.".to_owned(),
        };
        let changes = stranded.iter().zip(fresh).map(|(well, at)| Change::Replace {
            quarantined: *well,
            fresh: WellId::new(),
            at: Some((plate, at)),
            fault: fault.clone(),
        });
        self.record(changes.collect()).await
    }

    /// The virtual lab renews what is missing; a real one's operator is asked.
    pub(super) async fn supply(&mut self, shortage: &Shortage) -> Result<(), LaneError> {
        if self.robot.attendance == Attendance::Operator {
            return self.ask_operator(fault::of_shortage(shortage)).await;
        }
        let deck = &self.robot.deck;
        let change = match shortage {
            Shortage::Plate { .. } | Shortage::UsedPlate { .. } => Change::PlateReplaced { plate: PlateId::new() },
            Shortage::Tips { slot, .. } => Change::TipsReplaced { slot: *slot },
            Shortage::Dye { dye, vial, .. } => {
                let volume = deck.dye(dye).map(|vial| vial.volume).unwrap_or_default();
                Change::VialRefilled { vial: *vial, volume, batch: None }
            }
            Shortage::Waste { .. } => Change::WasteEmptied,
            Shortage::Pipette { .. } => return Err(LaneError::Unsafe(shortage.to_string())),
        };
        if matches!(change, Change::PlateReplaced { .. }) {
            // Whoever dies in between leaves no plate behind, not an old one in the place of a new one.
            self.record(vec![Change::PlateLifted]).await?;
        }
        attend::do_virtually(&*self.attendant, &self.robot.deck, &change).await?;
        self.record(vec![change]).await?;
        tracing::info!(robot = self.robot.name, %shortage, "the virtual deck was renewed");
        Ok(())
    }

    /// The robot stands still until somebody has answered.
    pub(super) async fn ask_operator(&mut self, question: Fault) -> Result<(), LaneError> {
        let question = self.asking(question);
        self.record(vec![question]).await
    }
}

/// What an experiment still needs on this plate; wells that were stranded elsewhere need everything anew.
fn to_mix(experiment: &ExperimentDetail, journal: &[JournalledOperation], stranded: &[WellId]) -> Vec<Mixture> {
    let given = mixture::unfinished(experiment, journal);
    let wells = experiment.wells.iter().map(|(well, _)| well).filter(|well| !well.status.is_final());
    wells
        .zip(WellName::all())
        .map(|(well, anywhere)| {
            let here = given.iter().find(|mixture| mixture.well == well.id && !stranded.contains(&well.id));
            here.cloned().unwrap_or_else(|| Mixture::of(well, well.well_id.unwrap_or(anywhere)))
        })
        .collect()
}

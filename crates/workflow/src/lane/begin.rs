//! Taking an experiment: wells on the plate, and a deck that has what it needs.

use super::{Lane, LaneError};
use crate::{
    attend, fault,
    mixture::{self, Mixture},
    plan::{self, Shortage},
};
use chrono::Utc;
use domain::{ExperimentStatus, Fault, FaultCode, PlateId, WellId, WellName, WellStatus};
use store::{Attendance, Change, ExperimentDetail, Inventory, JournalledOperation};

impl Lane {
    /// Takes the next experiment, if the deck has what it needs.
    pub(super) async fn begin(&mut self, next: ExperimentDetail) -> Result<(), LaneError> {
        let id = next.experiment.id;
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
        let shortage = match (inventory.plate, free.len() < wanted) {
            (None, _) | (_, true) => Some(Shortage::Plate { wanted, free: free.len() }),
            _ => plan::check_supplies(&self.robot.deck, &mixtures, &inventory, Utc::now()).err(),
        };
        if let Some(shortage @ Shortage::Pipette { .. }) = shortage {
            return self.refuse(&next, &inventory, &shortage).await;
        }
        if let Some(shortage) = shortage {
            return self.supply(&shortage).await;
        }
        let Some(plate) = inventory.plate else { return Ok(()) };
        let places: Vec<_> = unplaced.iter().copied().zip(free.iter().copied()).collect();
        if self.store.take(&self.lease, id, plate, &places).await? {
            let fresh = free.into_iter().skip(places.len());
            self.replace_stranded(&stranded, fresh, plate).await?;
            self.work(id).await?;
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
            at,
            plate,
            fault: fault.clone(),
        });
        self.record(changes.collect()).await
    }

    /// An experiment that this deck can never mix: it ends here and costs nothing.
    async fn refuse(
        &mut self,
        next: &ExperimentDetail,
        inventory: &Inventory,
        shortage: &Shortage,
    ) -> Result<(), LaneError> {
        let (id, fault) = (next.experiment.id, fault::of_shortage(shortage));
        if let Some(plate) = inventory.plate
            && self.store.take(&self.lease, id, plate, &[]).await?
        {
            self.record(vec![Change::Experiment { id, to: ExperimentStatus::Failed, fault: Some(fault) }]).await?;
        }
        Ok(())
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
            Shortage::Pipette { .. } => return Err(LaneError::Unsafe(shortage.to_string())),
        };
        attend::do_virtually(&self.attendant, deck, &change).await?;
        self.record(vec![change]).await
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
        .map(|(well, anywhere)| Mixture {
            well: well.id,
            at: well.well_id.unwrap_or(anywhere),
            status: well.status,
            recipe: well.recipe.clone(),
            given: given
                .iter()
                .find(|mixture| mixture.well == well.id && !stranded.contains(&well.id))
                .map(|mixture| mixture.given.clone())
                .unwrap_or_default(),
        })
        .collect()
}

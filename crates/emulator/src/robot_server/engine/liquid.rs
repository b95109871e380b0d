//! Drawing and giving liquid, as the engine reckons it.

use super::{
    belief::{Engine, Nozzles, Pipette, Update},
    error::CommandError,
    params::{BlowOutInPlace, DispenseInPlace, LoadLiquid, TransferInPlace, Well, WellAction, WellLocation},
    pipettes::facts,
    plan::{Plan, Step},
};
use crate::{
    labware::Point,
    world::{Action, Travel},
};
use serde_json::{Value, json};

/// Volumes that differ by less are the same to the engine, µL.
const VOLUME_TOLERANCE: f64 = 1e-9;

impl Engine {
    pub(super) fn aspirate(
        &self,
        well: &Well,
        transfer: &TransferInPlace,
        nozzles: Nozzles,
    ) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(&transfer.pipette_id)?;
        if pipette.tip.is_none() {
            return Err(CommandError::no_tip());
        }
        let mut way = self.way_to_well(&transfer.pipette_id, well, nozzles)?;
        if pipette.aspirated.is_none() {
            way.plan.steps = self.by_way_of_the_top(pipette, well, way.plan.steps, nozzles)?;
        }
        let position = way.position;
        Ok(self.aspirating(way.plan, pipette, transfer, Some(position)))
    }

    /// A plunger that isn't ready is raised above the liquid first.
    fn by_way_of_the_top(
        &self,
        pipette: &Pipette,
        well: &Well,
        steps: Vec<Step>,
        nozzles: Nozzles,
    ) -> Result<Vec<Step>, CommandError> {
        let top = WellLocation { origin: "top", offset: Point::default() };
        let over = self.way_to_well(&pipette.id, &Well { well_location: top, ..well.clone() }, nozzles)?;
        let down = steps.into_iter().map(|step| match step {
            Step::Act(Action::MoveNozzle { mount, to, speed_mm_s, .. }) => {
                Step::Act(Action::MoveNozzle { mount, to, travel: Travel::Direct, speed_mm_s })
            }
            other => other,
        });
        Ok(over.plan.steps.into_iter().chain(down).collect())
    }

    pub(super) fn aspirate_in_place(&self, transfer: &TransferInPlace) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(&transfer.pipette_id)?;
        if pipette.tip.is_none() {
            return Err(CommandError::no_tip());
        }
        if pipette.aspirated.is_none() {
            let detail = "Pipette cannot aspirate in place because of a previous blow out. The first aspirate \
                          following a blow-out must be from a specific well so the plunger can be reset in a known \
                          safe position.";
            return Err(CommandError::new("PipetteNotReadyToAspirateError", detail));
        }
        Ok(self.aspirating(Plan::telling(json!({})), pipette, transfer, None))
    }

    fn aspirating(&self, plan: Plan, pipette: &Pipette, transfer: &TransferInPlace, position: Option<Point>) -> Plan {
        let Some(tip) = pipette.tip else { return plan.ending(Err(CommandError::no_tip())) };
        let held = pipette.aspirated.unwrap_or(0.0);
        let most = facts(pipette.model).max_volume;
        let available = tip.volume.min(most) - held;
        if transfer.volume > available + VOLUME_TOLERANCE {
            let detail = format!("Cannot aspirate {:?} µL when only {available:?} is available.", transfer.volume);
            let error = CommandError::new("InvalidAspirateVolumeError", detail).with_info([
                ("attempted_aspirate_volume", json!(transfer.volume)),
                ("available_volume", json!(available)),
                ("max_pipette_volume", json!(most)),
                ("max_tip_volume", json!(tip.volume)),
            ]);
            return plan.ending(Err(error));
        }
        let volume_ul = transfer.volume.min(available);
        let action = Action::Aspirate { mount: pipette.mount, volume_ul, flow_ul_s: transfer.flow_rate };
        plan.then(Step::Act(action))
            .believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: Some(held + volume_ul) })
            .ending(Ok(moved_volume(volume_ul, position)))
    }

    pub(super) fn dispensing(&self, plan: Plan, dispense: &DispenseInPlace, position: Option<Point>) -> Plan {
        let pipette = match self.find_pipette(&dispense.transfer.pipette_id) {
            Ok(pipette) => pipette,
            Err(error) => return plan.ending(Err(error)),
        };
        if pipette.tip.is_none() {
            return plan.ending(Err(CommandError::no_tip()));
        }
        let Some(held) = pipette.aspirated else {
            let detail = "Cannot perform a dispense if there is no volume in attached tip.";
            return plan.ending(Err(CommandError::new("InvalidDispenseVolumeError", detail)));
        };
        let asked = dispense.transfer.volume;
        if asked > held + VOLUME_TOLERANCE {
            let detail = format!("Cannot dispense {asked:?} µL when only {held:?} µL has been aspirated.");
            return plan.ending(Err(CommandError::new("InvalidDispenseVolumeError", detail)));
        }
        if dispense.push_out.is_some_and(|push_out| push_out < 0.0) {
            let detail = "push out value cannot have a negative value.";
            return plan.ending(Err(CommandError::new("InvalidPushOutVolumeError", detail)));
        }
        let volume_ul = asked.min(held);
        // A dispense of nothing isn't looked at further.
        let pushes_out = dispense.push_out.is_some_and(|push_out| push_out != 0.0) && volume_ul > 0.0;
        if pushes_out && held - volume_ul > VOLUME_TOLERANCE {
            let detail = "Cannot push_out on a dispense that does not leave the pipette empty";
            return plan.ending(Err(CommandError::coded("CommandPreconditionViolated", "4004", detail)));
        }
        let action = Action::Dispense { mount: pipette.mount, volume_ul, flow_ul_s: dispense.transfer.flow_rate };
        plan.then(Step::Act(action))
            .believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: Some(held - volume_ul) })
            .ending(Ok(moved_volume(volume_ul, position)))
    }

    pub(super) fn blowing_out(&self, plan: Plan, blow_out: &BlowOutInPlace) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(&blow_out.pipette_id)?;
        let action = Action::BlowOut { mount: pipette.mount, flow_ul_s: blow_out.flow_rate };
        Ok(plan.then(Step::Act(action)).believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: None }))
    }

    /// A client's word for what is in a labware's wells. Nothing is poured.
    pub(super) fn load_liquid(&self, load: &LoadLiquid) -> Result<Plan, CommandError> {
        let LoadLiquid { liquid_id, labware_id, volume_by_well } = load;
        if !self.liquids.iter().any(|liquid| liquid.get("id").is_some_and(|id| id == liquid_id)) {
            let detail = format!("Supplied liquidId: {liquid_id} does not exist in the loaded liquids.");
            return Err(CommandError::new("LiquidDoesNotExistError", detail));
        }
        let definition = &self.find_labware(labware_id)?.definition;
        if definition.is_tip_rack {
            let detail = format!("Given labware: {labware_id} is a tiprack. Can not load liquid.");
            return Err(CommandError::new("LabwareIsTipRackError", detail));
        }
        if definition.is_adapter {
            let detail = format!("Given labware: {labware_id} is an adapter. Can not load liquid.");
            return Err(CommandError::new("LabwareIsAdapterError", detail));
        }
        if !volume_by_well.keys().all(|well| definition.wells.contains_key(well)) {
            let detail = format!("Some of the supplied wells do not match the labwareId: {labware_id}.");
            return Err(CommandError::new("WellDoesNotExistError", detail));
        }
        Ok(Plan::telling(json!({})))
    }

    /// An OT-2's pipettes can't feel liquid, and have no settings for it by tip; before that is told, all is checked that a Flex
    /// would check.
    pub(super) fn liquid_probe(&self, probe: &WellAction, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(&probe.pipette_id)?;
        if pipette.tip.is_none() {
            return Err(CommandError::no_tip());
        }
        match pipette.aspirated {
            None => {
                let detail = "The pipette cannot probe liquid because of a previous blow out. The plunger must be reset \
                              while the tip is somewhere away from liquid.";
                Err(CommandError::new("PipetteNotReadyToAspirateError", detail))
            }
            Some(held) if held != 0.0 => {
                let detail = "The pipette cannot probe for liquid when the tip has liquid in it.";
                Err(CommandError::new("TipNotEmptyError", detail))
            }
            Some(_) => {
                let way = self.way_to_well(&probe.pipette_id, &probe.well, nozzles)?;
                let tip = pipette.tip.map_or(0.0, |tip| tip.volume);
                Ok(way.plan.ending(Err(CommandError::no_such_key(&format!("t{tip}")))))
            }
        }
    }

    /// A pipette of one channel has but one layout, and no command for it.
    pub(super) fn configure_nozzle_layout(&self, pipette_id: &str) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(pipette_id)?;
        let detail = if pipette.tip.is_some() {
            "Cannot configure nozzle layout of the pipette while it has tips attached."
        } else {
            "Cannot configure nozzle layout with a 1 channel pipette."
        };
        Err(CommandError::coded("CommandPreconditionViolated", "4004", detail))
    }

    pub(super) fn prepare_to_aspirate(&self, pipette_id: &str) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(pipette_id)?;
        if pipette.carried.is_none() {
            let detail = "Cannot perform PREPARE_ASPIRATE without a tip attached.";
            return Err(CommandError::coded("UnexpectedTipRemovalError", "3005", detail));
        }
        // Whatever was in the tip, the real engine takes it for empty.
        Ok(Plan::telling(json!({})).believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: Some(0.0) }))
    }
}

fn moved_volume(volume_ul: f64, position: Option<Point>) -> Value {
    match position {
        Some(position) => json!({"position": position, "volume": volume_ul}),
        None => json!({"volume": volume_ul}),
    }
}

//! Tips: taken up from a rack, let go over rack or trash.

use super::{
    belief::{Engine, Nozzles, Pipette, Tip, Update},
    deck,
    error::CommandError,
    params::{DropTip, MoveToAreaForDropTip, Well, WellAction, WellLocation},
    pipettes::facts,
    plan::{Plan, Step},
};
use crate::{labware::Point, world::Action};
use serde_json::json;

impl Engine {
    pub(super) fn pick_up_tip(&self, pick_up: &WellAction, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let way = self.way_to_well(&pick_up.pipette_id, &pick_up.well, nozzles)?;
        let pipette = self.find_pipette(&pick_up.pipette_id)?;
        let labware = self.find_labware(&pick_up.well.labware_id)?;
        let well = deck::find_well(labware, &pick_up.well.well_name)?;
        if !labware.definition.is_tip_rack {
            let detail = format!("Cannot pick up tip from {}, which is not a tip rack.", labware.definition.load_name);
            return Ok(way.plan.ending(Err(CommandError::new("LabwareIsNotTipRackError", detail))));
        }
        if pipette.carried.is_some() {
            let detail = "Cannot perform pick_up_tip with a tip already attached.";
            return Ok(way.plan.ending(Err(CommandError::coded("UnexpectedTipAttachError", "3012", detail))));
        }
        let tip = Tip {
            length: deck::tip_reach(
                &labware.definition,
                facts(pipette.model).tip_overlap(&labware.definition.load_name),
            ),
            volume: well.capacity_ul,
            diameter: well.size().0,
        };
        let plan = way.plan.then(Step::Act(Action::PickUpTip { mount: pipette.mount }));
        if !facts(pipette.model).knows_tip_of(tip.volume) {
            // It is found out when the tip hangs there already.
            let key = format!("<PipetteTipType.t{0}: {0}>", tip.volume);
            let unknown = CommandError::python("KeyError", &key, &format!("({key},)"));
            return Ok(plan.believing(Update::TipTaken { mount: pipette.mount, tip }).ending(Err(unknown)));
        }
        let result = json!({
            "position": way.position,
            "tipVolume": tip.volume,
            "tipLength": tip.length,
            "tipDiameter": tip.diameter,
        });
        let attached = Update::TipAttached { pipette_id: pipette.id.clone(), tip };
        Ok(plan.believing(attached).ending(Ok(result)))
    }

    pub(super) fn drop_tip(&self, drop: &DropTip, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let labware = self.find_labware(&drop.labware_id)?;
        let mut side_used = None;
        let usual = WellLocation { origin: "default", offset: Point::default() };
        let asked = if drop.alternate_drop_location { &usual } else { &drop.well_location };
        if asked.origin == "default" && labware.definition.is_tip_rack {
            // How far a tip goes back into its rack is the pipette's.
            self.find_pipette(&drop.pipette_id)?;
        }
        let mut location = Self::drop_location(labware, asked);
        if drop.alternate_drop_location && labware.definition.is_fixed_trash {
            let well = deck::find_well(labware, &drop.well_name)?;
            let (side, x) = self.next_trash_side(&drop.labware_id, well.size().0);
            location = WellLocation { origin: "top", offset: Point::new(x, 0.0, 0.0) };
            side_used = Some(Update::TrashSideUsed { over: drop.labware_id.clone(), side });
        }
        let target =
            Well { labware_id: drop.labware_id.clone(), well_name: drop.well_name.clone(), well_location: location };
        let way = self.way_to_well(&drop.pipette_id, &target, nozzles)?;
        let pipette = self.find_pipette(&drop.pipette_id)?;
        let mut plan = letting_go(way.arrive(), pipette);
        plan.updates.extend(side_used);
        Ok(plan)
    }

    pub(super) fn move_to_drop(&self, go: &MoveToAreaForDropTip, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let middle = deck::area_position(&go.addressable_area_name)?;
        let pipette = match go.alternate_drop_location {
            true => self.find_pipette(&go.pipette_id)?,
            false => self.known_pipette(&go.pipette_id)?,
        };
        let (side, x) = self.next_trash_side(&go.addressable_area_name, deck::area_width(&go.addressable_area_name));
        let offset = if go.alternate_drop_location { Point::new(x, 0.0, 0.0) } else { go.offset };
        let hurdle = self.hurdle(pipette, None, go.movement.minimum_z_height);
        let way = self.way(pipette, middle + offset, hurdle, Some(&go.movement), nozzles)?;
        let plan = way.arrive().believing(Update::At(None));
        if !go.alternate_drop_location {
            return Ok(plan);
        }
        Ok(plan.believing(Update::TrashSideUsed { over: go.addressable_area_name.clone(), side }))
    }

    /// How a played run gets rid of the tips it believes to have: into the fixed trash.
    pub fn discard_tips(&self, nozzles: Nozzles) -> Vec<Plan> {
        let with_tips = self.pipettes().iter().filter(|pipette| pipette.tip.is_some());
        let discard = |pipette: &Pipette| -> Result<Plan, CommandError> {
            let over_trash = deck::area_position(deck::FIXED_TRASH)?;
            let hurdle = self.hurdle(pipette, None, None);
            let way = self.way(pipette, over_trash, hurdle, None, nozzles)?;
            Ok(letting_go(way.plan, pipette))
        };
        with_tips.filter_map(|pipette| discard(pipette).ok()).collect()
    }
}

/// Ejects whatever hangs there, known or not.
pub(super) fn letting_go(plan: Plan, pipette: &Pipette) -> Plan {
    plan.then(Step::Act(Action::DropTip { mount: pipette.mount }))
        .believing(Update::TipRemoved { pipette_id: pipette.id.clone() })
}

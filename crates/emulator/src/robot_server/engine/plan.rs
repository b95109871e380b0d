//! From a command to what the robot does and what the client is told.

use super::{
    CommandError, CurrentWell, Engine, Labware, MAX_LOADED, Nozzles, Pipette, Tip, Update, deck, facts,
    params::{
        BlowOutInPlace, DispenseInPlace, DropTip, Home, LoadLabware, LoadPipette, Location, MoveLabware, MoveRelative,
        MoveToAreaForDropTip, Movement, Params, TouchTip, TransferInPlace, Well, WellAction, WellLocation,
    },
};
use crate::{
    labware::{Definition, Point, Shape, standard, uri},
    world::{self, Action, LabwareKind, PhysicalLabware, Slot, Travel, WellGeometry, WellShape},
};
use domain::{Mount, PipetteModel};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Volumes that differ by less are the same to the engine, µL.
const VOLUME_TOLERANCE: f64 = 1e-9;
/// The labware the colour sensor is parked in: a tip rack to the API, a dock to the world.
const SENSOR_DOCK: &str = "ac_color_sensor_charging_port";

/// One thing to carry out.
#[derive(Clone, Debug)]
pub enum Step {
    Act(Action),
    /// Seconds.
    Wait(f64),
    Lights(bool),
    Place {
        slot: Slot,
        labware: PhysicalLabware,
    },
    /// Until someone plays the run.
    AwaitResume,
}

/// All of a command: what is done, then what is believed, and how it ends. A command may fail after it moved.
#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub updates: Vec<Update>,
    pub outcome: Result<Value, CommandError>,
}

impl Plan {
    /// Nothing moves; `result` is told.
    fn telling(result: Value) -> Self {
        Self { steps: Vec::new(), updates: Vec::new(), outcome: Ok(result) }
    }

    fn doing(steps: Vec<Step>) -> Self {
        Self { steps, ..Self::telling(json!({})) }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn believing(mut self, update: Update) -> Self {
        self.updates.push(update);
        self
    }

    fn ending(mut self, outcome: Result<Value, CommandError>) -> Self {
        self.outcome = outcome;
        self
    }
}

/// A planned way to a place, and the place.
struct Way {
    plan: Plan,
    position: Point,
}

impl Way {
    fn result(&self) -> Value {
        json!({"position": self.position})
    }

    /// Ends with the position as the result.
    fn arrive(self) -> Plan {
        let result = self.result();
        self.plan.ending(Ok(result))
    }
}

impl Engine {
    /// What a command does. `Err` is a command that fails before anything moves.
    pub fn plan(&self, params: &Params, nozzles: Nozzles) -> Result<Plan, CommandError> {
        match params {
            Params::Home(home) => Ok(Plan::doing(homing(home)).believing(Update::At(None))),
            Params::RetractAxis(retract) => Ok(Plan::doing(retraction(retract.axis)).believing(Update::At(None))),
            Params::LoadLabware(load) => self.load_labware(load),
            Params::ReloadLabware(reload) => {
                let labware = self.find_labware(&reload.labware_id)?;
                Ok(Plan::telling(json!({"labwareId": labware.id})))
            }
            Params::MoveLabware(movement) => self.move_labware(movement),
            Params::LoadPipette(load) => self.load_pipette(load),
            Params::LoadModule(_) => Err(CommandError::new("ModuleNotAttachedError", "No available module found.")),
            Params::LoadLiquid(given) => {
                let liquid = given.get("liquidId").and_then(Value::as_str).unwrap_or_default();
                Err(CommandError::new(
                    "LiquidDoesNotExistError",
                    format!("Supplied liquidId: {liquid} does not exist in the loaded liquids."),
                ))
            }
            Params::PickUpTip(pick_up) => self.pick_up_tip(pick_up, nozzles),
            Params::DropTip(drop) => self.drop_tip(drop, nozzles),
            Params::DropTipInPlace(drop) => {
                let pipette = self.find_pipette(&drop.pipette_id)?;
                Ok(letting_go(Plan::telling(json!({})), pipette))
            }
            Params::Aspirate(aspirate) => self.aspirate(&aspirate.well, &aspirate.transfer, nozzles),
            Params::AspirateInPlace(aspirate) => self.aspirate_in_place(aspirate),
            Params::Dispense(dispense) => {
                let way = self.way_to_well(&dispense.transfer.transfer.pipette_id, &dispense.well, nozzles)?;
                Ok(self.dispensing(way.plan, &dispense.transfer, Some(way.position)))
            }
            Params::DispenseInPlace(dispense) => {
                self.find_pipette(&dispense.transfer.pipette_id)?;
                Ok(self.dispensing(Plan::telling(json!({})), dispense, None))
            }
            Params::BlowOut(blow_out) => {
                let way = self.way_to_well(&blow_out.blow.pipette_id, &blow_out.well, nozzles)?;
                self.blowing_out(way.arrive(), &blow_out.blow)
            }
            Params::BlowOutInPlace(blow_out) => self.blowing_out(Plan::telling(json!({})), blow_out),
            Params::TouchTip(touch) => self.touch_tip(touch, nozzles),
            Params::PrepareToAspirate(prepare) => self.prepare_to_aspirate(&prepare.pipette_id),
            Params::ConfigureForVolume(configure) => {
                self.find_pipette(&configure.pipette_id)?;
                Ok(Plan::telling(json!({})))
            }
            Params::MoveToWell(go) => {
                Ok(self.arc_to_well(&go.pipette_id, &go.well, Some(&go.movement), nozzles)?.arrive())
            }
            Params::MoveToCoordinates(go) => {
                let pipette = self.find_pipette(&go.pipette_id)?;
                let travel = self.travel_height(pipette, None, go.movement.minimum_z_height);
                let way = self.way(pipette, go.coordinates, travel, Some(&go.movement), nozzles)?;
                Ok(way.arrive().believing(Update::At(None)))
            }
            Params::MoveRelative(go) => self.move_relative(go, nozzles),
            Params::MoveToAddressableArea(go) => {
                let at = deck::area_position(&go.addressable_area_name)? + go.offset;
                let pipette = self.find_pipette(&go.pipette_id)?;
                let height = Engine::ceiling(reach(pipette)) - 1.0;
                let at = if go.stay_at_highest_possible_z { at.at_height(height + go.offset.z) } else { at };
                let travel = self.travel_height(pipette, None, go.movement.minimum_z_height);
                let way = self.way(pipette, at, travel, Some(&go.movement), nozzles)?;
                Ok(way.arrive().believing(Update::At(None)))
            }
            Params::MoveToAddressableAreaForDropTip(go) => self.move_to_drop(go, nozzles),
            Params::SavePosition(save) => {
                let pipette = self.find_pipette(&save.pipette_id)?;
                let id = save.position_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
                Ok(Plan::telling(json!({"positionId": id, "position": tool_end(pipette, nozzles)})))
            }
            Params::GetTipPresence(_) => Ok(Plan::telling(json!({"status": "unknown"}))),
            Params::WaitForDuration(wait) => Ok(Plan::doing(vec![Step::Wait(wait.seconds)])),
            Params::WaitForResume(_) => Ok(Plan::doing(vec![Step::AwaitResume])),
            Params::SetRailLights(lights) => Ok(Plan::doing(vec![Step::Lights(lights.on)])),
            Params::Remark(_) => Ok(Plan::telling(json!({}))),
            Params::Module(given) => {
                let module = given.get("moduleId").and_then(Value::as_str).unwrap_or_default();
                Err(CommandError::new("ModuleNotLoadedError", format!("Module {module} not found.")))
            }
            Params::FlexOnly(_) => Err(CommandError::coded(
                "HardwareNotSupportedError",
                "4002",
                "This command is not supported on the OT-2.",
            )),
        }
    }

    /// How a played run gets rid of the tips it believes to have: into the fixed trash.
    pub fn discard_tips(&self, nozzles: Nozzles) -> Vec<Plan> {
        let with_tips = self.pipettes().iter().filter(|pipette| pipette.tip.is_some());
        let discard = |pipette: &Pipette| -> Result<Plan, CommandError> {
            let over_trash = deck::area_position(deck::FIXED_TRASH)?;
            let travel = self.travel_height(pipette, None, None);
            let way = self.way(pipette, over_trash, travel, None, nozzles)?;
            Ok(letting_go(way.plan, pipette))
        };
        with_tips.filter_map(|pipette| discard(pipette).ok()).collect()
    }

    fn load_labware(&self, load: &LoadLabware) -> Result<Plan, CommandError> {
        self.check_location(&load.location)?;
        if self.labware().len() >= MAX_LOADED {
            let detail = format!("This emulator keeps at most {MAX_LOADED} labware a run.");
            return Err(CommandError::new("TooManyLabwareError", detail));
        }
        if let Some(occupant) = self.occupant(&load.location) {
            return Err(occupied(occupant, &load.location));
        }
        let definition = self.definition(load)?;
        let offset = self.offset_for(&definition.uri(), &load.location);
        let labware = Labware {
            id: load.labware_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
            definition: Arc::clone(&definition),
            location: load.location.clone(),
            offset: offset.cloned(),
            display_name: load.display_name.clone(),
        };
        let mut result = json!({"labwareId": labware.id, "definition": definition.document});
        if let Some(offset) = offset {
            result["offsetId"] = json!(offset.id);
        }
        let mut plan = Plan::telling(result);
        if let Location::Slot { slot_name } = &load.location
            && let Some(slot) = deck::slot_number(slot_name)
        {
            plan = plan.then(Step::Place { slot, labware: physical(&definition) });
        }
        Ok(plan.believing(Update::LabwareLoaded(labware)))
    }

    fn definition(&self, load: &LoadLabware) -> Result<Arc<Definition>, CommandError> {
        let missing = || CommandError::no_definition(&load.namespace, &load.load_name, load.version);
        let version = u32::try_from(load.version).map_err(|_| missing())?;
        let posted = self.definitions.get(&uri(&load.namespace, &load.load_name, version)).cloned();
        posted.or_else(|| standard(&load.namespace, &load.load_name, version).map(Arc::new)).ok_or_else(missing)
    }

    fn offset_for(&self, definition_uri: &str, location: &Location) -> Option<&super::LabwareOffset> {
        let applies =
            |offset: &&super::LabwareOffset| offset.definition_uri == definition_uri && offset.location == *location;
        self.offsets.iter().rev().find(applies)
    }

    fn move_labware(&self, movement: &MoveLabware) -> Result<Plan, CommandError> {
        let labware = self.find_labware(&movement.labware_id)?;
        self.check_location(&movement.new_location)?;
        if let Some(occupant) = self.occupant(&movement.new_location).filter(|occupant| occupant.id != labware.id) {
            return Err(occupied(occupant, &movement.new_location));
        }
        if movement.strategy == "usingGripper" {
            return Err(CommandError::coded(
                "NotSupportedOnRobotType",
                "4000",
                "Labware movement using a gripper is not supported on the OT-2",
            ));
        }
        let pauses = movement.strategy == "manualMoveWithPause";
        let plan = Plan::doing(pauses.then_some(Step::AwaitResume).into_iter().collect());
        let location = movement.new_location.clone();
        Ok(plan.believing(Update::LabwareMoved { labware_id: labware.id.clone(), location }))
    }

    fn load_pipette(&self, load: &LoadPipette) -> Result<Plan, CommandError> {
        if load.pipette_name.ends_with("_flex") || load.pipette_name.ends_with("_96") {
            let detail = "Cannot load a Flex pipette on an OT-2.";
            return Err(CommandError::new("InvalidSpecificationForRobotTypeError", detail));
        }
        let mount = match load.mount {
            "left" => Mount::Left,
            "right" => Mount::Right,
            _ => {
                let detail = "Cannot load a pipette on the EXTENSION mount. Use mount LEFT or RIGHT.";
                return Err(CommandError::new("InvalidLoadPipetteSpecsError", detail));
            }
        };
        let wrong = |found: &str| {
            let side = load.mount.to_uppercase();
            let detail = format!("mount {side}: expected instrument {} but got {found}", load.pipette_name);
            CommandError::coded("FailedToLoadPipetteError", "3010", detail)
        };
        let model = self.mounted.on(mount).ok_or_else(|| wrong("None"))?;
        if !fits(load.pipette_name, facts(model).name) {
            return Err(wrong(facts(model).model));
        }
        let id = load.pipette_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let pipette = Pipette { id: id.clone(), mount, model, tip: None, aspirated: None };
        Ok(Plan::telling(json!({"pipetteId": id})).believing(Update::PipetteLoaded(pipette)))
    }

    fn pick_up_tip(&self, pick_up: &WellAction, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let way = self.way_to_well(&pick_up.pipette_id, &pick_up.well, nozzles)?;
        let pipette = self.find_pipette(&pick_up.pipette_id)?;
        let labware = self.find_labware(&pick_up.well.labware_id)?;
        let well = deck::find_well(labware, &pick_up.well.well_name)?;
        if !labware.definition.is_tip_rack {
            let detail = format!("Cannot pick up tip from {}, which is not a tip rack.", labware.definition.load_name);
            return Ok(way.plan.ending(Err(CommandError::new("LabwareIsNotTipRackError", detail))));
        }
        if pipette.tip.is_some() {
            let detail = "Cannot perform pick_up_tip with a tip already attached.";
            return Ok(way.plan.ending(Err(CommandError::coded("UnexpectedTipAttachError", "3012", detail))));
        }
        let tip = Tip {
            length: deck::tip_reach(&labware.definition, facts(pipette.model).tip_overlap),
            volume: well.capacity_ul,
            diameter: well.size().0,
        };
        let result = json!({
            "position": way.position,
            "tipVolume": tip.volume,
            "tipLength": tip.length,
            "tipDiameter": tip.diameter,
        });
        let attached = Update::TipAttached { pipette_id: pipette.id.clone(), tip };
        let plan = way.plan.then(Step::Act(Action::PickUpTip { mount: pipette.mount }));
        Ok(plan.believing(attached).ending(Ok(result)))
    }

    fn drop_tip(&self, drop: &DropTip, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let labware = self.find_labware(&drop.labware_id)?;
        let well = deck::find_well(labware, &drop.well_name)?;
        let mut side_used = None;
        let mut location = Self::drop_location(labware, &drop.well_location);
        if drop.alternate_drop_location && labware.definition.is_fixed_trash {
            let (side, x) = self.next_trash_side(well.size().0);
            location = WellLocation { origin: "top", offset: Point::new(x, 0.0, 0.0) };
            side_used = Some(side);
        }
        let target =
            Well { labware_id: drop.labware_id.clone(), well_name: drop.well_name.clone(), well_location: location };
        let way = self.way_to_well(&drop.pipette_id, &target, nozzles)?;
        let pipette = self.find_pipette(&drop.pipette_id)?;
        let mut plan = letting_go(way.arrive(), pipette);
        plan.updates.extend(side_used.map(Update::TrashSideUsed));
        Ok(plan)
    }

    fn move_to_drop(&self, go: &MoveToAreaForDropTip, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let middle = deck::area_position(&go.addressable_area_name)?;
        let pipette = self.find_pipette(&go.pipette_id)?;
        let (side, x) = self.next_trash_side(deck::trash_width());
        let offset = if go.alternate_drop_location { Point::new(x, 0.0, 0.0) } else { go.offset };
        let travel = self.travel_height(pipette, None, go.movement.minimum_z_height);
        let way = self.way(pipette, middle + offset, travel, Some(&go.movement), nozzles)?;
        let plan = way.arrive().believing(Update::At(None));
        Ok(if go.alternate_drop_location { plan.believing(Update::TrashSideUsed(side)) } else { plan })
    }

    fn aspirate(&self, well: &Well, transfer: &TransferInPlace, nozzles: Nozzles) -> Result<Plan, CommandError> {
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

    fn aspirate_in_place(&self, transfer: &TransferInPlace) -> Result<Plan, CommandError> {
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

    fn dispensing(&self, plan: Plan, dispense: &DispenseInPlace, position: Option<Point>) -> Plan {
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
        let action = Action::Dispense { mount: pipette.mount, volume_ul, flow_ul_s: dispense.transfer.flow_rate };
        plan.then(Step::Act(action))
            .believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: Some(held - volume_ul) })
            .ending(Ok(moved_volume(volume_ul, position)))
    }

    fn blowing_out(&self, plan: Plan, blow_out: &BlowOutInPlace) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(&blow_out.pipette_id)?;
        let action = Action::BlowOut { mount: pipette.mount, flow_ul_s: blow_out.flow_rate };
        Ok(plan.then(Step::Act(action)).believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: None }))
    }

    fn prepare_to_aspirate(&self, pipette_id: &str) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(pipette_id)?;
        if pipette.tip.is_none() {
            return Err(CommandError::no_tip());
        }
        let ready = Some(pipette.aspirated.unwrap_or(0.0));
        Ok(Plan::telling(json!({})).believing(Update::Aspirated { pipette_id: pipette.id.clone(), ul: ready }))
    }

    fn touch_tip(&self, touch: &TouchTip, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let labware = self.find_labware(&touch.well.labware_id)?;
        if labware.definition.has_quirk("touchTipDisabled") {
            let detail = format!("Touch tip not allowed on labware {}", labware.id);
            return Err(CommandError::new("TouchTipDisabledError", detail));
        }
        if labware.definition.is_tip_rack {
            return Err(CommandError::new("LabwareIsTipRackError", "Cannot touch tip on tip rack"));
        }
        let well = deck::find_well(labware, &touch.well.well_name)?;
        let (x, y) = (well.size().0 / 2.0 * touch.radius, well.size().1 / 2.0 * touch.radius);
        let way = self.way_to_well(&touch.pipette_id, &touch.well, nozzles)?;
        let pipette = self.find_pipette(&touch.pipette_id)?;
        let result = way.result();
        let edges = [(x, 0.0), (-x, 0.0), (0.0, 0.0), (0.0, y), (0.0, -y), (0.0, 0.0)];
        let mut plan = way.plan;
        for (dx, dy) in edges {
            let at = way.position + Point::new(dx, dy, 0.0);
            plan = plan.then(straight(pipette, at, touch.speed));
        }
        Ok(plan.ending(Ok(result)))
    }

    fn move_relative(&self, go: &MoveRelative, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let pipette = self.find_pipette(&go.pipette_id)?;
        let by = match go.axis {
            "x" => Point::new(go.distance, 0.0, 0.0),
            "y" => Point::new(0.0, go.distance, 0.0),
            _ => Point::new(0.0, 0.0, go.distance),
        };
        let position = tool_end(pipette, nozzles) + by;
        let plan = Plan::doing(vec![straight(pipette, position, None)]).believing(Update::At(None));
        Ok(plan.ending(Ok(json!({"position": position}))))
    }

    fn way_to_well(&self, pipette_id: &str, well: &Well, nozzles: Nozzles) -> Result<Way, CommandError> {
        self.arc_to_well(pipette_id, well, None, nozzles)
    }

    fn arc_to_well(
        &self,
        pipette_id: &str,
        well: &Well,
        movement: Option<&Movement>,
        nozzles: Nozzles,
    ) -> Result<Way, CommandError> {
        self.find_labware(&well.labware_id)?;
        let keyless = |_| CommandError::python("KeyError", &format!("'{pipette_id}'"), &format!("('{pipette_id}',)"));
        let pipette = self.find_pipette(pipette_id).map_err(keyless)?;
        let position = self.well_position(&well.labware_id, &well.well_name, &well.well_location)?;
        let here = CurrentWell {
            pipette_id: pipette_id.to_owned(),
            labware_id: well.labware_id.clone(),
            well_name: well.well_name.clone(),
        };
        let minimum = movement.and_then(|movement| movement.minimum_z_height);
        let travel = self.travel_height(pipette, Some(&well.labware_id), minimum);
        let mut way = if self.at.as_ref() == Some(&here) {
            let speed = movement.and_then(|movement| movement.speed);
            Way { plan: Plan::doing(vec![straight(pipette, position, speed)]), position }
        } else {
            self.way(pipette, position, travel, movement, nozzles)?
        };
        way.plan = way.plan.believing(Update::At(Some(here)));
        Ok(way)
    }

    fn way(
        &self,
        pipette: &Pipette,
        position: Point,
        travel_z: f64,
        movement: Option<&Movement>,
        nozzles: Nozzles,
    ) -> Result<Way, CommandError> {
        let speed = movement.and_then(|movement| movement.speed);
        if movement.is_some_and(|movement| movement.force_direct) {
            return Ok(Way { plan: Plan::doing(vec![straight(pipette, position, speed)]), position });
        }
        let reach = reach(pipette);
        Self::check_arc(position.z, travel_z, reach)?;
        let travel_z = travel_z.max(position.z).min(Self::ceiling(reach)).max(tool_end(pipette, nozzles).z);
        let action = Action::MoveNozzle {
            mount: pipette.mount,
            to: nozzle_for(position, reach),
            travel: Travel::Over { nozzle_z_mm: travel_z + reach },
            speed_mm_s: speed,
        };
        Ok(Way { plan: Plan::doing(vec![Step::Act(action)]), position })
    }
}

/// Ejects whatever hangs there, known or not.
fn letting_go(plan: Plan, pipette: &Pipette) -> Plan {
    plan.then(Step::Act(Action::DropTip { mount: pipette.mount }))
        .believing(Update::TipRemoved { pipette_id: pipette.id.clone() })
}

fn moved_volume(volume_ul: f64, position: Option<Point>) -> Value {
    match position {
        Some(position) => json!({"position": position, "volume": volume_ul}),
        None => json!({"volume": volume_ul}),
    }
}

fn homing(home: &Home) -> Vec<Step> {
    if home.skip_if_mount_position_ok.is_some() {
        return Vec::new();
    }
    match &home.axes {
        None => vec![Step::Act(Action::Home)],
        Some(axes) if axes.iter().any(|axis| matches!(*axis, "x" | "y")) => vec![Step::Act(Action::Home)],
        Some(axes) => axes.iter().flat_map(|axis| retraction(axis)).collect(),
    }
}

fn retraction(axis: &str) -> Vec<Step> {
    match axis {
        "x" | "y" => vec![Step::Act(Action::Home)],
        "leftZ" => vec![Step::Act(Action::RaiseMount { mount: Mount::Left })],
        "rightZ" => vec![Step::Act(Action::RaiseMount { mount: Mount::Right })],
        _ => Vec::new(),
    }
}

/// How far below the nozzle the engine believes the tool to reach.
fn reach(pipette: &Pipette) -> f64 {
    pipette.tip.map_or(0.0, |tip| tip.length)
}

fn tool_end(pipette: &Pipette, nozzles: Nozzles) -> Point {
    nozzles.of(pipette.mount) + Point::new(0.0, 0.0, -reach(pipette))
}

fn nozzle_for(tool_end: Point, reach: f64) -> world::Point {
    world::Point::new(tool_end.x, tool_end.y, tool_end.z + reach)
}

fn straight(pipette: &Pipette, position: Point, speed_mm_s: Option<f64>) -> Step {
    let to = nozzle_for(position, reach(pipette));
    Step::Act(Action::MoveNozzle { mount: pipette.mount, to, travel: Travel::Direct, speed_mm_s })
}

/// A GEN2 pipette stands in for its GEN1 forerunner.
fn fits(asked: &str, mounted: &str) -> bool {
    asked == mounted
        || matches!((asked, mounted), ("p300_single", "p300_single_gen2") | ("p10_single", "p20_single_gen2"))
}

fn occupied(occupant: &Labware, location: &Location) -> CommandError {
    let place = match location {
        Location::Slot { slot_name } => format!("slotName=<DeckSlotName.SLOT_{slot_name}: '{slot_name}'>"),
        Location::Labware { labware_id } => format!("labwareId='{labware_id}'"),
        Location::Area { addressable_area_name } => format!("addressableAreaName='{addressable_area_name}'"),
        _ => "location".to_owned(),
    };
    let name = &occupant.definition.load_name;
    CommandError::new("LocationIsOccupiedError", format!("Labware {name} is already present at {place}."))
}

/// What physically stands in the slot when a client says it loaded this.
fn physical(definition: &Definition) -> PhysicalLabware {
    let (x_mm, y_mm) = definition.footprint;
    PhysicalLabware {
        load_name: definition.load_name.clone(),
        x_mm,
        y_mm,
        z_mm: definition.height,
        kind: kind(definition),
        wells: definition.wells.iter().map(|(name, well)| (name.clone(), geometry(definition, well))).collect(),
    }
}

fn kind(definition: &Definition) -> LabwareKind {
    if definition.load_name == SENSOR_DOCK {
        return LabwareKind::SensorDock;
    }
    if definition.is_fixed_trash {
        return LabwareKind::Trash;
    }
    if !definition.is_tip_rack {
        return LabwareKind::Vessels;
    }
    let capacity_ul = definition.wells.values().map(|well| well.capacity_ul).fold(0.0, f64::max);
    let model = if capacity_ul <= 20.0 { PipetteModel::P20SingleGen2 } else { PipetteModel::P300SingleGen2 };
    let overlap_mm = facts(model).tip_overlap;
    LabwareKind::TipRack { length_mm: definition.tip_length, overlap_mm, capacity_ul }
}

fn geometry(definition: &Definition, well: &crate::labware::Well) -> WellGeometry {
    let at = definition.corner_offset + well.bottom;
    WellGeometry {
        x_mm: at.x,
        y_mm: at.y,
        z_mm: at.z,
        depth_mm: well.depth,
        shape: match well.shape {
            Shape::Circular { diameter } => WellShape::Circular { diameter_mm: diameter },
            Shape::Rectangular { x, y } => WellShape::Rectangular { x_mm: x, y_mm: y },
        },
        capacity_ul: well.capacity_ul,
    }
}

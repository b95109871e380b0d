//! From a command to what the robot does and what the client is told.

use super::{
    belief::{Engine, Nozzles, Update},
    deck,
    error::CommandError,
    params::{Home, Params},
    plan::{Plan, Step},
    tips::letting_go,
    way::tool_end,
};
use crate::world::{Action, GantryAxis};
use domain::Mount;
use serde_json::{Value, json};
use uuid::Uuid;

impl Engine {
    /// What a command does. `Err` is a command that fails before anything moves.
    pub fn plan(&self, params: &Params, nozzles: Nozzles) -> Result<Plan, CommandError> {
        match params {
            Params::Home(home) => {
                // Where an OT-2's extension mount is isn't known, ever.
                if home.skip_if_mount_position_ok.is_some_and(|mount| mount != "extension") {
                    return Ok(Plan::telling(json!({})).believing(Update::At(None)));
                }
                let axes = home.axes.as_deref().unwrap_or_default();
                check_axes(axes, &format!("{axes:?} includes axes that are"))?;
                Ok(Plan::doing(homing(home)).believing(Update::At(None)))
            }
            Params::RetractAxis(retract) => {
                check_axes(&[retract.axis], &format!("{} is", retract.axis))?;
                Ok(Plan::doing(retraction(retract.axis)).believing(Update::At(None)))
            }
            Params::LoadLabware(load) => self.load_labware(load),
            Params::ReloadLabware(reload) => {
                let labware = self.find_labware(&reload.labware_id)?;
                Ok(Plan::telling(json!({"labwareId": labware.id})))
            }
            Params::MoveLabware(movement) => self.move_labware(movement),
            Params::LoadPipette(load) => self.load_pipette(load),
            Params::LoadModule(given) => Err(self.no_module(given)),
            Params::LoadLiquid(load) => self.load_liquid(load),
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
                let hurdle = self.hurdle(pipette, None, go.movement.minimum_z_height);
                let way = self.way(pipette, go.coordinates, hurdle, Some(&go.movement), nozzles)?;
                Ok(way.arrive().believing(Update::At(None)))
            }
            Params::MoveRelative(go) => self.move_relative(go, nozzles),
            Params::MoveToAddressableArea(go) => {
                let at = deck::area_position(&go.addressable_area_name)? + go.offset;
                let pipette = self.known_pipette(&go.pipette_id)?;
                let highest = Self::highest_goal(pipette) + go.offset.z;
                let at = if go.stay_at_highest_possible_z { at.at_height(highest) } else { at };
                let hurdle = self.hurdle(pipette, None, go.movement.minimum_z_height);
                let way = self.way(pipette, at, hurdle, Some(&go.movement), nozzles)?;
                Ok(way.arrive().believing(Update::At(None)))
            }
            Params::MoveToAddressableAreaForDropTip(go) => self.move_to_drop(go, nozzles),
            Params::SavePosition(save) => {
                let pipette = self.find_pipette(&save.pipette_id)?;
                let id = save.position_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
                Ok(Plan::telling(json!({"positionId": id, "position": tool_end(pipette, nozzles)})))
            }
            // An OT-2 has no sensor for it: whatever was expected is taken for true.
            Params::VerifyTipPresence(verify) => {
                self.find_pipette(&verify.pipette_id).map_err(|_| CommandError::no_such_key(&verify.pipette_id))?;
                Ok(Plan::telling(json!({})))
            }
            Params::ConfigureNozzleLayout(configure) => self.configure_nozzle_layout(&configure.pipette_id),
            Params::LiquidProbe(probe) => self.liquid_probe(probe, nozzles),
            Params::GetTipPresence(_) => Ok(Plan::telling(json!({"status": "unknown"}))),
            Params::WaitForDuration(wait) => Ok(Plan::doing(vec![Step::Wait(wait.seconds)])),
            Params::WaitForResume(_) => Ok(Plan::doing(vec![Step::AwaitResume])),
            Params::SetRailLights(lights) => Ok(Plan::doing(vec![Step::Lights(lights.on)])),
            Params::Remark(_) => Ok(Plan::telling(json!({}))),
            Params::Module(given) => {
                let module = given.get("moduleId").and_then(Value::as_str).unwrap_or_default();
                Err(CommandError::new("ModuleNotLoadedError", format!("Module {module} not found.")))
            }
            Params::FlexOnly(_) => Err(CommandError::flex_only()),
        }
    }
}

/// The axes an OT-2 has.
const OT2_AXES: &[&str] = &["x", "y", "leftZ", "rightZ", "leftPlunger", "rightPlunger"];

/// Refuses an axis of a Flex's gripper.
fn check_axes(axes: &[&str], said: &str) -> Result<(), CommandError> {
    if axes.iter().all(|axis| OT2_AXES.contains(axis)) {
        return Ok(());
    }
    Err(CommandError::new("InvalidAxisForRobotType", format!("{said} not valid for OT-2 Standard robot type")))
}

fn homing(home: &Home) -> Vec<Step> {
    match home.axes.as_deref() {
        // No axes are all axes, however that is said.
        None | Some([]) => vec![Step::Act(Action::Home)],
        Some(axes) => axes.iter().flat_map(|axis| retraction(axis)).collect(),
    }
}

fn retraction(axis: &str) -> Vec<Step> {
    match axis {
        "x" => vec![Step::Act(Action::HomeAxis { axis: GantryAxis::X })],
        "y" => vec![Step::Act(Action::HomeAxis { axis: GantryAxis::Y })],
        "leftZ" => vec![Step::Act(Action::RaiseMount { mount: Mount::Left })],
        "rightZ" => vec![Step::Act(Action::RaiseMount { mount: Mount::Right })],
        _ => Vec::new(),
    }
}

//! Labware and pipettes that a run says it has.

use super::{
    belief::{Engine, Labware, LabwareOffset, MAX_LOADED, Pipette, Update},
    deck,
    error::CommandError,
    location::{Location, OffsetLocation},
    params::{LoadLabware, LoadPipette, MoveLabware},
    pipettes::{facts, stands_in},
    plan::{Plan, Step},
    standing::physical,
};
use crate::labware::{Definition, standard, uri};
use domain::Mount;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The one addressable area beside slots to which labware may go, on a Flex.
const GRIPPER_WASTE_CHUTE: &str = "gripperWasteChute";

impl Engine {
    pub(super) fn load_labware(&self, load: &LoadLabware) -> Result<Plan, CommandError> {
        if let Location::Area { addressable_area_name: area } = &load.location
            && !deck::is_slot_name(area)
        {
            let detail = format!("Cannot load {} onto addressable area {area}", load.load_name);
            return Err(CommandError::new("LabwareIsNotAllowedInLocationError", detail));
        }
        let stands_on_something = matches!(load.location, Location::Labware { .. } | Location::Module { .. });
        if !stands_on_something {
            self.check_location(&load.location)?;
        }
        if self.labware().len() >= MAX_LOADED {
            let detail = format!("This emulator keeps at most {MAX_LOADED} labware a run.");
            return Err(CommandError::new("TooManyLabwareError", detail));
        }
        if let Some(occupant) = self.occupant(&load.location) {
            return Err(occupied(occupant, &load.location));
        }
        let definition = self.definition(load)?;
        if let Location::Labware { labware_id } = &load.location {
            check_stacking(&definition, self.find_labware(labware_id)?)?;
        }
        if stands_on_something {
            self.check_location(&load.location)?;
        }
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
        if let Some((slot, above)) = self.above_slot(&labware) {
            plan = plan.then(Step::Place { slot, labware: physical(&definition, above) });
        }
        Ok(plan.believing(Update::LabwareLoaded(labware)))
    }

    fn definition(&self, load: &LoadLabware) -> Result<Arc<Definition>, CommandError> {
        let missing = || CommandError::no_definition(&load.namespace, &load.load_name, load.version);
        let version = u32::try_from(load.version).map_err(|_| missing())?;
        let posted = self.definitions.get(&uri(&load.namespace, &load.load_name, version)).cloned();
        posted.or_else(|| standard(&load.namespace, &load.load_name, version).map(Arc::new)).ok_or_else(missing)
    }

    fn offset_for(&self, definition_uri: &str, location: &Location) -> Option<&LabwareOffset> {
        let at = self.offset_location(location)?;
        let applies = |offset: &&LabwareOffset| offset.definition_uri == definition_uri && offset.location == at;
        self.offsets.iter().rev().find(applies)
    }

    /// What an offset for labware at `location` would have to name: the slot, and the labware in it that it stands on.
    fn offset_location(&self, location: &Location) -> Option<OffsetLocation> {
        let slot = |slot_name: &str| OffsetLocation { slot_name: slot_name.to_owned(), ..OffsetLocation::default() };
        match location {
            Location::Slot { slot_name } => Some(slot(slot_name)),
            Location::Labware { labware_id } => {
                let below = self.find_labware(labware_id).ok()?;
                let Location::Slot { slot_name } = &below.location else { return None };
                Some(OffsetLocation { definition_uri: Some(below.definition.uri()), ..slot(slot_name) })
            }
            _ => None,
        }
    }

    pub(super) fn move_labware(&self, movement: &MoveLabware) -> Result<Plan, CommandError> {
        let labware = self.find_labware(&movement.labware_id)?;
        if labware.definition.is_fixed_trash {
            let detail = format!("Cannot move fixed trash labware '{}'.", labware.definition.load_name);
            return Err(CommandError::new("LabwareMovementNotAllowedError", detail));
        }
        if let Location::Area { addressable_area_name: area } = &movement.new_location
            && area != GRIPPER_WASTE_CHUTE
            && !deck::is_slot_name(area)
        {
            let detail = format!("Cannot move {} to addressable area {area}", labware.definition.load_name);
            return Err(CommandError::new("LabwareMovementNotAllowedError", detail));
        }
        let below = match &movement.new_location {
            Location::Labware { labware_id } => Some(self.find_labware(labware_id)?),
            location => {
                self.check_location(location)?;
                None
            }
        };
        if let Some(occupant) = self.occupant(&movement.new_location) {
            return Err(occupied(occupant, &movement.new_location));
        }
        self.check_uncovered(labware)?;
        if let Some(below) = below {
            self.check_uncovered(below)?;
            check_stacking(&labware.definition, below)?;
            self.check_location(&movement.new_location)?;
        }
        if movement.strategy == "usingGripper" {
            return Err(CommandError::coded(
                "NotSupportedOnRobotType",
                "4003",
                "Labware movement using a gripper is not supported on the OT-2",
            ));
        }
        let pauses = movement.strategy == "manualMoveWithPause";
        let plan = Plan::doing(pauses.then_some(Step::AwaitResume).into_iter().collect());
        let location = movement.new_location.clone();
        Ok(plan.believing(Update::LabwareMoved { labware_id: labware.id.clone(), location }))
    }

    /// There is none to load; where labware stands that is found out first.
    pub(super) fn no_module(&self, given: &Map<String, Value>) -> CommandError {
        let slot_name = given.get("location").and_then(|location| location["slotName"].as_str()).unwrap_or_default();
        let model = given.get("model").and_then(Value::as_str).unwrap_or_default();
        let kind = model.rsplit_once('V').map_or(model, |(kind, _version)| kind);
        if !takes_module(slot_name, kind) {
            let detail = format!("A {kind}Type cannot be loaded into slot {slot_name}");
            return CommandError::python("ValueError", &detail, &format!("('{detail}',)"));
        }
        let location = Location::Slot { slot_name: slot_name.to_owned() };
        match self.occupant(&location) {
            Some(occupant) => occupied(occupant, &location),
            None => CommandError::new("ModuleNotAttachedError", "No available module found."),
        }
    }

    pub(super) fn load_pipette(&self, load: &LoadPipette) -> Result<Plan, CommandError> {
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
        if let Some(version) = load.tip_overlap_not_after_version.as_deref()
            && !is_tip_overlap_version(version)
        {
            let detail = format!("Tip overlap version specification {version} is invalid.");
            return Err(CommandError::new("InvalidLoadPipetteSpecsError", detail));
        }
        let wrong = |found: &str| {
            let side = load.mount.to_uppercase();
            let detail = format!("mount {side}: expected instrument {} but got {found}", load.pipette_name);
            CommandError::coded("FailedToLoadPipetteError", "3010", detail)
        };
        let model = self.mounted.on(mount).ok_or_else(|| wrong("None"))?;
        if !stands_in(model, load.pipette_name) {
            return Err(wrong(facts(model).model));
        }
        let asked = load.pipette_id.clone().filter(|id| !id.is_empty());
        let id = asked.unwrap_or_else(|| Uuid::new_v4().to_string());
        let pipette = Pipette { id: id.clone(), mount, model, tip: None, carried: None, aspirated: None };
        Ok(Plan::telling(json!({"pipetteId": id})).believing(Update::PipetteLoaded(pipette)))
    }
}

/// Whether a slot of the OT-2 takes such a module (Opentrons' deck definition `ot2_standard`).
fn takes_module(slot: &str, kind: &str) -> bool {
    match kind {
        "magneticModule" | "temperatureModule" | "heaterShakerModule" => slot != "12",
        "thermocyclerModule" => slot == "7",
        _ => false,
    }
}

/// `v` and a number.
fn is_tip_overlap_version(version: &str) -> bool {
    version
        .strip_prefix('v')
        .is_some_and(|number| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()))
}

/// Refuses labware on what it wasn't made to stand on.
fn check_stacking(top: &Definition, below: &Labware) -> Result<(), CommandError> {
    let detail = if top.is_adapter {
        format!("Labware {} is defined as an adapter and cannot be placed on other labware.", top.load_name)
    } else if !top.stacks_on.contains_key(&below.definition.load_name) {
        format!("Labware {} cannot be loaded onto labware {}", top.load_name, below.definition.load_name)
    } else {
        return Ok(());
    };
    Err(CommandError::new("LabwareCannotBeStackedError", detail))
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

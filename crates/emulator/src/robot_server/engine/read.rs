//! Reads what a command asks for, with pydantic's complaints about what can't be.

use super::{
    location::{MODULES, location, slot},
    params::{
        BlowOut, BlowOutInPlace, ConfigureForVolume, ConfigureNozzleLayout, Dispense, DispenseInPlace, DropTip,
        DropTipInPlace, Home, LabwareOnly, LoadLabware, LoadLiquid, LoadPipette, MoveLabware, MoveRelative, MoveToArea,
        MoveToAreaForDropTip, MoveToCoordinates, MoveToWell, Movement, Params, PipetteOnly, RetractAxis, SavePosition,
        SetRailLights, TouchTip, Transfer, TransferInPlace, VerifyTipPresence, WaitForDuration, WaitForResume, Well,
        WellAction, WellLocation,
    },
};
use crate::{
    labware::Point,
    robot_server::body::{Fields, as_object, not_permitted},
};
use serde_json::{Map, Value, json};

/// Reads the parameters of a command that [`command_type`](super::command_type::command_type) knows.
pub fn read_params(command_type: &str, fields: &mut Fields<'_>) -> Params {
    match command_type {
        "home" => Params::Home(home(fields)),
        "retractAxis" => Params::RetractAxis(RetractAxis { axis: fields.choice("axis", AXES) }),
        "loadLabware" => Params::LoadLabware(load_labware(fields)),
        "reloadLabware" => Params::ReloadLabware(LabwareOnly { labware_id: fields.text("labwareId") }),
        "moveLabware" => Params::MoveLabware(move_labware(fields)),
        "loadPipette" => Params::LoadPipette(load_pipette(fields)),
        "loadModule" => Params::LoadModule(load_module(fields)),
        "loadLiquid" => Params::LoadLiquid(LoadLiquid {
            liquid_id: fields.text("liquidId"),
            labware_id: fields.text("labwareId"),
            volume_by_well: fields.object("volumeByWell", volumes),
        }),
        "pickUpTip" => Params::PickUpTip(WellAction { well: well(fields), pipette_id: fields.text("pipetteId") }),
        "dropTip" => Params::DropTip(drop_tip(fields)),
        "dropTipInPlace" => Params::DropTipInPlace(DropTipInPlace {
            pipette_id: fields.text("pipetteId"),
            home_after: fields.optional_truth("homeAfter"),
        }),
        "aspirate" => Params::Aspirate(Transfer { well: well(fields), transfer: transfer(fields) }),
        "aspirateInPlace" => Params::AspirateInPlace(transfer(fields)),
        "dispense" => Params::Dispense(Dispense { well: well(fields), transfer: dispense_in_place(fields) }),
        "dispenseInPlace" => Params::DispenseInPlace(dispense_in_place(fields)),
        "blowout" => Params::BlowOut(BlowOut { well: well(fields), blow: blow_out_in_place(fields) }),
        "blowOutInPlace" => Params::BlowOutInPlace(blow_out_in_place(fields)),
        "touchTip" => Params::TouchTip(TouchTip {
            well: well(fields),
            pipette_id: fields.text("pipetteId"),
            radius: radius(fields),
            speed: fields.optional_number("speed"),
        }),
        "prepareToAspirate" => Params::PrepareToAspirate(pipette(fields)),
        "configureForVolume" => Params::ConfigureForVolume(ConfigureForVolume {
            pipette_id: fields.text("pipetteId"),
            volume: fields.amount("volume"),
        }),
        "configureNozzleLayout" => Params::ConfigureNozzleLayout(ConfigureNozzleLayout {
            pipette_id: fields.text("pipetteId"),
            configuration_params: nozzle_layout(fields),
        }),
        "moveToWell" => Params::MoveToWell(MoveToWell {
            movement: movement(fields),
            well: well(fields),
            pipette_id: fields.text("pipetteId"),
        }),
        "moveToCoordinates" => Params::MoveToCoordinates(MoveToCoordinates {
            movement: movement(fields),
            pipette_id: fields.text("pipetteId"),
            coordinates: fields.object("coordinates", point),
        }),
        "moveRelative" => Params::MoveRelative(MoveRelative {
            pipette_id: fields.text("pipetteId"),
            axis: fields.choice("axis", &["x", "y", "z"]),
            distance: fields.number("distance"),
        }),
        "moveToAddressableArea" => Params::MoveToAddressableArea(move_to_area(fields)),
        "moveToAddressableAreaForDropTip" => Params::MoveToAddressableAreaForDropTip(move_to_drop(fields)),
        "savePosition" => Params::SavePosition(SavePosition {
            pipette_id: fields.text("pipetteId"),
            position_id: fields.optional_text("positionId"),
            fail_on_not_homed: fields.optional_truth("failOnNotHomed").unwrap_or(true),
        }),
        "verifyTipPresence" => Params::VerifyTipPresence(VerifyTipPresence {
            pipette_id: fields.text("pipetteId"),
            expected_state: fields.choice("expectedState", &["present", "absent", "unknown"]),
            follow_singular_sensor: fields.optional_choice("followSingularSensor", &["primary", "secondary", "both"]),
        }),
        "liquidProbe" | "tryLiquidProbe" => {
            Params::LiquidProbe(WellAction { well: well(fields), pipette_id: fields.text("pipetteId") })
        }
        "getTipPresence" => Params::GetTipPresence(pipette(fields)),
        "waitForDuration" => Params::WaitForDuration(WaitForDuration {
            seconds: fields.number("seconds"),
            message: fields.optional_text("message"),
        }),
        "waitForResume" | "pause" => Params::WaitForResume(WaitForResume { message: fields.optional_text("message") }),
        "setRailLights" => Params::SetRailLights(SetRailLights { on: fields.truth("on") }),
        "comment" => {
            fields.text("message");
            Params::Remark(as_given(fields, &[]))
        }
        "setStatusBar" => {
            fields.choice("animation", &["idle", "confirm", "updating", "disco", "off"]);
            Params::Remark(as_given(fields, &[]))
        }
        "custom" => Params::Remark(as_given(fields, &[])),
        "absorbanceReader/initialize" | "absorbanceReader/measure" => {
            fields.whole("sampleWavelength");
            Params::Module(as_given(fields, &["moduleId"]))
        }
        "temperatureModule/setTargetTemperature"
        | "heaterShaker/setTargetTemperature"
        | "thermocycler/setTargetBlockTemperature"
        | "thermocycler/setTargetLidTemperature" => module(fields, "celsius"),
        "magneticModule/engage" => module(fields, "height"),
        "heaterShaker/setAndWaitForShakeSpeed" => module(fields, "rpm"),
        name if name.contains("Module/") || name.starts_with("heaterShaker/") || name.starts_with("thermocycler/") => {
            Params::Module(as_given(fields, &["moduleId"]))
        }
        "unsafe/dropTipInPlace" => {
            fields.optional_truth("homeAfter");
            fields.text("pipetteId");
            Params::FlexOnly(as_given(fields, &[]))
        }
        "unsafe/blowOutInPlace" => {
            fields.positive("flowRate");
            fields.text("pipetteId");
            Params::FlexOnly(as_given(fields, &[]))
        }
        "unsafe/updatePositionEstimators" | "unsafe/engageAxes" => {
            if fields.raw("axes").is_none() {
                fields.complain_of_absence("axes");
            }
            axes(fields);
            Params::FlexOnly(as_given(fields, &[]))
        }
        "calibration/calibrateGripper" => {
            fields.choice("jaw", &["front", "rear"]);
            Params::FlexOnly(as_given(fields, &[]))
        }
        "calibration/calibrateModule" => {
            fields.choice("mount", MOUNTS);
            Params::FlexOnly(as_given(fields, &["moduleId", "labwareId"]))
        }
        "calibration/calibratePipette" => {
            fields.choice("mount", MOUNTS);
            Params::FlexOnly(as_given(fields, &[]))
        }
        "calibration/moveToMaintenancePosition" => {
            fields.choice("mount", MOUNTS);
            fields.refuse_null("maintenancePosition");
            let asked = fields.optional_choice("maintenancePosition", &["attachPlate", "attachInstrument"]);
            let mut given = as_given(fields, &[]);
            given.insert("maintenancePosition".to_owned(), asked.unwrap_or("attachInstrument").into());
            Params::FlexOnly(given)
        }
        _ => Params::FlexOnly(as_given(fields, &[])),
    }
}

/// A command that sets a module to a number.
fn module(fields: &mut Fields<'_>, number: &str) -> Params {
    fields.number(number);
    Params::Module(as_given(fields, &["moduleId"]))
}

/// Which nozzles are to be used; without a style, all. It is one of five shapes; when it fits none, pydantic tells what is wrong
/// with each of them.
fn nozzle_layout(fields: &mut Fields<'_>) -> Map<String, Value> {
    const NAME: &str = "configurationParams";
    if fields.raw(NAME).is_some_and(|asked| as_object(asked).is_none()) {
        (0..5).for_each(|_| fields.complain(NAME, "value is not a valid dict"));
        return Map::new();
    }
    fields.object(NAME, fitting_layout)
}

fn fitting_layout(fields: &mut Fields<'_>) -> Map<String, Value> {
    const SHAPES: &[(&str, &[&str])] = &[
        ("ALL", &[]),
        ("SINGLE", &["primaryNozzle"]),
        ("ROW", &["primaryNozzle"]),
        ("COLUMN", &["primaryNozzle"]),
        ("QUADRANT", &["primaryNozzle", "frontRightNozzle", "backLeftNozzle"]),
    ];
    let mut given = fields.given();
    let style = given.get("style").cloned();
    let problems: Vec<Vec<_>> = SHAPES.iter().map(|shape| not_of_shape(fields, style.as_ref(), *shape)).collect();
    match problems.iter().position(Vec::is_empty) {
        Some(fits) => {
            given.entry("style").or_insert_with(|| SHAPES.get(fits).map_or("ALL", |(style, _)| *style).into());
        }
        None => problems.into_iter().flatten().for_each(|(name, detail)| fields.complain(name, detail)),
    }
    given
}

/// What keeps a layout from being of that shape.
fn not_of_shape(
    fields: &Fields<'_>,
    style: Option<&Value>,
    (shape, nozzles): (&'static str, &'static [&'static str]),
) -> Vec<(&'static str, String)> {
    const PRIMARY: [&str; 4] = ["A1", "H1", "A12", "H12"];
    let mut problems = Vec::new();
    if style.is_some_and(|style| style != shape) {
        problems.push(("style", format!("unexpected value; permitted: '{shape}'")));
    }
    for name in nozzles.iter().copied() {
        let wrong = match fields.raw(name) {
            None => Some("field required".to_owned()),
            Some(nozzle) if name == "primaryNozzle" && !PRIMARY.iter().any(|known| nozzle == known) => {
                Some("unexpected value; permitted: 'A1', 'H1', 'A12', 'H12'".to_owned())
            }
            Some(_) => None,
        };
        problems.extend(wrong.map(|detail| (name, detail)));
    }
    problems
}

/// µL by well.
fn volumes(fields: &mut Fields<'_>) -> Map<String, Value> {
    let given = fields.given();
    for well in given.keys() {
        fields.number(well);
    }
    given
}

fn radius(fields: &mut Fields<'_>) -> f64 {
    fields.refuse_null("radius");
    fields.optional_number("radius").unwrap_or(1.0)
}

fn load_module(fields: &mut Fields<'_>) -> Map<String, Value> {
    fields.choice("model", MODULES);
    let slot = fields.object("location", slot);
    let mut given = as_given(fields, &[]);
    given.insert("location".to_owned(), json!({ "slotName": slot }));
    given
}

const AXES: &[&str] = &["x", "y", "leftZ", "rightZ", "leftPlunger", "rightPlunger", "extensionZ", "extensionJaw"];

fn home(fields: &mut Fields<'_>) -> Home {
    let axes = axes(fields);
    Home { axes, skip_if_mount_position_ok: fields.optional_choice("skipIfMountPositionOk", MOUNTS) }
}

fn axes(fields: &mut Fields<'_>) -> Option<Vec<&'static str>> {
    let Some(asked) = fields.raw("axes")?.as_array() else {
        fields.complain("axes", "value is not a valid list");
        return None;
    };
    let known = |axis: &Value| AXES.iter().copied().find(|known| axis.as_str() == Some(known));
    for index in (0..asked.len()).filter(|index| asked.get(*index).and_then(known).is_none()) {
        fields.complain(&format!("axes/{index}"), not_permitted(AXES));
    }
    Some(asked.iter().filter_map(known).collect())
}

const MOUNTS: &[&str] = &["left", "right", "extension"];

const PIPETTES: &[&str] = &[
    "p10_single",
    "p10_multi",
    "p20_single_gen2",
    "p20_multi_gen2",
    "p50_single",
    "p50_multi",
    "p50_single_flex",
    "p50_multi_flex",
    "p300_single",
    "p300_multi",
    "p300_single_gen2",
    "p300_multi_gen2",
    "p1000_single",
    "p1000_single_gen2",
    "p1000_single_flex",
    "p1000_multi_flex",
    "p1000_96",
];

fn load_pipette(fields: &mut Fields<'_>) -> LoadPipette {
    LoadPipette {
        pipette_name: fields.choice("pipetteName", PIPETTES),
        mount: fields.choice("mount", MOUNTS),
        pipette_id: fields.optional_text("pipetteId"),
        tip_overlap_not_after_version: fields.optional_text("tipOverlapNotAfterVersion"),
        liquid_presence_detection: fields.optional_truth("liquidPresenceDetection"),
    }
}

fn load_labware(fields: &mut Fields<'_>) -> LoadLabware {
    LoadLabware {
        location: location(fields, "location"),
        load_name: fields.text("loadName"),
        namespace: fields.text("namespace"),
        version: fields.whole("version"),
        labware_id: fields.optional_text("labwareId"),
        display_name: fields.optional_text("displayName"),
    }
}

fn move_labware(fields: &mut Fields<'_>) -> MoveLabware {
    const STRATEGIES: &[&str] = &["usingGripper", "manualMoveWithPause", "manualMoveWithoutPause"];
    MoveLabware {
        labware_id: fields.text("labwareId"),
        new_location: location(fields, "newLocation"),
        strategy: fields.choice("strategy", STRATEGIES),
    }
}

fn pipette(fields: &mut Fields<'_>) -> PipetteOnly {
    PipetteOnly { pipette_id: fields.text("pipetteId") }
}

fn well(fields: &mut Fields<'_>) -> Well {
    Well {
        labware_id: fields.text("labwareId"),
        well_name: fields.text("wellName"),
        well_location: well_location(fields, "top", &["top", "bottom", "center"]),
    }
}

fn well_location(fields: &mut Fields<'_>, default: &'static str, origins: &[&'static str]) -> WellLocation {
    let read = |inner: &mut Fields<'_>| {
        inner.refuse_null("origin");
        inner.refuse_null("offset");
        WellLocation {
            origin: inner.optional_choice("origin", origins).unwrap_or(default),
            offset: inner.optional_object("offset", offset).unwrap_or_default(),
        }
    };
    fields.refuse_null("wellLocation");
    let nowhere = WellLocation { origin: default, offset: Point::default() };
    fields.optional_object("wellLocation", read).unwrap_or(nowhere)
}

/// An offset: each coordinate may be left out.
fn offset(fields: &mut Fields<'_>) -> Point {
    let mut coordinate = |name| {
        fields.refuse_null(name);
        fields.optional_number(name).unwrap_or(0.0)
    };
    Point::new(coordinate("x"), coordinate("y"), coordinate("z"))
}

/// A place: each coordinate is needed.
pub fn point(fields: &mut Fields<'_>) -> Point {
    Point::new(fields.number("x"), fields.number("y"), fields.number("z"))
}

fn drop_tip(fields: &mut Fields<'_>) -> DropTip {
    DropTip {
        pipette_id: fields.text("pipetteId"),
        labware_id: fields.text("labwareId"),
        well_name: fields.text("wellName"),
        well_location: well_location(fields, "default", &["top", "bottom", "center", "default"]),
        home_after: fields.optional_truth("homeAfter"),
        alternate_drop_location: fields.optional_truth("alternateDropLocation").unwrap_or(false),
    }
}

fn transfer(fields: &mut Fields<'_>) -> TransferInPlace {
    TransferInPlace {
        flow_rate: fields.positive("flowRate"),
        volume: fields.amount("volume"),
        pipette_id: fields.text("pipetteId"),
    }
}

fn dispense_in_place(fields: &mut Fields<'_>) -> DispenseInPlace {
    DispenseInPlace { transfer: transfer(fields), push_out: fields.optional_number("pushOut") }
}

fn blow_out_in_place(fields: &mut Fields<'_>) -> BlowOutInPlace {
    BlowOutInPlace { flow_rate: fields.positive("flowRate"), pipette_id: fields.text("pipetteId") }
}

fn movement(fields: &mut Fields<'_>) -> Movement {
    fields.refuse_null("forceDirect");
    Movement {
        minimum_z_height: fields.optional_number("minimumZHeight"),
        force_direct: fields.optional_truth("forceDirect").unwrap_or(false),
        speed: fields.optional_number("speed"),
    }
}

fn move_to_area(fields: &mut Fields<'_>) -> MoveToArea {
    fields.refuse_null("offset");
    fields.refuse_null("stayAtHighestPossibleZ");
    MoveToArea {
        movement: movement(fields),
        pipette_id: fields.text("pipetteId"),
        addressable_area_name: fields.text("addressableAreaName"),
        offset: fields.optional_object("offset", point).unwrap_or_default(),
        stay_at_highest_possible_z: fields.optional_truth("stayAtHighestPossibleZ").unwrap_or(false),
    }
}

fn move_to_drop(fields: &mut Fields<'_>) -> MoveToAreaForDropTip {
    fields.refuse_null("offset");
    MoveToAreaForDropTip {
        movement: movement(fields),
        pipette_id: fields.text("pipetteId"),
        addressable_area_name: fields.text("addressableAreaName"),
        offset: fields.optional_object("offset", point).unwrap_or_default(),
        alternate_drop_location: fields.optional_truth("alternateDropLocation").unwrap_or(false),
        ignore_tip_configuration: fields.optional_truth("ignoreTipConfiguration").unwrap_or(true),
    }
}

/// The parameters as they came, once `required` are there.
fn as_given(fields: &mut Fields<'_>, required: &[&str]) -> Map<String, Value> {
    for name in required.iter().copied() {
        if fields.raw(name).is_none() {
            fields.complain_of_absence(name);
        }
    }
    fields.given()
}

//! What each command asks for. Parameters are read with pydantic's complaints and written back with their defaults
//! filled in, in the order the real server writes them.

use crate::{labware::Point, robot_server::body::Fields};
use serde::Serialize;
use serde_json::{Map, Value};

/// A command's parameters, one variant a command.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Params {
    Home(Home),
    RetractAxis(RetractAxis),
    LoadLabware(LoadLabware),
    ReloadLabware(LabwareOnly),
    MoveLabware(MoveLabware),
    LoadPipette(LoadPipette),
    LoadModule(Map<String, Value>),
    LoadLiquid(Map<String, Value>),
    PickUpTip(WellAction),
    DropTip(DropTip),
    DropTipInPlace(DropTipInPlace),
    Aspirate(Transfer),
    AspirateInPlace(TransferInPlace),
    Dispense(Dispense),
    DispenseInPlace(DispenseInPlace),
    BlowOut(BlowOut),
    BlowOutInPlace(BlowOutInPlace),
    TouchTip(TouchTip),
    PrepareToAspirate(PipetteOnly),
    ConfigureForVolume(ConfigureForVolume),
    MoveToWell(MoveToWell),
    MoveToCoordinates(MoveToCoordinates),
    MoveRelative(MoveRelative),
    MoveToAddressableArea(MoveToArea),
    MoveToAddressableAreaForDropTip(MoveToAreaForDropTip),
    SavePosition(SavePosition),
    GetTipPresence(PipetteOnly),
    WaitForDuration(WaitForDuration),
    WaitForResume(WaitForResume),
    SetRailLights(SetRailLights),
    /// Taken and done without effect: comments, custom commands, status bars.
    Remark(Map<String, Value>),
    /// A command for a module; this robot has none.
    Module(Map<String, Value>),
    /// A command for a Flex's hardware.
    FlexOnly(Map<String, Value>),
}

/// Where at a well: an origin and an offset from it.
#[derive(Clone, Debug, Serialize)]
pub struct WellLocation {
    pub origin: &'static str,
    pub offset: Point,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Well {
    pub labware_id: String,
    pub well_name: String,
    pub well_location: WellLocation,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Lowest height of the tip's end on the way, mm.
    #[serde(skip_serializing_if = "Option::is_none", rename = "minimumZHeight")]
    pub minimum_z_height: Option<f64>,
    pub force_direct: bool,
    /// mm/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Home {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axes: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_if_mount_position_ok: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RetractAxis {
    pub axis: &'static str,
}

/// Where labware stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Location {
    #[serde(rename_all = "camelCase")]
    Slot { slot_name: String },
    #[serde(rename_all = "camelCase")]
    Area { addressable_area_name: String },
    #[serde(rename_all = "camelCase")]
    Module { module_id: String },
    #[serde(rename_all = "camelCase")]
    Labware { labware_id: String },
    /// `"offDeck"`.
    Named(&'static str),
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadLabware {
    pub location: Location,
    pub load_name: String,
    pub namespace: String,
    pub version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labware_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabwareOnly {
    pub labware_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveLabware {
    pub labware_id: String,
    pub new_location: Location,
    pub strategy: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadPipette {
    pub pipette_name: &'static str,
    pub mount: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipette_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip_overlap_not_after_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_presence_detection: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipetteOnly {
    pub pipette_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WellAction {
    #[serde(flatten)]
    pub well: Well,
    pub pipette_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DropTip {
    pub pipette_id: String,
    pub labware_id: String,
    pub well_name: String,
    pub well_location: WellLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_after: Option<bool>,
    pub alternate_drop_location: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DropTipInPlace {
    pub pipette_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_after: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    #[serde(flatten)]
    pub well: Well,
    #[serde(flatten)]
    pub transfer: TransferInPlace,
}

/// µL at µL/s.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferInPlace {
    pub flow_rate: f64,
    pub volume: f64,
    pub pipette_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dispense {
    #[serde(flatten)]
    pub well: Well,
    #[serde(flatten)]
    pub transfer: DispenseInPlace,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DispenseInPlace {
    #[serde(flatten)]
    pub transfer: TransferInPlace,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_out: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlowOut {
    #[serde(flatten)]
    pub well: Well,
    #[serde(flatten)]
    pub blow: BlowOutInPlace,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlowOutInPlace {
    pub flow_rate: f64,
    pub pipette_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TouchTip {
    #[serde(flatten)]
    pub well: Well,
    pub pipette_id: String,
    /// Share of the well's radius.
    pub radius: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigureForVolume {
    pub pipette_id: String,
    pub volume: f64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveToWell {
    #[serde(flatten)]
    pub movement: Movement,
    #[serde(flatten)]
    pub well: Well,
    pub pipette_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveToCoordinates {
    #[serde(flatten)]
    pub movement: Movement,
    pub pipette_id: String,
    pub coordinates: Point,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveRelative {
    pub pipette_id: String,
    pub axis: &'static str,
    pub distance: f64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveToArea {
    #[serde(flatten)]
    pub movement: Movement,
    pub pipette_id: String,
    pub addressable_area_name: String,
    pub offset: Point,
    pub stay_at_highest_possible_z: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveToAreaForDropTip {
    #[serde(flatten)]
    pub movement: Movement,
    pub pipette_id: String,
    pub addressable_area_name: String,
    pub offset: Point,
    pub alternate_drop_location: bool,
    pub ignore_tip_configuration: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SavePosition {
    pub pipette_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_id: Option<String>,
    pub fail_on_not_homed: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct WaitForDuration {
    pub seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct WaitForResume {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SetRailLights {
    pub on: bool,
}

/// Every `commandType` of the real server, in its own order, with the model named in its complaints.
const COMMANDS: &[(&str, &str)] = &[
    ("aspirate", "AspirateCreate"),
    ("aspirateInPlace", "AspirateInPlaceCreate"),
    ("comment", "CommentCreate"),
    ("configureForVolume", "ConfigureForVolumeCreate"),
    ("configureNozzleLayout", "ConfigureNozzleLayoutCreate"),
    ("custom", "CustomCreate"),
    ("dispense", "DispenseCreate"),
    ("dispenseInPlace", "DispenseInPlaceCreate"),
    ("blowout", "BlowOutCreate"),
    ("blowOutInPlace", "BlowOutInPlaceCreate"),
    ("dropTip", "DropTipCreate"),
    ("dropTipInPlace", "DropTipInPlaceCreate"),
    ("home", "HomeCreate"),
    ("retractAxis", "RetractAxisCreate"),
    ("loadLabware", "LoadLabwareCreate"),
    ("reloadLabware", "ReloadLabwareCreate"),
    ("loadLiquid", "LoadLiquidCreate"),
    ("loadModule", "LoadModuleCreate"),
    ("loadPipette", "LoadPipetteCreate"),
    ("moveLabware", "MoveLabwareCreate"),
    ("moveRelative", "MoveRelativeCreate"),
    ("moveToCoordinates", "MoveToCoordinatesCreate"),
    ("moveToWell", "MoveToWellCreate"),
    ("moveToAddressableArea", "MoveToAddressableAreaCreate"),
    ("moveToAddressableAreaForDropTip", "MoveToAddressableAreaForDropTipCreate"),
    ("prepareToAspirate", "PrepareToAspirateCreate"),
    ("waitForResume", "WaitForResumeCreate"),
    ("pause", "WaitForResumeCreate"),
    ("waitForDuration", "WaitForDurationCreate"),
    ("pickUpTip", "PickUpTipCreate"),
    ("savePosition", "SavePositionCreate"),
    ("setRailLights", "SetRailLightsCreate"),
    ("touchTip", "TouchTipCreate"),
    ("setStatusBar", "SetStatusBarCreate"),
    ("verifyTipPresence", "VerifyTipPresenceCreate"),
    ("getTipPresence", "GetTipPresenceCreate"),
    ("liquidProbe", "LiquidProbeCreate"),
    ("tryLiquidProbe", "TryLiquidProbeCreate"),
    ("heaterShaker/waitForTemperature", "WaitForTemperatureCreate"),
    ("heaterShaker/setTargetTemperature", "SetTargetTemperatureCreate"),
    ("heaterShaker/deactivateHeater", "DeactivateHeaterCreate"),
    ("heaterShaker/setAndWaitForShakeSpeed", "SetAndWaitForShakeSpeedCreate"),
    ("heaterShaker/deactivateShaker", "DeactivateShakerCreate"),
    ("heaterShaker/openLabwareLatch", "OpenLabwareLatchCreate"),
    ("heaterShaker/closeLabwareLatch", "CloseLabwareLatchCreate"),
    ("magneticModule/disengage", "DisengageCreate"),
    ("magneticModule/engage", "EngageCreate"),
    ("temperatureModule/setTargetTemperature", "SetTargetTemperatureCreate"),
    ("temperatureModule/waitForTemperature", "WaitForTemperatureCreate"),
    ("temperatureModule/deactivate", "DeactivateTemperatureCreate"),
    ("thermocycler/setTargetBlockTemperature", "SetTargetBlockTemperatureCreate"),
    ("thermocycler/waitForBlockTemperature", "WaitForBlockTemperatureCreate"),
    ("thermocycler/setTargetLidTemperature", "SetTargetLidTemperatureCreate"),
    ("thermocycler/waitForLidTemperature", "WaitForLidTemperatureCreate"),
    ("thermocycler/deactivateBlock", "DeactivateBlockCreate"),
    ("thermocycler/deactivateLid", "DeactivateLidCreate"),
    ("thermocycler/openLid", "OpenLidCreate"),
    ("thermocycler/closeLid", "CloseLidCreate"),
    ("thermocycler/runProfile", "RunProfileCreate"),
    ("absorbanceReader/initialize", "InitializeCreate"),
    ("absorbanceReader/measure", "MeasureAbsorbanceCreate"),
    ("calibration/calibrateGripper", "CalibrateGripperCreate"),
    ("calibration/calibratePipette", "CalibratePipetteCreate"),
    ("calibration/calibrateModule", "CalibrateModuleCreate"),
    ("calibration/moveToMaintenancePosition", "MoveToMaintenancePositionCreate"),
    ("unsafe/blowOutInPlace", "UnsafeBlowOutInPlaceCreate"),
    ("unsafe/dropTipInPlace", "UnsafeDropTipInPlaceCreate"),
    ("unsafe/updatePositionEstimators", "UpdatePositionEstimatorsCreate"),
    ("unsafe/engageAxes", "UnsafeEngageAxesCreate"),
];

/// The commands that need no run.
const STATELESS: &[&str] = &[
    "home",
    "setRailLights",
    "setStatusBar",
    "magneticModule/engage",
    "magneticModule/disengage",
    "temperatureModule/setTargetTemperature",
    "temperatureModule/deactivate",
    "thermocycler/setTargetBlockTemperature",
    "thermocycler/setTargetLidTemperature",
    "thermocycler/deactivateBlock",
    "thermocycler/deactivateLid",
    "thermocycler/openLid",
    "thermocycler/closeLid",
    "heaterShaker/setTargetTemperature",
    "heaterShaker/setAndWaitForShakeSpeed",
    "heaterShaker/deactivateHeater",
    "heaterShaker/deactivateShaker",
    "heaterShaker/openLabwareLatch",
    "heaterShaker/closeLabwareLatch",
];

/// Who a command is for, and so which commands there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Run,
    Stateless,
}

/// The command type of that name with the model its complaints name, or the complaint that there is none.
pub fn command_type(audience: Audience, asked: &str) -> Result<(&'static str, &'static str), String> {
    let offered = |(name, _): &&(&'static str, &'static str)| audience == Audience::Run || STATELESS.contains(name);
    COMMANDS.iter().filter(offered).find(|(name, _)| *name == asked).copied().ok_or_else(|| {
        let names: Vec<String> = match audience {
            Audience::Run => COMMANDS.iter().map(|(name, _)| format!("'{name}'")).collect(),
            Audience::Stateless => STATELESS.iter().map(|name| format!("'{name}'")).collect(),
        };
        let asked: String = asked.chars().take(100).collect();
        format!("No match for discriminator 'commandType' and value '{asked}' (allowed values: {})", names.join(", "))
    })
}

/// Reads the parameters of a command that [`command_type`] knows.
pub fn read(command_type: &str, fields: &mut Fields<'_>) -> Params {
    match command_type {
        "home" => Params::Home(home(fields)),
        "retractAxis" => Params::RetractAxis(RetractAxis { axis: fields.choice("axis", AXES) }),
        "loadLabware" => Params::LoadLabware(load_labware(fields)),
        "reloadLabware" => Params::ReloadLabware(LabwareOnly { labware_id: fields.text("labwareId") }),
        "moveLabware" => Params::MoveLabware(move_labware(fields)),
        "loadPipette" => Params::LoadPipette(load_pipette(fields)),
        "loadModule" => Params::LoadModule(as_given(fields, &["model", "location"])),
        "loadLiquid" => Params::LoadLiquid(as_given(fields, &["liquidId", "labwareId", "volumeByWell"])),
        "pickUpTip" => Params::PickUpTip(WellAction { well: well(fields), pipette_id: fields.text("pipetteId") }),
        "dropTip" => Params::DropTip(drop_tip(fields)),
        "dropTipInPlace" | "unsafe/dropTipInPlace" => Params::DropTipInPlace(DropTipInPlace {
            pipette_id: fields.text("pipetteId"),
            home_after: fields.optional_truth("homeAfter"),
        }),
        "aspirate" => Params::Aspirate(Transfer { well: well(fields), transfer: transfer(fields) }),
        "aspirateInPlace" => Params::AspirateInPlace(transfer(fields)),
        "dispense" => Params::Dispense(Dispense { well: well(fields), transfer: dispense_in_place(fields) }),
        "dispenseInPlace" => Params::DispenseInPlace(dispense_in_place(fields)),
        "blowout" => Params::BlowOut(BlowOut { well: well(fields), blow: blow_out_in_place(fields) }),
        "blowOutInPlace" | "unsafe/blowOutInPlace" => Params::BlowOutInPlace(blow_out_in_place(fields)),
        "touchTip" => Params::TouchTip(TouchTip {
            well: well(fields),
            pipette_id: fields.text("pipetteId"),
            radius: fields.optional_number("radius").unwrap_or(1.0),
            speed: fields.optional_number("speed"),
        }),
        "prepareToAspirate" => Params::PrepareToAspirate(pipette(fields)),
        "configureForVolume" => Params::ConfigureForVolume(ConfigureForVolume {
            pipette_id: fields.text("pipetteId"),
            volume: fields.amount("volume"),
        }),
        "configureNozzleLayout" => Params::Remark(as_given(fields, &["pipetteId", "configurationParams"])),
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
        "getTipPresence" => Params::GetTipPresence(pipette(fields)),
        "waitForDuration" => Params::WaitForDuration(WaitForDuration {
            seconds: fields.number("seconds"),
            message: fields.optional_text("message"),
        }),
        "waitForResume" | "pause" => Params::WaitForResume(WaitForResume { message: fields.optional_text("message") }),
        "setRailLights" => Params::SetRailLights(SetRailLights { on: fields.truth("on") }),
        "comment" => Params::Remark(as_given(fields, &["message"])),
        "setStatusBar" => Params::Remark(as_given(fields, &["animation"])),
        "custom" => Params::Remark(as_given(fields, &[])),
        name if name.contains("Module/") || name.starts_with("heaterShaker/") || name.starts_with("thermocycler/") => {
            Params::Module(as_given(fields, &["moduleId"]))
        }
        _ => Params::FlexOnly(as_given(fields, &[])),
    }
}

const AXES: &[&str] = &["x", "y", "leftZ", "rightZ", "leftPlunger", "rightPlunger", "extensionZ", "extensionJaw"];

fn home(fields: &mut Fields<'_>) -> Home {
    let axes = fields.raw("axes").map(|axes| axes.as_array().cloned().unwrap_or_default());
    let axes = axes.map(|axes| {
        let known = |axis: &Value| AXES.iter().copied().find(|known| axis.as_str() == Some(known));
        if axes.iter().any(|axis| known(axis).is_none()) {
            fields.complain("axes/0", crate::robot_server::body::not_permitted(AXES));
        }
        axes.iter().filter_map(known).collect()
    });
    Home { axes, skip_if_mount_position_ok: fields.optional_choice("skipIfMountPositionOk", MOUNTS) }
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

/// Deck slots by their OT-2 names, then by their Flex names row by row from the back.
const SLOTS: &[&str] = &[
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2",
    "C3", "D1", "D2", "D3",
];

/// The OT-2 slot that a Flex calls by this name: D1 is 1 and A3 is 12.
fn ot2_slot(name: &'static str) -> String {
    let flex = |row: u8, column: u8| u32::from(b'D' - row) * 3 + u32::from(column - b'0');
    match *name.as_bytes() {
        [row @ b'A'..=b'D', column @ b'1'..=b'3'] => flex(row, column).to_string(),
        _ => name.to_owned(),
    }
}

fn location(fields: &mut Fields<'_>, name: &str) -> Location {
    let place = fields.place(name);
    match fields.raw(name) {
        None => {
            fields.complain(name, "field required");
            Location::Unknown
        }
        Some(Value::String(text)) if text == "offDeck" => Location::Named("offDeck"),
        Some(value) => known_location(value).unwrap_or_else(|| {
            complain_of_location(fields, &place, value);
            Location::Unknown
        }),
    }
}

fn known_location(value: &Value) -> Option<Location> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let slot = |name: String| {
        let slot = SLOTS.iter().copied().find(|slot| *slot == name)?;
        Some(Location::Slot { slot_name: ot2_slot(slot) })
    };
    if let Some(name) = text("slotName") {
        return slot(name);
    }
    let module = text("moduleId").map(|module_id| Location::Module { module_id });
    let labware = text("labwareId").map(|labware_id| Location::Labware { labware_id });
    let area = text("addressableAreaName").map(|addressable_area_name| Location::Area { addressable_area_name });
    module.or(labware).or(area)
}

/// A location is a union, and pydantic tells what is wrong with each of its members.
fn complain_of_location(fields: &mut Fields<'_>, place: &str, value: &Value) {
    let slot = if value.get("slotName").is_some() {
        crate::robot_server::body::not_permitted(SLOTS)
    } else {
        "field required".to_owned()
    };
    fields.complain_at(format!("{place}/slotName"), slot);
    fields.complain_at(format!("{place}/moduleId"), "field required");
    fields.complain_at(format!("{place}/labwareId"), "field required");
    fields.complain_at(place, "unexpected value; permitted: 'offDeck'");
    fields.complain_at(format!("{place}/addressableAreaName"), "field required");
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
    let read = |inner: &mut Fields<'_>| WellLocation {
        origin: inner.optional_choice("origin", origins).unwrap_or(default),
        offset: inner.optional_object("offset", offset).unwrap_or_default(),
    };
    let nowhere = WellLocation { origin: default, offset: Point::default() };
    fields.optional_object("wellLocation", read).unwrap_or(nowhere)
}

/// An offset: each coordinate may be left out.
fn offset(fields: &mut Fields<'_>) -> Point {
    let mut coordinate = |name| fields.optional_number(name).unwrap_or(0.0);
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
    Movement {
        minimum_z_height: fields.optional_number("minimumZHeight"),
        force_direct: fields.optional_truth("forceDirect").unwrap_or(false),
        speed: fields.optional_number("speed"),
    }
}

fn move_to_area(fields: &mut Fields<'_>) -> MoveToArea {
    MoveToArea {
        movement: movement(fields),
        pipette_id: fields.text("pipetteId"),
        addressable_area_name: fields.text("addressableAreaName"),
        offset: fields.optional_object("offset", offset).unwrap_or_default(),
        stay_at_highest_possible_z: fields.optional_truth("stayAtHighestPossibleZ").unwrap_or(false),
    }
}

fn move_to_drop(fields: &mut Fields<'_>) -> MoveToAreaForDropTip {
    MoveToAreaForDropTip {
        movement: movement(fields),
        pipette_id: fields.text("pipetteId"),
        addressable_area_name: fields.text("addressableAreaName"),
        offset: fields.optional_object("offset", offset).unwrap_or_default(),
        alternate_drop_location: fields.optional_truth("alternateDropLocation").unwrap_or(false),
        ignore_tip_configuration: fields.optional_truth("ignoreTipConfiguration").unwrap_or(true),
    }
}

/// The parameters as they came, once `required` are there.
fn as_given(fields: &mut Fields<'_>, required: &[&str]) -> Map<String, Value> {
    for name in required.iter().copied() {
        if fields.raw(name).is_none() {
            fields.complain(name, "field required");
        }
    }
    fields.given()
}

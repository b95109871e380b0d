//! What each command asks for, written back with the defaults filled in and in the order the real server has it.

use super::location::Location;
use crate::labware::Point;
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
    LoadLiquid(LoadLiquid),
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
    VerifyTipPresence(VerifyTipPresence),
    ConfigureNozzleLayout(ConfigureNozzleLayout),
    LiquidProbe(WellAction),
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
pub struct LoadLiquid {
    pub liquid_id: String,
    pub labware_id: String,
    pub volume_by_well: Map<String, Value>,
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
pub struct VerifyTipPresence {
    pub pipette_id: String,
    pub expected_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_singular_sensor: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigureNozzleLayout {
    pub pipette_id: String,
    pub configuration_params: Map<String, Value>,
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

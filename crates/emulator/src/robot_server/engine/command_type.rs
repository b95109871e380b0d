//! The names of all commands, and who may send which.

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

//! Where thousands of random calls to the engine of the real robot-server 8.1.0 (`tests/clients/fuzz_engine.py`) and to this one
//! differed: for each what the real engine did.

use super::{Lab, at_well, transfer};
use serde_json::{Value, json};

impl Lab {
    /// How a command ends: its status, or else its error's type and code; or the status of a refusal and the number of its errors.
    async fn ends(&self, command: &str, params: Value) -> String {
        let answer = self.command(command, params).await;
        if answer.status != 201 {
            let errors = answer.at("/errors").as_array().map_or(0, Vec::len);
            return format!("{} {errors}", answer.status);
        }
        match answer.text("/data/status") {
            "failed" => format!("{} {}", answer.text("/data/error/errorType"), answer.text("/data/error/errorCode")),
            status => status.to_owned(),
        }
    }
}

#[tokio::test]
async fn a_pipette_that_is_not_loaded_is_missed_in_different_words() {
    let lab = Lab::open().await;
    lab.load().await;
    let key = "PythonException 4000";
    let loaded = "PipetteNotLoadedError 4000";
    let none = |mut params: Value| {
        params["pipetteId"] = json!("nothing");
        params
    };
    let area = json!({"addressableAreaName": "5"});
    let mut aside = area.clone();
    aside["alternateDropLocation"] = json!(true);
    let cases = [
        ("moveRelative", json!({"axis": "y", "distance": 3}), key),
        ("moveToAddressableArea", area.clone(), key),
        ("moveToAddressableAreaForDropTip", area, key),
        ("moveToAddressableAreaForDropTip", aside, loaded),
        ("moveToCoordinates", json!({"coordinates": {"x": 1, "y": 1, "z": 100}}), loaded),
        ("dropTip", json!({"labwareId": "tips", "wellName": "Z9"}), loaded),
        ("dropTip", json!({"labwareId": "plate", "wellName": "Z9"}), key),
        ("dropTip", at_well("tips", "A1", "top", 0.0), key),
        ("touchTip", json!({"labwareId": "plate", "wellName": "Z9"}), key),
        ("prepareToAspirate", json!({}), loaded),
    ];
    for (command, params, error) in cases {
        assert_eq!(lab.ends(command, none(params.clone())).await, error, "{command} {params}");
    }
    assert_eq!(lab.ends("prepareToAspirate", json!({"pipetteId": "p"})).await, "UnexpectedTipRemovalError 3005");
}

#[tokio::test]
async fn a_tip_is_carried_up_once_it_is_picked_up() {
    let lab = Lab::open().await;
    lab.load().await;
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    let told = lab.done("savePosition", json!({"pipetteId": "p"})).await;
    assert!((told.number("/data/result/position/z") - (247.45 - 51.1)).abs() < 1e-9, "{}", told.body);
}

#[tokio::test]
async fn a_tip_that_the_pipette_does_not_know_hangs_on_it_all_the_same() {
    let lab = Lab::open().await;
    lab.load().await;
    let params = json!({"location": {"slotName": "6"}, "loadName": "opentrons_96_tiprack_20ul",
                        "namespace": "opentrons", "version": 1, "labwareId": "small tips"});
    lab.done("loadLabware", params).await;
    let small = json!({"pipetteId": "p", "labwareId": "small tips", "wellName": "A1"});
    assert_eq!(lab.ends("pickUpTip", small).await, "PythonException 4000");
    // The run knows of no tip, the robot does.
    assert_eq!(lab.ends("aspirate", transfer("plate", "A1", 10.0)).await, "TipNotAttachedError 3005");
    let usual = json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"});
    assert_eq!(lab.ends("pickUpTip", usual.clone()).await, "UnexpectedTipAttachError 3012");
    lab.done("dropTipInPlace", json!({"pipetteId": "p"})).await;
    lab.done("pickUpTip", usual).await;
}

#[tokio::test]
async fn a_pipette_may_go_by_two_names() {
    let lab = Lab::open().await;
    lab.load().await;
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    let again = |id: &str| json!({"pipetteName": "p300_single_gen2", "mount": "right", "pipetteId": id});
    lab.done("loadPipette", again("q")).await;
    lab.done("aspirate", transfer("plate", "A1", 50.0)).await;
    let tip = json!({"pipetteId": "q", "labwareId": "tips", "wellName": "B1"});
    assert_eq!(lab.ends("pickUpTip", tip).await, "UnexpectedTipAttachError 3012");
    let unnamed = lab.done("loadPipette", again("")).await;
    assert!(unnamed.text("/data/result/pipetteId").len() > 10, "an empty name is none: {}", unnamed.body);
    let mut versioned = again("r");
    versioned["tipOverlapNotAfterVersion"] = json!("1");
    assert_eq!(lab.ends("loadPipette", versioned.clone()).await, "InvalidLoadPipetteSpecsError 4000");
    versioned["tipOverlapNotAfterVersion"] = json!("v1");
    lab.done("loadPipette", versioned).await;
}

#[tokio::test]
async fn an_axis_is_homed_alone() {
    let lab = Lab::open().await;
    lab.load().await;
    let out = json!({"pipetteId": "p", "coordinates": {"x": 150, "y": 120, "z": 100}});
    let cases = [
        ("retractAxis", json!({"axis": "x"}), [418.0, 120.0, 100.0]),
        ("retractAxis", json!({"axis": "y"}), [150.0, 353.0, 100.0]),
        ("home", json!({"axes": ["leftPlunger", "y", "leftZ"]}), [150.0, 353.0, 100.0]),
        ("home", json!({"axes": ["extensionZ"], "skipIfMountPositionOk": "left"}), [150.0, 120.0, 100.0]),
        ("home", json!({"axes": []}), [418.0, 353.0, 247.45]),
    ];
    for (command, params, at) in cases {
        lab.done("moveToCoordinates", out.clone()).await;
        lab.done(command, params.clone()).await;
        let told = lab.done("savePosition", json!({"pipetteId": "p"})).await;
        let place = ["x", "y", "z"].map(|axis| told.number(&format!("/data/result/position/{axis}")));
        assert!(place.iter().zip(at).all(|(told, at)| (told - at).abs() < 1e-9), "{command} {params}: {place:?}");
    }
}

#[tokio::test]
async fn labware_goes_where_it_may_and_is_refused_in_the_real_order() {
    let lab = Lab::open().await;
    lab.load().await;
    let to = |place: Value, strategy: &str| json!({"labwareId": "plate", "newLocation": place, "strategy": strategy});
    let by_hand = "manualMoveWithoutPause";
    let cases = [
        (to(json!({"slotName": "1"}), by_hand), "LocationIsOccupiedError 4000"),
        (to(json!({"slotName": "9"}), "usingGripper"), "LocationIsOccupiedError 4000"),
        (to(json!({"slotName": "2"}), "usingGripper"), "NotSupportedOnRobotType 4003"),
        (to(json!({"labwareId": "plate"}), by_hand), "LabwareCannotBeStackedError 4000"),
        (to(json!({"addressableAreaName": "movableTrashA3"}), by_hand), "LabwareMovementNotAllowedError 4000"),
        (to(json!({"addressableAreaName": "gripperWasteChute"}), by_hand), "AreaNotInDeckConfigurationError 4000"),
    ];
    for (params, error) in cases {
        assert_eq!(lab.ends("moveLabware", params.clone()).await, error, "{params}");
    }
    let load = |area: &str| {
        json!({"location": {"addressableAreaName": area}, "loadName": "nest_1_reservoir_195ml",
                                   "namespace": "opentrons", "version": 1})
    };
    assert_eq!(lab.ends("loadLabware", load("fixedTrash")).await, "LabwareIsNotAllowedInLocationError 4000");
    assert_eq!(lab.ends("loadLabware", load("12")).await, "AreaNotInDeckConfigurationError 4000");
    assert_eq!(lab.ends("loadLabware", load("5")).await, "succeeded");
}

#[tokio::test]
async fn bodies_are_read_as_pydantic_reads_them() {
    let lab = Lab::open().await;
    lab.load().await;
    let well = |more: Value| {
        let mut params = json!({"pipetteId": "p", "labwareId": "plate", "wellName": "A1"});
        params.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        params
    };
    let layout = |layout: Value| json!({"pipetteId": "p", "configurationParams": layout});
    let cases = [
        ("moveToWell", well(json!({"wellLocation": null})), "422 1"),
        ("moveToWell", well(json!({"wellLocation": {"origin": null}})), "422 1"),
        ("moveToWell", well(json!({"wellLocation": {"offset": {"x": null}}})), "422 1"),
        ("moveToWell", well(json!({"forceDirect": null})), "422 1"),
        ("moveToWell", well(json!({"speed": null})), "succeeded"),
        ("configureNozzleLayout", layout(json!({"style": "odd"})), "422 11"),
        ("configureNozzleLayout", layout(json!({"style": "ROW"})), "422 10"),
        ("configureNozzleLayout", layout(json!(3)), "422 5"),
        ("configureNozzleLayout", layout(json!({})), "CommandPreconditionViolated 4004"),
        ("home", json!({"axes": ""}), "422 1"),
        ("home", json!({"axes": ["a", "b"]}), "422 2"),
        ("setStatusBar", json!({"animation": "odd"}), "422 1"),
        ("comment", json!({"message": []}), "422 1"),
        ("comment", json!({"message": true}), "succeeded"),
        ("home", json!({"axes": ["extensionZ"], "skipIfMountPositionOk": "extension"}), "InvalidAxisForRobotType 4000"),
        ("home", json!({"axes": ["extensionZ"], "skipIfMountPositionOk": "left"}), "succeeded"),
        ("loadModule", json!({"model": "odd", "location": {"slotName": "13"}}), "422 2"),
        ("loadLiquid", json!({"liquidId": "w", "labwareId": "plate", "volumeByWell": {"A1": "x"}}), "422 1"),
        ("unsafe/engageAxes", json!({"axes": "x"}), "422 1"),
        ("calibration/moveToMaintenancePosition", json!({"mount": "left", "maintenancePosition": "odd"}), "422 1"),
        ("aspirate", json!(3), "422 1"),
        ("loadLabware", json!(1e9), "422 1"),
        ("loadLabware", json!({"location": 3, "loadName": "a", "namespace": "b", "version": 1}), "422 5"),
        (
            "loadLabware",
            json!({"location": {"slotName": "2"}, "loadName": "nest_1_reservoir_195ml", "namespace": "opentrons", "version": 1.5}),
            "succeeded",
        ),
    ];
    for (command, params, end) in cases {
        assert_eq!(lab.ends(command, params.clone()).await, end, "{command} {params}");
    }
}

#[tokio::test]
async fn a_slot_that_takes_no_such_module_is_refused_before_it_is_looked_at() {
    let lab = Lab::open().await;
    lab.load().await;
    let plate = json!({"location": {"slotName": "5"}, "loadName": "corning_96_wellplate_360ul_flat", "namespace": "opentrons", "version": 1});
    assert_eq!(lab.ends("loadLabware", plate).await, "succeeded");
    for (model, slot, end) in [
        ("magneticBlockV1", "5", "PythonException 4000"),
        ("thermocyclerModuleV2", "5", "PythonException 4000"),
        ("temperatureModuleV2", "12", "PythonException 4000"),
        ("temperatureModuleV2", "5", "LocationIsOccupiedError 4000"),
        ("thermocyclerModuleV1", "B1", "ModuleNotAttachedError 4000"),
        ("heaterShakerModuleV1", "6", "ModuleNotAttachedError 4000"),
    ] {
        let params = json!({"model": model, "location": {"slotName": slot}});
        assert_eq!(lab.ends("loadModule", params).await, end, "{model} in {slot}");
    }
}

#[tokio::test]
async fn a_dispense_of_nothing_is_pushed_out_by_nothing() {
    let lab = Lab::open().await;
    lab.load().await;
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    let over = json!({"pipetteId": "p", "labwareId": "plate", "wellName": "A1"});
    lab.done("moveToWell", over).await;
    lab.done("aspirateInPlace", json!({"pipetteId": "p", "volume": 50, "flowRate": 90})).await;
    let dispense = |volume: u32| json!({"pipetteId": "p", "volume": volume, "flowRate": 90, "pushOut": 5});
    assert_eq!(lab.ends("dispenseInPlace", dispense(0)).await, "succeeded");
    assert_eq!(lab.ends("dispenseInPlace", dispense(20)).await, "CommandPreconditionViolated 4004");
}

#[tokio::test]
async fn what_stands_on_nothing_is_no_place_and_what_fits_there_is_asked_first() {
    let lab = Lab::open().await;
    lab.load().await;
    let aside = json!({"labwareId": "plate", "newLocation": "offDeck", "strategy": "manualMoveWithoutPause"});
    lab.done("moveLabware", aside).await;
    let load = json!({"location": {"labwareId": "plate"}, "loadName": "nest_12_reservoir_15ml", "namespace": "opentrons", "version": 1});
    assert_eq!(lab.ends("loadLabware", load).await, "LabwareCannotBeStackedError 4000");
    let over =
        json!({"labwareId": "tips", "newLocation": {"labwareId": "plate"}, "strategy": "manualMoveWithoutPause"});
    assert_eq!(lab.ends("moveLabware", over).await, "LabwareCannotBeStackedError 4000");
}

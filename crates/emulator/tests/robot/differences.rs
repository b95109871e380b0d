//! Where thousands of random calls to the real robot-server and to this one once differed: for each the smallest sequence
//! that showed it, with what the real server did.

use super::{Lab, anywhere, at_well, transfer};
use domain::PipetteModel;
use emulator::Config;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

impl Lab {
    /// A p20 on the left as `q` and a p300 on the right as `p`, with tips for both.
    async fn with_both_pipettes() -> Self {
        let config = Config { left_pipette: Some(PipetteModel::P20SingleGen2), ..anywhere() };
        let lab = Self::with(config).await;
        lab.done("loadPipette", json!({"pipetteName": "p20_single_gen2", "mount": "left", "pipetteId": "q"})).await;
        let params = json!({"location": {"slotName": "6"}, "loadName": "opentrons_96_tiprack_20ul",
                            "namespace": "opentrons", "version": 1, "labwareId": "small tips"});
        lab.done("loadLabware", params).await;
        lab.load().await;
        lab
    }

    /// Whether a move of `pipette` ends well.
    async fn reaches(&self, command: &str, mut params: Value, pipette: &str) -> bool {
        params["pipetteId"] = json!(pipette);
        let answer = self.command(command, params).await;
        match answer.text("/data/status") {
            "succeeded" => true,
            _ => {
                assert_eq!(answer.text("/data/error/errorType"), "FailedToPlanMoveError", "{}", answer.body);
                assert_eq!(answer.text("/data/error/errorCode"), "4000");
                false
            }
        }
    }

    /// Both as a goal and as the least height of the way: this high goes, a tenth of a millimetre more doesn't.
    async fn assert_ceiling(&self, pipette: &str, highest: f64) {
        for (z, goes) in [(highest, true), (highest + 0.1, false)] {
            let over = json!({"coordinates": {"x": 200, "y": 150, "z": z}});
            assert_eq!(self.reaches("moveToCoordinates", over, pipette).await, goes, "{pipette} to {z}");
            let by_way_of = json!({"coordinates": {"x": 200, "y": 150, "z": 100}, "minimumZHeight": z});
            assert_eq!(self.reaches("moveToCoordinates", by_way_of, pipette).await, goes, "{pipette} over {z}");
            let mut well = at_well("plate", "A1", "top", 0.0);
            well["minimumZHeight"] = json!(z);
            assert_eq!(self.reaches("moveToWell", well, pipette).await, goes, "{pipette} to a well over {z}");
            // Away from the well, so that the next way to it isn't a straight one.
            let away = json!({"coordinates": {"x": 100, "y": 100, "z": 100}});
            assert!(self.reaches("moveToCoordinates", away, pipette).await);
        }
        let stay = json!({"addressableAreaName": "5", "stayAtHighestPossibleZ": true, "pipetteId": pipette});
        let told = self.done("moveToAddressableArea", stay).await.number("/data/result/position/z");
        assert!((told - highest).abs() < 0.051, "{pipette} stays at {told}, not at {highest}");
    }

    /// A request of any kind, its status, and the id of its first error.
    async fn refusal(&self, method: Method, path: &str, body: &Value) -> (u16, String) {
        let path = path.replace("{run}", &self.run).replace("{nobody}", NOBODY);
        let body = (method != Method::GET).then(|| body.to_string());
        let answer = self.send(method, &path, Some("*"), body).await;
        (answer.status, answer.text("/errors/0/id").to_owned())
    }
}

#[tokio::test]
async fn each_pipette_has_its_ceiling_and_a_tip_lowers_it() {
    let lab = Lab::with_both_pipettes().await;
    lab.assert_ceiling("p", 198.6).await;
    lab.assert_ceiling("q", 179.6).await;
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    lab.done("pickUpTip", json!({"pipetteId": "q", "labwareId": "small tips", "wellName": "A1"})).await;
    lab.assert_ceiling("p", 147.5).await;
    lab.assert_ceiling("q", 148.6).await;
    // A straight way is never looked at.
    let straight = json!({"coordinates": {"x": 200, "y": 150, "z": 210}, "forceDirect": true});
    assert!(lab.reaches("moveToCoordinates", straight, "p").await);
}

/// Not seen on the real server: by `homePosition` and `nozzleOffset` of its pipette definitions.
#[tokio::test]
async fn pipettes_of_the_first_generation_have_a_higher_ceiling() {
    let config = Config {
        left_pipette: Some(PipetteModel::P10Single),
        right_pipette: Some(PipetteModel::P1000Single),
        ..anywhere()
    };
    let lab = Lab::with(config).await;
    let plate = json!({"location": {"slotName": "1"}, "loadName": "corning_96_wellplate_360ul_flat",
                       "namespace": "opentrons", "version": 2, "labwareId": "plate"});
    lab.done("loadLabware", plate).await;
    for (name, mount, id, highest) in [("p10_single", "left", "q", 229.0), ("p1000_single", "right", "p", 262.0)] {
        lab.done("loadPipette", json!({"pipetteName": name, "mount": mount, "pipetteId": id})).await;
        lab.assert_ceiling(id, highest).await;
    }
}

#[tokio::test]
async fn a_homed_nozzle_is_where_its_pipette_ends() {
    let lab = Lab::with_both_pipettes().await;
    lab.done("home", json!({})).await;
    for (pipette, z) in [("p", 247.45), ("q", 228.45)] {
        let told = lab.done("savePosition", json!({"pipetteId": pipette})).await;
        assert!((told.number("/data/result/position/z") - z).abs() < 1e-9, "{pipette}: {}", told.body);
    }
    let raised = json!({"pipetteId": "p", "coordinates": {"x": 200, "y": 150, "z": 100}});
    lab.done("moveToCoordinates", raised).await;
    lab.done("retractAxis", json!({"axis": "rightZ"})).await;
    let told = lab.done("savePosition", json!({"pipetteId": "p"})).await;
    assert!((told.number("/data/result/position/z") - 247.45).abs() < 1e-9, "{}", told.body);
}

#[tokio::test]
async fn the_run_is_looked_up_before_the_body_is_read_or_after_as_the_route_has_it() {
    let mut lab = Lab::open().await;
    let old = lab.run.clone();
    lab.new_run().await;
    let old = |path: &str| path.replace("{old}", &old);
    let bad = json!({"data": {"commandType": "no such", "actionType": "no such"}});
    let cases = [
        (Method::POST, "/runs/{nobody}/commands", 404, "RunNotFound"),
        (Method::POST, "/runs/{old}/commands", 409, "RunStopped"),
        (Method::POST, "/runs/{run}/commands", 422, "InvalidRequest"),
        (Method::POST, "/runs/{nobody}/commands?timeout=x", 404, "RunNotFound"),
        (Method::POST, "/runs/{nobody}/actions", 404, "RunNotFound"),
        (Method::POST, "/runs/{old}/actions", 409, "RunStopped"),
        (Method::POST, "/runs/{nobody}/labware_offsets", 404, "RunNotFound"),
        (Method::POST, "/runs/{old}/labware_offsets", 422, "InvalidRequest"),
        (Method::POST, "/runs/{nobody}/labware_definitions", 404, "RunNotFound"),
        (Method::POST, "/runs/{old}/labware_definitions", 422, "InvalidRequest"),
        (Method::PATCH, "/runs/{nobody}", 409, "RunStopped"),
        (Method::PATCH, "/runs/{old}", 409, "RunStopped"),
        (Method::GET, "/runs/{nobody}/loaded_labware_definitions", 409, "RunStopped"),
        (Method::GET, "/runs/{old}/loaded_labware_definitions", 409, "RunStopped"),
        (Method::GET, "/runs/{nobody}/commandErrors", 409, "RunStopped"),
        (Method::GET, "/runs/{old}/commandErrors", 409, "RunStopped"),
        (Method::GET, "/runs/{nobody}/commands?pageLength=x", 422, "InvalidRequest"),
        (Method::GET, "/runs/{nobody}/commands", 404, "RunNotFound"),
        (Method::POST, "/maintenance_runs/{nobody}/commands", 404, "RunNotFound"),
        (Method::POST, "/maintenance_runs/{nobody}/labware_offsets", 404, "RunNotFound"),
    ];
    for (method, path, status, id) in cases {
        let told = lab.refusal(method.clone(), &old(path), &bad).await;
        assert_eq!(told, (status, id.to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn a_run_that_was_stopped_before_its_start_still_takes_a_start() {
    let lab = Lab::open().await;
    assert_eq!(lab.act("stop").await.status, 201);
    let started = lab.act("play").await;
    assert_eq!((started.status, started.text("/data/actionType")), (201, "play"), "{}", started.body);
    assert_eq!(lab.status().await, "stopped");
    let run = lab.get(&format!("/runs/{}", lab.run)).await;
    assert!(run.at("/data/startedAt").is_null(), "nothing was started: {}", run.body);
    assert_eq!(lab.act("pause").await.status, 409);
}

#[tokio::test]
async fn a_start_sends_the_maintenance_run_away() {
    let lab = Lab::open().await;
    let maintenance = lab.post("/maintenance_runs", &json!({"data": {}})).await.text("/data/id").to_owned();
    let current = lab.get("/maintenance_runs/current_run").await;
    assert_eq!(current.text("/data/id"), maintenance);
    assert_eq!(current.text("/links/current/href"), format!("/maintenance_runs/{maintenance}"));
    let path = format!("/maintenance_runs/{maintenance}/commands");
    let comment = json!({"data": {"commandType": "comment", "params": {"message": "here"}}});
    lab.post(&format!("{path}?waitUntilComplete=true&timeout=5000"), &comment).await;
    let listed = lab.get(&path).await;
    assert_eq!(listed.text("/data/0/status"), "succeeded");
    assert!(listed.at("/data/0/notes").is_null(), "{}", listed.body);
    lab.act("play").await;
    let gone = lab.get("/maintenance_runs/current_run").await;
    assert_eq!((gone.status, gone.text("/errors/0/id")), (404, "NoCurrentRunFound"), "{}", gone.body);
}

#[tokio::test]
async fn offsets_name_slots_as_an_ot2_does_and_count_where_they_say() {
    let lab = Lab::open().await;
    let path = format!("/runs/{}/labware_offsets", lab.run);
    let plate = "opentrons/corning_96_wellplate_360ul_flat/2";
    let offset = |location: Value| json!({"data": {"definitionUri": plate, "location": location, "vector": {"x": 1, "y": 0, "z": 0}}});
    for (asked, told) in [("D1", "1"), ("A1", "10"), ("5", "5")] {
        let answer = lab.post(&path, &offset(json!({"slotName": asked}))).await;
        assert_eq!(answer.text("/data/location/slotName"), told, "{}", answer.body);
    }
    for wrong in [json!({"slotName": "13"}), json!({"slotName": "1", "moduleModel": "toaster"}), json!({})] {
        assert_eq!(lab.post(&path, &offset(wrong.clone())).await.status, 422, "{wrong}");
    }
    let on_module = json!({"slotName": "2", "moduleModel": "temperatureModuleV2", "definitionUri": plate});
    assert_eq!(lab.post(&path, &offset(on_module.clone())).await.at("/data/location"), &on_module);
    for (slot, counts) in [("1", true), ("2", false)] {
        let params = json!({"location": {"slotName": slot}, "loadName": "corning_96_wellplate_360ul_flat",
                            "namespace": "opentrons", "version": 2});
        let loaded = lab.done("loadLabware", params).await;
        assert_eq!(loaded.at("/data/result/offsetId").is_string(), counts, "slot {slot}: {}", loaded.body);
    }
}

#[tokio::test]
async fn a_definition_is_held_against_the_schema() {
    let lab = Lab::open().await;
    let path = format!("/runs/{}/labware_definitions", lab.run);
    let params = json!({"location": {"slotName": "1"}, "loadName": "corning_96_wellplate_360ul_flat",
                        "namespace": "opentrons", "version": 2});
    let good = lab.done("loadLabware", params).await.at("/data/result/definition").clone();
    assert_eq!(lab.post(&path, &json!({"data": good})).await.status, 201);
    let wrong: &[(&str, Value, &str)] = &[
        ("/metadata", Value::Null, "/data/metadata"),
        ("/wells/A1/shape", json!("oval"), "/data/wells/A1/shape"),
        ("/wells/A1/depth", json!("3.55"), "/data/wells/A1/depth"),
        ("/wells/A1/z", json!(-1), "/data/wells/A1/z"),
        ("/schemaVersion", json!(3), "/data/schemaVersion"),
        ("/version", json!(0), "/data/version"),
        ("/namespace", json!("Mine!"), "/data/namespace"),
        ("/parameters/format", json!("round"), "/data/parameters/format"),
        ("/groups/0/wells", Value::Null, "/data/groups/0/wells"),
    ];
    for (place, value, pointer) in wrong {
        let mut definition = good.clone();
        *definition.pointer_mut(place).expect("a field of the definition") = value.clone();
        let refused = lab.post(&path, &json!({"data": definition})).await;
        assert_eq!((refused.status, refused.text("/errors/0/source/pointer")), (422, *pointer), "{}", refused.body);
    }
}

#[tokio::test]
async fn commands_for_other_hardware_end_as_they_do_on_an_ot2() {
    let lab = Lab::open().await;
    lab.load().await;
    let fails = async |command: &str, params: Value| {
        let answer = lab.command(command, params).await;
        assert_eq!(answer.text("/data/status"), "failed", "{command}: {}", answer.body);
        (answer.text("/data/error/errorType").to_owned(), answer.text("/data/error/errorCode").to_owned())
    };
    let is = |kind: &str, code: &str| (kind.to_owned(), code.to_owned());
    lab.done("verifyTipPresence", json!({"pipetteId": "p", "expectedState": "present"})).await;
    let single = json!({"pipetteId": "p", "configurationParams": {"style": "SINGLE", "primaryNozzle": "A1"}});
    assert_eq!(fails("configureNozzleLayout", single).await, is("CommandPreconditionViolated", "4004"));
    let probe = json!({"pipetteId": "p", "labwareId": "plate", "wellName": "A1"});
    assert_eq!(fails("liquidProbe", probe.clone()).await, is("TipNotAttachedError", "3005"));
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    // Of a GEN2 pipette it has no settings for this tip, and looks no further.
    assert_eq!(fails("tryLiquidProbe", probe.clone()).await, is("PythonException", "4000"));
    lab.done("aspirate", transfer("plate", "A1", 50.0)).await;
    assert_eq!(fails("liquidProbe", probe).await, is("TipNotEmptyError", "4000"));

    let before = lab.ledger().await.len();
    let flex_only: &[(&str, Value)] = &[
        ("unsafe/dropTipInPlace", json!({"pipetteId": "p"})),
        ("unsafe/blowOutInPlace", json!({"pipetteId": "p", "flowRate": 10})),
        ("unsafe/engageAxes", json!({"axes": ["x"]})),
        ("calibration/calibratePipette", json!({"mount": "left"})),
    ];
    for (command, params) in flex_only {
        assert_eq!(fails(command, params.clone()).await, is("HardwareNotSupportedError", "4003"), "{command}");
    }
    assert_eq!(lab.ledger().await.len(), before, "none of them did anything");
    assert_eq!(fails("home", json!({"axes": ["extensionZ"]})).await, is("InvalidAxisForRobotType", "4000"));
    let reader = json!({"moduleId": "m", "sampleWavelength": 450});
    assert_eq!(fails("absorbanceReader/initialize", reader).await, is("ModuleNotLoadedError", "4000"));
}

#[tokio::test]
async fn areas_have_their_own_width_and_want_a_whole_offset() {
    let lab = Lab::open().await;
    lab.load().await;
    let over = |area: &str| json!({"pipetteId": "p", "addressableAreaName": area, "alternateDropLocation": true});
    for (area, x) in [("1", 90.5), ("1", 37.5), ("fixedTrash", 363.895), ("1", 90.5)] {
        let told = lab.done("moveToAddressableAreaForDropTip", over(area)).await.number("/data/result/position/x");
        assert!((told - x).abs() < 1e-6, "{area}: {told}, not {x}");
    }
    for command in ["moveToAddressableArea", "moveToAddressableAreaForDropTip"] {
        for offset in [json!({}), json!({"z": 5})] {
            let params = json!({"pipetteId": "p", "addressableAreaName": "1", "offset": offset});
            assert_eq!(lab.command(command, params).await.status, 422, "{command} {offset}");
        }
    }
}

#[tokio::test]
async fn older_routes_complain_in_their_own_words() {
    let lab = Lab::open().await;
    let home = lab.post("/robot/home", &json!({"target": "pipette", "mount": "left"})).await;
    assert_eq!(home.text("/message"), "Pipette on left homed successfully");
    let low = json!({"target": "mount", "mount": "left", "point": [100, 100, 29]});
    for (path, body, told) in [
        ("/robot/move", low, "body.__root__: Sending a mount to a z position lower than 30"),
        ("/robot/home", json!({"target": "pipette"}), "body.__root__: mount must be specified"),
        ("/settings", json!({"value": true}), "body.id: field required"),
        ("/identify", json!({}), "query.seconds: field required"),
    ] {
        let answer = lab.post(path, &body).await;
        assert_eq!((answer.status, answer.text("/errorCode")), (422, "4000"), "{path}: {}", answer.body);
        assert!(answer.text("/message").starts_with(told), "{path}: {}", answer.body);
    }
    let torn = lab.send(Method::POST, "/robot/lights", Some("*"), Some("{\"on\": ".to_owned())).await;
    assert_eq!((torn.status, torn.text("/errorCode")), (422, "4000"), "{}", torn.body);
    assert!(torn.text("/message").starts_with("body."), "{}", torn.body);
}

#[tokio::test]
async fn versions_and_methods_are_told_apart_as_the_real_server_does() {
    let lab = Lab::open().await;
    let ancient = lab.send(Method::GET, "/runs", Some("-1"), None).await;
    assert_eq!((ancient.status, ancient.text("/errors/0/id")), (400, "OutdatedAPIVersion"));
    assert!(lab.send(Method::GET, "/modules", Some("2"), None).await.at("/modules").is_array());
    assert!(lab.send(Method::GET, "/modules", Some("3"), None).await.at("/data").is_array());
    let command = json!({"command_type": "deactivate"});
    for (path, version, body, status, message) in [
        ("/modules/none", "2", &command, 404, "No connected modules"),
        ("/modules/none", "3", &command, 410, "This endpoint has been removed. Use POST /commands instead."),
        ("/modules/none", "2", &json!({}), 422, "body.command_type: field required"),
        ("/modules/none/update", "4", &json!(null), 404, "Module none not found"),
    ] {
        let answer = lab.send(Method::POST, path, Some(version), Some(body.to_string())).await;
        assert_eq!((answer.status, answer.text("/message")), (status, message), "{path} {version} {body}");
    }
    for path in ["/health", "/runs", "/pipettes"] {
        assert_eq!(lab.send(Method::HEAD, path, Some("*"), None).await.status, 405, "{path}");
    }
    assert_eq!(lab.send(Method::HEAD, "/nowhere", Some("*"), None).await.status, 404);
    let gone = lab.get("/labware/calibrations").await;
    assert_eq!((gone.status, gone.text("/errors/0/id")), (410, "LabwareCalibrationEndpointsRemoved"));
    assert_eq!(lab.send(Method::GET, "/labware/calibrations", Some("3"), None).await.status, 200);
}

#[tokio::test]
async fn what_python_takes_for_an_object_is_one_and_what_it_does_not_is_refused() {
    let lab = Lab::open().await;
    let path = format!("/runs/{}", lab.run);
    assert_eq!(lab.patch(&path, &json!({"data": []})).await.status, 200);
    assert_eq!(lab.patch(&path, &json!({"data": [1]})).await.status, 422);
    assert_eq!(lab.post("/runs", &json!({"data": []})).await.status, 201);
    for (data, status) in [
        (json!({"protocolId": 5}), 404),
        (json!({"protocolId": {}}), 422),
        (json!({"runTimeParameterValues": 3}), 422),
        (json!({"labwareOffsets": 3}), 422),
    ] {
        assert_eq!(lab.post("/runs", &json!({"data": data})).await.status, status, "{data}");
    }
}

#[tokio::test]
async fn a_negative_page_is_cut_as_python_cuts_it() {
    let lab = Lab::open().await;
    for message in ["a", "b", "c"] {
        lab.done("comment", json!({"message": message})).await;
    }
    let messages = async |query: &str| {
        let page = lab.get(&format!("/runs/{}/commands?{query}", lab.run)).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let commands = page.at("/data").as_array().cloned().unwrap_or_default();
        commands.iter().map(|command| command["params"]["message"].as_str().unwrap_or_default()).collect::<String>()
    };
    assert_eq!(messages("pageLength=-1").await, "");
    assert_eq!(messages("cursor=0&pageLength=-1").await, "ab");
    assert_eq!(messages("cursor=0&pageLength=2").await, "ab");
    assert_eq!(lab.get("/runs?pageLength=-1").await.at("/data").as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_command_of_a_protocol_is_known_by_the_fingerprint_of_all_up_to_it() {
    let lab = Lab::open().await;
    let home = || json!({"commandType": "home", "params": {}, "intent": "protocol"});
    // MD5 of MD5("home"), then of that text and MD5("home") again.
    let first = lab.queue(home()).await;
    let second = lab.queue(home()).await;
    assert_eq!(first.text("/data/key"), "50c7ae73a4e3f7129874f39dfb514803");
    assert_eq!(second.text("/data/key"), "f065a81888ac1c860c0035eea33489e2");
    let long = "k".repeat(2_000);
    let named = json!({"commandType": "comment", "params": {"message": ""}, "intent": "protocol", "key": long});
    assert_eq!(lab.queue(named).await.text("/data/key"), long);
}

/// What pauses, sent as a setup command, leaves a run that nothing but a start helps.
#[tokio::test]
async fn a_pause_among_setup_commands_wedges_the_run() {
    let mut lab = Lab::open().await;
    lab.load().await;
    let elsewhere = json!({"labwareId": "plate", "newLocation": {"slotName": "2"}, "strategy": "manualMoveWithPause"});
    for (command, params) in [("waitForResume", json!({})), ("moveLabware", elsewhere)] {
        let wedge = json!({"commandType": command, "params": params, "intent": "setup"});
        let path = format!("/runs/{}/commands?waitUntilComplete=true&timeout=300", lab.run);
        let answer = lab.post(&path, &json!({"data": wedge})).await;
        assert_eq!((answer.status, answer.text("/data/status")), (201, "running"), "{command}: {}", answer.body);
        assert_eq!(lab.status().await, "paused", "{command}");
        let next = lab.command("home", json!({})).await;
        assert_eq!((next.status, next.text("/errors/0/id")), (409, "SetupCommandNotAllowed"), "{}", next.body);
        assert_eq!(lab.post("/runs", &json!({"data": {}})).await.text("/errors/0/id"), "RunAlreadyActive");
        assert_eq!(lab.post("/commands", &json!({"data": {"commandType": "home", "params": {}}})).await.status, 409);
        // The gantry itself is free.
        assert_eq!(lab.post("/robot/home", &json!({"target": "robot"})).await.status, 200);
        assert_eq!(lab.act("play").await.status, 201);
        let ended = async || lab.status().await == "succeeded";
        lab.until("the run's end", ended).await;
        lab.new_run().await;
        lab.load().await;
    }
    lab.queue(json!({"commandType": "waitForResume", "params": {}, "intent": "setup"})).await;
    let paused = async || lab.status().await == "paused";
    lab.until("the pause", paused).await;
    assert_eq!(lab.act("stop").await.status, 201);
    assert_eq!(lab.act("play").await.status, 201);
    // Long enough for a stop that would be carried out.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(lab.status().await, "stop-requested", "a stop that came first is never done");
    assert_eq!(lab.post("/runs", &json!({"data": {}})).await.text("/errors/0/id"), "RunAlreadyActive");
}

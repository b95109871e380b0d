//! Faults on demand.

use super::{Lab, anywhere};
use emulator::{Config, Scenario, StartError};
use reqwest::Method;
use serde_json::{Value, json};

impl Lab {
    async fn ask_for(&self, faults: Value) {
        let asked = self.post("/emulator/faults", &json!({"faults": faults})).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
    }

    /// Sends a comment as a command and tells whether an answer came, and whether it was whole.
    async fn comment(&self, message: &str) -> Result<u16, &'static str> {
        let url = format!("http://{}/runs/{}/commands", self.emulator.robot_addr(), self.run);
        let command = json!({"data": {"commandType": "comment", "params": {"message": message}}});
        let request = self.client.post(url).timeout(super::PATIENCE).header("Opentrons-Version", "*");
        let answer = request.body(command.to_string()).send().await.map_err(|_| "no answer")?;
        let status = answer.status().as_u16();
        answer.bytes().await.map(|_| status).map_err(|_| "half an answer")
    }

    async fn comments(&self) -> Vec<String> {
        let listed = self.get(&format!("/runs/{}/commands?cursor=0", self.run)).await;
        let all = listed.at("/data").as_array().cloned().unwrap_or_default();
        all.iter().map(|command| command["params"]["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test]
async fn requests_and_answers_are_lost_torn_or_refused_as_asked() {
    let lab = Lab::open().await;
    let path = "/runs/*/commands";
    let cases = [
        ("lost-request", Err("no answer"), false),
        ("lost-answer", Err("no answer"), true),
        ("half-answer", Err("half an answer"), true),
        ("none", Ok(201), true),
    ];
    for (harm, answer, is_done) in cases {
        lab.ask_for(json!([{"method": "POST", "path": path, "harm": harm, "delay_ms": 10}])).await;
        assert_eq!(lab.comment(harm).await, answer, "{harm}");
        assert_eq!(lab.comments().await.contains(&harm.to_owned()), is_done, "{harm}");
        assert_eq!(lab.comment("after").await, Ok(201), "{harm} strikes once");
    }
    lab.ask_for(json!([{"path": path, "harm": "status", "status": 503, "skip": 1, "times": 2}])).await;
    let told = [lab.comment("a").await, lab.comment("b").await, lab.comment("c").await, lab.comment("d").await];
    assert_eq!(told, [Ok(201), Ok(503), Ok(503), Ok(201)]);
    assert_eq!(lab.get("/emulator/faults").await.at("/data"), &json!([]), "all have struck");

    lab.ask_for(json!([{"method": "GET", "path": "/health", "harm": "lost-answer", "times": 9}])).await;
    assert_eq!(lab.comment("elsewhere").await, Ok(201), "other routes are spared");
    assert_eq!(lab.get("/emulator/faults").await.at("/data/0/times"), &json!(9));
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused() {
    let lab = Lab::open().await;
    for wrong in [
        json!({}),
        json!({"faults": [{}]}),
        json!({"faults": [{"path": "/runs", "harm": "fire"}]}),
        json!({"faults": [{"path": "/runs", "harm": "status"}]}),
        json!({"faults": [{"path": "/runs", "harm": "status", "status": 200}]}),
        json!({"faults": [{"path": "/runs", "status": 500}]}),
        json!({"faults": [{"path": "/runs", "delay_ms": -1}]}),
        json!({"faults": [{"path": "/runs", "times": -1}]}),
        json!({"faults": [{"command": "fly"}]}),
        json!({"faults": [{"command": "home", "when": "never"}]}),
        json!({"faults": [{"command": "home", "detail": "x".repeat(501)}]}),
    ] {
        let answer = lab.send(Method::POST, "/emulator/faults", None, Some(wrong.to_string())).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
    }
}

impl Lab {
    /// How often something of this kind has happened.
    async fn count(&self, kind: &str) -> usize {
        self.ledger().await.iter().filter(|entry| entry["kind"] == kind).count()
    }

    /// Whether a comment or another command succeeds, and what is said if it doesn't.
    async fn outcome(&self, command_type: &str, params: Value) -> (String, String) {
        let answer = self.command(command_type, params).await;
        (
            answer.text("/data/status").to_owned(),
            answer.at("/data/error/detail").as_str().unwrap_or_default().to_owned(),
        )
    }
}

#[tokio::test]
async fn commands_fail_as_asked_before_or_after_they_are_done() {
    let lab = Lab::open().await;
    lab.load().await;
    let tip = |well: &str| json!({"pipetteId": "p", "labwareId": "tips", "wellName": well});
    let stall = json!({"command": "pickUpTip", "detail": "The motor stalled."});
    lab.ask_for(json!([stall, {"command": "home", "skip": 1}, {"command": "dropTipInPlace", "when": "after"}])).await;
    assert_eq!(lab.get("/emulator/faults").await.at("/data/0/command"), &json!("pickUpTip"));

    let failed = ("failed".to_owned(), "The motor stalled.".to_owned());
    assert_eq!(lab.outcome("pickUpTip", tip("A1")).await, failed);
    assert_eq!(lab.count("pick_up_tip").await, 0, "nothing was done");
    lab.done("pickUpTip", tip("A1")).await;
    assert_eq!(lab.count("pick_up_tip").await, 1, "it fails once");

    lab.done("home", json!({})).await;
    assert_eq!(lab.outcome("home", json!({})).await.0, "failed", "the first was spared");
    assert_eq!(lab.outcome("dropTipInPlace", json!({"pipetteId": "p"})).await.0, "failed");
    assert_eq!(lab.count("drop_tip").await, 1, "it was done, whatever was said");
    assert_eq!(lab.get("/emulator/faults").await.at("/data"), &json!([]), "all have struck");
}

#[tokio::test]
async fn a_scenario_comes_about_as_the_robot_goes_on() {
    let steps = json!({"steps": [
        {"post": "/emulator/vials/A1", "body": {"dye": "red", "volume_ul": 120}},
        {"after": 3, "post": "/emulator/faults", "body": {"faults": [{"path": "/health", "harm": "status", "status": 500}]}},
    ]});
    let scenario = Scenario::read(&steps.to_string()).expect("a scenario");
    let lab = Lab::with(Config { scenario: Some(scenario), ..anywhere() }).await;
    assert_eq!(lab.count("refill").await, 1);
    assert_eq!(lab.get("/health").await.status, 200, "nothing has moved yet");
    lab.load().await;
    for well in ["A1", "B1", "C1"] {
        lab.done("moveToWell", json!({"pipetteId": "p", "labwareId": "plate", "wellName": well})).await;
    }
    lab.until("the fault", async || {
        !lab.get("/emulator/faults").await.at("/data").as_array().is_none_or(Vec::is_empty)
    })
    .await;
    assert_eq!(lab.get("/health").await.status, 500);
}

#[tokio::test]
async fn a_scenario_that_makes_no_sense_is_refused_at_the_start() {
    for (wrong, said) in [
        ("{}", "missing field"),
        (r#"{"steps": [{"post": "/runs"}]}"#, "'/runs' is no path under /emulator/"),
        (r#"{"steps": [{"after": 2, "post": "/emulator/tips"}, {"post": "/emulator/tips"}]}"#, "in the order"),
        (r#"{"steps": [{"post": "/emulator/tips", "later": 1}]}"#, "unknown field"),
    ] {
        let error = Scenario::read(wrong).expect_err(wrong);
        assert!(error.contains(said), "{error}");
    }
    let scenario = Scenario::read(r#"{"steps": [{"post": "/emulator/sensor", "body": {"light": -1}}]}"#).expect("read");
    let error = emulator::start(Config { scenario: Some(scenario), ..anywhere() }).await.expect_err("refused");
    assert!(matches!(&error, StartError::Scenario(said) if said.contains("'light'")), "{error}");
}

impl Lab {
    /// Draws 100 µL out of the plate's first well; what really is in the tip then.
    async fn drawn(&self) -> f64 {
        self.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
        let over = json!({"pipetteId": "p", "labwareId": "plate", "wellName": "A1",
                          "wellLocation": {"origin": "bottom", "offset": {"z": 1}}, "volume": 100, "flowRate": 90});
        self.done("aspirate", over).await;
        let state = self.send(Method::GET, "/emulator/state", None, None).await;
        let liquid = state.at("/data/right/liquid").as_object().cloned().unwrap_or_default();
        liquid.values().filter_map(Value::as_f64).sum()
    }

    async fn in_well(&self, slot: u8, well: &str) -> f64 {
        let components = self.components(slot, well).await;
        components.as_object().map_or(0.0, |liquid| liquid.values().filter_map(Value::as_f64).sum())
    }

    async fn components(&self, slot: u8, well: &str) -> Value {
        let state = self.send(Method::GET, "/emulator/state", None, None).await;
        state.at(&format!("/data/slots/{slot}/liquids/{well}")).clone()
    }

    /// 300 µL of green stand in the plate's first well.
    async fn fill_well(&self) {
        let full = json!({"dye": "green", "volume_ul": 300, "slot": 1});
        assert_eq!(self.post("/emulator/vials/A1", &full).await.status, 200);
    }
}

#[tokio::test]
async fn a_pipette_is_as_far_off_as_was_asked() {
    for (percent, least, most) in [(-20.0, 75.0, 85.0), (0.0, 95.0, 105.0), (20.0, 115.0, 125.0)] {
        let lab = Lab::open().await;
        lab.load().await;
        lab.fill_well().await;
        lab.ask_for(json!([{"lab": "pipette-bias", "mount": "right", "percent": percent}])).await;
        assert_eq!(lab.get("/emulator/faults").await.at("/data/0/percent"), &json!(percent));
        let drawn = lab.drawn().await;
        assert!((least..most).contains(&drawn), "{percent} %: {drawn} µL of 100");
    }
}

#[tokio::test]
async fn vials_run_dry_and_wells_evaporate() {
    let lab = Lab::open().await;
    lab.fill_well().await;
    let before = lab.in_well(3, "B1").await;
    lab.ask_for(json!([{"lab": "evaporation", "ul": 60}])).await;
    assert!((lab.in_well(1, "A1").await - 240.0).abs() < 1e-6);
    assert_eq!(lab.components(1, "A1").await, json!({"green": 300.0, "water": -60.0}), "the dye stays");
    assert!((lab.in_well(3, "B1").await - (before - 60.0)).abs() < 1e-6);
    lab.ask_for(json!([{"lab": "empty-vial", "well": "B1"}])).await;
    assert_eq!(lab.in_well(3, "B1").await, 0.0);
    let gone = lab.ledger().await.into_iter().filter(|entry| entry["kind"] == "gone");
    assert!(gone.into_iter().any(|entry| entry["why"] == "emptied" && entry["well"] == "B1"));
    assert_eq!(lab.get("/emulator/faults").await.at("/data"), &json!([]), "both are over");
    let nowhere = json!({"faults": [{"lab": "empty-vial", "well": "Z9"}]});
    assert_eq!(lab.post("/emulator/faults", &nowhere).await.status, 404);
}

#[tokio::test]
async fn a_used_plate_is_passed_off_as_new() {
    let lab = Lab::open().await;
    lab.fill_well().await;
    lab.ask_for(json!([{"lab": "used-plate"}])).await;
    let swapped = lab.post("/emulator/plate", &json!({})).await;
    assert_eq!((swapped.status, lab.in_well(1, "A1").await), (200, 300.0), "it is the old one");
    assert_eq!(lab.post("/emulator/plate", &json!({})).await.status, 200);
    assert_eq!(lab.in_well(1, "A1").await, 0.0, "the next is new");
}

#[tokio::test]
async fn a_sensor_stays_in_its_dock() {
    let lab = Lab::open().await;
    lab.ask_for(json!([{"lab": "sensor-stays"}])).await;
    // Over the dock in slot 10, where a client takes it for a tip.
    let docked = async || {
        let state = lab.send(Method::GET, "/emulator/state", None, None).await;
        state.at("/data/slots/10/sensor_in").as_str().map(str::to_owned)
    };
    assert_eq!(docked().await.as_deref(), Some("A2"));
    let dock = json!({"data": super::dock_definition()});
    assert_eq!(lab.post(&format!("/runs/{}/labware_definitions", lab.run), &dock).await.status, 201);
    let params = json!({"location": {"slotName": "10"}, "loadName": "ac_color_sensor_charging_port", "namespace": "custom_beta",
                        "version": 1, "labwareId": "dock"});
    lab.load().await;
    lab.done("loadLabware", params).await;
    let pick_up = json!({"pipetteId": "p", "labwareId": "dock", "wellName": "A2"});
    lab.done("pickUpTip", pick_up.clone()).await;
    assert_eq!(
        (docked().await.as_deref(), lab.count("miss").await),
        (Some("A2"), 1),
        "the robot thinks that it has it"
    );
    lab.ask_for(json!([])).await;
    lab.done("dropTipInPlace", json!({"pipetteId": "p"})).await;
    lab.done("pickUpTip", pick_up).await;
    assert_eq!(docked().await, None, "mended");
}

#[tokio::test]
async fn an_open_door_stops_a_run_where_the_switch_is_heeded() {
    let mut lab = Lab::open().await;
    let door = async || lab.get("/robot/door/status").await.body;
    assert_eq!(door().await["data"], json!({"status": "closed", "doorRequiredClosedForProtocol": false}));
    lab.ask_for(json!([{"lab": "door-open"}])).await;
    assert_eq!(door().await["data"]["status"], "open");
    lab.queue(json!({"commandType": "home", "params": {}, "intent": "protocol"})).await;
    lab.act("play").await;
    lab.until("the run's end", async || lab.status().await == "succeeded").await;

    lab.post("/settings", &json!({"id": "enableDoorSafetySwitch", "value": true})).await;
    assert_eq!(lab.get("/robot/door/status").await.at("/data/doorRequiredClosedForProtocol"), &json!(true));
    lab.new_run().await;
    lab.queue(json!({"commandType": "home", "params": {}, "intent": "protocol"})).await;
    assert_eq!(lab.act("play").await.status, 201);
    assert_eq!(lab.status().await, "blocked-by-open-door");
    let again = lab.act("play").await;
    assert_eq!((again.status, again.text("/errors/0/id")), (409, "RunActionNotAllowed"), "{}", again.body);
    lab.ask_for(json!([])).await;
    assert_eq!(lab.status().await, "paused");
    assert_eq!(lab.act("play").await.status, 201);
    lab.until("the run's end", async || lab.status().await == "succeeded").await;
}

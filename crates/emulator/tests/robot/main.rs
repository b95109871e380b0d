//! The virtual OT-2's HTTP API, call by call: what the real robot-server 8.1.0 was seen to do, in our own words.

mod differences;
mod engine;
mod faults;
mod machine;
mod protocols;

use emulator::{Config, Emulator};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

/// An emulator, a client of it, and the run that client made.
struct Lab {
    emulator: Emulator,
    client: Client,
    run: String,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> f64 {
        self.at(pointer).as_f64().unwrap_or(f64::NAN)
    }
}

fn anywhere() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        sensor_listen: ([127, 0, 0, 1], 0).into(),
        speed: f64::INFINITY,
        ..Config::default()
    }
}

impl Lab {
    /// As fast as can be, but a `waitForDuration` of 1 s takes 1 s.
    async fn open() -> Self {
        Self::with(Config { wait_speed: Some(1.0), ..anywhere() }).await
    }

    async fn with(config: Config) -> Self {
        let emulator = emulator::start(config).await.expect("the emulator starts");
        let mut lab = Self { emulator, client: Client::new(), run: String::new() };
        lab.new_run().await;
        lab
    }

    async fn new_run(&mut self) {
        let created = self.post("/runs", &json!({"data": {}})).await;
        self.run = created.text("/data/id").to_owned();
    }

    async fn send(&self, method: Method, path: &str, version: Option<&str>, body: Option<String>) -> Answer {
        let url = format!("http://{}{path}", self.emulator.robot_addr());
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        if let Some(version) = version {
            request = request.header("Opentrons-Version", version);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.unwrap_or_default() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Some("*"), None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some("*"), Some(body.to_string())).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some("*"), Some(body.to_string())).await
    }

    /// Sends a command to the run and waits for its end.
    async fn command(&self, command_type: &str, params: Value) -> Answer {
        let path = format!("/runs/{}/commands?waitUntilComplete=true&timeout=15000", self.run);
        self.post(&path, &json!({"data": {"commandType": command_type, "params": params, "intent": "setup"}})).await
    }

    /// The same, and it must succeed.
    async fn done(&self, command_type: &str, params: Value) -> Answer {
        let answer = self.command(command_type, params).await;
        assert_eq!(answer.text("/data/status"), "succeeded", "{command_type}: {}", answer.body);
        answer
    }

    async fn queue(&self, command: Value) -> Answer {
        self.post(&format!("/runs/{}/commands", self.run), &json!({"data": command})).await
    }

    async fn act(&self, action: &str) -> Answer {
        self.post(&format!("/runs/{}/actions", self.run), &json!({"data": {"actionType": action}})).await
    }

    /// Tips in 9, the plate in 1, the p300 on the right.
    async fn load(&self) {
        for (id, name, slot, version) in
            [("tips", "opentrons_96_tiprack_300ul", "9", 1), ("plate", "corning_96_wellplate_360ul_flat", "1", 2)]
        {
            let params = json!({"location": {"slotName": slot}, "loadName": name, "namespace": "opentrons", "version": version, "labwareId": id});
            self.done("loadLabware", params).await;
        }
        self.done("loadPipette", json!({"pipetteName": "p300_single_gen2", "mount": "right", "pipetteId": "p"})).await;
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so().await {
            assert!(Instant::now() < deadline, "{what} never came true");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn status(&self) -> String {
        self.get(&format!("/runs/{}", self.run)).await.text("/data/status").to_owned()
    }

    /// What physically happened, but for homing.
    async fn ledger(&self) -> Vec<Value> {
        let ledger = self.send(Method::GET, "/emulator/ledger", None, None).await;
        let entries = ledger.at("/data").as_array().cloned().unwrap_or_default();
        entries.into_iter().filter(|entry| entry["kind"] != "home").collect()
    }
}

fn at_well(labware: &str, well: &str, origin: &str, z: f64) -> Value {
    json!({"pipetteId": "p", "labwareId": labware, "wellName": well,
           "wellLocation": {"origin": origin, "offset": {"x": 0, "y": 0, "z": z}}})
}

fn transfer(labware: &str, well: &str, volume: f64) -> Value {
    let mut params = at_well(labware, well, "bottom", 2.0);
    params["volume"] = json!(volume);
    params["flowRate"] = json!(92.86);
    params
}

#[tokio::test]
async fn every_versioned_route_wants_a_version_it_speaks() {
    let lab = Lab::open().await;
    let cases: &[(&str, Option<&str>, u16, &str, &str)] = &[
        ("/health", Some("*"), 200, "/api_version", "8.1.0"),
        ("/health", Some("2"), 200, "/api_version", "8.1.0"),
        ("/health", None, 422, "/message", "header.opentrons-version: field required"),
        ("/health", Some("1"), 400, "/errors/0/id", "OutdatedAPIVersion"),
        ("/runs", Some("1"), 400, "/errors/0/id", "OutdatedAPIVersion"),
        ("/runs", None, 422, "/errors/0/source/header", "opentrons-version"),
        ("/runs", Some("abc"), 422, "/errors/1/detail", "value is not a valid integer"),
        ("/pipettes", Some("abc"), 422, "/errorCode", "4000"),
    ];
    for (path, version, status, place, told) in cases {
        let answer = lab.send(Method::GET, path, *version, None).await;
        assert_eq!((answer.status, answer.text(place)), (*status, *told), "{path} {version:?}: {}", answer.body);
    }
    for (asked, spoken) in [("2", "2"), ("3", "3"), ("4", "4"), ("99", "4"), ("*", "4")] {
        let answer = lab.send(Method::GET, "/runs", Some(asked), None).await;
        assert_eq!(answer.headers.get("opentrons-version").expect("a version"), spoken);
        assert_eq!(answer.headers.get("opentrons-min-version").expect("a version"), "2");
        assert_eq!(answer.headers.get("server").expect("a server"), "uvicorn");
    }
}

/// Method, path, body; status, place and text of the answer.
type Refusal = (Method, &'static str, Option<&'static str>, u16, &'static str, &'static str);

/// As many as the robot takes at once, whose bodies never end.
#[tokio::test]
async fn those_who_never_end_their_requests_keep_nobody_out() {
    let lab = Lab::open().await;
    let mut slow = Vec::new();
    for _ in 0..150 {
        let mut socket = TcpStream::connect(lab.emulator.robot_addr()).await.expect("a connection");
        let head = b"POST /runs HTTP/1.1\r\nhost: robot\r\nopentrons-version: *\r\ncontent-length: 100\r\n\r\n{";
        socket.write_all(head).await.expect("written");
        slow.push(socket);
    }
    // A connection of its own, not the one that is open already.
    let url = format!("http://{}/health", lab.emulator.robot_addr());
    let asked = Client::new().get(url).header("Opentrons-Version", "*").timeout(3 * PATIENCE).send().await;
    assert_eq!(asked.expect("an answer").status().as_u16(), 200);
}

#[tokio::test]
async fn another_sites_page_moves_nothing() {
    let lab = Lab::open().await;
    let ask = async |origin: &str| {
        let url = format!("http://{}/robot/lights", lab.emulator.robot_addr());
        let request = lab.client.post(url).header("Opentrons-Version", "*").header("Origin", origin);
        let answer = request.header("Content-Type", "application/json").body(r#"{"on": true}"#).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(ask("https://evil.example").await, 403);
    assert_eq!(lab.get("/robot/lights").await.at("/on"), &json!(false), "the light is still off");
    assert_eq!(ask(&format!("http://{}", lab.emulator.robot_addr())).await, 200, "the robot's own page may");
}

#[tokio::test]
async fn refusals_come_in_the_shape_of_their_route() {
    let lab = Lab::open().await;
    let cases: &[Refusal] = &[
        (Method::GET, "/nope", None, 404, "/errors/0/id", "BadRequest"),
        (Method::DELETE, "/health", None, 405, "/message", "Method Not Allowed"),
        (Method::DELETE, "/modules", None, 405, "/errors/0/detail", "Method Not Allowed"),
        (Method::GET, "/subsystems/status", None, 403, "/errors/0/id", "NotSupportedOnOT2"),
        (Method::GET, "/robot/control/estopStatus", None, 403, "/errors/0/id", "NotSupportedOnOT2"),
        (Method::GET, "/runs/nope", None, 404, "/errors/0/id", "RunNotFound"),
        (Method::POST, "/runs", Some("{bad"), 422, "/errors/0/source/pointer", "/1"),
        (
            Method::POST,
            "/robot/lights",
            Some(r#"{"on":"maybe"}"#),
            422,
            "/message",
            "body.on: value could not be parsed to a boolean",
        ),
        (Method::GET, "/clientData/none", None, 404, "/errors/0/id", "ClientDataKeyDoesNotExist"),
        (Method::GET, "/maintenance_runs/current_run", None, 404, "/errors/0/id", "NoCurrentRunFound"),
        (Method::POST, "/runs", Some(r#"{"data":{"protocolId":"x"}}"#), 404, "/errors/0/id", "ProtocolNotFound"),
    ];
    for (method, path, body, status, place, told) in cases {
        let answer = lab.send(method.clone(), path, Some("*"), body.map(str::to_owned)).await;
        assert_eq!((answer.status, answer.text(place)), (*status, *told), "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn what_the_robot_tells_of_itself() {
    let lab = Lab::open().await;
    let cases: &[(&str, &str, Value)] = &[
        ("/health", "/robot_model", json!("OT-2 Standard")),
        ("/instruments", "/data/1/instrumentName", json!("p300_single_gen2")),
        ("/instruments", "/meta/totalLength", json!(2)),
        ("/pipettes", "/right/mount_axis", json!("a")),
        ("/modules", "/data", json!([])),
        ("/robot/lights", "/on", json!(false)),
        ("/robot/door/status", "/data/status", json!("closed")),
        ("/motors/engaged", "/z_r/enabled", json!(true)),
        ("/deck_configuration", "/data/cutoutFixtures/11/cutoutFixtureId", json!("fixedTrashSlot")),
        ("/settings", "/settings/0/id", json!("shortFixedTrash")),
        ("/settings/robot", "/left_mount_offset/0", json!(-34)),
        ("/calibration/status", "/deckCalibration/status", json!("IDENTITY")),
        ("/system/time", "/data/id", json!("time")),
        ("/protocols", "/meta/totalLength", json!(0)),
    ];
    for (path, place, told) in cases {
        let answer = lab.get(path).await;
        assert_eq!((answer.status, answer.at(place)), (200, told), "{path}: {}", answer.body);
    }
    assert_eq!(lab.post("/robot/lights", &json!({"on": true})).await.status, 200);
    assert_eq!(lab.get("/robot/lights").await.at("/on"), true);
    assert_eq!(lab.post("/robot/home", &json!({"target": "robot"})).await.text("/message"), "Homing robot.");
}

#[tokio::test]
async fn commands_answer_with_their_defaults_filled_in_and_real_positions() {
    let lab = Lab::open().await;
    lab.load().await;
    let picked = lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    assert_eq!(picked.text("/data/params/wellLocation/origin"), "top");
    assert_eq!(picked.number("/data/params/wellLocation/offset/z"), 0.0);
    // 59.3 mm of tip, of which 8.2 are on the nozzle.
    assert!((picked.number("/data/result/tipLength") - 51.1).abs() < 1e-9);

    let cases: &[(&str, Value, [f64; 3])] = &[
        ("moveToWell", at_well("plate", "B3", "top", -1.3), [32.38, 65.24, 12.92]),
        ("moveToWell", at_well("plate", "A1", "top", 0.0), [14.38, 74.24, 14.22]),
        ("moveToWell", at_well("plate", "A1", "center", 0.0), [14.38, 74.24, 8.885]),
        (
            "moveToCoordinates",
            json!({"pipetteId": "p", "coordinates": {"x": 200, "y": 150, "z": 100}}),
            [200.0, 150.0, 100.0],
        ),
        ("moveRelative", json!({"pipetteId": "p", "axis": "z", "distance": 2}), [200.0, 150.0, 102.0]),
        ("savePosition", json!({"pipetteId": "p"}), [200.0, 150.0, 102.0]),
        ("touchTip", at_well("plate", "B3", "top", 0.0), [32.38, 65.24, 14.22]),
        (
            "moveToAddressableAreaForDropTip",
            json!({"pipetteId": "p", "addressableAreaName": "fixedTrash"}),
            [347.84, 351.5, 82.0],
        ),
        (
            "moveToAddressableAreaForDropTip",
            json!({"pipetteId": "p", "addressableAreaName": "fixedTrash", "alternateDropLocation": true}),
            [363.895, 351.5, 82.0],
        ),
        (
            "moveToAddressableAreaForDropTip",
            json!({"pipetteId": "p", "addressableAreaName": "fixedTrash", "alternateDropLocation": true}),
            [331.785, 351.5, 82.0],
        ),
        // Half its length above where it stood.
        ("dropTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"}), [279.38, 255.24, 35.04]),
    ];
    for (command, params, position) in cases {
        let answer = lab.done(command, params.clone()).await;
        for (axis, expected) in ["x", "y", "z"].into_iter().zip(position) {
            let told = answer.number(&format!("/data/result/position/{axis}"));
            assert!((told - expected).abs() < 1e-6, "{command} {params}: {axis} is {told}, not {expected}");
        }
    }
}

#[tokio::test]
async fn what_the_robot_refuses_and_what_it_lets_pass() {
    let lab = Lab::open().await;
    lab.load().await;
    let slot = |name: &str| json!({"location": {"slotName": name}, "loadName": "nest_12_reservoir_15ml", "namespace": "opentrons", "version": 1});
    let pick = |well: &str| json!({"pipetteId": "p", "labwareId": "tips", "wellName": well});
    let failures: &[(&str, Value, &str, &str)] = &[
        ("loadLabware", slot("9"), "LocationIsOccupiedError", "4000"),
        ("loadLabware", slot("12"), "AreaNotInDeckConfigurationError", "4000"),
        (
            "loadLabware",
            json!({"location": {"slotName": "5"}, "loadName": "x", "namespace": "opentrons", "version": 1}),
            "PythonException",
            "4000",
        ),
        (
            "loadPipette",
            json!({"pipetteName": "p1000_single_gen2", "mount": "right"}),
            "FailedToLoadPipetteError",
            "3010",
        ),
        ("aspirate", transfer("plate", "A1", 100.0), "TipNotAttachedError", "3005"),
        ("pickUpTip", pick("Z9"), "WellDoesNotExistError", "4000"),
        ("moveToWell", at_well("nope", "A1", "top", 0.0), "LabwareNotLoadedError", "4000"),
        ("moveToWell", json!({"pipetteId": "nope", "labwareId": "plate", "wellName": "A1"}), "PythonException", "4000"),
        (
            "dropTip",
            json!({"pipetteId": "p", "labwareId": "fixedTrash", "wellName": "A1"}),
            "LabwareNotLoadedError",
            "4000",
        ),
        ("moveToWell", at_well("plate", "A1", "top", 300.0), "FailedToPlanMoveError", "4000"),
        (
            "loadModule",
            json!({"model": "temperatureModuleV2", "location": {"slotName": "4"}}),
            "ModuleNotAttachedError",
            "4000",
        ),
    ];
    for (command, params, error_type, code) in failures {
        let answer = lab.command(command, params.clone()).await;
        let told = (
            answer.status,
            answer.text("/data/status"),
            answer.text("/data/error/errorType"),
            answer.text("/data/error/errorCode"),
        );
        assert_eq!(told, (201, "failed", *error_type, *code), "{command} {params}: {}", answer.body);
    }

    lab.done("pickUpTip", pick("A1")).await;
    let again = lab.command("pickUpTip", pick("B1")).await;
    assert_eq!(again.text("/data/error/errorCode"), "3012");
    lab.done("aspirate", transfer("plate", "A1", 100.0)).await;
    let more = lab.command("aspirate", transfer("plate", "A1", 290.0)).await;
    assert_eq!(more.text("/data/error/detail"), "Cannot aspirate 290.0 µL when only 200.0 is available.");
    assert_eq!(more.number("/data/error/errorInfo/available_volume"), 200.0);
    lab.done("dispense", transfer("plate", "A1", 100.0)).await;
    let empty = lab.command("dispense", transfer("plate", "A1", 50.0)).await;
    assert_eq!(empty.text("/data/error/errorType"), "InvalidDispenseVolumeError");

    // Physically foolish, and the real one takes it too: 5 µL with a p300, below the bottom, a used tip, no tip to drop.
    lab.done("aspirate", transfer("plate", "A1", 5.0)).await;
    lab.done("moveToWell", at_well("plate", "A1", "bottom", -1.0)).await;
    lab.done("dropTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    lab.done("pickUpTip", pick("A1")).await;
    lab.done("dropTipInPlace", json!({"pipetteId": "p"})).await;
    lab.done("dropTipInPlace", json!({"pipetteId": "p"})).await;

    let errors = lab.get(&format!("/runs/{}/commandErrors?cursor=0&pageLength=100", lab.run)).await;
    assert_eq!(errors.number("/meta/totalLength"), failures.len() as f64 + 3.0);
}

#[tokio::test]
async fn unsound_commands_are_told_field_by_field() {
    let lab = Lab::open().await;
    let cases: &[(Value, usize, &str, &str)] = &[
        (json!({"commandType": "frobnicate", "params": {}}), 1, "/data", "No match for discriminator"),
        (
            json!({"commandType": "moveToWell", "params": {"pipetteId": "p"}}),
            2,
            "/data/MoveToWellCreate/params/labwareId",
            "field required",
        ),
        (
            json!({"commandType": "aspirate", "params": transfer("l", "A1", -5.0)}),
            1,
            "/data/AspirateCreate/params/volume",
            "ensure this value is greater than or equal to 0",
        ),
        (json!({"commandType": "home"}), 1, "/data/HomeCreate/params", "field required"),
        (
            json!({"commandType": "loadLabware", "params": {"location": {"slotName": "13"}, "loadName": "x", "namespace": "y", "version": 1}}),
            5,
            "/data/LoadLabwareCreate/params/location/slotName",
            "value is not a valid enumeration member",
        ),
        (
            json!({"commandType": "home", "params": {}, "intent": "whatever"}),
            1,
            "/data/HomeCreate/intent",
            "value is not a valid enumeration member",
        ),
    ];
    for (command, problems, pointer, detail) in cases {
        let answer = lab.queue(command.clone()).await;
        assert_eq!(
            (answer.status, answer.text("/errors/0/source/pointer")),
            (422, *pointer),
            "{command}: {}",
            answer.body
        );
        assert!(answer.text("/errors/0/detail").starts_with(detail), "{}", answer.body);
        assert_eq!(answer.at("/errors").as_array().map(Vec::len), Some(*problems), "{}", answer.body);
    }
    let fixit = lab.queue(json!({"commandType": "home", "params": {}, "intent": "fixit"})).await;
    assert_eq!((fixit.status, fixit.text("/errors/0/meta/type")), (500, "FixitCommandNotAllowedError"));
    let list = lab.get(&format!("/runs/{}/commands", lab.run)).await;
    assert_eq!(list.number("/meta/totalLength"), 0.0, "none of them was taken");
}

#[tokio::test]
async fn the_same_key_twice_is_two_commands() {
    let lab = Lab::open().await;
    for _ in 0..2 {
        let answer = lab.queue(json!({"commandType": "home", "params": {}, "key": "once"})).await;
        assert_eq!((answer.status, answer.text("/data/key")), (201, "once"));
    }
    let unnamed = lab.queue(json!({"commandType": "home", "params": {}})).await;
    assert_eq!(unnamed.text("/data/key"), unnamed.text("/data/id"));
    let protocol = lab.queue(json!({"commandType": "home", "params": {}, "intent": "protocol"})).await;
    assert_eq!(protocol.text("/data/key").len(), 32);
    let list = lab.get(&format!("/runs/{}/commands?cursor=0&pageLength=10", lab.run)).await;
    let keys: Vec<_> = (0..2).map(|index| list.text(&format!("/data/{index}/key")).to_owned()).collect();
    assert_eq!(keys, ["once", "once"]);
}

#[tokio::test]
async fn lists_are_paged_from_the_tail() {
    let lab = Lab::open().await;
    for index in 0..25 {
        lab.done("comment", json!({"message": index.to_string()})).await;
    }
    let list = |query: &str| lab.get_owned(format!("/runs/{}/commands{query}", lab.run));
    let cases: &[(&str, f64, usize)] = &[
        ("", 5.0, 20),
        ("?pageLength=3", 22.0, 3),
        ("?cursor=0&pageLength=4", 0.0, 4),
        ("?cursor=-5&pageLength=4", 0.0, 4),
        ("?cursor=100000&pageLength=3", 24.0, 1),
        ("?cursor=0&pageLength=1000", 0.0, 25),
    ];
    for (query, cursor, length) in cases {
        let page = list(query).await;
        assert_eq!(page.number("/meta/cursor"), *cursor, "{query}");
        assert_eq!(page.number("/meta/totalLength"), 25.0);
        assert_eq!(page.at("/data").as_array().map(Vec::len), Some(*length), "{query}");
        assert_eq!(page.at("/data/0/result"), &Value::Null, "summaries have no result");
    }
    assert_eq!(list("?cursor=0").await.number("/links/current/meta/index"), 24.0);
    assert_eq!(list("?cursor=abc").await.status, 422);
    let missing = lab.get(&format!("/runs/{}/commands/nope", lab.run)).await;
    assert_eq!((missing.status, missing.text("/errors/0/id")), (500, "UnexpectedError"));
}

impl Lab {
    async fn get_owned(&self, path: String) -> Answer {
        self.get(&path).await
    }
}

#[tokio::test]
async fn waiting_ends_at_the_timeout_and_the_command_goes_on() {
    let lab = Lab::with(Config { wait_speed: Some(20.0), ..anywhere() }).await;
    let path = format!("/runs/{}/commands?waitUntilComplete=true&timeout=20", lab.run);
    let answer = lab
        .post(&path, &json!({"data": {"commandType": "waitForDuration", "params": {"seconds": 10}, "key": "w"}}))
        .await;
    assert_eq!(answer.status, 201);
    assert!(["queued", "running"].contains(&answer.text("/data/status")), "{}", answer.body);
    let command = format!("/runs/{}/commands/{}", lab.run, answer.text("/data/id"));
    lab.until("the command's success", async || lab.get(&command).await.text("/data/status") == "succeeded").await;
    let zero = lab
        .post(&format!("/runs/{}/commands?timeout=0", lab.run), &json!({"data": {"commandType": "home", "params": {}}}))
        .await;
    assert_eq!((zero.status, zero.text("/errors/0/source/parameter")), (422, "timeout"));
}

#[tokio::test]
async fn a_client_that_vanishes_cancels_nothing_and_a_drop_falls_once() {
    let lab = Lab::with(Config { speed: 40.0, ..anywhere() }).await;
    lab.load().await;
    let body = json!({"data": {"commandType": "pickUpTip", "params": {"pipetteId": "p", "labwareId": "tips", "wellName": "A1"}, "key": "vanished"}});
    let url = format!("http://{}/runs/{}/commands?waitUntilComplete=true", lab.emulator.robot_addr(), lab.run);
    let impatient =
        lab.client.post(url).header("Opentrons-Version", "4").body(body.to_string()).timeout(Duration::from_millis(30));
    assert!(impatient.send().await.is_err_and(|error| error.is_timeout()), "the client gave up while the robot moved");
    let list = format!("/runs/{}/commands?cursor=0&pageLength=100", lab.run);
    let is_done = async || {
        let page = lab.get(&list).await;
        let commands = page.at("/data").as_array().cloned().unwrap_or_default();
        commands.iter().any(|command| command["key"] == "vanished" && command["status"] == "succeeded")
    };
    lab.until("the vanished client's command", is_done).await;
    let picked: Vec<_> = lab.ledger().await.into_iter().filter(|entry| entry["key"] == "vanished").collect();
    assert_eq!(picked.len(), 1, "{picked:?}");
}

#[tokio::test]
async fn there_is_one_current_run_and_twenty_are_kept() {
    let mut lab = Lab::open().await;
    let first = lab.run.clone();
    lab.new_run().await;
    assert_eq!(lab.get(&format!("/runs/{first}")).await.text("/data/status"), "stopped");
    let gone =
        lab.post(&format!("/runs/{first}/commands"), &json!({"data": {"commandType": "home", "params": {}}})).await;
    assert_eq!((gone.status, gone.text("/errors/0/id")), (409, "RunStopped"));
    let stored = lab.get(&format!("/runs/{first}/commandsAsPreSerializedList")).await;
    assert_eq!((stored.status, stored.number("/meta/totalLength")), (200, 0.0));
    let not_yet = lab.get(&format!("/runs/{}/commandsAsPreSerializedList", lab.run)).await;
    assert_eq!((not_yet.status, not_yet.text("/errors/0/id")), (503, "PreSerializedCommandsNotAvailable"));

    for _ in 0..20 {
        lab.new_run().await;
    }
    let runs = lab.get("/runs").await;
    assert_eq!(runs.number("/meta/totalLength"), 20.0);
    assert_eq!(runs.text("/links/current/href"), format!("/runs/{}", lab.run));
    assert_eq!(lab.get(&format!("/runs/{first}")).await.status, 404);
    assert_eq!(lab.get("/runs?pageLength=2").await.at("/data").as_array().map(Vec::len), Some(2));

    let path = format!("/runs/{}", lab.run);
    let ended = lab.patch(&path, &json!({"data": {"current": false}})).await;
    assert_eq!((ended.status, ended.text("/data/status"), ended.at("/data/current")), (200, "stopped", &json!(false)));
    assert_eq!(lab.patch(&path, &json!({"data": {"current": false}})).await.status, 409);
    assert_eq!(lab.send(Method::DELETE, &path, Some("*"), None).await.status, 200);
    assert_eq!(lab.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_busy_run_is_not_replaced_and_a_stop_waits_for_a_setup_command() {
    let lab = Lab::open().await;
    lab.queue(json!({"commandType": "waitForDuration", "params": {"seconds": 1}, "intent": "setup"})).await;
    let other = lab.post("/runs", &json!({"data": {}})).await;
    assert_eq!(
        (other.status, other.text("/errors/0/id"), other.text("/errors/0/errorCode")),
        (409, "RunAlreadyActive", "4001")
    );
    // Outside the run the robot still listens, for the run was never played.
    let home =
        lab.post("/commands?waitUntilComplete=true", &json!({"data": {"commandType": "home", "params": {}}})).await;
    assert_eq!((home.status, home.text("/data/status")), (201, "succeeded"));
    let load = lab.post("/commands", &json!({"data": {"commandType": "loadPipette", "params": {}}})).await;
    assert_eq!((load.status, load.text("/errors/0/source/pointer")), (422, "/data"));
    assert_eq!(lab.act("stop").await.status, 201);
    assert_eq!(lab.status().await, "stop-requested");
    lab.until("the stop", async || lab.status().await == "stopped").await;
}

#[tokio::test]
async fn a_played_run_does_its_queue_and_ends() {
    let lab = Lab::open().await;
    let wait = json!({"commandType": "waitForDuration", "params": {"seconds": 0.5}, "intent": "protocol"});
    let queued = lab.queue(wait.clone()).await;
    assert_eq!(queued.text("/data/status"), "queued");
    let early = lab.act("pause").await;
    assert_eq!((early.status, early.text("/errors/0/meta/wrapping/0/type")), (409, "PauseNotAllowedError"));
    assert_eq!(lab.act("zzz").await.status, 422);
    assert_eq!(lab.act("play").await.status, 201);
    assert_eq!(lab.status().await, "running");
    let setup = lab.queue(json!({"commandType": "home", "params": {}})).await;
    assert_eq!((setup.status, setup.text("/errors/0/id")), (409, "SetupCommandNotAllowed"));
    let refusals: &[(Method, &str, &str)] = &[
        (Method::POST, "/runs", "RunAlreadyActive"),
        (Method::POST, "/maintenance_runs", "ProtocolRunIsActive"),
        (Method::DELETE, &format!("/runs/{}", lab.run), "RunNotIdle"),
    ];
    for (method, path, id) in refusals {
        let answer = lab.send(method.clone(), path, Some("*"), None).await;
        assert_eq!((answer.status, answer.text("/errors/0/id")), (409, *id));
    }
    let stateless = lab.post("/commands", &json!({"data": {"commandType": "home", "params": {}}})).await;
    assert_eq!((stateless.status, stateless.text("/errors/0/id")), (409, "RunActive"));

    assert_eq!(lab.act("pause").await.status, 201);
    assert_eq!(lab.status().await, "paused");
    lab.queue(wait).await;
    let list = format!("/runs/{}/commands?cursor=0", lab.run);
    lab.until("the running command's end", async || lab.get(&list).await.text("/data/0/status") == "succeeded").await;
    assert_eq!(lab.get(&list).await.text("/data/1/status"), "queued", "a paused run begins nothing");
    lab.act("play").await;
    lab.until("the end", async || lab.status().await == "succeeded").await;
    for (action, status) in [("play", 409), ("stop", 201)] {
        assert_eq!(lab.act(action).await.status, status, "{action} after the end");
    }
    let late = lab.queue(json!({"commandType": "home", "params": {}, "intent": "protocol"})).await;
    assert_eq!((late.status, late.text("/errors/0/id")), (409, "RunStopped"));
}

#[tokio::test]
async fn a_failed_or_stopped_protocol_takes_its_queue_with_it() {
    let mut lab = Lab::open().await;
    let bad = json!({"commandType": "moveToWell", "params": {"pipetteId": "x", "labwareId": "x", "wellName": "A1"}, "intent": "protocol"});
    let home = json!({"commandType": "home", "params": {}, "intent": "protocol"});
    lab.queue(bad).await;
    lab.queue(home.clone()).await;
    lab.act("play").await;
    lab.until("the failure", async || lab.status().await == "failed").await;
    let list = lab.get(&format!("/runs/{}/commands?cursor=0", lab.run)).await;
    assert_eq!(list.text("/data/0/error/errorType"), "LabwareNotLoadedError");
    assert_eq!((list.text("/data/1/status"), list.at("/data/1/error")), ("failed", &Value::Null));

    lab.new_run().await;
    lab.queue(json!({"commandType": "waitForDuration", "params": {"seconds": 600}, "intent": "protocol"})).await;
    lab.queue(home).await;
    lab.act("play").await;
    let list = format!("/runs/{}/commands?cursor=0", lab.run);
    lab.until("the wait", async || lab.get(&list).await.text("/data/0/status") == "running").await;
    lab.act("stop").await;
    lab.until("the stop", async || lab.status().await == "stopped").await;
    let list = lab.get(&list).await;
    assert_eq!(list.text("/data/0/error/detail"), "Run was cancelled");
    assert_eq!(list.text("/data/1/status"), "failed");
}

/// The colour sensor's dock, as the lab posts it.
fn dock_definition() -> Value {
    json!({
        "metadata": {"displayName": "port", "displayCategory": "tipRack", "displayVolumeUnits": "µL"},
        "brand": {"brand": "AC"}, "namespace": "custom_beta", "version": 1, "schemaVersion": 2,
        "dimensions": {"xDimension": 128, "yDimension": 86, "zDimension": 100},
        "cornerOffsetFromSlot": {"x": 0, "y": 0, "z": 0}, "ordering": [["A1"], ["A2"]],
        "groups": [{"metadata": {}, "wells": ["A1", "A2"]}],
        "parameters": {"isTiprack": true, "tipLength": 84, "loadName": "ac_color_sensor_charging_port",
                       "format": "irregular", "isMagneticModuleCompatible": false},
        "wells": {
            "A1": {"depth": 84, "totalLiquidVolume": 1000, "shape": "circular", "diameter": 66, "x": 36, "y": 43, "z": 16},
            "A2": {"depth": 84, "totalLiquidVolume": 1000, "shape": "circular", "diameter": 66, "x": 91.95, "y": 43, "z": 16},
        },
    })
}

#[tokio::test]
async fn custom_labware_and_offsets_move_the_pipette() {
    let lab = Lab::open().await;
    let defined =
        lab.post(&format!("/runs/{}/labware_definitions", lab.run), &json!({"data": dock_definition()})).await;
    assert_eq!(defined.text("/data/definitionUri"), "custom_beta/ac_color_sensor_charging_port/1");
    let half = lab.post(&format!("/runs/{}/labware_definitions", lab.run), &json!({"data": {"namespace": "x"}})).await;
    assert_eq!(half.status, 422);
    let offset = json!({"definitionUri": "opentrons/corning_96_wellplate_360ul_flat/2", "location": {"slotName": "1"}, "vector": {"x": 0.1, "y": 0.2, "z": 0.3}});
    assert_eq!(lab.post(&format!("/runs/{}/labware_offsets", lab.run), &json!({"data": offset})).await.status, 201);
    lab.load().await;
    lab.done("loadLabware", json!({"location": {"slotName": "10"}, "loadName": "ac_color_sensor_charging_port", "namespace": "custom_beta", "version": 1, "labwareId": "port"})).await;
    let picked = lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "port", "wellName": "A2"})).await;
    assert!((picked.number("/data/result/tipLength") - 75.8).abs() < 1e-9);
    let over = lab.done("moveToWell", at_well("plate", "B3", "top", -1.3)).await;
    assert!((over.number("/data/result/position/x") - 32.48).abs() < 1e-6, "{}", over.body);
    assert!((over.number("/data/result/position/z") - 13.22).abs() < 1e-6);
    lab.done("dropTip", at_well("port", "A2", "top", -80.0)).await;
    let tools: Vec<_> = lab
        .ledger()
        .await
        .iter()
        .map(|entry| (entry["kind"].clone(), entry["tool"].clone(), entry["slot"].clone()))
        .collect();
    assert_eq!(
        tools,
        [(json!("pick_up_tip"), json!("sensor"), json!(10)), (json!("drop_tip"), json!("sensor"), json!(10))]
    );
}

#[tokio::test]
async fn the_ledger_tells_what_moved_and_which_command_moved_it() {
    let lab = Lab::open().await;
    lab.load().await;
    let filled = lab
        .send(Method::POST, "/emulator/vials/B1", None, Some(json!({"dye": "red", "volume_ul": 10_000}).to_string()))
        .await;
    assert_eq!(filled.status, 200, "{}", filled.body);
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "C2"})).await;
    // The vial's middle: slot 3 and its place in the rack. What stands there is the world's, loaded or not.
    lab.done("moveToCoordinates", json!({"pipetteId": "p", "coordinates": {"x": 289.0, "y": 23.48, "z": 6.0}})).await;
    lab.done("aspirateInPlace", json!({"pipetteId": "p", "volume": 100, "flowRate": 92.86})).await;
    let body = json!({"data": {"commandType": "dispense", "params": transfer("plate", "D4", 100.0), "key": "drop-1"}});
    let sent = lab.post(&format!("/runs/{}/commands?waitUntilComplete=true&timeout=15000", lab.run), &body).await;
    assert_eq!(sent.text("/data/status"), "succeeded");
    lab.done("moveToAddressableAreaForDropTip", json!({"pipetteId": "p", "addressableAreaName": "fixedTrash"})).await;
    lab.done("dropTipInPlace", json!({"pipetteId": "p"})).await;

    let ledger = lab.ledger().await;
    let kinds: Vec<_> = ledger.iter().map(|entry| entry["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["refill", "pick_up_tip", "aspirate", "dispense", "drop_tip"]);
    let dispense = &ledger[3];
    assert_eq!(
        (&dispense["key"], &dispense["well"], &dispense["dye"]),
        (&json!("drop-1"), &json!("D4"), &json!("red"))
    );
    let volume = dispense["volume_ul"].as_f64().expect("a volume");
    assert!((volume - 100.0).abs() < 5.0, "{volume}");
    let second = ledger[1]["sequence"].as_u64().expect("a sequence");
    let page = lab.send(Method::GET, &format!("/emulator/ledger?after={second}&limit=2"), None, None).await;
    assert_eq!(page.at("/data").as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn the_deck_says_whose_it_is_and_who_changed_it_last() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = || Config { state_dir: Some(directory.path().to_owned()), ..anywhere() };
    let lab = Lab::with(config()).await;
    let fresh = lab.get("/emulator/state").await;
    assert!(fresh.text("/identity").starts_with("OT2VIRT-"), "{}", fresh.at("/identity"));
    assert_eq!((fresh.at("/last_key"), fresh.at("/sequence")), (&Value::Null, &json!(0)));
    assert_eq!(lab.get("/health").await.at("/robot_serial"), "simulator", "as the real server's simulation says");
    lab.load().await;
    let params = json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"});
    let body = json!({"data": {"commandType": "pickUpTip", "params": params, "key": "tip-1"}});
    lab.post(&format!("/runs/{}/commands?waitUntilComplete=true", lab.run), &body).await;
    let changed = lab.get("/emulator/state").await;
    assert_eq!((changed.at("/last_key"), changed.at("/sequence")), (&json!("tip-1"), &json!(1)));
    lab.emulator.shutdown().await;
    let again = Lab::with(config()).await.get("/emulator/state").await;
    for pointer in ["/identity", "/last_key", "/sequence"] {
        assert_eq!(again.at(pointer), changed.at(pointer), "{pointer}");
    }
}

#[tokio::test]
async fn a_new_run_forgets_the_tip_and_the_world_does_not() {
    let mut lab = Lab::open().await;
    lab.load().await;
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    lab.new_run().await;
    lab.load().await;
    let aspirate = lab.command("aspirate", transfer("plate", "A1", 50.0)).await;
    assert_eq!(aspirate.text("/data/error/errorCode"), "3005");
    lab.done(
        "moveToAddressableAreaForDropTip",
        json!({"pipetteId": "p", "addressableAreaName": "fixedTrash", "minimumZHeight": 160}),
    )
    .await;
    lab.done("dropTipInPlace", json!({"pipetteId": "p"})).await;
    let last = lab.ledger().await.pop().expect("an entry");
    assert_eq!((&last["kind"], &last["tool"]), (&json!("drop_tip"), &json!("tip")));
}

#[tokio::test]
async fn operators_are_told_what_they_got_wrong() {
    let lab = Lab::open().await;
    let cases: &[(Method, &str, Option<&str>, u16)] = &[
        (Method::POST, "/emulator/plate", None, 200),
        (Method::POST, "/emulator/plate", Some(r#"{"sequence":999999}"#), 409),
        (Method::POST, "/emulator/tips", Some(r#"{"sequence":"then"}"#), 409),
        (Method::POST, "/emulator/vials/B2", Some(r#"{"sequence":0}"#), 409),
        (Method::POST, "/emulator/tips", Some(r#"{"slot":9}"#), 200),
        (Method::POST, "/emulator/tips", Some(r#"{"slot":1}"#), 422),
        (Method::POST, "/emulator/plate", Some(r#"{"slot":13}"#), 422),
        (Method::POST, "/emulator/plate", Some("{"), 422),
        (Method::POST, "/emulator/vials/B2", None, 200),
        (Method::POST, "/emulator/nozzles", None, 200),
        (Method::POST, "/emulator/nozzles", Some(r#"{"sequence":0}"#), 409),
        (Method::POST, "/emulator/vials/Q9", Some(r#"{"dye":"red"}"#), 404),
        (Method::POST, "/emulator/vials/A1", None, 422),
        (Method::POST, "/emulator/vials/B1", Some(r#"{"volume_ul":-1}"#), 422),
        (Method::POST, "/emulator/vials/B1", Some(r#"{"volume_ul":"much"}"#), 422),
        (Method::POST, "/emulator/sensor", Some(r#"{"light":0.5,"dead_band":"ch440","stuck":true}"#), 200),
        (Method::POST, "/emulator/sensor", Some(r#"{"light":-1}"#), 422),
        (Method::POST, "/emulator/sensor", Some(r#"{"light":"bright"}"#), 422),
        (Method::POST, "/emulator/sensor", Some(r#"{"flicker":2}"#), 422),
        (Method::POST, "/emulator/sensor", Some(r#"{"dead_band":"ch999"}"#), 422),
        (Method::POST, "/emulator/sensor", Some(r#"{"stuck":7}"#), 422),
        (Method::GET, "/emulator/ledger?after=x", None, 422),
        (Method::GET, "/emulator/state", None, 200),
    ];
    for (method, path, body, status) in cases {
        let answer = lab.send(method.clone(), path, None, body.map(str::to_owned)).await;
        assert_eq!(answer.status, *status, "{method} {path} {body:?}: {}", answer.body);
        if answer.status >= 400 {
            assert_eq!(answer.number("/status"), f64::from(*status), "a problem document");
            assert!(!answer.text("/detail").is_empty());
        }
    }
}

#[tokio::test]
async fn a_restart_loses_the_run_and_keeps_the_deck() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = |path: &Path| Config { state_dir: Some(path.to_owned()), ..anywhere() };
    let mut lab = Lab::with(config(directory.path())).await;
    lab.load().await;
    lab.done("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"})).await;
    lab.queue(json!({"commandType": "waitForDuration", "params": {"seconds": 600}})).await;
    let (lost, before) = (lab.run.clone(), lab.ledger().await);
    lab.emulator.shutdown().await;
    lab.emulator = emulator::start(config(directory.path())).await.expect("the emulator starts again");

    assert_eq!(lab.ledger().await, before);
    let run = lab.get(&format!("/runs/{lost}")).await;
    assert_eq!(
        (run.at("/data/ok"), run.text("/data/status"), run.text("/data/dataError/errorCode")),
        (&json!(false), "stopped", "4008")
    );
    let commands = lab.get(&format!("/runs/{lost}/commands?cursor=0")).await;
    assert_eq!((commands.status, commands.number("/meta/totalLength")), (200, 0.0));
    let command = lab.command("home", json!({})).await;
    assert_eq!((command.status, command.text("/errors/0/id")), (409, "RunStopped"));
    assert_eq!(lab.act("stop").await.status, 409);
    assert_eq!(lab.patch(&format!("/runs/{lost}"), &json!({"data": {"current": false}})).await.status, 409);
    assert_eq!(lab.get("/runs").await.at("/links"), &json!({}));
}

#[tokio::test]
async fn a_booting_robot_answers_503_route_by_route() {
    let lab = Lab::with(Config { boot: Duration::from_secs(2), ..anywhere() }).await;
    let (early, always) = (lab.get("/health").await, lab.get("/system/time").await);
    assert_eq!((early.status, early.text("/errors/0/id")), (503, "HardwareNotYetInitialized"));
    assert_eq!(always.status, 200);
    lab.until("the boot", async || lab.get("/health").await.status == 200).await;
    assert_eq!(lab.post("/runs", &json!({"data": {}})).await.status, 201);
}

#[tokio::test]
async fn what_makes_no_sense_does_not_start() {
    for speed in [0.0, -1.0, f64::NAN] {
        let refused = emulator::start(Config { speed, ..anywhere() }).await;
        assert!(refused.is_err(), "speed {speed}");
    }
    let lab = Lab::open().await;
    let taken = emulator::start(Config { listen: lab.emulator.robot_addr(), ..anywhere() }).await;
    assert!(taken.is_err(), "the port is taken");
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let lab = Lab::open().await;
    let mut stream = tokio::net::TcpStream::connect(lab.emulator.robot_addr()).await.expect("a connection");
    stream.write_all(b"GET /modules HTTP/1.1\r\nHost: robot\r\nOpentrons-Version: 4\r\n\r\n").await.expect("a request");
    let mut told = String::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut told)).await;
    closed.expect("closed in time").expect("closed cleanly");
    assert_eq!(told.matches("HTTP/1.1").count(), 1, "one answer, then nothing: {told}");
}

//! Protocols, uploaded and run: JSON ones by the emulator itself, Python ones with Opentrons' analyser.
//!
//! `analyser.sh` stands in for the analyser. To test with the real one, name the interpreter of an environment that has
//! `opentrons` in `TINCTURE_TEST_OPENTRONS`.

use super::{Answer, Lab, anywhere};
use emulator::Config;
use reqwest::Method;
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};

const BOUNDARY: &str = "a-boundary";
const PYTHON: &str = include_str!("protocol.py");

/// A part of an upload: the field's name, the file's, the contents.
type Part<'a> = (&'a str, Option<&'a str>, String);

fn file(name: &str, contents: impl Into<String>) -> Part<'_> {
    ("files", Some(name), contents.into())
}

impl Lab {
    async fn upload(&self, parts: &[Part<'_>]) -> Answer {
        let mut body = String::new();
        for (field, file, contents) in parts {
            let file = file.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
            body += &format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"{file}\r\n\r\n{contents}\r\n"
            );
        }
        body += &format!("--{BOUNDARY}--\r\n");
        let url = format!("http://{}/protocols", self.emulator.robot_addr());
        let request = self.client.post(url).timeout(super::PATIENCE).header("Opentrons-Version", "*");
        let request = request.header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}")).body(body);
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.unwrap_or_default() }
    }

    /// Uploads one file and tells the protocol's id.
    async fn uploaded(&self, name: &str, contents: impl Into<String>) -> String {
        let answer = self.upload(&[file(name, contents)]).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.text("/data/id").to_owned()
    }

    /// The newest analysis of a protocol, once it is complete.
    async fn analysis(&self, protocol: &str) -> Value {
        let path = format!("/protocols/{protocol}/analyses");
        let complete = async || {
            let analyses = self.get(&path).await;
            let newest = analyses.at("/data").as_array().and_then(|all| all.last().cloned()).unwrap_or_default();
            newest["status"] == "completed"
        };
        self.until("the analysis", complete).await;
        self.get(&path).await.at("/data").as_array().and_then(|all| all.last().cloned()).unwrap_or_default()
    }

    /// Makes a run of a protocol the lab's, plays it and tells it once it has ended.
    async fn run_protocol(&mut self, protocol: &str) -> Answer {
        let created = self.post("/runs", &json!({"data": {"protocolId": protocol}})).await;
        assert_eq!((created.status, created.text("/data/protocolId")), (201, protocol), "{}", created.body);
        self.run = created.text("/data/id").to_owned();
        assert_eq!(self.act("play").await.status, 201);
        let ended = async || ["succeeded", "failed", "stopped"].contains(&self.status().await.as_str());
        self.until("the run's end", ended).await;
        self.get(&format!("/runs/{}", self.run)).await
    }

    async fn done_commands(&self) -> Vec<(String, String)> {
        let listed = self.get(&format!("/runs/{}/commands?cursor=0&pageLength=100", self.run)).await;
        let text = |command: &Value, name: &str| command[name].as_str().unwrap_or_default().to_owned();
        let all = listed.at("/data").as_array().cloned().unwrap_or_default();
        all.iter().map(|command| (text(command, "commandType"), text(command, "status"))).collect()
    }

    /// How often each thing physically happened.
    async fn happened(&self, kind: &str) -> usize {
        self.ledger().await.iter().filter(|entry| entry["kind"] == kind).count()
    }
}

/// Where to find an analyser.
fn with_analyser() -> Config {
    let stand_in = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/robot/analyser.sh"));
    let real = std::env::var_os("TINCTURE_TEST_OPENTRONS").filter(|path| !path.is_empty()).map(PathBuf::from);
    Config { opentrons: Some(real.unwrap_or(stand_in)), ..anywhere() }
}

fn stand_in() -> Config {
    let stand_in = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/robot/analyser.sh"));
    Config { opentrons: Some(stand_in), ..anywhere() }
}

fn load(id: &str, name: &str, slot: &str, version: u32) -> Value {
    json!({"commandType": "loadLabware", "params": {"labwareId": id, "loadName": name, "namespace": "opentrons",
           "version": version, "location": {"slotName": slot}}})
}

fn act(command: &str, labware: &str, well: &str, more: Value) -> Value {
    let mut params = json!({"pipetteId": "p", "labwareId": labware, "wellName": well,
                            "wellLocation": {"origin": "bottom", "offset": {"x": 0, "y": 0, "z": 2}}});
    let more = more.as_object().cloned().unwrap_or_default();
    params.as_object_mut().expect("an object").extend(more);
    json!({"commandType": command, "params": params})
}

/// Schema 8: 50 µL of a dye into a well.
fn json_protocol() -> Value {
    let moved = json!({"volume": 50, "flowRate": 90});
    json!({
        "$otSharedSchema": "#/protocol/schemas/8", "schemaVersion": 8,
        "metadata": {"protocolName": "One well", "author": "Tincture"},
        "robot": {"model": "OT-2 Standard", "deckId": "ot2_standard"},
        "labwareDefinitions": {},
        "liquids": {"red": {"displayName": "Red", "description": "a dye", "displayColor": "#ff0000"}},
        "commandSchemaId": "opentronsCommandSchemaV8",
        "commands": [
            {"commandType": "loadPipette", "key": "the pipette",
             "params": {"pipetteId": "p", "pipetteName": "p300_single_gen2", "mount": "right"}},
            load("tips", "opentrons_96_tiprack_300ul", "9", 1),
            load("plate", "corning_96_wellplate_360ul_flat", "1", 2),
            load("dyes", "nest_12_reservoir_15ml", "2", 1),
            {"commandType": "loadLiquid",
             "params": {"liquidId": "red", "labwareId": "dyes", "volumeByWell": {"A1": 10000}}},
            {"commandType": "pickUpTip", "params": {"pipetteId": "p", "labwareId": "tips", "wellName": "A1"}},
            act("aspirate", "dyes", "A1", moved.clone()),
            act("dispense", "plate", "A1", moved),
            {"commandType": "moveToAddressableAreaForDropTip",
             "params": {"pipetteId": "p", "addressableAreaName": "fixedTrash"}},
            {"commandType": "dropTipInPlace", "params": {"pipetteId": "p"}},
            {"commandType": "delay", "params": {"seconds": 0}},
        ],
    })
}

#[tokio::test]
async fn a_json_protocol_is_uploaded_analysed_and_run() {
    let mut lab = Lab::open().await;
    let uploaded = lab.upload(&[("key", None, "mine".to_owned()), file("one.json", json_protocol().to_string())]).await;
    assert_eq!(uploaded.status, 201, "{}", uploaded.body);
    for (place, told) in [
        ("/data/protocolType", "json"),
        ("/data/robotType", "OT-2 Standard"),
        ("/data/metadata/protocolName", "One well"),
        ("/data/files/0/role", "main"),
        ("/data/files/0/name", "one.json"),
        ("/data/key", "mine"),
        ("/data/protocolKind", "standard"),
    ] {
        assert_eq!(uploaded.text(place), told, "{place}");
    }
    let id = uploaded.text("/data/id").to_owned();
    let analysis = lab.analysis(&id).await;
    assert_eq!(
        (&analysis["result"], analysis["errors"].as_array().map(Vec::len)),
        (&json!("ok"), Some(0)),
        "{analysis}"
    );
    // Ours and the homing that comes first.
    assert_eq!(analysis["commands"].as_array().map(Vec::len), Some(12));
    assert_eq!(analysis["labware"][0]["id"], "tips");
    assert_eq!(analysis["liquids"][0]["displayName"], "Red");
    assert_eq!(lab.happened("pick_up_tip").await, 0, "an analysis moves nothing");
    let path = format!("/protocols/{id}/analyses/{}", analysis["id"].as_str().expect("an id"));
    assert_eq!(lab.get(&path).await.at("/data"), &analysis);
    assert_eq!(lab.get(&format!("{path}/asDocument")).await.body, analysis);

    let run = lab.run_protocol(&id).await;
    assert_eq!(run.text("/data/status"), "succeeded", "{}", run.body);
    assert_eq!(run.text("/data/liquids/0/id"), "red");
    assert_eq!((lab.happened("pick_up_tip").await, lab.happened("drop_tip").await), (1, 1));
    let commands = lab.done_commands().await;
    assert_eq!(commands.len(), 12);
    assert!(commands.iter().all(|(_, status)| status == "succeeded"), "{commands:?}");
    assert_eq!((commands[0].0.as_str(), commands[11].0.as_str()), ("home", "waitForDuration"));
    let listed = lab.get(&format!("/runs/{}/commands?cursor=1&pageLength=1", lab.run)).await;
    assert_eq!(listed.text("/data/0/key"), "the pipette");
    assert!(listed.at("/data/0/intent").is_null(), "{}", listed.body);

    let told = lab.get(&format!("/protocols/{id}")).await;
    assert_eq!(told.text("/links/referencingRuns/0/id"), lab.run);
    let path = format!("/protocols/{id}");
    let used = lab.send(Method::DELETE, &path, Some("*"), None).await;
    assert_eq!((used.status, used.text("/errors/0/id")), (409, "ProtocolUsedByRun"));
    lab.send(Method::DELETE, &format!("/runs/{}", lab.run), Some("*"), None).await;
    assert_eq!(lab.send(Method::DELETE, &path, Some("*"), None).await.status, 200);
    assert_eq!(lab.get(&path).await.text("/errors/0/id"), "ProtocolNotFound");
}

#[tokio::test]
async fn before_its_start_a_run_of_a_protocol_has_but_the_homing_and_takes_setup_commands() {
    let mut lab = Lab::open().await;
    let mut protocol = json_protocol();
    let commands = protocol["commands"].as_array_mut().expect("commands");
    commands.insert(5, json!({"commandType": "waitForResume", "params": {"message": "look"}}));
    let id = lab.uploaded("one.json", protocol.to_string()).await;
    lab.run = lab.post("/runs", &json!({"data": {"protocolId": id}})).await.text("/data/id").to_owned();
    lab.done("comment", json!({"message": "before"})).await;
    let commands = lab.done_commands().await;
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert_eq!(commands[0], ("home".to_owned(), "queued".to_owned()));
    lab.act("play").await;
    lab.until("the pause", async || lab.status().await == "paused").await;
    assert_eq!(lab.happened("pick_up_tip").await, 0);
    lab.act("play").await;
    lab.until("the end", async || lab.status().await == "succeeded").await;
    assert_eq!(lab.happened("pick_up_tip").await, 1);

    lab.run = lab.post("/runs", &json!({"data": {"protocolId": id}})).await.text("/data/id").to_owned();
    lab.act("play").await;
    lab.until("the pause", async || lab.status().await == "paused").await;
    lab.act("stop").await;
    lab.until("the end", async || lab.status().await == "stopped").await;
    assert_eq!(lab.happened("pick_up_tip").await, 1, "what was still to come never came");
}

#[tokio::test]
async fn an_older_protocol_finds_its_labware_pipettes_and_trash() {
    let mut lab = Lab::open().await;
    let loaded = lab
        .command(
            "loadLabware",
            json!({"location": "offDeck", "loadName": "nest_12_reservoir_15ml",
                                                   "namespace": "opentrons", "version": 1}),
        )
        .await;
    let mut reservoir = loaded.at("/data/result/definition").clone();
    reservoir["namespace"] = json!("mine");
    let moved = json!({"volume": 50, "flowRate": 90});
    let mut tips = load("tips", "opentrons_96_tiprack_300ul", "9", 1);
    tips["params"] = json!({"labwareId": "tips", "location": {"slotName": "9"}});
    let mut dyes = tips.clone();
    dyes["params"] = json!({"labwareId": "dyes", "location": {"slotName": "2"}});
    let rack = lab
        .command(
            "loadLabware",
            json!({"location": "offDeck", "loadName": "opentrons_96_tiprack_300ul",
                                                 "namespace": "opentrons", "version": 1}),
        )
        .await;
    let protocol = json!({
        "schemaVersion": 6, "metadata": {}, "robot": {"model": "OT-2 Standard", "deckId": "ot2_standard"},
        "pipettes": {"p": {"name": "p300_single_gen2"}},
        "labware": {"tips": {"displayName": "Tips", "definitionId": "rack"},
                    "dyes": {"displayName": "Dyes", "definitionId": "reservoir"}},
        "labwareDefinitions": {"rack": rack.at("/data/result/definition"), "reservoir": reservoir},
        "liquids": {}, "modules": {},
        "commands": [
            {"commandType": "loadPipette", "params": {"pipetteId": "p", "mount": "right"}},
            tips, dyes,
            {"commandType": "pickUpTip", "params": {"pipetteId": "p", "labwareId": "tips", "wellName": "A1"}},
            act("aspirate", "dyes", "A1", moved.clone()),
            act("dispense", "dyes", "A2", moved),
            {"commandType": "dropTip", "params": {"pipetteId": "p", "labwareId": "fixedTrash", "wellName": "A1"}},
        ],
    });
    let id = lab.uploaded("old.json", protocol.to_string()).await;
    assert_eq!(lab.analysis(&id).await["result"], "ok");
    let run = lab.run_protocol(&id).await;
    assert_eq!(run.text("/data/status"), "succeeded", "{}", run.body);
    let uris: Vec<_> =
        run.at("/data/labware").as_array().into_iter().flatten().map(|one| &one["definitionUri"]).collect();
    assert!(uris.contains(&&json!("mine/nest_12_reservoir_15ml/1")), "{uris:?}");
    assert_eq!(lab.happened("drop_tip").await, 1);
}

#[tokio::test]
async fn a_protocol_that_cannot_end_well_says_so_before_and_when_it_is_run() {
    let mut lab = Lab::open().await;
    let mut protocol = json_protocol();
    protocol["commands"][6]["params"]["volume"] = json!(500);
    let id = lab.uploaded("too-much.json", protocol.to_string()).await;
    let analysis = lab.analysis(&id).await;
    assert_eq!(analysis["result"], "not-ok");
    assert_eq!(analysis["errors"][0]["errorType"], "InvalidAspirateVolumeError");
    assert_eq!(analysis["commands"].as_array().map(Vec::len), Some(8));
    let run = lab.run_protocol(&id).await;
    assert_eq!(run.text("/data/status"), "failed");
    assert_eq!(run.text("/data/errors/0/errorType"), "InvalidAspirateVolumeError");
    let commands = lab.done_commands().await;
    assert_eq!(commands.last(), Some(&("aspirate".to_owned(), "failed".to_owned())), "{commands:?}");
    assert_eq!(lab.happened("air").await, 0);
}

#[tokio::test]
async fn what_is_no_protocol_for_this_robot_is_refused_with_the_reason() {
    let lab = Lab::open().await;
    let with = |place: &str, value: Value| {
        let mut protocol = json_protocol();
        *protocol.pointer_mut(place).expect("a field") = value;
        protocol.to_string()
    };
    let invalid = "ProtocolFilesInvalid";
    let cases: &[(&[Part<'_>], u16, &str, &str)] = &[
        (&[], 422, "InvalidRequest", "field required"),
        (&[file("a.doc", "x")], 422, invalid, "a.doc has an unrecognized file extension."),
        (&[file("a.json", "{")], 422, invalid, "a.json is not valid JSON."),
        (&[file("a.json", "{}")], 422, invalid, "a.json is not a known Opentrons format."),
        (&[file("a.csv", "1,2")], 422, invalid, "\"a.csv\" is not a valid protocol file."),
        (
            &[file("a.csv", "1"), file("b.txt", "2")],
            422,
            invalid,
            "No valid protocol file found in \"a.csv\", \"b.txt\".",
        ),
        (
            &[file("a.json", json_protocol().to_string()), file("b.json", json_protocol().to_string())],
            422,
            invalid,
            "Could not pick single main file from \"a.json\", \"b.json\".",
        ),
        (
            &[file("a.json", with("/robot/model", json!("OT-3 Standard")))],
            422,
            "ProtocolRobotTypeMismatch",
            "This protocol is for Flex",
        ),
        (
            &[file("a.json", with("/schemaVersion", json!(5)))],
            422,
            invalid,
            "a.json could not be read as a JSON protocol. Its schema is version 5",
        ),
        (
            &[file("a.json", with("/commands/5/commandType", json!("dance")))],
            422,
            invalid,
            "a.json could not be read as a JSON protocol. Command 5: ",
        ),
        (
            &[file("a.json", with("/commands/6/params/volume", json!(-1)))],
            422,
            invalid,
            "a.json could not be read as a JSON protocol. Command 6: ",
        ),
        (
            &[file("a.json", json!({"ordering": [], "wells": {}}).to_string())],
            422,
            invalid,
            "a.json could not be read as a labware definition.",
        ),
        (&[file("a.py", PYTHON)], 422, invalid, "This emulator carries out JSON protocols by itself."),
        (
            &[("protocolKind", None, "odd".to_owned()), file("a.json", json_protocol().to_string())],
            422,
            "InvalidRequest",
            "value is not a valid enumeration member",
        ),
        (&[file("a.json", " ".repeat(9 * 1024 * 1024))], 413, "BadRequest", "This emulator takes uploads of at most"),
    ];
    for (parts, status, id, detail) in cases {
        let answer = lab.upload(parts).await;
        assert_eq!((answer.status, answer.text("/errors/0/id")), (*status, *id), "{detail}: {}", answer.body);
        assert!(answer.text("/errors/0/detail").starts_with(detail), "{detail}: {}", answer.body);
    }
    assert_eq!(lab.get("/protocols").await.at("/data"), &json!([]));
    let python = lab.upload(&[file("a.py", PYTHON)]).await;
    assert!(python.text("/errors/0/detail").contains("--opentrons PYTHON"), "{}", python.body);
    let not_multipart = lab.post("/protocols", &json!({})).await;
    assert_eq!((not_multipart.status, not_multipart.text("/errors/0/source/pointer")), (422, "/files"));
}

#[tokio::test]
async fn the_same_files_are_the_same_protocol_and_few_unused_ones_are_kept() {
    let mut lab = Lab::open().await;
    let numbered = |number: usize| {
        let mut protocol = json_protocol();
        protocol["metadata"]["number"] = json!(number);
        protocol.to_string()
    };
    let first = lab.uploaded("p.json", numbered(0)).await;
    lab.analysis(&first).await;
    let again = lab.upload(&[file("p.json", numbered(0))]).await;
    assert_eq!((again.status, again.text("/data/id")), (200, first.as_str()));
    assert_eq!(again.at("/data/analysisSummaries").as_array().map(Vec::len), Some(1), "{}", again.body);
    lab.run_protocol(&first).await;
    for number in 1..=7 {
        lab.uploaded("p.json", numbered(number)).await;
    }
    let kept = lab.get("/protocols").await;
    let numbers: Vec<_> =
        kept.at("/data").as_array().into_iter().flatten().map(|one| one["metadata"]["number"].clone()).collect();
    assert_eq!(numbers, [0, 3, 4, 5, 6, 7], "five that no run uses, and the one that a run does");
    assert_eq!(lab.get("/protocols/ids").await.at("/meta/totalLength"), &json!(6));
    let path = format!("/protocols/{first}/analyses");
    assert_eq!(lab.post(&path, &json!({"data": {}})).await.status, 200);
    let forced = lab.post(&path, &json!({"data": {"forceReAnalyze": true}})).await;
    assert_eq!((forced.status, forced.text("/data/1/status")), (201, "pending"), "{}", forced.body);
}

#[tokio::test]
async fn a_python_protocol_is_analysed_by_opentrons_and_run_here() {
    let mut lab = Lab::with(with_analyser()).await;
    let uploaded = lab.upload(&[file("two.py", PYTHON)]).await;
    assert_eq!((uploaded.status, uploaded.text("/data/protocolType")), (201, "python"), "{}", uploaded.body);
    assert_eq!(uploaded.text("/data/metadata/protocolName"), "Two wells");
    assert_eq!(uploaded.text("/data/analysisSummaries/0/status"), "pending");
    let id = uploaded.text("/data/id").to_owned();
    // A run asked for before the analysis is complete waits for it.
    let run = lab.run_protocol(&id).await;
    assert_eq!(run.text("/data/status"), "succeeded", "{}", run.body);
    assert_eq!((lab.happened("pick_up_tip").await, lab.happened("drop_tip").await), (2, 2));
    let analysis = lab.analysis(&id).await;
    assert_eq!((&analysis["result"], &analysis["status"]), (&json!("ok"), &json!("completed")));
    assert_eq!(analysis["id"], uploaded.body["data"]["analysisSummaries"][0]["id"]);
    let commands = lab.done_commands().await;
    assert_eq!(commands.len(), analysis["commands"].as_array().map_or(0, Vec::len));
    assert_eq!(commands.last(), Some(&("comment".to_owned(), "succeeded".to_owned())));
}

#[tokio::test]
async fn values_of_run_time_parameters_reach_the_analyser() {
    let mut lab = Lab::with(stand_in()).await;
    let id = lab.uploaded("values.py", format!("# tells its values\n{PYTHON}")).await;
    lab.analysis(&id).await;
    let asked = json!({"data": {"protocolId": id, "runTimeParameterValues": {"wells": 3}}});
    lab.run = lab.post("/runs", &asked).await.text("/data/id").to_owned();
    lab.act("play").await;
    lab.until("the end", async || lab.status().await == "succeeded").await;
    let told = lab.get(&format!("/runs/{}/commands?cursor=1&pageLength=1", lab.run)).await;
    assert_eq!(told.text("/data/0/params/message"), r#"--rtp-values={"wells":3}"#.trim_start_matches("--rtp-values="));
}

#[tokio::test]
async fn whatever_the_analyser_does_the_client_is_told() {
    let config = Config { analysis_patience: Duration::from_secs(2), ..stand_in() };
    let mut lab = Lab::with(config).await;
    for (does, told) in [
        ("# hangs", "it took longer than 2 s and was ended"),
        ("# mumbles", "the analyser's answer is no JSON"),
        ("# dies", "ModuleNotFoundError: No module named 'opentrons'"),
    ] {
        let id = lab.uploaded("odd.py", format!("{does}\n{PYTHON}")).await;
        let analysis = lab.analysis(&id).await;
        assert_eq!(analysis["result"], "not-ok");
        let detail = analysis["errors"][0]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(told), "{does}: {detail}");
        let run = lab.run_protocol(&id).await;
        assert_eq!(run.text("/data/status"), "failed");
        assert!(run.text("/data/errors/0/detail").contains(told), "{}", run.body);
    }
    // The protocol's own exception, after what it did before.
    let id = lab.uploaded("raises.py", format!("# raises\n{PYTHON}")).await;
    let run = lab.run_protocol(&id).await;
    assert_eq!(
        (run.text("/data/status"), run.text("/data/errors/0/errorType")),
        ("failed", "ExceptionInProtocolError")
    );
    assert!(run.text("/data/errors/0/detail").contains("nothing to mix"), "{}", run.body);
    assert_eq!(lab.done_commands().await.last(), Some(&("comment".to_owned(), "succeeded".to_owned())));

    for (name, source, told) in [
        ("torn.py", "def run(:".to_owned(), "torn.py can't be read: SyntaxError"),
        ("bare.py", "def run(protocol): pass".to_owned(), "apiLevel not declared"),
        ("flex.py", PYTHON.replace("OT-2", "Flex"), "This protocol is for Flex robots."),
    ] {
        let answer = lab.upload(&[file(name, source)]).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.text("/errors/0/detail").starts_with(told), "{name}: {}", answer.body);
    }
    let nobody = Lab::with(Config { opentrons: Some("/nowhere/python".into()), ..anywhere() }).await;
    let answer = nobody.upload(&[file("two.py", PYTHON)]).await;
    assert!(answer.text("/errors/0/detail").contains("/nowhere/python can't be started"), "{}", answer.body);
}

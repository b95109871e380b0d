//! The drivers in the emulated lab: what was asked for is held against the ledger of what physically happened.

use domain::{
    Deck, LabwareOffset, Mount, Operation, OperationId, Slot, Step, Volume, WellId, WellName,
    labware::OwnLabware,
    reading::{Channels, SensorSettings},
};
use emulator::{Config, Emulator};
use hardware::{
    Attendant as _, ColourSensor, Finding, Lookup, Memory, Ot2, Patience, PerformError, ReadRequest, Run,
    VirtualAttendant, connect_sensor,
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const RIGHT: Mount = Mount::Right;

/// A virtual lab, at infinite speed.
struct Lab {
    emulator: Emulator,
    robot: Ot2,
}

impl Lab {
    async fn start(config: Config) -> Self {
        let emulator = emulator::start(config).await.expect("an emulator");
        let robot = Ot2::new(&format!("http://{}", emulator.robot_addr()), Patience::default()).expect("an address");
        Self { emulator, robot }
    }

    async fn usual() -> Self {
        Self::start(config(None)).await
    }

    async fn open(&self) -> Run {
        self.robot.open_run(&Deck::default()).await.expect("a run")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.emulator.robot_addr())
    }

    /// Everything that happened so far.
    async fn ledger(&self) -> Vec<Value> {
        let answer = reqwest::get(self.url("/emulator/ledger")).await.expect("an answer");
        let body: Value = answer.json().await.expect("JSON");
        body["data"].as_array().cloned().expect("entries")
    }

    /// What must never happen.
    async fn accidents(&self) -> Vec<Value> {
        let bad = ["air", "spill", "overflow", "touch", "crash", "miss"];
        self.ledger().await.into_iter().filter(|entry| bad.iter().any(|kind| entry["kind"] == *kind)).collect()
    }

    async fn last(&self, kind: &str) -> Value {
        self.ledger().await.into_iter().rfind(|entry| entry["kind"] == kind).unwrap_or_default()
    }
}

fn config(state_dir: Option<&Path>) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        sensor_listen: "127.0.0.1:0".parse().expect("an address"),
        speed: f64::INFINITY,
        seed: Some(7),
        state_dir: state_dir.map(Path::to_path_buf),
        ..Config::default()
    }
}

fn well(name: &str) -> WellName {
    name.parse().expect("a well")
}

fn ul(microlitres: u32) -> Volume {
    Volume::from_whole_ul(microlitres)
}

/// Red from its vial into `at`, with its tip, by this pipette.
fn steps_of_red(mount: Mount, at: WellName, volume: Volume) -> Vec<Operation> {
    let (dye, place): (domain::DyeName, _) = ("red".parse().expect("a dye"), well("B1"));
    let steps = [
        Step::PickUpTip { mount, tip: place, dye: dye.clone() },
        Step::Aspirate { mount, dye: dye.clone(), vial: place, volume },
        Step::Dispense { mount, dye, well: WellId::new(), at, volume },
        Step::BlowOut { mount },
        Step::ReturnTip { mount, tip: place },
    ];
    steps.map(Operation::new).into()
}

async fn perform(run: &Run, step: Step) -> Value {
    done(run, &Operation::new(step), Memory::Knows).await
}

async fn perform_blind(run: &Run, step: Step) -> Value {
    done(run, &Operation::new(step), Memory::Forgot).await
}

async fn done(run: &Run, operation: &Operation, memory: Memory) -> Value {
    run.perform(operation, memory).await.unwrap_or_else(|error| panic!("{}: {error}", operation.step.name()))
}

/// Holds the sensor over a well and reads it.
async fn read(run: &Run, sensor: &dyn ColourSensor, over: WellName, operation: OperationId) -> Channels {
    perform(run, Step::MoveSensor { mount: RIGHT, over }).await;
    let request = ReadRequest { operation, experiment: None, lease_epoch: 3, settings: SensorSettings::default() };
    sensor.read(request).await.expect("a reading").channels
}

fn share(of: u16, whole: u16) -> f64 {
    f64::from(of) / f64::from(whole)
}

#[tokio::test]
async fn a_dye_is_mixed_and_measured_with_each_drop_where_it_belongs() {
    let lab = Lab::usual().await;
    let run = lab.open().await;
    perform(&run, Step::Home).await;
    let operations = steps_of_red(RIGHT, well("C4"), ul(60));
    for operation in &operations {
        done(&run, operation, Memory::Knows).await;
    }
    let picked = perform(&run, Step::PickUpSensor { mount: RIGHT }).await;
    assert_eq!(picked["position"], json!({"x": 91.95, "y": 314.5, "z": 100.0}));
    assert!((picked["tipLength"].as_f64().expect("a length") - 75.8).abs() < 1e-9, "{picked}");
    let sensor =
        connect_sensor(&format!("tcp://{}", lab.emulator.sensor_addr()), Patience::default()).expect("an address");
    let white = read(&run, &*sensor, well("C5"), OperationId::new()).await;
    let reading = OperationId::new();
    let red = read(&run, &*sensor, well("C4"), reading).await;
    let parked = perform(&run, Step::ParkSensor { mount: RIGHT }).await;
    assert!((parked["position"]["z"].as_f64().expect("a height") - 20.0).abs() < 1e-9, "{parked}");
    run.close().await.expect("let go");

    assert_eq!(lab.accidents().await, Vec::<Value>::new());
    let (aspirated, dispensed, seen) = (lab.last("aspirate").await, lab.last("dispense").await, lab.last("read").await);
    assert_eq!(
        (&aspirated["well"], &aspirated["dye"], &aspirated["nominal_ul"]),
        (&json!("B1"), &json!("red"), &json!(60.0))
    );
    assert_eq!(aspirated["key"], operations[1].id.to_string());
    assert_eq!(
        (&dispensed["well"], &dispensed["dye"], &dispensed["nominal_ul"]),
        (&json!("C4"), &json!("red"), &json!(60.0))
    );
    assert_eq!(dispensed["key"], operations[2].id.to_string());
    assert_eq!(dispensed["labware"], "corning_96_wellplate_360ul_flat");
    assert_eq!(
        (&lab.last("blow_out").await["well"], &lab.last("drop_tip").await["well"]),
        (&json!("A1"), &json!("A2"))
    );
    assert_eq!((&seen["well"], &seen["key"]), (&json!("C4"), &json!(reading)));
    let (green, far_red) = (share(red.ch510, white.ch510), share(red.ch670, white.ch670));
    assert!(green < 0.8 * far_red, "red dye swallows green light and lets far red pass: {green} {far_red}");
}

#[tokio::test]
async fn the_p20_takes_the_small_volumes() {
    let lab = Lab::start(Config { left_pipette: Some(domain::PipetteModel::P20SingleGen2), ..config(None) }).await;
    let run = lab.robot.open_run(&Deck::with_p20()).await.expect("a run");
    perform(&run, Step::Home).await;
    for operation in steps_of_red(Mount::Left, well("A1"), ul(5)) {
        done(&run, &operation, Memory::Knows).await;
    }
    assert_eq!(lab.accidents().await, Vec::<Value>::new());
    let dispensed = lab.last("dispense").await;
    assert_eq!(
        (&dispensed["mount"], &dispensed["well"], &dispensed["nominal_ul"]),
        (&json!("left"), &json!("A1"), &json!(5.0))
    );
}

#[tokio::test]
async fn a_deck_with_a_pipette_that_is_not_there_is_refused() {
    let lab = Lab::usual().await;
    let error = lab.robot.open_run(&Deck::with_p20()).await.expect_err("no p20");
    assert_eq!(error.code(), domain::FaultCode::DeckMismatch);
}

#[tokio::test]
async fn who_opens_a_run_shuts_out_the_runs_before() {
    let lab = Lab::usual().await;
    let first = lab.open().await;
    let homed = Operation::new(Step::Home);
    done(&first, &homed, Memory::Knows).await;
    let second = lab.open().await;
    let late = Operation::new(Step::Home);
    let error = first.perform(&late, Memory::Knows).await.expect_err("taken");
    assert!(matches!(error, PerformError::LostControl(_)), "{error:?}");
    assert_eq!(error.code(), domain::FaultCode::RobotTaken);
    assert!(first.close().await.is_err());
    assert!(matches!(lab.robot.lookup(first.id(), homed.id).await, Ok(Lookup::Succeeded(_))));
    assert_eq!(lab.robot.lookup(first.id(), late.id).await, Ok(Lookup::Absent));
    perform(&second, Step::Home).await;
}

#[tokio::test]
async fn a_command_is_looked_up_by_its_operation() {
    let lab = Lab::usual().await;
    let run = lab.open().await;
    perform(&run, Step::Home).await;
    let [pick_up, aspirate, ..] = &steps_of_red(RIGHT, well("A1"), ul(60))[..] else { panic!("five steps") };
    let failed = run.perform(aspirate, Memory::Knows).await.expect_err("no tip");
    let PerformError::Failed(failure) = failed else { panic!("{failed:?}") };
    assert!(failure.started);
    assert_eq!(lab.robot.lookup(run.id(), aspirate.id).await, Ok(Lookup::Failed(failure)));
    let result = done(&run, pick_up, Memory::Knows).await;
    assert_eq!(lab.robot.lookup(run.id(), pick_up.id).await, Ok(Lookup::Succeeded(result)));
    assert_eq!(lab.robot.lookup(run.id(), OperationId::new()).await, Ok(Lookup::Absent));
}

#[tokio::test]
async fn a_worker_that_dies_mid_command_leaves_it_to_its_successor_to_learn_the_end() {
    let lab = Lab::start(Config { speed: 20.0, ..config(None) }).await;
    let (run, homing) = (lab.open().await, Operation::new(Step::Home));
    let (worker_run, sent) = (run.clone(), homing.clone());
    let worker = tokio::spawn(async move { worker_run.perform(&sent, Memory::Knows).await });
    while lab.robot.lookup(run.id(), homing.id).await != Ok(Lookup::Running) {
        tokio::task::yield_now().await;
    }
    worker.abort();
    lab.open().await;
    assert!(matches!(lab.robot.lookup(run.id(), homing.id).await, Ok(Lookup::Succeeded(_))));
    assert_eq!(lab.ledger().await.iter().filter(|entry| entry["kind"] == "home").count(), 1);
}

/// Kills a robot with this on its nozzle and starts it again: what it knew is gone, what hangs there isn't.
async fn killed_holding(tool: Step) -> (Lab, Run, Lookup) {
    let dir = tempfile::tempdir().expect("a directory");
    let machine =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let started = machine.spawn(Lab::start(config(Some(dir.path()))));
    let lab = started.await.expect("a robot");
    let run = lab.open().await;
    perform(&run, Step::Home).await;
    let (run_id, taken) = (run.id().to_owned(), Operation::new(tool));
    done(&run, &taken, Memory::Knows).await;
    drop(lab);
    let killed = tokio::task::spawn_blocking(move || machine.shutdown_timeout(Duration::from_secs(10)));
    killed.await.expect("killed");

    let lab = Lab::start(config(Some(dir.path()))).await;
    let run = lab.open().await;
    let found = lab.robot.lookup(&run_id, taken.id).await.expect("an answer");
    (lab, run, found)
}

#[tokio::test]
async fn after_a_restart_history_is_lost_and_a_forgotten_tip_can_be_thrown_away() {
    let tip = Step::PickUpTip { mount: RIGHT, tip: well("B1"), dye: "red".parse().expect("a dye") };
    let (lab, run, found) = killed_holding(tip).await;
    assert_eq!(found, Lookup::HistoryLost);
    perform_blind(&run, Step::Home).await;
    perform_blind(&run, Step::MoveToTrash { mount: RIGHT }).await;
    perform_blind(&run, Step::DropInPlace { mount: RIGHT }).await;
    assert_eq!(lab.last("drop_tip").await["labware"], "opentrons_1_trash_1100ml_fixed");
    assert_eq!(lab.accidents().await, Vec::<Value>::new());
}

#[tokio::test]
async fn after_a_restart_a_forgotten_sensor_comes_home_to_its_dock() {
    let (lab, run, found) = killed_holding(Step::PickUpSensor { mount: RIGHT }).await;
    assert_eq!(found, Lookup::HistoryLost);
    perform_blind(&run, Step::Home).await;
    perform_blind(&run, Step::MoveSensorToDock { mount: RIGHT }).await;
    perform_blind(&run, Step::DropInPlace { mount: RIGHT }).await;
    let dropped = lab.last("drop_tip").await;
    assert_eq!((&dropped["labware"], &dropped["well"]), (&json!("ac_color_sensor_charging_port"), &json!("A2")));
    assert_eq!(lab.accidents().await, Vec::<Value>::new());
    perform(&run, Step::PickUpSensor { mount: RIGHT }).await;
}

#[tokio::test]
async fn the_attendant_does_what_an_operator_does_as_often_as_asked() {
    let lab = Lab::usual().await;
    let attendant = VirtualAttendant::new(&lab.url(""), Patience::default()).expect("an address");
    for _ in 0..2 {
        attendant.new_plate(Slot(1)).await.expect("a plate");
        attendant.new_tips(Slot(9)).await.expect("tips");
        attendant.refill(well("B2"), &"yellow".parse().expect("a dye"), ul(15_000)).await.expect("yellow");
        attendant.empty_waste(well("A1")).await.expect("an empty vial");
    }
    let ledger = lab.ledger().await;
    let kinds: Vec<&str> = ledger.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    for (kind, times) in [("new_plate", 2), ("new_tip_rack", 2), ("refill", 4)] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count(), times, "{kind}");
    }
    let refilled = ledger.iter().find(|entry| entry["well"] == "B2").expect("refilled");
    assert_eq!((&refilled["dye"], &refilled["volume_ul"]), (&json!("yellow"), &json!(15_000.0)));
}

/// The lab's own rack, drawn anew under a name of its own, and offsets as somebody measured them.
fn own_deck() -> Deck {
    let mut deck = Deck::default();
    let mut rack = deck.own_definition("ac_6_tuberack_15000ul").expect("the lab's");
    rack["namespace"] = json!("our_lab");
    rack["parameters"]["loadName"] = json!("our_rack");
    deck.labware = vec![OwnLabware::new(rack)];
    deck.vial_rack = "our_rack".to_owned();
    deck.offsets.insert(Slot(1), LabwareOffset { x: 0.1, y: -0.2, z: 0.3 });
    deck
}

#[tokio::test]
async fn a_run_is_given_the_labs_own_labware_and_its_offsets() {
    let lab = Lab::usual().await;
    let deck = own_deck();
    assert_eq!(deck.flaws(), Vec::new());
    let run = lab.robot.open_run(&deck).await.expect("a run");
    let client = reqwest::Client::new();
    let asked = client.get(lab.url(&format!("/runs/{}", run.id()))).header("Opentrons-Version", "*");
    let told: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    let told = &told["data"];
    let offset = &told["labwareOffsets"][0];
    assert_eq!(offset["definitionUri"], "opentrons/corning_96_wellplate_360ul_flat/2");
    assert_eq!((&offset["location"]["slotName"], &offset["vector"]["y"]), (&json!("1"), &json!(-0.2)));
    let labware = told["labware"].as_array().expect("labware");
    let in_slot = |slot: &str| labware.iter().find(|piece| piece["location"]["slotName"] == slot).expect("a piece");
    assert_eq!(in_slot("3")["definitionUri"], "our_lab/our_rack/1");
    assert_eq!(in_slot("1")["offsetId"], offset["id"], "and it applies: {told}");
    perform(&run, Step::Home).await;
    for operation in steps_of_red(RIGHT, well("A1"), ul(60)) {
        done(&run, &operation, Memory::Knows).await;
    }
    assert_eq!(lab.accidents().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_look_at_a_robot_says_line_by_line_what_it_lacks() {
    let lab = Lab::usual().await;
    let look = async |deck: &Deck, before: Option<&str>| lab.robot.preflight(deck, before).await;
    let said = |findings: &[Finding], what: &str| {
        let finding = findings.iter().find(|finding| finding.what == what).expect("a line").found.clone();
        finding.map_err(|lack| lack.found)
    };
    let fine = look(&Deck::default(), None).await;
    assert!(fine.findings.iter().all(Finding::is_fine), "{:?}", fine.findings);
    let mounts = fine.mounts.expect("what hangs there");
    let right = mounts.on(RIGHT).expect("a pipette");
    assert_eq!(right.name, "p300_single_gen2");
    assert!(said(&fine.findings, "right pipette").is_ok_and(|found| found.contains(&right.serial)));
    let identity = said(&fine.findings, "identity").expect("it says");

    let other = look(&Deck::with_p20(), Some("OT2CEP0")).await.findings;
    assert_eq!(said(&other, "identity"), Err(format!("it is {identity}, and this robot was OT2CEP0")));
    let lack = "p300_single_gen2 hangs there, and the deck has p20_single_gen2".to_owned();
    assert_eq!(said(&other, "left pipette"), Err(lack));

    // Somebody measured where the plate stands, in the Opentrons App.
    lab.robot.open_run(&own_deck()).await.expect("a run").close().await.expect("closed");
    let unknown = look(&Deck::default(), Some(&identity)).await.findings;
    let told = said(&unknown, "offsets").expect_err("others than the record's");
    assert!(told.contains("slot 1: 0.1 -0.2 0.3 mm"), "{told}");
    assert_eq!(said(&look(&own_deck(), None).await.findings, "offsets"), Ok("1 as on the robot".to_owned()));
    assert_eq!(lab.ledger().await.len(), 0, "nothing moved");
}

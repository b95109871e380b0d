//! Experiments as protocols: Opentrons' own analyser carries them out in thought, and they do what the lab does.
//!
//! `TINCTURE_PROTOCOLS=200` tries so many plans; without it a few.

use crate::{EIGHT, lab::TestLab};
use domain::{
    Attendance, BlowOut, Deck, ExperimentStatus, Handling, JournalEvent, Mixing,
    PipetteModel::{P20SingleGen2, P300SingleGen2, P1000SingleGen2},
    Recipe, Step, TipPolicy, Volume,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use store::{ExperimentDetail, testing::TestDatabase};
use workflow::{DyeSources, Lab, Protocol, ProtocolDocument, SeenAs};

const FEW: usize = 8;

/// Dye drawn and given, µL, and over which wells, in order.
type Doings = Vec<(String, String, f64)>;

fn python() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/opentrons-venv");
    let python = env::var_os("TINCTURE_TEST_OPENTRONS").map_or(usual, PathBuf::from).join("bin/python");
    assert!(
        python.is_file(),
        "no {}: make a virtual environment there with tests/opentrons/requirements.txt, as scripts/test.sh does",
        python.display()
    );
    python
}

/// What the analyser makes of all protocols in a folder.
async fn analyse(folder: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/opentrons/analyse.py");
    let mut command = Command::new(python());
    // It writes its settings where it is told.
    command.arg(script).arg(folder).env("OT_API_CONFIG_DIR", folder.join("settings")).env("PYTHONWARNINGS", "ignore");
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("no answer: {text}"))
}

fn write(folder: &Path, name: &str, protocol: &Protocol) {
    fs::write(folder.join(format!("{name}.py")), protocol.python()).expect("written");
    fs::write(folder.join(format!("{name}.json")), protocol.json().to_string()).expect("written");
}

/// What moves liquid, tips or the sensor, in an analysis.
fn done(analysed: &Value) -> Doings {
    let errors = analysed["errors"].as_array().expect("a list");
    assert!(errors.is_empty(), "{errors:?}");
    let commands = analysed["commands"].as_array().expect("a list").iter();
    commands
        .filter_map(|command| {
            let (kind, params) = (command["commandType"].as_str()?, &command["params"]);
            let over_plate =
                kind == "moveToWell" && params["labwareId"].as_str().is_some_and(|id| !id.contains("Trash"));
            let counts = matches!(kind, "pickUpTip" | "aspirate" | "dispense" | "dropTip" | "blowout" | "touchTip")
                || over_plate;
            let in_trash = params["labwareId"].as_str().is_some_and(|id| id.contains("Trash"));
            if kind == "dropTipInPlace" || (kind == "dropTip" && in_trash) {
                return Some(("discard".to_owned(), String::new(), 0.0));
            }
            let well = params["wellName"].as_str().unwrap_or_default().to_owned();
            // What it works out of held volumes is off by a bit of a float.
            let volume = (params["volume"].as_f64().unwrap_or_default() * 1_000.0).round() / 1_000.0;
            counts.then(|| (kind.to_owned(), well, volume))
        })
        .collect()
}

/// The same of steps.
fn meant<'a>(deck: &Deck, steps: impl Iterator<Item = &'a Step>) -> Doings {
    let said = |kind: &str, well: String, volume: f64| Some((kind.to_owned(), well, volume));
    steps
        .filter_map(|step| match step {
            Step::PickUpTip { tip, .. } => said("pickUpTip", tip.to_string(), 0.0),
            Step::Aspirate { vial, volume, .. } => said("aspirate", vial.to_string(), volume.ul()),
            Step::Dispense { at, volume, .. } => said("dispense", at.to_string(), volume.ul()),
            Step::AirGap { vial, volume, .. } => said("aspirate", vial.to_string(), volume.ul()),
            Step::ExpelAir { at, volume, .. } => said("dispense", at.to_string(), volume.ul()),
            Step::MixDraw { at, volume, .. } => said("aspirate", at.to_string(), volume.ul()),
            Step::MixGive { at, volume, .. } => said("dispense", at.to_string(), volume.ul()),
            Step::TouchTip { at, .. } => said("touchTip", at.to_string(), 0.0),
            Step::BlowOutInto { at, .. } => said("blowout", at.to_string(), 0.0),
            Step::BlowOut { .. } => said("blowout", deck.waste.to_string(), 0.0),
            Step::ReturnTip { tip, .. } => said("dropTip", tip.to_string(), 0.0),
            Step::DropInPlace { .. } => said("discard", String::new(), 0.0),
            Step::PickUpSensor { .. } => said("pickUpTip", deck.sensor_place.to_string(), 0.0),
            Step::MoveSensor { over, .. } => said("moveToWell", over.to_string(), 0.0),
            Step::ParkSensor { .. } => said("dropTip", deck.sensor_place.to_string(), 0.0),
            _ => None,
        })
        .collect()
}

/// Amounts that this deck can measure, or none.
fn wells(least_tenths: u32) -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    let amount =
        move || prop_oneof![1 => Just(0), 3 => least_tenths..=1_000u32].prop_map(|tenths| f64::from(tenths) / 10.0);
    let well = (amount(), amount(), amount()).prop_filter("an empty well", |(r, y, b)| r + y + b > 0.0);
    prop::collection::vec(well, 1..=24)
}

/// What a protocol or an analysis mixes, well by well of its plate.
fn read_back(deck: &Deck, json: &Value) -> Vec<Recipe> {
    let document = ProtocolDocument::read(json.to_string().as_bytes()).expect("a protocol");
    let mixing = document.mixing(deck, &DyeSources::default());
    assert_eq!(mixing.problems, []);
    mixing.wells.into_values().collect()
}

fn handling() -> impl Strategy<Value = Handling> {
    let mix = prop::option::of((1u8..=3, 5u32..=300))
        .prop_map(|mix| mix.map(|(repetitions, ul)| Mixing { repetitions, volume: Volume::from_whole_ul(ul) }));
    let tips = prop::sample::select(TipPolicy::ALL);
    (tips, mix, any::<bool>(), any::<bool>(), 0u32..=20).prop_map(|(tips, mix, touch_tip, well, air)| Handling {
        tips,
        mix,
        touch_tip,
        blow_out: if well { BlowOut::Well } else { BlowOut::Waste },
        air_gap: Volume::from_whole_ul(air),
    })
}

async fn protocol(lab: &TestLab, detail: &ExperimentDetail, seen_as: SeenAs) -> Protocol {
    Lab::new(lab.store().clone()).protocol(detail, Some(seen_as)).await.expect("a protocol")
}

/// What a lab would ask for if it were given this.
async fn imported(lab: &TestLab, json: &Value) -> Vec<Recipe> {
    let document = ProtocolDocument::read(json.to_string().as_bytes()).expect("a protocol");
    let lab = Lab::new(lab.store().clone());
    let imported = lab.import_protocol(&document, None, &DyeSources::default()).await.expect("a robot");
    assert!(imported.tips > 0 && imported.problems.is_empty(), "{:?}", imported.problems);
    let amount = |(dye, ul): (String, f64)| (dye.parse().expect("a dye"), Volume::from_ul(ul).expect("a volume"));
    let wells = imported.request.expect("a request").wells.into_iter();
    wells.map(|well| Recipe::new(well.volumes.into_iter().map(amount))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_plans_pass_the_analyser_and_do_the_same_in_both_languages() {
    let many = env::var("TINCTURE_PROTOCOLS").ok().map_or(FEW, |text| text.parse().expect("a number"));
    let seed = env::var("TINCTURE_PROTOCOLS_SEED").ok().map_or(14_u8, |text| text.parse().expect("a number"));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let folder = tempfile::tempdir().expect("a folder");
    let mut expected = Vec::new();
    let p1000 = Some(P1000SingleGen2);
    let decks = [
        (Deck::default(), 200),
        (Deck::with_p20(), 10),
        (Deck::with_pipettes(p1000, Some(P300SingleGen2)), 200),
        (Deck::with_pipettes(Some(P20SingleGen2), p1000), 10),
    ];
    for (number, (deck, least)) in decks.into_iter().enumerate() {
        let mut lab = None;
        for index in 0..many / 4 {
            // Before the quota of one lab's person is used up.
            if index % FEW == 0 {
                let database = TestDatabase::sqlite().await;
                lab = Some(TestLab::on_deck(database, 1.0, Attendance::Virtual, deck.clone()).await);
            }
            let Some(lab) = &lab else { continue };
            let wells = wells(least).new_tree(&mut runner).expect("wells").current();
            // Every other one as usual.
            let handling = handling().new_tree(&mut runner).expect("a handling").current();
            let handling = if index % 2 == 0 { Handling::default() } else { handling };
            let detail = lab.experiment(lab.submit_handled(&wells, handling).await).await;
            let protocol = protocol(lab, &detail, SeenAs::Plan).await;
            let name = format!("{number}-{index:03}");
            write(folder.path(), &name, &protocol);
            let recipes: Vec<_> = detail.wells.iter().map(|(well, _)| well.recipe.clone()).collect();
            assert_eq!(imported(lab, &protocol.json()).await, recipes, "{name} comes back as what was asked for");
            expected.push((name, deck.clone(), protocol, recipes));
        }
    }
    let analysed = analyse(folder.path()).await;
    for (name, deck, protocol, recipes) in expected {
        let meant = meant(&deck, protocol.steps());
        assert_eq!(done(&analysed[format!("{name}.py")]), meant, "{name}");
        assert_eq!(done(&analysed[format!("{name}.json")]), meant, "{name}");
        for file in [format!("{name}.py"), format!("{name}.json")] {
            assert_eq!(read_back(&deck, &analysed[&file]["analysis"]), recipes, "the analysis of {file} is read back");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_robot_did_with_restarts_between_is_a_protocol_too() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, 200.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    for operations in [5, 30] {
        lab.wait_for_operations(id, operations).await;
        lab.restart_robot().await;
    }
    let detail = lab.wait_for(id, ExperimentStatus::Completed).await;
    let folder = tempfile::tempdir().expect("a folder");
    let protocol = protocol(&lab, &detail, SeenAs::Run).await;
    write(folder.path(), "run", &protocol);
    let analysed = analyse(folder.path()).await;
    let journal = lab.store().operations(id, 0, 500).await.expect("the journal");
    let gave = |doings: Doings| doings.into_iter().filter(|(kind, ..)| kind == "dispense").collect::<Vec<_>>();
    let succeeded = journal.iter().filter(|entry| entry.state == JournalEvent::Succeeded);
    let given = gave(meant(&Deck::default(), succeeded.map(|entry| &entry.operation.step)));
    assert!(given.len() >= 8 * 3 - 9, "{given:?}");
    for file in ["run.py", "run.json"] {
        assert_eq!(gave(done(&analysed[file])), given, "{file}");
        let document = ProtocolDocument::read(analysed[file]["analysis"].to_string().as_bytes()).expect("an analysis");
        let mixing = document.mixing(&Deck::default(), &DyeSources::default());
        for (well, _) in detail.wells.iter().filter(|(_, result)| result.is_some()) {
            let at = well.well_id.expect("it was measured somewhere");
            assert_eq!(mixing.wells.get(&at), Some(&well.recipe), "{at} as {file} has it");
        }
    }
}

//! Other pipettes, and what a person may ask of how liquids are handled: what then really happens, by the ledger.

use crate::lab::TestLab;
use domain::{
    Attendance, BlowOut, Deck, ExperimentStatus, Handling, Mixing, PipetteModel, TipPolicy, Volume, WellStatus,
};
use serde_json::Value;
use std::collections::BTreeMap;
use store::{ExperimentDetail, testing::TestDatabase};

const WELLS: [(f64, f64, f64); 4] = [(110.0, 5.0, 50.0), (0.0, 60.0, 0.0), (20.0, 0.0, 130.0), (1.5, 101.0, 0.0)];

/// The ledger's word for what isn't of one dye.
const MIXTURE: &str = "mixture";

fn everything() -> Handling {
    Handling {
        tips: TipPolicy::PerDye,
        mix: Some(Mixing { repetitions: 2, volume: Volume::from_whole_ul(40) }),
        touch_tip: true,
        blow_out: BlowOut::Well,
        air_gap: Volume::from_whole_ul(3),
    }
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default()
}

/// What fell into each well of each dye, µL; what was drawn to mix it isn't of one dye.
fn fallen(ledger: &[Value]) -> BTreeMap<(String, String), f64> {
    let mut fallen = BTreeMap::new();
    let drops = ledger.iter().filter(|entry| entry["kind"] == "dispense" && entry["dye"] != MIXTURE);
    for drop in drops {
        let place = (text(drop, "well").to_owned(), text(drop, "dye").to_owned());
        *fallen.entry(place).or_default() += drop["volume_ul"].as_f64().expect("a volume");
    }
    fallen
}

fn check(ledger: &[Value], done: &ExperimentDetail) {
    let fallen = fallen(ledger);
    for (well, _) in done.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured) {
        let at = well.well_id.expect("a place").to_string();
        for (dye, asked) in well.recipe.iter() {
            let got = fallen.get(&(at.clone(), dye.to_string())).copied().unwrap_or_default();
            let limit = asked.ul() * 0.12 + 1.5;
            assert!((got - asked.ul()).abs() <= limit, "{got} µL of {dye} in {at}, asked {asked}");
        }
    }
    let bad = |entry: &&Value| matches!(text(entry, "kind"), "crash" | "spill" | "overflow" | "miss");
    assert_eq!(ledger.iter().find(bad), None);
    let met_in_vial = |entry: &&Value| entry["kind"] == "touch" && entry["slot"] == 3;
    assert_eq!(ledger.iter().find(met_in_vial), None, "a tip that met a well went into a vial");
}

async fn lab() -> TestLab {
    let deck = Deck::with_pipettes(Some(PipetteModel::P20SingleGen2), Some(PipetteModel::P1000SingleGen2));
    TestLab::on_deck(TestDatabase::sqlite().await, 200.0, Attendance::Virtual, deck).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_p20_and_a_p1000_mix_what_either_alone_can_not() {
    let mut lab = lab().await;
    lab.start_worker();
    let id = lab.submit(&WELLS).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    let ledger = lab.ledger().await;
    check(&ledger, &done);
    let air = ledger.iter().find(|entry| matches!(text(entry, "kind"), "air" | "touch"));
    assert_eq!(air, None);
    let tips = ledger.iter().filter(|entry| entry["kind"] == "drop_tip" && entry["slot"] == 12).count();
    assert_eq!(tips, 0, "every tip goes back, as it always has");
    let of = |mount: &str| {
        let drops = ledger.iter().filter(|entry| entry["kind"] == "dispense" && entry["mount"] == mount);
        drops.map(|entry| entry["nominal_ul"].as_f64().expect("a volume")).collect::<Vec<_>>()
    };
    assert_eq!(of("right"), [110.0, 101.0, 130.0], "in one stroke each");
    // 20 and 1.5; 60 in 3 strokes and 5; 50 in 3 strokes.
    assert_eq!(of("left").len(), 2 + 4 + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_mixed_and_touched_off_leaves_no_dye_in_another_vial() {
    let mut lab = lab().await;
    lab.start_worker();
    let id = lab.submit_handled(&WELLS, everything()).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    let ledger = lab.ledger().await;
    check(&ledger, &done);
    let in_plate = |kind: &str, well: &str| {
        ledger.iter().filter(|entry| entry["kind"] == kind && entry["slot"] == 1 && entry["well"] == well).count()
    };
    // D1 has two dyes, the last of 101 µL; B1 one, which is mixed already.
    assert_eq!([in_plate("aspirate", "D1"), in_plate("aspirate", "B1")], [2, 0]);
    assert!(in_plate("blow_out", "B1") > 0);
    let thrown = ledger.iter().filter(|entry| entry["kind"] == "drop_tip" && entry["slot"] == 12).count();
    assert_eq!(thrown, 8, "a tip for each transfer, since each touches its well's wall");
    let supplies = lab.lab.supplies(&lab.robot).await.expect("supplies");
    let new: f64 = supplies.iter().filter(|supply| supply.unit == "tips").map(|supply| supply.left).sum();
    assert_eq!(new, 2.0 * 96.0 - 8.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_while_it_mixes_never_serves_a_robbed_well() {
    let mut lab = lab().await;
    lab.start_worker();
    let id = lab.submit_handled(&WELLS, everything()).await;
    for step in ["mix_draw", "mix_give", "touch_tip", "air_gap"] {
        lab.wait_for_step(id, step).await;
        lab.kill_worker();
        lab.start_worker();
    }
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    let ledger = lab.ledger().await;
    check(&ledger, &done);
    let measured = done.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured);
    assert_eq!(measured.clone().count(), WELLS.len());
    for (well, _) in measured {
        let at = well.well_id.expect("a place").to_string();
        let count = |kind: &str| {
            let here = ledger.iter().filter(|entry| entry["kind"] == kind && entry["slot"] == 1);
            here.filter(|entry| entry["well"] == at.as_str() && entry["dye"] == MIXTURE).count()
        };
        let mixed = if well.recipe.iter().count() < 2 { 0 } else { 2 };
        assert_eq!(count("aspirate"), count("dispense"), "{at} was given back what was drawn from it");
        assert!(count("aspirate") >= mixed, "{at} was mixed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_new_tips_than_a_rack_holds_take_another_rack_on_the_way() {
    let deck = Deck::default();
    let mut lab = TestLab::on_deck(TestDatabase::sqlite().await, 2_000.0, Attendance::Virtual, deck).await;
    let handling = Handling { tips: TipPolicy::PerTransfer, ..Handling::default() };
    let id = lab.submit_handled(&[(20.0, 20.0, 20.0); 40], handling).await;
    let supplies = lab.lab.supplies(&lab.robot).await.expect("supplies");
    let tips = supplies.iter().find(|supply| supply.unit == "tips").expect("tips");
    assert_eq!((tips.left, tips.needed), (96.0, 120.0));
    assert!(tips.runs_out.is_some_and(|out| out.experiment_id == id));
    lab.start_worker();
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    let ledger = lab.ledger().await;
    check(&ledger, &done);
    assert_eq!(ledger.iter().filter(|entry| entry["kind"] == "new_tip_rack").count(), 1);
    let twice = ledger.iter().find(|entry| entry["kind"] == "pick_up_tip" && entry["used"] == true);
    assert_eq!(twice, None, "each tip is new");
}

//! What the workflow promises, on the emulated robot and real databases.

mod lab;

use domain::{
    Attendance, Control, ExperimentId, ExperimentStatus, FaultCode, WellStatus,
    colour::{Lab, Target},
};
use lab::TestLab;
use std::time::Duration;
use store::{ExperimentDetail, StoreError, testing::TestDatabase};
use workflow::{AttendError, DeckAct, RobotCommand};

const EIGHT: [(f64, f64, f64); 8] = [
    (60.0, 30.0, 60.0),
    (300.0, 0.0, 0.0),
    (0.0, 300.0, 0.0),
    (0.0, 0.0, 300.0),
    (100.0, 100.0, 100.0),
    (20.0, 20.0, 20.0),
    (150.0, 150.0, 0.0),
    (33.3, 66.6, 99.9),
];

/// Each promise on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::TestDatabase::sqlite().await).await })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::TestDatabase::postgres().await).await })+
        }
    };
}

mod broken;
mod doubt;
mod handling;
mod protocols;
mod records;

use broken::{
    a_damaged_experiment_is_parked_and_the_next_is_served,
    a_lab_wide_stop_tells_every_robot_whatever_the_first_answers, a_lane_that_panics_is_begun_again,
    a_robot_that_cannot_fence_is_asked_about_at_each_takeover, an_experiment_whose_robot_is_gone_goes_on_at_another,
};

use records::{
    a_pipette_that_is_missing_is_found_before_anything_moves,
    a_robot_is_driven_on_whatever_it_is_called_and_wherever_it_is,
};

on_both!(
    a_pipette_that_is_missing_is_found_before_anything_moves,
    a_robot_is_driven_on_whatever_it_is_called_and_wherever_it_is,
    a_damaged_experiment_is_parked_and_the_next_is_served,
    a_lab_wide_stop_tells_every_robot_whatever_the_first_answers,
    a_lane_that_panics_is_begun_again,
    a_robot_that_cannot_fence_is_asked_about_at_each_takeover,
    an_experiment_whose_robot_is_gone_goes_on_at_another,
    eight_wells_are_mixed_and_measured,
    a_killed_worker_loses_nothing_and_repeats_nothing,
    a_restarted_robot_costs_at_most_the_well_in_doubt,
    a_cancelled_experiment_leaves_the_machine_safe_and_returns_its_quota,
    a_paused_experiment_goes_on_where_it_was,
    a_full_plate_is_followed_by_a_new_one,
);

/// The worker looks by itself once an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_hears_of_what_another_process_accepts() {
    let mut lab = TestLab::new(TestDatabase::postgres().await, f64::INFINITY).await;
    lab.only_listen().await;
    lab.start_worker();
    for well in EIGHT.into_iter().take(3) {
        let id = lab.submit(&[well]).await;
        lab.wait_for(id, ExperimentStatus::Completed).await;
        // The lane has nothing to do and rests.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    lab.stop_worker().await;
}

async fn eight_wells_are_mixed_and_measured(database: TestDatabase) {
    let mut lab = TestLab::new(database, f64::INFINITY).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert_eq!(done.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured).count(), 8);
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
    assert_eq!(lab.quota().await, 492);
    // Red looks red, and blue blue.
    let lightness = |index: usize, channel: &str| {
        let (_, result) = &done.wells[index];
        result.as_ref().expect("a result").measurement_data["lab"][channel].as_f64().expect("a number")
    };
    assert!(lightness(1, "a") > 20.0, "red: a* = {}", lightness(1, "a"));
    assert!(lightness(2, "b") > 20.0, "yellow: b* = {}", lightness(2, "b"));
    assert!(lightness(3, "b") < -10.0, "blue: b* = {}", lightness(3, "b"));
}

async fn a_killed_worker_loses_nothing_and_repeats_nothing(database: TestDatabase) {
    let mut lab = TestLab::new(database, 400.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    for operations in [3, 20, 44, 60] {
        lab.wait_for_operations(id, operations).await;
        lab.kill_worker();
        lab.start_worker();
    }
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert_eq!(done.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured).count(), 8);
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
    assert_eq!(lab.quota().await, 492);
}

async fn a_restarted_robot_costs_at_most_the_well_in_doubt(database: TestDatabase) {
    let mut lab = TestLab::new(database, 200.0).await;
    lab.start_worker();
    let (id, targets) = submit_aimed(&lab).await;
    for operations in [5, 15, 30] {
        lab.wait_for_operations(id, operations).await;
        lab.restart_robot().await;
    }
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert_eq!(done.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured).count(), 8);
    for (well, result) in &done.wells {
        assert!(matches!(well.status, WellStatus::Measured | WellStatus::Quarantined), "{well:?}");
        assert_eq!(result.is_some(), well.status == WellStatus::Measured);
    }
    check_aims(&done, &targets);
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
    assert_eq!(lab.quota().await, 492, "a quarantined well costs nothing");
}

/// Eight wells of which all but the last aim at a colour.
async fn submit_aimed(lab: &TestLab) -> (ExperimentId, Vec<Option<Target>>) {
    let mut request = TestLab::request(&EIGHT);
    for (well, grey) in request.wells.iter_mut().zip(["30", "40", "50", "60", "70", "80", "90"]) {
        well.target = Some(format!("#{grey}{grey}{grey}").parse().expect("a colour"));
    }
    let targets = request.wells.iter().map(|well| well.target).collect();
    (lab.ask(request).await, targets)
}

/// Each well, whatever it replaces, aims where its place does, and its result says how far off it is.
fn check_aims(done: &ExperimentDetail, targets: &[Option<Target>]) {
    for (well, result) in &done.wells {
        assert_eq!(well.target, targets[well.position as usize], "{well:?}");
        let Some(result) = result else { continue };
        let data = &result.measurement_data;
        let measured: Lab = serde_json::from_value(data["lab"].clone()).expect("a colour");
        let off = well.target.map(|target| measured.delta_e_2000(target.lab()));
        let told = data.get("delta_e_target").and_then(serde_json::Value::as_f64);
        assert_eq!(told.is_some(), off.is_some(), "{data}");
        assert!(told.zip(off).is_none_or(|(told, off)| (told - off).abs() < 1e-9), "{data}");
        assert_eq!(
            data.pointer("/target/srgb").and_then(|at| at.as_str()),
            well.target.map(|t| t.to_string()).as_deref()
        );
    }
}

async fn a_cancelled_experiment_leaves_the_machine_safe_and_returns_its_quota(database: TestDatabase) {
    let mut lab = TestLab::new(database, 400.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let queued = lab.submit(&EIGHT).await;
    lab.wait_for_operations(id, 10).await;
    for id in [id, queued] {
        lab.lab.control(&lab.user, id, Control::Cancel, None).await.expect("a database");
    }
    let cancelled = lab.wait_for(id, ExperimentStatus::Cancelled).await;
    lab.wait_for(queued, ExperimentStatus::Cancelled).await;
    assert!(cancelled.wells.iter().all(|(well, _)| well.status == WellStatus::Cancelled));
    lab.stop_worker().await;
    lab.check_left_safe().await;
    assert_eq!(lab.quota().await, 500);
}

async fn a_paused_experiment_goes_on_where_it_was(database: TestDatabase) {
    let mut lab = TestLab::new(database, 400.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    lab.wait_for_operations(id, 12).await;
    lab.lab.control(&lab.user, id, Control::Pause, None).await.expect("a database");
    lab.wait_for(id, ExperimentStatus::Paused).await;
    lab.wait_until_put_down().await;
    let before = lab.ledger().await.len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(lab.ledger().await.len(), before, "a paused robot doesn't move");
    lab.lab.control(&lab.user, id, Control::Resume, None).await.expect("a database");
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
}

async fn a_full_plate_is_followed_by_a_new_one(database: TestDatabase) {
    let mut lab = TestLab::new(database, f64::INFINITY).await;
    lab.start_worker();
    let full = lab.submit(&[(20.0, 0.0, 0.0); 96]).await;
    let next = lab.submit(&[(0.0, 60.0, 0.0)]).await;
    let first = lab.wait_for(full, ExperimentStatus::Completed).await;
    let second = lab.wait_for(next, ExperimentStatus::Completed).await;
    assert_ne!(first.experiment.plate_id, second.experiment.plate_id);
    assert!(first.wells.iter().all(|(well, _)| well.status == WellStatus::Measured));
    lab.check_measured_wells(&second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_robot_stands_still_with_what_it_holds_and_goes_on_when_resumed() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, 200.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    lab.wait_for_operations(id, 4).await;
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Stop, None).await.expect("a database");
    lab.wait_until_still().await;
    let before = lab.ledger().await.len();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(lab.ledger().await.len(), before, "a stopped robot doesn't move");
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Resume, None).await.expect("a database");
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deck_is_attended_only_while_the_robot_stands_still() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, 200.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    lab.wait_for_operations(id, 4).await;
    let act = async |act| lab.lab.act_on_deck(&lab.user, lab.robot.id, act, None).await;
    assert!(matches!(act(DeckAct::NewPlate).await, Err(AttendError::Store(StoreError::AtWork))));
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Pause, None).await.expect("a database");
    lab.wait_until_still().await;
    assert!(matches!(act(DeckAct::NewPlate).await, Err(AttendError::Store(StoreError::PlateInUse))));
    let refill =
        DeckAct::Refill { vial: "B1".parse().expect("vial"), volume: None, batch: Some("FDC-40/7".to_owned()) };
    act(refill).await.expect("a refill");
    let unknown = DeckAct::Refill { vial: "C6".parse().expect("vial"), volume: None, batch: None };
    assert!(matches!(act(unknown).await, Err(AttendError::NotOnDeck(_))));
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Resume, None).await.expect("a database");
    lab.wait_for(id, ExperimentStatus::Completed).await;
    let inventory = lab.store().inventory(lab.robot.id).await.expect("a database");
    let red = inventory.vials.iter().find(|vial| vial.dye.as_str() == "red").expect("the red vial");
    assert_eq!(red.batch.as_deref(), Some("FDC-40/7"));
    assert!(lab.ledger().await.iter().any(|entry| entry["kind"] == "refill"), "the virtual vial is really filled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_robots_operator_is_asked_instead_of_guessing() {
    let mut lab = TestLab::attended(TestDatabase::sqlite().await, 100.0, Attendance::Operator).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    lab.wait_for_operations(id, 7).await;
    lab.restart_robot().await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::CommandInDoubt, "{question:?}");
    let before = lab.ledger().await.len();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(lab.ledger().await.len(), before, "nothing moves before somebody has looked");
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Resume, None).await.expect("a database");
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_plate_that_is_full_waits_for_its_operator() {
    let mut lab = TestLab::attended(TestDatabase::sqlite().await, f64::INFINITY, Attendance::Operator).await;
    lab.start_worker();
    let first = lab.submit(&[(20.0, 0.0, 0.0); 90]).await;
    let second = lab.submit(&[(20.0, 0.0, 0.0); 8]).await;
    lab.wait_for(first, ExperimentStatus::Completed).await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::PlateFull, "{question:?}");
    let supplies = lab.lab.supplies(&lab.robot).await.expect("a forecast");
    let plate = supplies.iter().find(|supply| supply.name == "plate").expect("the plate");
    assert_eq!((plate.left, plate.needed), (6.0, 8.0));
    assert_eq!(plate.runs_out.map(|out| out.experiment_id), Some(second));
    // The emulated deck has hands only in the virtual lab: here the test lays the plate.
    lab.post("/emulator/plate").await;
    lab.lab.act_on_deck(&lab.user, lab.robot.id, DeckAct::NewPlate, None).await.expect("a new plate");
    lab.lab.command_robot(&lab.user, lab.robot.id, RobotCommand::Resume, None).await.expect("a database");
    let done = lab.wait_for(second, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_that_takes_the_robot_falsifies_nothing() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, 200.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    for operations in [10, 30, 50, 58, 61, 63] {
        lab.wait_for_operations(id, operations).await;
        lab.take_robot_and_home().await;
    }
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
    lab.check_reads(&done).await;
    lab.check_left_safe().await;
}

/// Between two experiments nobody holds the robot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_did_between_two_experiments_is_asked_about_before_anything_moves() {
    let mut lab = TestLab::attended(TestDatabase::sqlite().await, f64::INFINITY, Attendance::Operator).await;
    lab.start_worker();
    for _ in 0..2 {
        let undisturbed = lab.submit(&EIGHT[..1]).await;
        lab.wait_for(undisturbed, ExperimentStatus::Completed).await;
    }
    let undisturbed = lab.ledger().await.len();
    lab.take_robot_and_use_a_tip().await;
    let before = lab.ledger().await.len();
    assert!(before > undisturbed, "the tip was used");
    lab.submit(&EIGHT[..1]).await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::DeckUnknown, "{question:?}");
    assert_eq!(lab.ledger().await.len(), before, "nothing moves before somebody has looked");
}

/// The journal says that the nozzle is empty; the robot says that the pick-up was done. Whoever believes the journal alone
/// drives a tip into its rack, or the sensor into its dock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_while_something_is_picked_up_drives_it_into_nothing() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, 60.0).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    for step in ["pick_up_tip", "pick_up_sensor"] {
        lab.wait_for_step(id, step).await;
        lab.kill_worker();
        lab.start_worker();
    }
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
    let mishaps = ["crash", "miss", "spill", "overflow", "touch"];
    let ledger = lab.ledger().await;
    let mishap = ledger.iter().find(|entry| mishaps.iter().any(|kind| entry["kind"] == *kind));
    assert_eq!(mishap, None);
}

//! What the workflow promises, on the emulated robot and real databases.

mod lab;

use domain::{ExperimentStatus, WellStatus};
use lab::TestLab;
use std::time::Duration;
use store::{Control, testing::TestDatabase};

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

on_both!(
    eight_wells_are_mixed_and_measured,
    a_killed_worker_loses_nothing_and_repeats_nothing,
    a_restarted_robot_costs_at_most_the_well_in_doubt,
    a_cancelled_experiment_leaves_the_machine_safe_and_returns_its_quota,
    a_paused_experiment_goes_on_where_it_was,
    a_full_plate_is_followed_by_a_new_one,
);

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
    let id = lab.submit(&EIGHT).await;
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
    lab.check_measured_wells(&done).await;
    lab.check_left_safe().await;
    assert_eq!(lab.quota().await, 492, "a quarantined well costs nothing");
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

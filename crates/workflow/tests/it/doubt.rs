//! What the lab doesn't believe: a plate that isn't new, a sensor that sees nothing, wells that aren't what they should be.

use super::EIGHT;
use crate::lab::TestLab;
use domain::{
    Attendance, BlankCheck, Change, Deck, DeckCondition, EventKind, ExperimentId, ExperimentStatus, FaultCode, PlateId,
    WellStatus,
    doubt::{Shared, Why},
};
use serde_json::json;
use std::time::Duration;
use store::{NewActivity, testing::TestDatabase};
use workflow::{DeckAct, Retried, RetryError, RobotCommand, doubt_of};

on_both!(
    a_used_plate_confirmed_as_new_comes_out_doubtful_and_is_named,
    a_used_plate_is_seen_before_the_first_drop,
    doubtful_wells_are_made_again_free_once,
);

/// What the third of the wells on the used plate aims at.
const OCHRE: &str = "#cc7722";

async fn attended(database: TestDatabase, blank_check: BlankCheck) -> TestLab {
    let deck = Deck { blank_check, ..Deck::default() };
    let mut lab = TestLab::on_deck(database, f64::INFINITY, Attendance::Operator, deck).await;
    lab.start_worker();
    lab
}

/// One tap, no look: the plate that lies there is the old one.
async fn confirm_new_plate_without_laying_one(lab: &TestLab) {
    command(lab, RobotCommand::Pause).await;
    lab.wait_until_still().await;
    lab.lab.act_on_deck(&lab.user, lab.robot.id, DeckAct::NewPlate, None).await.expect("confirmed");
    command(lab, RobotCommand::Resume).await;
}

async fn command(lab: &TestLab, command: RobotCommand) {
    lab.lab.command_robot(&lab.user, lab.robot.id, command, None).await.expect("a database");
}

async fn dispenses(lab: &TestLab) -> usize {
    lab.ledger().await.iter().filter(|entry| entry["kind"] == "dispense").count()
}

/// Eight wells on a plate that eight other wells of this lab used before.
async fn eight_in_used_wells(lab: &TestLab) -> ExperimentId {
    let first = lab.submit(&EIGHT).await;
    let honest = lab.wait_for(first, ExperimentStatus::Completed).await;
    assert!(lab.lab.doubts(&honest).await.expect("a database").is_none(), "an honest plate is believed");
    confirm_new_plate_without_laying_one(lab).await;
    let mut others = EIGHT;
    others.rotate_left(1);
    let mut request = TestLab::request(&others);
    request.wells[2].target = Some(OCHRE.parse().expect("a colour"));
    lab.ask(request).await
}

async fn a_used_plate_confirmed_as_new_comes_out_doubtful_and_is_named(database: TestDatabase) {
    let lab = attended(database, BlankCheck::None).await;
    let second = eight_in_used_wells(&lab).await;
    let done = lab.wait_for(second, ExperimentStatus::Completed).await;
    assert!(done.wells.iter().all(|(well, _)| well.status == WellStatus::Measured));
    for (well, result) in &done.wells {
        let result = result.as_ref().expect("a result");
        let doubt = doubt_of(result).unwrap_or_else(|| panic!("{:?}: {}", well.well_id, result.measurement_data));
        assert!(doubt.delta_e > doubt.limit, "{doubt:?}");
        assert!(result.measurement_data["predicted"]["transmittance"].as_array().is_some_and(|bands| bands.len() == 8));
    }
    let doubts = lab.lab.doubts(&done).await.expect("a database").expect("doubts");
    assert_eq!((doubts.wells.len(), doubts.measured), (8, 8));
    assert!(matches!(&doubts.shared[0], Shared::UsedWells { wells } if wells.len() == 8), "{:?}", doubts.shared);
    let told = lab.store().latest_event(second, EventKind::Doubts).await.expect("a database").expect("an event");
    assert!(
        told.data["sentence"].as_str().is_some_and(|said| said.contains("used by an earlier experiment")),
        "{told:?}"
    );
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::PlateDoubtful, "{question:?}");
    assert!(
        question.cause.contains("used by an earlier experiment") && question.what.contains("A1–H1"),
        "{question:?}"
    );
}

async fn a_used_plate_is_seen_before_the_first_drop(database: TestDatabase) {
    let lab = attended(database, BlankCheck::Sample).await;
    let second = eight_in_used_wells(&lab).await;
    let before = dispenses(&lab).await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::PlateUsed, "{question:?}");
    assert_eq!(dispenses(&lab).await, before, "nothing is dispensed onto a used plate");
    assert_eq!(lab.experiment(second).await.experiment.status, ExperimentStatus::Queued);
    lab.check_left_safe().await;
    // Who only says "go on" is asked again.
    command(&lab, RobotCommand::Resume).await;
    assert_eq!(lab.wait_for_question().await.code, FaultCode::PlateUsed);
    assert_eq!(dispenses(&lab).await, before);
    lab.post("/emulator/plate").await;
    lab.lab.act_on_deck(&lab.user, lab.robot.id, DeckAct::NewPlate, None).await.expect("a new plate");
    command(&lab, RobotCommand::Resume).await;
    let done = lab.wait_for(second, ExperimentStatus::Completed).await;
    assert!(lab.lab.doubts(&done).await.expect("a database").is_none());
    lab.check_measured_wells(&done).await;
}

async fn doubtful_wells_are_made_again_free_once(database: TestDatabase) {
    let mut lab = attended(database, BlankCheck::None).await;
    let second = eight_in_used_wells(&lab).await;
    let done = lab.wait_for(second, ExperimentStatus::Completed).await;
    lab.wait_for_question().await;
    lab.stop_worker().await;
    assert_eq!(lab.quota().await, 500 - 16, "a doubtful well is paid for");
    let retry = async |key: &str| lab.lab.retry(&lab.user, &done, Some(key.to_owned()), None).await;
    // Two at once, by two keys: one of them gets it.
    let (one, other) = tokio::join!(retry("one"), retry("other"));
    let made: Vec<_> = [one, other].into_iter().filter_map(Result::ok).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let Retried::Anew(made) = &made[0] else { panic!("{made:?}") };
    assert_eq!((made.quota_remaining, lab.quota().await), (484, 484), "the wells are given back and asked for anew");
    let id = made.experiment.experiment.id;
    assert_eq!(made.experiment.wells.len(), 8);
    let aims: Vec<_> = made.experiment.wells.iter().map(|(well, _)| well.target.map(|to| to.to_string())).collect();
    assert_eq!(aims.iter().position(Option::is_some), Some(2), "what a well aims at is asked for again: {aims:?}");
    assert_eq!(aims[2].as_deref(), Some(OCHRE));
    // The same click again is the same experiment; another one is refused.
    let again = [retry("one").await, retry("other").await];
    assert!(again.iter().any(
        |answer| matches!(answer, Ok(Retried::Anew(same)) if same.experiment.experiment.id == id && same.replayed)
    ));
    let third = retry("third").await;
    assert!(matches!(third, Err(RetryError::Refused(ExperimentStatus::Completed))), "{third:?}");
    assert_eq!(lab.quota().await, 484);

    // Its wells are doubtful again (the plate is still the old one), and it isn't free for ever.
    command(&lab, RobotCommand::Resume).await;
    confirm_new_plate_without_laying_one(&lab).await;
    lab.start_worker();
    let free = lab.wait_for(id, ExperimentStatus::Completed).await;
    let doubts = lab.lab.doubts(&free).await.expect("a database").expect("doubts");
    assert!(!doubts.wells.is_empty() && doubts.free_retry.is_empty(), "{doubts:?}");
    let refused = lab.lab.retry(&lab.user, &free, None, None).await;
    assert!(matches!(refused, Err(RetryError::Refused(ExperimentStatus::Completed))), "{refused:?}");
    assert_eq!(lab.quota().await, 484);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_lab_lays_a_new_plate_where_the_old_one_was_taken_for_new() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    lab.start_worker();
    let first = lab.submit(&EIGHT).await;
    lab.wait_for(first, ExperimentStatus::Completed).await;
    let by = NewActivity { user_id: None, action: "deck_attended", details: json!({}), ip_address: None };
    let mistaken = Change::PlateReplaced { plate: PlateId::new() };
    command(&lab, RobotCommand::Pause).await;
    lab.wait_until_still().await;
    lab.store().attend(&lab.robot, &[mistaken], DeckCondition::PlateFree, by).await.expect("a database");
    command(&lab, RobotCommand::Resume).await;
    let second = lab.submit(&EIGHT).await;
    let done = lab.wait_for(second, ExperimentStatus::Completed).await;
    assert!(lab.lab.doubts(&done).await.expect("a database").is_none());
    lab.check_measured_wells(&done).await;
}

/// Every well is read once.
fn one_by_one() -> Deck {
    Deck { reads: 1, ..Deck::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_that_takes_every_plate_for_a_used_one_does_not_have_them_all() {
    let database = TestDatabase::sqlite().await;
    let mut lab = TestLab::on_deck(database, f64::INFINITY, Attendance::Virtual, one_by_one()).await;
    // The white reference is bright (and so is nothing without light), the first look at a well dim, time after time.
    lab.tell("/emulator/sensor", json!({ "flicker": 0.5, "flicker_every": 3, "room": 0 })).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let failed = lab.wait_for(id, ExperimentStatus::Failed).await;
    assert_eq!(failed.experiment.fault.map(|fault| fault.code), Some(FaultCode::TooManyFailures));
    assert_eq!((lab.quota().await, dispenses(&lab).await), (500, 0));
    let plates = lab.ledger().await.iter().filter(|entry| entry["kind"] == "new_plate").count();
    assert_eq!(plates, 2, "after three plates the sensor is at fault");
    lab.check_left_safe().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_that_flickers_judges_nothing_and_blames_no_plate() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    lab.tell("/emulator/sensor", json!({ "flicker": 0.5 })).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let failed = lab.wait_for(id, ExperimentStatus::Failed).await;
    let fault = failed.experiment.fault.expect("a fault");
    assert!(fault.cause.contains("one after the other"), "{fault:?}");
    assert_eq!((lab.quota().await, dispenses(&lab).await), (500, 0));
    assert!(!lab.ledger().await.iter().any(|entry| entry["kind"] == "new_plate"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_into_glaring_light_takes_no_plate_for_a_used_one() {
    let database = TestDatabase::sqlite().await;
    let mut lab = TestLab::on_deck(database, f64::INFINITY, Attendance::Operator, one_by_one()).await;
    // Every second reading glares, not enough to saturate anything: the white is as it should be, the second look at a well isn't.
    lab.tell("/emulator/sensor", json!({ "flicker": -0.3, "room": 0 })).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert!(done.wells.iter().all(|(well, _)| well.status == WellStatus::Measured));
    assert!(!lab.ledger().await.iter().any(|entry| entry["kind"] == "new_plate"));
    lab.check_left_safe().await;
    lab.stop_worker().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_light_is_read_with_less_gain_and_nothing_saturated_is_kept() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    lab.tell("/emulator/sensor", json!({ "light": 2 })).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert!(lab.lab.doubts(&done).await.expect("a database").is_none());
    for (_, result) in &done.wells {
        let data = &result.as_ref().expect("a result").measurement_data;
        assert_eq!((&data["saturated"], &data["settings"]["gain"]), (&json!(false), &json!(32.0)), "{data}");
        assert_eq!(data["white_reference"]["settings"]["gain"], json!(32.0));
        assert_eq!(
            data["reads"].as_array().map(Vec::len),
            Some(4),
            "those before the gain was right aren't among them"
        );
        assert!(data["scatter"].as_f64().is_some_and(|scatter| scatter > 0.0));
        assert_eq!((&data["dark_reference"]["over"], &data["settings"]["led_ma"]), (&json!("sample"), &json!(12)));
    }
    let saturated = lab.ledger().await.iter().filter(|entry| entry["saturated"] == true).count();
    assert!(saturated > 0, "it was seen and read again");
    lab.check_reads(&done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_night_one_look_in_the_dark_is_enough() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    lab.tell("/emulator/sensor", json!({ "room": 0 })).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT[..2]).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    for (_, result) in &done.wells {
        let data = &result.as_ref().expect("a result").measurement_data;
        assert_eq!(data["dark_reference"]["over"], "white", "{data}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wells_between_two_whites_that_differ_are_doubtful() {
    let mut lab = TestLab::on_deck(
        TestDatabase::sqlite().await,
        60.0,
        Attendance::Operator,
        Deck { blank_check: BlankCheck::None, ..Deck::default() },
    )
    .await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    while !lab.experiment(id).await.wells.iter().any(|(_, result)| result.is_some()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lab.tell("/emulator/sensor", json!({ "light": 0.9 })).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    let whys: Vec<_> = done.wells.iter().filter_map(|(_, result)| Some(doubt_of(result.as_ref()?)?.why)).collect();
    assert_eq!(whys.len(), 8, "{whys:?}");
    assert!(whys.contains(&Why::Drifted), "{whys:?}");
    assert_eq!(lab.wait_for_question().await.code, FaultCode::PlateDoubtful);
    // Who follows the experiment is told anew of each.
    let told = lab.store().latest_event(id, EventKind::Result).await.expect("a database").expect("an event");
    assert!(told.data["doubt"].is_object(), "{told:?}");
    lab.stop_worker().await;
}

/// At an operator's robot: the sensor breaks so, the operator is asked for this, nothing is judged; mended, it goes on.
async fn breaks_and_goes_on(fault: serde_json::Value, code: FaultCode) {
    let deck = Deck { blank_check: BlankCheck::None, ..Deck::default() };
    let mut lab = TestLab::on_deck(TestDatabase::sqlite().await, f64::INFINITY, Attendance::Operator, deck).await;
    lab.tell("/emulator/sensor", fault.clone()).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, code, "{question:?}");
    let waiting = lab.experiment(id).await;
    assert!(waiting.wells.iter().all(|(well, result)| well.status == WellStatus::Mixed && result.is_none()));
    let dispensed = dispenses(&lab).await;
    let looked: std::collections::BTreeSet<_> = lab
        .ledger()
        .await
        .iter()
        .filter(|entry| entry["kind"] == "read")
        .map(|entry| entry["well"].to_string())
        .collect();
    assert!(looked.len() > 1 || fault["stuck"] == true, "another empty well is tried: {looked:?}");
    lab.tell("/emulator/sensor", json!({})).await;
    command(&lab, RobotCommand::Resume).await;
    let done = lab.wait_for(id, ExperimentStatus::Completed).await;
    assert_eq!(dispenses(&lab).await, dispensed, "what is mixed stays mixed");
    assert!(done.wells.iter().all(|(well, _)| well.status == WellStatus::Measured));
    assert!(lab.lab.doubts(&done).await.expect("a database").is_none());
    lab.check_reads(&done).await;
    lab.check_left_safe().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_that_stays_in_its_dock_judges_nothing() {
    breaks_and_goes_on(json!({ "stuck": true }), FaultCode::SensorDark).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_without_its_lamp_judges_nothing() {
    breaks_and_goes_on(json!({ "light": 0 }), FaultCode::SensorDark).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_band_judges_nothing() {
    breaks_and_goes_on(json!({ "dead_band": "ch470" }), FaultCode::SensorDark).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_in_glaring_light_judges_nothing() {
    breaks_and_goes_on(json!({ "room": 10_000 }), FaultCode::SensorSaturated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_lab_with_a_dead_sensor_gives_up_and_charges_nothing() {
    let mut lab = TestLab::new(TestDatabase::sqlite().await, f64::INFINITY).await;
    lab.tell("/emulator/sensor", json!({ "light": 0 })).await;
    lab.start_worker();
    let id = lab.submit(&EIGHT).await;
    let failed = lab.wait_for(id, ExperimentStatus::Failed).await;
    assert_eq!(failed.experiment.fault.map(|fault| fault.code), Some(FaultCode::TooManyFailures));
    assert!(failed.wells.iter().all(|(well, result)| well.status == WellStatus::Failed && result.is_none()));
    assert_eq!(lab.quota().await, 500);
    // The next one isn't held up by what the last one left behind.
    lab.tell("/emulator/sensor", json!({})).await;
    let next = lab.submit(&EIGHT).await;
    let done = lab.wait_for(next, ExperimentStatus::Completed).await;
    assert!(done.wells.iter().all(|(well, _)| well.status == WellStatus::Measured));
    lab.check_left_safe().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_light_that_faded_is_asked_about_once() {
    let lab = attended(TestDatabase::sqlite().await, BlankCheck::Sample).await;
    let first = lab.submit(&EIGHT).await;
    lab.wait_for(first, ExperimentStatus::Completed).await;
    lab.tell("/emulator/sensor", json!({ "light": 0.5 })).await;
    let second = lab.submit(&EIGHT).await;
    let question = lab.wait_for_question().await;
    assert_eq!(question.code, FaultCode::SensorDark, "{question:?}");
    assert!(question.cause.contains("% of what it had"), "{question:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    command(&lab, RobotCommand::Resume).await;
    let done = lab.wait_for(second, ExperimentStatus::Completed).await;
    assert!(lab.lab.doubts(&done).await.expect("a database").is_none(), "white and samples are in the same light");
}

//! What nobody repairs ends or waits with a reason, within its bound, and holds nobody else up.

use crate::scene::{Scene, one_well, slow, two_wells};
use crash::{
    database::Kind,
    lab::Plan,
    proxy::{Aim, RobotFault},
};
use domain::{Attendance, Deck, RobotKind};
use emulator::world::{Event, ToolName};
use serde_json::{Value, json};
use std::time::Duration;
use store::NewRobot;
use tokio::time::Instant;

/// The promised six tries, and one for the white reference before them.
const MOST_PICK_UPS: usize = 7;
/// From an owner's wish to its end, whatever is down.
const CANCELLED_WITHIN: Duration = Duration::from_secs(5);
/// A worker that was asked to end has ended then, whatever it waits for. It promises half of this.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

fn fast() -> Plan {
    Plan { speed: 1_000.0, ..Plan::default() }
}

async fn sensor_pick_ups(scene: &Scene) -> usize {
    let ledger = scene.hands(0).ledger().await.expect("a ledger");
    let is_pick_up = |event: &Event| matches!(event, Event::PickUpTip { tool: ToolName::Sensor, .. });
    ledger.iter().filter(|entry| is_pick_up(&entry.event)).count()
}

/// Waits for `reached`, and counts how often the sensor is fetched meanwhile.
async fn while_the_sensor_is_dead<T, F: Future<Output = Option<T>>>(scene: &Scene, reached: impl Fn() -> F) -> T {
    let end = scene
        .until("an end of trying", || async {
            let tries = sensor_pick_ups(scene).await;
            assert!(tries <= MOST_PICK_UPS, "the dead sensor was fetched {tries} times\n{}", scene.timeline);
            reached().await
        })
        .await;
    assert!(sensor_pick_ups(scene).await <= MOST_PICK_UPS);
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_is_dead_for_good_fails_an_experiment_of_a_virtual_lab_after_a_few_tries() {
    let scene = Scene::open(&fast(), Kind::Sqlite).await;
    scene.bench(0).sensor.switch_off();
    let id = scene.submit(&one_well("red", 100)).await;
    let ended = while_the_sensor_is_dead(&scene, || async {
        let status = scene.status(id).await;
        (status != "queued" && status != "running").then_some(status)
    })
    .await;
    assert_eq!(ended, "failed");
    let shown = scene.user.experiment(id).await.expect("an experiment");
    assert!(shown["fault"]["code"].is_string(), "it says why: {shown}");
    scene.until("bare nozzles", || async { scene.hands(0).nozzles_are_bare().await.ok().filter(|bare| *bare) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_is_dead_for_good_is_a_question_for_an_operator_after_a_few_tries() {
    let scene = Scene::open(&Plan { attended: 1, ..fast() }, Kind::Sqlite).await;
    scene.bench(0).sensor.switch_off();
    let id = scene.submit(&one_well("red", 100)).await;
    while_the_sensor_is_dead(&scene, || async {
        let seen = scene.people.look(0, &scene.database).await.expect("an answer");
        (seen.asks() && seen.stands_still).then_some(())
    })
    .await;
    scene.bench(0).sensor.switch_on();
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    if scene.status(id).await == "paused" {
        scene.people.resume_experiment(id).await.expect("it goes on");
    }
    scene.until_completed(id).await;
    scene.judge().await;
}

/// An idle robot beside one that is off does what both could do.
#[tokio::test(flavor = "multi_thread")]
async fn experiments_go_to_the_robot_that_is_there() {
    let scene = Scene::open(&Plan { robots: 2, ..fast() }, Kind::Sqlite).await;
    scene.bench(0).robot.switch_off();
    scene.bench(0).sensor.switch_off();
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(scene.submit(&one_well("red", 100)).await);
    }
    for id in asked {
        scene.until_completed(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_experiment_is_cancelled_within_five_seconds_though_its_robot_is_off() {
    let scene = Scene::open(&Plan { patience: 1.0, ..slow() }, Kind::Sqlite).await;
    let id = scene.submit(&two_wells()).await;
    scene.until_a_tip_is_full(0).await;
    scene.bench(0).robot.switch_off();
    scene.bench(0).sensor.switch_off();
    let seen = |seen: &crash::people::Seen| seen.whole.get("notice").or(seen.whole.get("attention")).is_some();
    scene.people.until(0, &scene.database, "known to be off", seen).await.expect("it is noticed");
    let began = Instant::now();
    scene.cancel(id).await;
    scene.until_status(id, &["cancelled"]).await;
    assert!(began.elapsed() <= CANCELLED_WITHIN, "it took {:?}", began.elapsed());
}

/// What only one robot has is never failed by another, and waits with a reason while that one is off.
#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_waits_for_the_robot_that_has_its_dye() {
    let scene = Scene::open(&Plan { robots: 2, ..fast() }, Kind::Sqlite).await;
    let bench = scene.bench(1);
    let mut deck = Deck::default();
    let blue = deck.dyes.iter_mut().find(|dye| dye.name.as_str() == "blue").expect("a blue vial");
    blue.name = "green".parse().expect("a dye");
    let vial = blue.vial.to_string();
    scene.hands(1).fill(&vial, "green", 15_000.0).await.expect("green");
    let (url, sensor_url) = (format!("http://{}", bench.robot.address()), format!("tcp://{}", bench.sensor.address()));
    let name = bench.name.clone();
    let robot = NewRobot { name, kind: RobotKind::Ot2, url, sensor_url, attendance: Attendance::Virtual, deck };
    scene.database.store().ensure_robot(robot).await.expect("the robot's new deck");
    bench.robot.switch_off();

    let green = scene.submit(&one_well("green", 100)).await;
    // The other robot passes it over for those behind it, again and again.
    for _ in 0..3 {
        let red = scene.submit(&one_well("red", 100)).await;
        scene.until_completed(red).await;
        assert_eq!(scene.status(green).await, "queued");
    }
    let shown = scene.user.experiment(green).await.expect("an experiment");
    let waiting = &shown["progress"]["waiting"];
    assert_eq!(waiting["for"], "robot", "it says what it waits for: {shown}");
    assert!(waiting["robots"].as_array().is_some_and(|robots| robots.iter().any(|robot| robot["why"] == "lacks")));
    bench.robot.switch_on();
    scene.until_completed(green).await;
    scene.judge().await;
}

/// 24 mL of a dye whose vial holds 15: what no deck can hold at once comes in parts.
#[tokio::test(flavor = "multi_thread")]
async fn more_of_a_dye_than_a_vial_holds_is_split_over_refills() {
    let scene = Scene::open(&Plan { speed: 5_000.0, ..Plan::default() }, Kind::Sqlite).await;
    let wells: Vec<Value> = (0..96).map(|_| json!({ "volumes": { "blue": 250 } })).collect();
    let (status, answer) = scene.user.tell("experiments", &json!({ "wells": wells })).await.expect("an answer");
    if status == 422 {
        // Or it is refused where it is asked for, and says why.
        assert!(answer.to_string().contains("blue"), "{answer}");
        return;
    }
    let id = answer["id"].as_str().expect("an id").parse().expect("an id");
    let ended = scene
        .until("an end", || async {
            let ledger = scene.hands(0).ledger().await.expect("a ledger");
            let refills = ledger.iter().filter(|entry| matches!(entry.event, Event::Refill { .. })).count();
            assert!(refills <= 10, "{refills} refills and no end");
            let status = scene.status(id).await;
            (status != "queued" && status != "running").then_some(status)
        })
        .await;
    assert_eq!(ended, "completed");
}

/// A worker waits for a robot that isn't there, as patiently as for a real one; and ends when it is asked to.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_within_a_minute_while_its_robot_is_off() {
    let scene = Scene::open(&Plan { patience: 1.0, ..slow() }, Kind::Sqlite).await;
    scene.submit(&two_wells()).await;
    scene.until_a_tip_is_full(0).await;
    scene.bench(0).robot.switch_off();
    let seen = |seen: &crash::people::Seen| seen.whole.get("notice").or(seen.whole.get("attention")).is_some();
    scene.people.until(0, &scene.database, "known to be off", seen).await.expect("it is noticed");
    let took = scene.end_worker(0).await;
    assert!(took <= ENDED_WITHIN, "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_within_a_minute_while_its_robot_boots() {
    let scene = Scene::open(&Plan { patience: 1.0, ..slow() }, Kind::Sqlite).await;
    scene.submit(&two_wells()).await;
    scene.until_a_tip_is_full(0).await;
    scene.bench(0).kill_and_boot(Duration::from_secs(100), &scene.timeline).await.expect("it is started again");
    let asked = scene.timeline.faults();
    scene.bench(0).robot.arm(Aim::Any { skip: 1 }, RobotFault::Delay { by: Duration::ZERO });
    scene.until("it is asked twice", || async { (scene.timeline.faults() > asked).then_some(()) }).await;
    let took = scene.end_worker(0).await;
    assert!(took <= ENDED_WITHIN, "it took {took:?}");
}

/// The robot has the command and its answer is held back: a worker waits three minutes for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_within_a_minute_while_an_answer_is_held_back() {
    let scene = Scene::open(&Plan { patience: 1.0, ..slow() }, Kind::Sqlite).await;
    scene.bench(0).robot.arm(Aim::Command { skip: 2 }, RobotFault::Stall { by: Duration::from_secs(100) });
    scene.submit(&two_wells()).await;
    scene.until("an answer is held back", || async { (scene.bench(0).robot.waiting() == 0).then_some(()) }).await;
    let took = scene.end_worker(0).await;
    assert!(took <= ENDED_WITHIN, "it took {took:?}");
}

//! Stop, pause and questions are a fence: nothing moves until somebody resumes, whatever dies meanwhile; and then what
//! was begun comes to its right end.

use crate::scene::{Scene, one_well, slow, two_wells};
use crash::{database::Kind, lab::Plan};
use domain::Attendance;
use serde_json::json;
use std::time::Duration;

/// A robot was stopped with liquid in its tip and `meanwhile` has happened: it goes on only when somebody resumes it.
async fn stays_stopped(plan: Plan, what: &str, meanwhile: impl AsyncFn(&Scene)) {
    let scene = Scene::open(&plan, Kind::Sqlite).await;
    let id = scene.submit(&two_wells()).await;
    let mark = scene.stop_with_a_full_tip(0).await;
    meanwhile(&scene).await;
    scene.assert_unmoved(0, mark, what).await;
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    scene.until_completed(id).await;
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_robot_stays_where_it_is_when_its_worker_is_asked_to_end() {
    stays_stopped(slow(), "SIGTERM and a new worker", async |scene| {
        let (mark, epoch) = (scene.mark(0).await, scene.epoch(0).await);
        scene.end_worker(0).await;
        scene.assert_unmoved(0, mark, "SIGTERM").await;
        scene.start_worker(0).await;
        scene.until_driven(0, epoch).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_robot_stays_where_it_is_when_its_worker_is_killed() {
    stays_stopped(slow(), "SIGKILL and a new worker", async |scene| {
        let epoch = scene.epoch(0).await;
        scene.kill_worker(0).await;
        scene.start_worker(0).await;
        scene.until_driven(0, epoch).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_robot_stays_where_it_is_when_another_worker_takes_over_and_ends() {
    stays_stopped(Plan { workers: 2, ..slow() }, "another worker's takeover and end", async |scene| {
        let epoch = scene.epoch(0).await;
        // Whichever of them drives it, the other does once it is gone.
        scene.kill_worker(0).await;
        scene.start_worker(0).await;
        scene.kill_worker(1).await;
        scene.until_driven(0, epoch).await;
        scene.end_worker(0).await;
        scene.start_worker(1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_robot_stays_where_it_is_when_the_network_goes_and_comes_back() {
    stays_stopped(slow(), "a network that was cut and came back", async |scene| {
        let epoch = scene.epoch(0).await;
        scene.bench(0).robot.switch_off();
        scene.bench(0).sensor.switch_off();
        // A new worker has to find its way to a robot that isn't there.
        scene.kill_worker(0).await;
        scene.start_worker(0).await;
        scene.until("the robot's new driver", || async { scene.lease(0).await.filter(|lease| lease.0 > epoch) }).await;
        scene.bench(0).robot.switch_on();
        scene.bench(0).sensor.switch_on();
        let epoch = scene.epoch(0).await;
        scene.until_driven(0, epoch - 1).await;
        scene.end_worker(0).await;
        scene.start_worker(0).await;
        scene.until_driven(0, epoch).await;
    })
    .await;
}

/// Here the robot has forgotten what it carries.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_robot_stays_where_it_is_when_it_is_started_anew() {
    let scene = Scene::open(&slow(), Kind::Sqlite).await;
    let id = scene.submit(&two_wells()).await;
    let mark = scene.stop_with_a_full_tip(0).await;
    scene.bench(0).kill(Duration::ZERO, &scene.timeline).await.expect("it is started again");
    let mark = crash::hands::Mark { actions: 0, ..mark };
    let epoch = scene.epoch(0).await;
    scene.until_driven(0, epoch - 1).await;
    scene.assert_unmoved(0, mark, "the robot's restart").await;
    scene.end_worker(0).await;
    scene.start_worker(0).await;
    scene.until_driven(0, epoch).await;
    scene.assert_unmoved(0, mark, "a new worker at a restarted robot").await;
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    scene.until_completed(id).await;
    scene.judge().await;
}

/// A question is a fence too: what the robot holds then, it goes on holding.
#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_asks_stays_where_it_is_when_its_worker_ends_and_another_comes() {
    let scene = Scene::open(&Plan { attended: 1, ..slow() }, Kind::Sqlite).await;
    let id = scene.submit(&two_wells()).await;
    scene.question_with_a_full_tip(0).await;
    let (mark, epoch) = (scene.mark(0).await, scene.epoch(0).await);
    scene.end_worker(0).await;
    scene.assert_unmoved(0, mark, "SIGTERM").await;
    scene.start_worker(0).await;
    scene.until_driven(0, epoch).await;
    scene.assert_unmoved(0, mark, "a new worker").await;
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    scene.until_completed(id).await;
    scene.judge().await;
}

/// "Whatever hung on the nozzle was taken off by hand" is heard only where nothing moves, and is believed then: at a
/// paused robot, asked again and again without a person's delay.
#[tokio::test(flavor = "multi_thread")]
async fn a_nozzle_is_cleared_only_at_a_paused_robot_that_stands_still() {
    cleared(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nozzle_is_cleared_only_at_a_stopped_robot_that_stands_still() {
    cleared(true).await;
}

async fn cleared(stopped: bool) {
    let scene = Scene::open(&Plan { attended: 1, ..slow() }, Kind::Sqlite).await;
    assert_eq!(scene.bench(0).attendance, Attendance::Operator);
    let id = scene.submit(&two_wells()).await;
    if stopped {
        scene.stop_with_a_full_tip(0).await;
    } else {
        scene.until_a_tip_is_full(0).await;
        assert!(scene.people.pause(0).await.expect("an answer"), "the pause is heard");
    }
    let shown = said_until_heard(&scene).await;
    let mark = scene.mark(0).await;
    assert_eq!(shown["stands_still"], true, "{shown}");
    let epoch = scene.epoch(0).await;
    scene.until_driven(0, epoch - 1).await;
    scene.assert_unmoved(0, mark, "somebody was told that it stands still").await;
    scene.hands(0).clear_nozzles().await.expect("taken off");
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    scene.until_completed(id).await;
    scene.judge().await;
}

/// Several people say it at once, without a pause between two tries: whenever it may be said, it is.
async fn said_until_heard(scene: &Scene) -> serde_json::Value {
    let say = || async {
        loop {
            let act = json!({ "act": "nozzle_cleared" });
            let (status, answer) = scene.people.session().tell("robots/bench-0/deck", &act).await.expect("an answer");
            assert!(status.is_success() || status == 409, "{status}: {answer}");
            if status.is_success() {
                return answer;
            }
        }
    };
    let heard = async {
        tokio::select! { heard = say() => heard, heard = say() => heard, heard = say() => heard, heard = say() => heard }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.expect("it comes to stand still")
}

/// What is cancelled while the robot asks leaves nothing on its nozzle once somebody has answered.
#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_cancelled_during_a_question_leaves_nothing_on_the_nozzle() {
    let scene = Scene::open(&Plan { attended: 1, ..slow() }, Kind::Sqlite).await;
    let id = scene.submit(&two_wells()).await;
    scene.question_with_a_full_tip(0).await;
    leaves_nothing(&scene, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_cancelled_at_a_stopped_robot_leaves_nothing_on_the_nozzle() {
    let scene = Scene::open(&slow(), Kind::Sqlite).await;
    let id = scene.submit(&two_wells()).await;
    scene.stop_with_a_full_tip(0).await;
    leaves_nothing(&scene, id).await;
}

async fn leaves_nothing(scene: &Scene, id: domain::ExperimentId) {
    scene.still(0).await;
    let mark = scene.mark(0).await;
    scene.cancel(id).await;
    scene.until_status(id, &["cancelled"]).await;
    scene.assert_unmoved(0, mark, "a cancellation").await;
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    let hands = scene.hands(0);
    let hands = &hands;
    scene.until("bare nozzles", || async { hands.nozzles_are_bare().await.ok().filter(|bare| *bare) }).await;
    scene.judge().await;
}

/// A lab-wide stop reaches every robot that can be reached, while another's row can't be written, and says which.
#[tokio::test(flavor = "multi_thread")]
async fn a_lab_wide_stop_reaches_the_others_when_one_cannot_be_told() {
    let scene = Scene::open(&Plan { robots: 3, workers: 0, ..slow() }, Kind::Postgres).await;
    let stopping = async {
        let telling = scene.people.session().tell("lab/stop", &serde_json::Value::Null);
        let others = async {
            for robot in [0, 2] {
                let seen = scene.people.until(robot, &scene.database, "stopped", |seen| seen.is_stopped()).await;
                seen.expect("it is stopped though another can't be told");
            }
        };
        tokio::join!(telling, others).0
    };
    let told = scene.database.lock_robot("bench-1", stopping).await.expect("the row is held");
    let (status, answer) = told.expect("an answer while one can't be told");
    assert!(answer.to_string().contains("bench-1"), "it says whom it couldn't tell: {status} {answer}");
    let names_the_others = |name: &str| answer["detail"].as_str().unwrap_or_default().contains(name);
    assert!(!names_the_others("bench-0") && !names_the_others("bench-2"), "{status} {answer}");
}

/// What waits in the queue waits on, while a robot is paused, and its page may be read without end.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_robot_begins_nothing_however_often_its_worker_is_replaced() {
    let scene = Scene::open(&slow(), Kind::Sqlite).await;
    assert!(scene.people.pause(0).await.expect("an answer"), "the pause is heard");
    scene.still(0).await;
    let mark = scene.mark(0).await;
    let id = scene.submit(&one_well("red", 100)).await;
    for _ in 0..2 {
        let epoch = scene.epoch(0).await;
        scene.end_worker(0).await;
        scene.start_worker(0).await;
        scene.until_driven(0, epoch).await;
    }
    scene.assert_unmoved(0, mark, "new workers at a paused robot").await;
    assert_eq!(scene.status(id).await, "queued");
    assert!(scene.people.resume(0).await.expect("an answer"), "the resume is heard");
    scene.until_completed(id).await;
    scene.judge().await;
}

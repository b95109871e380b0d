//! How far Prefect is told of experiments: noted once, told of in order, and never more than is to be told.

use crate::given::*;
use chrono::{TimeDelta, Utc};
use domain::*;
use store::{testing::TestDatabase, *};

async fn untold(store: &Store) -> Vec<PrefectRun> {
    store.untold_prefect_runs(None, 500).await.expect("runs")
}

pub async fn an_experiment_is_noted_once_and_told_of_until_it_is_over(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let over = running(store, owner, 1, &robot, &lease).await.experiment.id;
    let end = Change::Experiment { id: over, to: ExperimentStatus::Completed, fault: None };
    store.commit(&lease, changes([end])).await.expect("a commit");
    let waits = queued(store, owner, 2).await.experiment.id;

    assert_eq!(store.note_for_prefect(None).await.expect("noted"), 1, "what is over needn't be told of");
    assert_eq!(store.note_for_prefect(None).await.expect("noted"), 0);
    assert_eq!(store.note_for_prefect(Some(Utc::now() + TimeDelta::hours(1))).await.expect("noted"), 0);
    assert_eq!(
        store.note_for_prefect(Some(Utc::now() - TimeDelta::hours(1))).await.expect("noted"),
        1,
        "but what ended meanwhile"
    );
    let runs = untold(store).await;
    assert_eq!(runs.iter().map(|run| run.experiment).collect::<Vec<_>>(), [over, waits], "the oldest first");
    assert_eq!(runs[0].robot.as_deref(), Some("ot2"));
    let first_page = store.untold_prefect_runs(None, 1).await.expect("a page");
    let second_page = store.untold_prefect_runs(Some(first_page[0].experiment), 500).await.expect("a page");
    assert_eq!([first_page, second_page].concat(), runs);
    let waiting = store.waiting_for_prefect().await.expect("an answer");
    assert_eq!((waiting.count, waiting.oldest.is_some()), (2, true));

    let told = |run: &PrefectRun| PrefectRun {
        flow_run: Some(format!("run of {}", run.experiment)),
        told: run.last_sequence,
        state_id: Some("s".to_owned()),
        state: Some("PAUSED".to_owned()),
        progress: Some("p".to_owned()),
        is_closed: run.status.is_final(),
        ..run.clone()
    };
    let all: Vec<_> = runs.iter().map(told).collect();
    store.keep_prefect_runs(&all).await.expect("kept");
    assert_eq!(untold(store).await, []);
    assert_eq!(store.prefect_runs_of(&[over, waits]).await.expect("runs"), all);
    assert_eq!(store.prefect_runs_of(&[]).await.expect("runs"), []);
    let called = [format!("run of {waits}"), "of nobody".to_owned()];
    assert_eq!(store.prefect_runs_called(&called).await.expect("runs"), all[1..]);
    assert_eq!(store.paused_prefect_runs().await.expect("runs"), all);

    store.control(waits, Control::Cancel, &act("experiment_cancelled")).await.expect("an answer");
    let runs = untold(store).await;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].waiting(), runs[0].status), (runs[0].last_sequence - all[1].told, ExperimentStatus::Cancelled));
    assert!(runs[0].waiting() > 0);
}

pub async fn an_experiment_that_a_run_made_is_that_run(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let mut asked = testing::request(owner, [red(30)]);
    asked.metadata = serde_json::json!({ MADE_BY_FLOW_RUN: "run-1" });
    let id = asked.id;
    assert!(matches!(store.accept(asked).await, Ok(Acceptance::Accepted { .. })));
    store.note_for_prefect(None).await.expect("noted");
    let runs = store.prefect_runs_called(&["run-1".to_owned()]).await.expect("runs");
    assert_eq!(runs.iter().map(|run| run.experiment).collect::<Vec<_>>(), [id]);
    let log = store.activity(Some(owner), None, 10).await.expect("a page").data;
    let created = log.iter().find(|line| line.action == "experiment_created").expect("a line");
    assert_eq!((&created.details["by"], &created.details["flow_run"]), (&"Prefect".into(), &"run-1".into()));
}

pub async fn what_robot_and_pool_agreed_on_is_kept(database: TestDatabase) {
    let store = &database.store;
    let (robot, _) = lane(store, "ot2").await;
    assert!(store.prefect_pools().await.expect("an answer").is_empty());
    for paused in [true, false] {
        store.keep_prefect_pool(robot.id, paused).await.expect("kept");
        assert_eq!(
            store.prefect_pools().await.expect("an answer").into_iter().collect::<Vec<_>>(),
            [(robot.id, paused)]
        );
    }
}

//! What is forgotten in its time, and what never is.

use crate::given::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::*;
use serde_json::json;
use store::{testing::TestDatabase, *};

const YEARS: TimeDelta = TimeDelta::days(3_650);

/// A well mixed and measured, with its document; and so many more operations as a robot's journal always keeps.
async fn worked(store: &Store, robot: &Robot, lease: &Lease, owner: UserId) -> (ExperimentDetail, OperationId) {
    let detail = running(store, owner, 1, robot, lease).await;
    let operation = dispense(&detail);
    store.commit(lease, intends(&operation, detail.experiment.id)).await.expect("intended");
    let mut end = ends(&operation, JournalEvent::Succeeded);
    let well = well_ids(&detail)[0];
    end.changes = vec![
        to_status(well, WellStatus::Dispensing),
        to_status(well, WellStatus::Mixed),
        measured(well),
        Change::Document {
            collection: Collection::Measurements,
            id: operation.id,
            experiment: None,
            body: json!({ "raw": [1, 2, 3] }),
        },
    ];
    store.commit(lease, end).await.expect("ended");
    (detail, operation.id)
}

async fn ends_experiment(store: &Store, lease: &Lease, id: ExperimentId) {
    let to = ExperimentStatus::Completed;
    store.commit(lease, changes([Change::Experiment { id, to, fault: None }])).await.expect("a commit");
}

async fn purged(store: &Store, keep: &Retention, at: DateTime<Utc>) -> Purged {
    let mut all = Purged::default();
    // What isn't sealed isn't forgotten.
    while store.seal_activity().await.expect("sealed").is_full() {}
    loop {
        let step = store.purge(keep, at).await.expect("a step");
        if step.is_nothing() {
            return all;
        }
        all += step;
    }
}

/// As if the robot had done so much since, and opened another run.
async fn go_on(store: &Store) {
    store.run_sql("UPDATE robots SET last_sequence = last_sequence + 2000, run_id = 'run-2'").await;
}

pub async fn an_ended_experiment_keeps_wells_and_results_and_nothing_else(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let owner = user(store, 100).await;
    let (detail, operation) = worked(store, &robot, &lease, owner).await;
    let id = detail.experiment.id;
    ends_experiment(store, &lease, id).await;
    go_on(store).await;
    let before = experiment(store, id).await;
    let told = events(store, id).await.len() as u64;
    assert_eq!(purged(store, &Retention::default(), Utc::now()).await, Purged::default(), "it is of today");

    let gone = purged(store, &Retention::default(), Utc::now() + YEARS).await;
    // The reading, the command's record and the plate's picture.
    assert_eq!((gone.events, gone.operations, gone.documents), (told, 1, 3));
    assert!(gone.activity >= 1);
    assert!(events(store, id).await.is_empty());
    assert!(store.operations(id, 0, 10).await.expect("operations").is_empty());
    assert!(store.document(Collection::Measurements, operation.as_uuid()).await.expect("an answer").is_none());
    let after = experiment(store, id).await;
    assert_eq!(after.experiment.status, ExperimentStatus::Completed);
    assert_eq!(format!("{:?}", after.wells), format!("{:?}", before.wells), "the wells and their results stay");
    assert_eq!(after.wells[0].1.as_ref().map(|result| &result.measurement_data["srgb"]), Some(&json!("#aa3344")));
    assert_eq!(quota(store, owner).await, 99);
}

pub async fn what_an_experiment_under_way_needs_stays_however_old_it_is(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let owner = user(store, 100).await;
    let (detail, operation) = worked(store, &robot, &lease, owner).await;
    let id = detail.experiment.id;
    go_on(store).await;
    let told = events(store, id).await.len();
    for to in [None, Some(ExperimentStatus::Paused), Some(ExperimentStatus::Queued)] {
        if let Some(to) = to {
            store.run_sql(&format!("UPDATE experiments SET status = '{to}'")).await;
        }
        let gone = purged(store, &Retention::default(), Utc::now() + YEARS).await;
        assert_eq!((gone.events, gone.operations, gone.documents), (0, 0, 0), "{to:?}");
        assert_eq!(events(store, id).await.len(), told);
        assert_eq!(store.operations(id, 0, 10).await.expect("operations").len(), 1);
        assert!(store.document(Collection::Measurements, operation.as_uuid()).await.expect("an answer").is_some());
    }
}

pub async fn what_a_lane_is_taken_over_with_stays(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let owner = user(store, 100).await;
    let (detail, operation) = worked(store, &robot, &lease, owner).await;
    ends_experiment(store, &lease, detail.experiment.id).await;
    let keeps = async |why: &str| {
        assert_eq!(purged(store, &Retention::default(), Utc::now() + YEARS).await.operations, 0, "{why}");
        assert!(store.known_operations(robot.id, &[operation]).await.expect("an answer").contains(&operation));
    };
    keeps("it is the robot's newest").await;
    store.run_sql("UPDATE robots SET last_sequence = last_sequence + 2000, run_id = 'run-1'").await;
    keeps("its run is open on the robot").await;
    store.run_sql("UPDATE robots SET run_id = 'run-2'; UPDATE operations SET state = 'in_doubt'").await;
    keeps("nobody knows yet what became of it").await;
    store.run_sql("UPDATE operations SET state = 'settled'").await;
    assert_eq!(purged(store, &Retention::default(), Utc::now() + YEARS).await.operations, 1);
}

pub async fn one_step_is_bounded_and_for_ever_is_for_ever(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 0).await;
    // The account's own line is one more.
    for _ in 0..500 {
        let details = json!({});
        let line = NewActivity { user_id: Some(owner), action: "tested", details, ip_address: None };
        store.log_activity(line).await.expect("a line");
    }
    let at = Utc::now() + YEARS;
    assert!(store.purge(&Retention::default(), at).await.expect("a step").is_nothing(), "none of it is sealed");
    while store.seal_activity().await.expect("sealed").is_full() {}
    assert!(store.purge(&Retention::FOR_EVER, at).await.expect("a step").is_nothing());
    assert_eq!(store.purge(&Retention::default(), at).await.expect("a step").activity, 500);
    assert_eq!(store.purge(&Retention::default(), at).await.expect("a step").activity, 1);
    assert!(store.activity(Some(owner), None, 10).await.expect("the log").data.is_empty());
}

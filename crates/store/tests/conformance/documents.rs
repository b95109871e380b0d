//! Documents: written with what they tell of, read by experiment, and waiting until a document store has them.

use crate::given::*;
use chrono::{TimeDelta, Utc};
use domain::*;
use serde_json::json;
use store::{testing::TestDatabase, *};

/// One operation that ended well, with a reading.
async fn one_reading(store: &Store, lease: &Lease, detail: &ExperimentDetail) -> Operation {
    let (operation, id) = (dispense(detail), detail.experiment.id);
    store.commit(lease, intends(&operation, id)).await.expect("intended");
    let mut end = ends(&operation, JournalEvent::Succeeded);
    let (collection, body) = (Collection::Measurements, json!({ "reading": { "f1": 7 } }));
    end.changes = vec![Change::Document { collection, id: operation.id, experiment: Some(id), body }];
    store.commit(lease, end).await.expect("ended");
    operation
}

async fn complete(store: &Store, lease: &Lease, id: ExperimentId) {
    let end = Change::Experiment { id, to: ExperimentStatus::Completed, fault: None };
    store.commit(lease, changes([end])).await.expect("a commit");
}

async fn outgoing(store: &Store) -> Vec<Outgoing> {
    store.outgoing_documents(Utc::now() - TimeDelta::hours(1), 1_000).await.expect("documents")
}

pub async fn an_experiment_has_its_readings_commands_and_plate(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let other = running(store, owner, 1, &robot, &lease).await;
    complete(store, &lease, other.experiment.id).await;
    let waiting = queued(store, owner, 2).await;
    let id = waiting.experiment.id;
    let places: Vec<_> = well_ids(&waiting).into_iter().zip(WellName::all().skip(1)).collect();
    let plate = robot.plate_id.expect("a plate");
    assert!(store.take(&lease, robot.acts, id, plate, &places).await.expect("an answer"));
    let detail = experiment(store, id).await;
    let first = one_reading(store, &lease, &detail).await;
    let second = one_reading(store, &lease, &detail).await;
    complete(store, &lease, id).await;

    let all = store.documents(id, None, 1_000).await.expect("documents");
    let keys: Vec<_> = all.iter().map(|document| (document.key.id, document.key.collection.as_str())).collect();
    let (first, second) = (first.id.as_uuid(), second.id.as_uuid());
    let expected = [
        (id.as_uuid(), "plates"),
        (first, "measurements"),
        (first, "robot_commands"),
        (second, "measurements"),
        (second, "robot_commands"),
    ];
    assert_eq!(keys, expected);
    let command = &all[2].body;
    assert_eq!((&command["name"], &command["state"]), (&json!("dispense"), &json!("succeeded")));
    assert_eq!((&command["outcome"], &command["sequence"]), (&json!({ "by": "test" }), &json!(1)));
    let plate = &all[0].body;
    let told: Vec<_> = plate["wells"].as_array().expect("wells").iter().map(|well| &well["taken"]).collect();
    assert_eq!(told, [&json!(true), &json!(null), &json!(null)], "what is another's is only taken: {plate}");
    assert_eq!(plate["wells"][1]["volumes"], json!(detail.wells[0].0.recipe));
    assert_eq!(plate["wells"][0].as_object().expect("a well").len(), 2, "{plate}");

    let mut paged = Vec::new();
    while let Some(document) = store.documents(id, paged.last().copied(), 1).await.expect("a page").pop() {
        paged.push(document.key);
    }
    assert_eq!(paged, all.iter().map(|document| document.key).collect::<Vec<_>>());
}

pub async fn a_plate_that_is_taken_away_is_kept_as_it_was(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    complete(store, &lease, detail.experiment.id).await;
    let plate = store.inventory(robot.id).await.expect("an answer").plate.expect("a plate");
    store.commit(&lease, changes([Change::PlateLifted])).await.expect("a commit");
    store.commit(&lease, changes([Change::PlateReplaced { plate: PlateId::new() }])).await.expect("a commit");
    let kept = store.document(Collection::Plates, plate.as_uuid()).await.expect("an answer").expect("the plate");
    assert_eq!(kept["wells"][0]["experiment_id"], json!(detail.experiment.id));
    let plates = outgoing(store).await;
    let plates = plates.iter().filter(|outgoing| outgoing.document.key.collection == Collection::Plates);
    assert_eq!(plates.count(), 2, "of the experiment and of the plate, each once");
}

pub async fn what_is_cancelled_on_a_plate_leaves_its_picture(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let (begun, waiting) = (detail.experiment.id, queued(store, owner, 1).await.experiment.id);
    let pause = Change::Experiment { id: begun, to: ExperimentStatus::Paused, fault: None };
    store.commit(&lease, changes([pause])).await.expect("a commit");
    for id in [begun, waiting] {
        store.control(id, Control::Cancel, &act("experiment_cancelled")).await.expect("an answer");
    }
    let kept = store.document(Collection::Plates, begun.as_uuid()).await.expect("an answer");
    assert_eq!(kept.expect("the plate")["wells"][0]["status"], json!("cancelled"));
    let none = store.document(Collection::Plates, waiting.as_uuid()).await.expect("an answer");
    assert_eq!(none, None, "it never came to a plate");
}

/// What a robot did and a promoted server lacks.
pub async fn what_the_journal_had_lost_has_a_record(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let (operation, experiment_id) = (dispense(&detail), Some(detail.experiment.id));
    let outcome = json!({ "robot": "succeeded" });
    let lost = Lost { operation: operation.clone(), experiment_id, run_id: "run-7".to_owned(), outcome };
    store.commit(&lease, Entry { lost: vec![lost], ..Entry::default() }).await.expect("a commit");
    let all = store.documents(detail.experiment.id, None, 1_000).await.expect("documents");
    let record = all.iter().find(|document| document.key.id == operation.id.as_uuid()).expect("its record");
    assert_eq!(record.key.collection, Collection::RobotCommands);
    let body = &record.body;
    assert_eq!(
        (&body["state"], &body["run_id"], &body["name"]),
        (&json!("settled"), &json!("run-7"), &json!("dispense"))
    );
    assert_eq!(body["outcome"], json!({ "robot": "succeeded" }));
}

pub async fn a_document_waits_until_the_store_has_this_text_of_it(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let operation = dispense(&detail);
    store.commit(&lease, intends(&operation, detail.experiment.id)).await.expect("intended");
    store.commit(&lease, ends(&operation, JournalEvent::InDoubt)).await.expect("in doubt");
    let doubted = outgoing(store).await;
    assert_eq!(doubted.len(), 1);
    assert_eq!(doubted[0].experiment, Some(detail.experiment.id));
    store.commit(&lease, ends(&operation, JournalEvent::Settled)).await.expect("settled");
    let both: Vec<_> = doubted.iter().collect();
    assert_eq!(store.relayed(&both).await.expect("an answer"), 0, "it was written again meanwhile");
    let settled = outgoing(store).await;
    assert_eq!(settled[0].document.body["state"], json!("settled"));
    let waiting = store.waiting_documents().await.expect("an answer");
    assert_eq!((waiting.count, waiting.refused, waiting.oldest), (1, 0, Some(settled[0].document.at)));
    assert_eq!(store.relayed(&settled.iter().collect::<Vec<_>>()).await.expect("an answer"), 1);
    assert_eq!(store.waiting_documents().await.expect("an answer"), Waiting::default());
    assert!(outgoing(store).await.is_empty());
}

pub async fn what_is_refused_is_in_nobodys_way_and_tried_again_later(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    one_reading(store, &lease, &detail).await;
    let waiting = outgoing(store).await;
    assert_eq!(waiting.len(), 2);
    store.refused(waiting[0].document.key, "it fails validation").await.expect("noted");
    let rest = outgoing(store).await;
    assert_eq!(rest.iter().map(|one| one.document.key).collect::<Vec<_>>(), [waiting[1].document.key]);
    let told = store.waiting_documents().await.expect("an answer");
    assert_eq!((told.count, told.refused), (2, 1));
    let later = store.outgoing_documents(Utc::now() + TimeDelta::seconds(1), 1_000).await.expect("documents");
    assert_eq!(later.len(), 2);
}

pub async fn a_named_lease_has_one_holder(database: TestDatabase) {
    let (store, other) = (&database.store, database.another().await);
    let long = std::time::Duration::from_secs(60);
    let first = store.claim_named("relay", "a", long).await.expect("an answer").expect("it is free");
    assert_eq!(other.claim_named("relay", "b", long).await.expect("an answer"), None);
    assert!(other.claim_named("another", "b", long).await.expect("an answer").is_some(), "names are apart");
    store.renew_named(&first, std::time::Duration::ZERO).await.expect("still ours");
    let second = other.claim_named("relay", "b", long).await.expect("an answer").expect("it has run out");
    assert!(second.epoch > first.epoch);
    assert!(matches!(store.renew_named(&first, long).await, Err(StoreError::LeaseLost)));
    store.release_named(&first).await.expect("nothing to give back");
    assert_eq!(store.claim_named("relay", "a", long).await.expect("an answer"), None);
    other.release_named(&second).await.expect("given back");
    assert!(store.claim_named("relay", "a", long).await.expect("an answer").is_some());
}

/// Rows as a release before the column left them.
pub async fn old_readings_are_found_by_their_experiment(database: TestDatabase) {
    let (store, _directory) = crate::opening::at_schema(&database, 9).await;
    let owner = user(&store, 10).await;
    store
        .run_sql(
            "INSERT INTO robots (id, name, kind, url, sensor_url, attendance, deck, mode, tool, waste_nl, lease_epoch, last_sequence)
             SELECT u.id, 'old', 'ot2', 'u', 's', 'virtual', '{}', 'active', '{}', 0, 0, 1 FROM users u",
        )
        .await;
    let experiment = queued(&store, owner, 1).await.experiment.id;
    store
        .run_sql(
            "INSERT INTO operations (id, robot_id, experiment_id, lease_epoch, sequence, step, state, intended_at)
             SELECT e.id, r.id, e.id, 1, 1, '{}', 'succeeded', e.created_at FROM experiments e, robots r",
        )
        .await;
    store
        .run_sql(
            "INSERT INTO documents (collection, id, body, created_at)
             SELECT 'measurements', e.id, '{\"reading\": 1}', e.created_at FROM experiments e",
        )
        .await;
    store.migrate().await.expect("it migrates");
    let found = store.documents(experiment, None, 10).await.expect("documents");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].body, json!({ "reading": 1 }));
    assert_eq!(outgoing(&store).await[0].experiment, Some(experiment));
}

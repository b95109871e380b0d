//! Whose turn it is, and that nobody takes it twice.

use crate::given::*;
use domain::{Change, Control, ExperimentId, ExperimentStatus, WellId};
use serde_json::json;
use store::{testing::TestDatabase, *};

async fn order(store: &Store) -> Vec<ExperimentId> {
    store.queue(100).await.expect("the queue").into_iter().map(|queued| queued.experiment).collect()
}

pub async fn turns_go_round_between_people(database: TestDatabase) {
    let store = &database.store;
    let (ada, ben) = (user(store, 100).await, user(store, 100).await);
    let mut of_ada = Vec::new();
    for _ in 0..3 {
        of_ada.push(queued(store, ada, 1).await.experiment.id);
    }
    let of_ben = queued(store, ben, 5).await.experiment.id;
    assert_eq!(order(store).await, [of_ada[0], of_ben, of_ada[1], of_ada[2]]);
    let queue = store.queue(2).await.expect("the queue");
    assert_eq!(queue.iter().map(|queued| (queued.user_id, queued.wells)).collect::<Vec<_>>(), [(ada, 1), (ben, 5)]);
}

pub async fn priority_goes_first_and_who_was_served_waits(database: TestDatabase) {
    let store = &database.store;
    let (ada, ben) = (user(store, 100).await, user(store, 100).await);
    let (robot, lease) = lane(store, "ot2").await;
    running(store, ada, 1, &robot, &lease).await;
    let of_ada = queued(store, ada, 1).await.experiment.id;
    let of_ben = queued(store, ben, 1).await.experiment.id;
    assert_eq!(order(store).await, [of_ben, of_ada], "ada was served before");
    let urgent = NewExperiment { priority: 1, ..request(ada, 1) };
    let urgent_id = urgent.id;
    store.accept(urgent).await.expect("an answer");
    assert_eq!(order(store).await, [urgent_id, of_ben, of_ada]);
}

pub async fn a_lane_sees_the_queue_without_other_robots_experiments(database: TestDatabase) {
    let store = &database.store;
    let (ada, ben) = (user(store, 100).await, user(store, 100).await);
    let (robot, lease) = lane(store, "one").await;
    let (other, other_lease) = lane(store, "two").await;
    assert!(store.peek(&lease, &robot.bench()).await.expect("an answer").is_none());
    let begun = running(store, ada, 2, &robot, &lease).await.experiment.id;
    assert_eq!(store.in_hand(&lease).await.expect("an answer").expect("in hand").experiment.id, begun);
    let back = Change::Experiment { id: begun, to: ExperimentStatus::Queued, fault: None };
    store.commit(&lease, changes([back])).await.expect("a commit");
    assert!(store.in_hand(&lease).await.expect("an answer").is_none());
    assert_eq!(store.peek(&lease, &robot.bench()).await.expect("an answer").expect("its own"), begun);
    assert!(store.peek(&other_lease, &robot.bench()).await.expect("an answer").is_none());
    let fresh = queued(store, ben, 1).await.experiment.id;
    let fresh_too = queued(store, ada, 1).await.experiment.id;

    for lease in [&lease, &other_lease] {
        let first = store
            .queue(100)
            .await
            .expect("the queue")
            .into_iter()
            .find(|queued| queued.robot_id.is_none_or(|robot| robot == lease.robot_id))
            .expect("something for this lane");
        let peeked = store.peek(lease, &robot.bench()).await.expect("an answer").expect("something");
        assert_eq!(peeked, first.experiment);
    }
    let plate = robot.plate_id.expect("a plate");
    let other_plate = other.plate_id.expect("a plate");
    assert!(
        !store.take(&other_lease, 0, begun, other_plate, &[]).await.expect("an answer"),
        "its wells lie on the other robot"
    );
    assert!(store.take(&other_lease, 0, fresh, other_plate, &[]).await.expect("an answer"));
    assert!(!store.take(&lease, 0, fresh, plate, &[]).await.expect("an answer"));
    assert_eq!(order(store).await, [begun, fresh_too]);
    store.control(fresh_too, Control::Cancel, &act("steered")).await.expect("an answer");
    assert!(!store.take(&lease, 0, fresh_too, plate, &[]).await.expect("an answer"), "nobody wants it any more");
}

pub async fn what_breaks_its_lane_is_set_aside_as_it_is(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let owner = user(store, 10).await;
    let in_hand = running(store, owner, 2, &robot, &lease).await;
    store.park(in_hand.experiment.id, &fault()).await.expect("parked");
    let parked = experiment(store, in_hand.experiment.id).await;
    assert_eq!((parked.experiment.status, &parked.experiment.fault), (ExperimentStatus::Paused, &Some(fault())));
    assert_eq!(well_ids(&parked), well_ids(&in_hand));
    assert!(store.in_hand(&lease).await.expect("an answer").is_none(), "the lane is free");
    assert_eq!(quota(store, owner).await, 8);
}

pub async fn an_experiment_is_taken_by_one_lane_only(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let owner = user(&store, 100).await;
    let (one, one_lease) = lane(&store, "one").await;
    let (two, two_lease) = lane(&store, "two").await;
    for round in 0..5 {
        let waiting = queued(&store, owner, 1).await;
        let (id, well) = (waiting.experiment.id, well_ids(&waiting)[0]);
        let place = [(well, domain::WellName::all().nth(round).expect("a place"))];
        let (first, second) = tokio::join!(
            store.take(&one_lease, 0, id, one.plate_id.expect("a plate"), &place),
            other.take(&two_lease, 0, id, two.plate_id.expect("a plate"), &place),
        );
        assert!(first.expect("an answer") ^ second.expect("an answer"));
        let taken = experiment(&store, id).await;
        assert_eq!(taken.experiment.status, ExperimentStatus::Running);
        assert!(taken.experiment.started_at.is_some());
        assert_eq!(taken.wells[0].0.well_id, Some(place[0].1));
        let lease = if taken.experiment.robot_id == Some(one.id) { &one_lease } else { &two_lease };
        let done = Change::Experiment { id, to: ExperimentStatus::Completed, fault: None };
        store.commit(lease, changes([done])).await.expect("a commit");
    }
}

pub async fn a_well_of_a_plate_is_never_used_twice(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 100).await;
    let (robot, lease) = lane(store, "ot2").await;
    let plate = robot.plate_id.expect("a plate");
    let first = running(store, owner, 2, &robot, &lease).await;
    let done = Change::Experiment { id: first.experiment.id, to: ExperimentStatus::Completed, fault: None };
    store.commit(&lease, changes([done])).await.expect("a commit");

    let second = queued(store, owner, 2).await;
    let ids = well_ids(&second);
    let clash = [(ids[0], well("C1")), (ids[1], well("B1"))];
    let refused = store.take(&lease, 0, second.experiment.id, plate, &clash).await;
    assert!(matches!(refused, Err(StoreError::WellTaken(at)) if at == well("B1")), "{refused:?}");
    let untouched = experiment(store, second.experiment.id).await;
    assert_eq!(untouched.experiment.status, ExperimentStatus::Queued);
    assert!(untouched.wells.iter().all(|(well, _)| well.well_id.is_none()));
    let strange = [(WellId::new(), well("D1"))];
    assert!(matches!(store.take(&lease, 0, second.experiment.id, plate, &strange).await, Err(StoreError::NotFound(_))));

    let free = [(ids[0], well("C1")), (ids[1], well("D1"))];
    assert!(store.take(&lease, 0, second.experiment.id, plate, &free).await.expect("an answer"));
    let used = store.inventory(robot.id).await.expect("an inventory").used_wells;
    assert_eq!(used, ["A1", "B1", "C1", "D1"].map(well));
    let told = events(store, second.experiment.id).await;
    assert_eq!(told.last().expect("an event").data, json!({ "status": "running" }));
}

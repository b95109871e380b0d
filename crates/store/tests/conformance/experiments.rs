//! Asking for experiments, paying for them, steering them.

use crate::given::*;
use domain::{Change, Control, ExperimentId, ExperimentStatus, UserId, WellId, WellStatus};
use serde_json::json;
use std::collections::BTreeSet;
use store::{testing::TestDatabase, *};

pub async fn an_accepted_experiment_reads_back_whole(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 100).await;
    let asked = request(owner, 96);
    let acceptance = store.accept(asked.clone()).await.expect("an answer");
    assert_eq!(acceptance, Acceptance::Accepted { quota_remaining: 4 });
    assert_eq!(quota(store, owner).await, 4);

    let ExperimentDetail { experiment: kept, wells } = experiment(store, asked.id).await;
    assert_eq!((kept.user_id, kept.status, kept.name), (owner, ExperimentStatus::Queued, asked.name));
    assert_eq!((kept.metadata, kept.robot_id, kept.completed_at), (json!({ "from": "a test" }), None, None));
    let read: Vec<_> = wells.iter().map(|(well, _)| (well.id, well.recipe.clone())).collect();
    let wished: Vec<_> = asked.wells.iter().map(|well| (well.id, well.recipe.clone())).collect();
    assert_eq!(read, wished);
    assert!(wells.iter().zip(0..).all(|((well, result), place)| well.position == place && result.is_none()));
    assert!(wells.iter().all(|(well, _)| well.status == WellStatus::Pending && well.well_id.is_none()));

    let told = events(store, asked.id).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].sequence, told[0].kind.as_str()), (1, "status"));
    assert_eq!(told[0].data, json!({ "status": "queued" }));
    let log = store.activity(Some(owner), None, 10).await.expect("a page");
    assert_eq!((log.data[0].action.as_str(), log.data[0].ip_address), ("experiment_created", asked.ip_address));
}

pub async fn of_two_who_spend_the_last_quota_one_is_accepted(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    for _ in 0..10 {
        let owner = user(&store, 8).await;
        let tries = (0..6).map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { other.clone() };
            tokio::spawn(async move { store.accept(request(owner, 8)).await.expect("an answer") })
        });
        let mut accepted = 0;
        for attempt in tries.collect::<Vec<_>>() {
            match attempt.await.expect("a task") {
                Acceptance::Accepted { quota_remaining } => {
                    assert_eq!(quota_remaining, 0);
                    accepted += 1;
                }
                refused => assert_eq!(refused, Acceptance::QuotaExhausted { remaining: 0 }),
            }
        }
        assert_eq!((accepted, quota(&store, owner).await), (1, 0));
    }
}

pub async fn a_refused_request_leaves_nothing(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 3).await;
    let mut asked = request(owner, 4);
    asked.idempotency = Some(IdempotencyKey { key: "k".to_owned(), request_hash: "four".to_owned() });
    assert_eq!(store.accept(asked.clone()).await.expect("an answer"), Acceptance::QuotaExhausted { remaining: 3 });
    assert!(store.experiment(asked.id).await.expect("an answer").is_none());
    assert!(store.activity(Some(owner), None, 10).await.expect("a page").data.is_empty());
    // The key isn't used up: with more quota the same request is accepted.
    set_quota(store, owner, 4).await;
    assert_eq!(store.accept(asked).await.expect("an answer"), Acceptance::Accepted { quota_remaining: 0 });
    let nobody = request(domain::UserId::new(), 1);
    assert!(matches!(store.accept(nobody).await, Err(StoreError::NotFound(_))));
}

/// Everything measured.
async fn done(store: &Store, robot: &Robot, lease: &Lease, owner: UserId, wells: usize) -> ExperimentDetail {
    let taken = running(store, owner, wells, robot, lease).await;
    for well in well_ids(&taken) {
        let steps = [to_status(well, WellStatus::Dispensing), to_status(well, WellStatus::Mixed), measured(well)];
        store.commit(lease, changes(steps)).await.expect("committed");
    }
    let end = Change::Experiment { id: taken.experiment.id, to: ExperimentStatus::Completed, fault: None };
    store.commit(lease, changes([end])).await.expect("committed");
    experiment(store, taken.experiment.id).await
}

pub async fn a_measured_well_is_given_back_once_for_a_request_that_makes_up_for_it(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let (owner, stranger) = (user(&store, 4).await, user(&store, 4).await);
    let (robot, lease) = lane(&store, "bench").await;
    let ended = done(&store, &robot, &lease, owner, 4).await;
    let wells = well_ids(&ended);
    assert_eq!(quota(&store, owner).await, 0);
    let makes_up =
        |by, for_wells: &[WellId]| NewExperiment { gives_back: for_wells.to_vec(), ..request(by, for_wells.len()) };
    assert_eq!(store.accept(makes_up(stranger, &wells[..1])).await.expect("an answer"), Acceptance::AlreadyGivenBack);
    // Of many at once one gets it, with no quota left at all.
    let tries: Vec<_> = (0..6)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { other.clone() };
            let asked = makes_up(owner, &wells[..2]);
            tokio::spawn(async move { (asked.id, store.accept(asked).await.expect("an answer")) })
        })
        .collect();
    let mut accepted = Vec::new();
    for attempt in tries {
        match attempt.await.expect("a task") {
            (id, Acceptance::Accepted { quota_remaining }) => accepted.push((id, quota_remaining)),
            (_, refused) => assert_eq!(refused, Acceptance::AlreadyGivenBack),
        }
    }
    assert_eq!((accepted.len(), accepted[0].1, quota(&store, owner).await), (1, 0, 0));
    let given_back = store.measured_and_given_back(ended.experiment.id).await.expect("an answer");
    assert_eq!(given_back.iter().collect::<BTreeSet<_>>(), wells[..2].iter().collect());
    // Not with another one among them, not twice in one request, and not a well that was never measured.
    let mut unmeasured = well_ids(&experiment(&store, accepted[0].0).await);
    for wrong in [&wells[1..3], &[wells[2], wells[2]][..], &unmeasured.split_off(1)] {
        assert_eq!(store.accept(makes_up(owner, wrong)).await.expect("an answer"), Acceptance::AlreadyGivenBack);
    }
    // More wells than are given back are charged as ever.
    let more = NewExperiment { gives_back: vec![wells[2]], ..request(owner, 2) };
    assert_eq!(store.accept(more).await.expect("an answer"), Acceptance::QuotaExhausted { remaining: 0 });
    assert_eq!(
        store.measured_and_given_back(ended.experiment.id).await.expect("an answer").len(),
        2,
        "and nothing happened"
    );
    let beyond = NewExperiment { gives_back: wells[2..].to_vec(), ..request(owner, 1) };
    assert_eq!(store.accept(beyond).await.expect("an answer"), Acceptance::AlreadyGivenBack);
    // Which makes up for which is kept, and given up it returns nothing: else nobody would ever pay.
    let made: Vec<_> =
        experiment(&store, accepted[0].0).await.wells.iter().map(|(well, _)| well.makes_up_for).collect();
    assert_eq!(made, [Some(wells[0]), Some(wells[1])]);
    store.control(accepted[0].0, Control::Cancel, &act("steered")).await.expect("cancelled");
    assert_eq!(quota(&store, owner).await, 0);
}

pub async fn a_free_well_that_the_lab_spoils_returns_its_quota(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 3).await;
    let (robot, lease) = lane(store, "bench").await;
    let ended = done(store, &robot, &lease, owner, 2).await;
    let mut asked = NewExperiment { gives_back: well_ids(&ended), ..request(owner, 3) };
    // One that is paid for and one that isn't.
    for (well, colour) in asked.wells.iter_mut().zip(["#a0522d", "#336699"]) {
        well.target = Some(colour.parse().expect("a colour"));
    }
    assert_eq!(store.accept(asked.clone()).await.expect("an answer"), Acceptance::Accepted { quota_remaining: 0 });
    let kept: Vec<_> = experiment(store, asked.id).await.wells.iter().map(|(well, _)| well.target).collect();
    assert_eq!(kept, asked.wells.iter().map(|well| well.target).collect::<Vec<_>>());
    let places: Vec<_> = asked.wells.iter().map(|well| well.id).zip(domain::WellName::all().skip(2)).collect();
    let plate = robot.plate_id.expect("a plate");
    assert!(store.take(&lease, 0, asked.id, plate, &places).await.expect("an answer"));
    let fault = Change::Experiment { id: asked.id, to: ExperimentStatus::Failed, fault: None };
    store.commit(&lease, changes([fault])).await.expect("committed");
    assert_eq!(quota(store, owner).await, 3);
}

pub async fn wells_that_the_plate_before_used_are_told(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 100).await;
    let (robot, lease) = lane(store, "bench").await;
    let (elsewhere, other_lease) = lane(store, "another").await;
    done(store, &elsewhere, &other_lease, owner, 20).await;
    let first = done(store, &robot, &lease, owner, 3).await;
    assert_eq!(store.wells_used_before(first.experiment.id).await.expect("an answer"), []);
    store.commit(&lease, changes([Change::PlateReplaced { plate: domain::PlateId::new() }])).await.expect("committed");
    let robot = store.robot(robot.id).await.expect("an answer").expect("the robot");
    let second = done(store, &robot, &lease, owner, 5).await;
    let used = store.wells_used_before(second.experiment.id).await.expect("an answer");
    assert_eq!(used.into_iter().collect::<BTreeSet<_>>(), well_ids(&second)[..3].iter().copied().collect());
}

pub async fn an_idempotency_key_gives_the_first_answer_again(database: TestDatabase) {
    let store = &database.store;
    let (owner, other) = (user(store, 10).await, user(store, 10).await);
    let keyed = |user, hash: &str| {
        let idempotency = IdempotencyKey { key: "the key".to_owned(), request_hash: hash.to_owned() };
        NewExperiment { idempotency: Some(idempotency), ..request(user, 4) }
    };
    let first = keyed(owner, "one");
    let id = first.id;
    assert_eq!(store.accept(first).await.expect("an answer"), Acceptance::Accepted { quota_remaining: 6 });
    let again = store.accept(keyed(owner, "one")).await.expect("an answer");
    assert_eq!(again, Acceptance::Replayed { experiment: id, quota_remaining: 6 });
    assert_eq!(store.accept(keyed(owner, "two")).await.expect("an answer"), Acceptance::KeyReused);
    assert_eq!(quota(store, owner).await, 6);
    // Another person's key of the same name is another key.
    assert_eq!(
        store.accept(keyed(other, "two")).await.expect("an answer"),
        Acceptance::Accepted { quota_remaining: 6 }
    );
}

pub async fn one_key_at_once_makes_one_experiment(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let owner = user(&store, 100).await;
    let tries: Vec<_> = (0..8)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { other.clone() };
            let idempotency = IdempotencyKey { key: "k".to_owned(), request_hash: "h".to_owned() };
            let asked = NewExperiment { idempotency: Some(idempotency), ..request(owner, 4) };
            tokio::spawn(async move { store.accept(asked).await.expect("an answer") })
        })
        .collect();
    let mut accepted = 0;
    for attempt in tries {
        accepted += usize::from(matches!(attempt.await.expect("a task"), Acceptance::Accepted { .. }));
    }
    let made = store.experiments(Some(owner), None, 10).await.expect("a page").data.len();
    assert_eq!((accepted, made, quota(&store, owner).await), (1, 1, 96));
}

pub async fn experiments_page_from_the_newest(database: TestDatabase) {
    let store = &database.store;
    let (owner, other) = (user(store, 100).await, user(store, 100).await);
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(queued(store, owner, 2).await.experiment.id);
        queued(store, other, 1).await;
    }
    own.reverse();
    let mut paged: Vec<ExperimentId> = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.experiments(Some(owner), cursor, 2).await.expect("a page");
        paged.extend(page.data.iter().map(|summary| summary.experiment.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, own);
    assert_eq!(store.experiments(None, None, 200).await.expect("a page").data.len(), 10);

    let (robot, lease) = lane(store, "ot2").await;
    let measuring = running(store, owner, 3, &robot, &lease).await;
    let [first, second, third] = well_ids(&measuring)[..] else { panic!("three wells") };
    for well in [third, first] {
        let steps = [to_status(well, WellStatus::Dispensing), to_status(well, WellStatus::Mixed), measured(well)];
        store.commit(&lease, changes(steps)).await.expect("a commit");
    }
    let replaced = Change::Replace {
        quarantined: second,
        fresh: domain::WellId::new(),
        at: robot.plate_id.map(|plate| (plate, well("H12"))),
        fault: fault(),
    };
    store.commit(&lease, changes([replaced])).await.expect("a commit");
    let page = store.experiments(Some(owner), None, 1).await.expect("a page");
    let summary = page.data.first().expect("the newest");
    assert_eq!(summary.experiment.id, measuring.experiment.id);
    assert_eq!((summary.wells, summary.measured), (3, 2));
    assert_eq!(summary.swatches, ["#aa3344", "#aa3344"]);
    assert_eq!(summary.email, format!("{owner}@example.org"));
}

pub async fn cancelling_what_waits_returns_its_quota_once(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let owner = user(&store, 10).await;
    let waiting = queued(&store, owner, 8).await.experiment.id;
    let tries: Vec<_> = [store.clone(), other.clone(), store.clone(), other]
        .into_iter()
        .map(|store| {
            tokio::spawn(
                async move { store.control(waiting, Control::Cancel, &act("steered")).await.expect("an answer") },
            )
        })
        .collect();
    let mut applied = 0;
    for attempt in tries {
        match attempt.await.expect("a task") {
            ControlOutcome::Applied(ExperimentStatus::Cancelled) => applied += 1,
            refused => assert_eq!(refused, ControlOutcome::Refused(ExperimentStatus::Cancelled)),
        }
    }
    assert_eq!((applied, quota(&store, owner).await), (1, 10));
    let cancelled = experiment(&store, waiting).await;
    assert!(cancelled.experiment.completed_at.is_some());
    assert!(cancelled.wells.iter().all(|(well, _)| well.status == WellStatus::Cancelled));
    let told = events(&store, waiting).await;
    assert_eq!(told.len(), 10);
    assert_eq!(told.last().expect("an event").data, json!({ "status": "cancelled" }));
    assert!(store.queue(10).await.expect("the queue").is_empty());
}

pub async fn what_a_lane_holds_is_asked_and_not_changed(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let id = running(store, owner, 2, &robot, &lease).await.experiment.id;
    let control = async |control| store.control(id, control, &act("steered")).await.expect("an answer");
    let running = ExperimentStatus::Running;

    assert_eq!(control(Control::Resume).await, ControlOutcome::Refused(running));
    assert_eq!(control(Control::Pause).await, ControlOutcome::Requested);
    assert_eq!(experiment(store, id).await.experiment.control, Some(Control::Pause));
    assert_eq!(control(Control::Resume).await, ControlOutcome::Applied(running));
    assert_eq!(experiment(store, id).await.experiment.control, None);
    assert_eq!(control(Control::Cancel).await, ControlOutcome::Requested);
    assert_eq!(control(Control::Pause).await, ControlOutcome::Refused(running));
    assert_eq!(experiment(store, id).await.experiment.control, Some(Control::Cancel));
    assert_eq!(experiment(store, id).await.experiment.status, running);
    let unknown = store.control(ExperimentId::new(), Control::Cancel, &act("steered")).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
}

pub async fn a_paused_experiment_waits_outside_the_queue(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let id = queued(store, owner, 2).await.experiment.id;
    assert_eq!(
        store.control(id, Control::Pause, &act("steered")).await.expect("an answer"),
        ControlOutcome::Applied(ExperimentStatus::Paused)
    );
    assert!(store.queue(10).await.expect("the queue").is_empty());
    assert_eq!(
        store.control(id, Control::Pause, &act("steered")).await.expect("an answer"),
        ControlOutcome::Refused(ExperimentStatus::Paused)
    );
    assert_eq!(
        store.control(id, Control::Resume, &act("steered")).await.expect("an answer"),
        ControlOutcome::Applied(ExperimentStatus::Queued)
    );
    assert_eq!(store.queue(10).await.expect("the queue").len(), 1);
    assert_eq!(quota(store, owner).await, 8);
}

/// What is answered isn't read back, so it must be what is there.
pub async fn what_is_answered_is_what_is_stored(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "bench").await;
    let ended = done(store, &robot, &lease, owner, 2).await;
    let nameless = NewExperiment { name: None, ..request(owner, 1) };
    let makes_up = NewExperiment { gives_back: well_ids(&ended), ..request(owner, 3) };
    for asked in [request(owner, 3), nameless, makes_up] {
        store.accept(asked.clone()).await.expect("an answer");
        assert_eq!(format!("{:?}", asked.detail()), format!("{:?}", experiment(store, asked.id).await));
        let events = store.events(asked.id, 0, 10).await.expect("events");
        assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1]);
    }
}

/// Requests that come together are one transaction; what is wrong with one of them is no other's matter.
pub async fn those_who_ask_together_are_answered_each_for_itself(database: TestDatabase) {
    let store = database.store.clone();
    let (rich, poor) = (user(&store, 1_000).await, user(&store, 3).await);
    let nobody = UserId::new();
    let asking = (0..90).map(|number| {
        let (store, owner) = (store.clone(), [rich, poor, nobody][number % 3]);
        tokio::spawn(async move { (owner, store.accept(request(owner, 1)).await) })
    });
    let mut accepted: Vec<(UserId, i32)> = Vec::new();
    for answer in asking.collect::<Vec<_>>() {
        match answer.await.expect("no panic") {
            (owner, Ok(Acceptance::Accepted { quota_remaining })) => accepted.push((owner, quota_remaining)),
            (owner, Ok(Acceptance::QuotaExhausted { remaining: 0 })) => assert_eq!(owner, poor),
            (owner, Err(StoreError::NotFound(_))) => assert_eq!(owner, nobody),
            (owner, other) => panic!("{owner}: {other:?}"),
        }
    }
    for (owner, quota, wells) in [(rich, 1_000, 30), (poor, 3, 3)] {
        let left: BTreeSet<_> = accepted.iter().filter(|(by, _)| *by == owner).map(|(_, left)| *left).collect();
        assert_eq!(left, (quota - wells..quota).collect(), "each was charged once, one after another");
        assert_eq!(self::quota(&store, owner).await, quota - wells);
        let page = store.experiments(Some(owner), None, 200).await.expect("a page");
        assert_eq!(page.data.len(), wells as usize);
    }
}

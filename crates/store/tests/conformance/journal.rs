//! The journal: nothing half written, nothing written by the wrong hand, nothing counted twice.

use crate::given::*;
use domain::{
    doubt::{Doubt, Why},
    *,
};
use serde_json::json;
use store::{testing::TestDatabase, *};

pub async fn an_entry_ends_one_operation_and_intends_the_next(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let id = detail.experiment.id;
    let (first, second) = (dispense(&detail), Operation::new(Step::BlowOut { mount: Mount::Right }));
    store.commit(&lease, intends(&first, id)).await.expect("a commit");
    let open = store.open_operations(robot.id).await.expect("operations");
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].operation.clone(), open[0].sequence, open[0].lease_epoch), (first.clone(), 1, lease.epoch));
    assert_eq!((open[0].run_id.as_deref(), open[0].ended_at, &open[0].outcome), (Some("run-1"), None, &None));

    let tip = Tool::Tip {
        mount: Mount::Right,
        tip: well("B1"),
        dye: dye("red"),
        liquid: Volume::ZERO,
        certain: true,
        used_in: None,
    };
    let dispensing =
        ExperimentEvent::Operation { step: "dispense".to_owned(), sentence: "dispensing".to_owned(), well: None };
    let entry = Entry {
        changes: vec![
            Change::Tool(tip.clone()),
            Change::Event { experiment: id, event: dispensing.clone() },
            Change::Document {
                collection: Collection::Measurements,
                id: first.id,
                experiment: Some(id),
                body: json!({ "status": "succeeded" }),
            },
        ],
        ..Entry { intended: intends(&second, id).intended, ..ends(&first, JournalEvent::Succeeded) }
    };
    store.commit(&lease, entry).await.expect("a commit");

    let operations = store.operations(id, 0, 100).await.expect("operations");
    let states: Vec<_> = operations.iter().map(|operation| (operation.sequence, operation.state)).collect();
    assert_eq!(states, [(1, JournalEvent::Succeeded), (2, JournalEvent::Intended)]);
    assert_eq!(operations[0].outcome, Some(json!({ "by": "test" })));
    assert!(operations[0].ended_at >= Some(operations[0].intended_at));
    assert_eq!(store.operations(id, 1, 100).await.expect("operations").len(), 1);
    assert_eq!(store.robot(robot.id).await.expect("an answer").expect("the robot").tool, tip);
    let document = store.document(Collection::Measurements, first.id.as_uuid()).await.expect("an answer");
    assert_eq!(document, Some(json!({ "status": "succeeded" })));
    assert_eq!(store.document(Collection::Plates, first.id.as_uuid()).await.expect("an answer"), None);
    let latest = store.latest_event(id, EventKind::Operation).await.expect("an answer").expect("the event");
    assert_eq!((latest.sequence, latest.read()), (3, Some(dispensing)));
    assert_eq!(store.latest_sequence(id).await.expect("an answer"), 3);
    assert!(store.latest_event(id, EventKind::Progress).await.expect("an answer").is_none());
}

pub async fn what_may_lie_in_a_well_is_what_was_sent_there(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 2, &robot, &lease).await;
    let id = detail.experiment.id;
    assert!(store.liquid_in_wells(id).await.expect("an answer").is_empty());
    for ending in [JournalEvent::Succeeded, JournalEvent::NotReceived, JournalEvent::InDoubt] {
        let operation = dispense(&detail);
        store.commit(&lease, intends(&operation, id)).await.expect("a commit");
        store.commit(&lease, ends(&operation, ending)).await.expect("a commit");
    }
    let blow_out = Operation::new(Step::BlowOut { mount: Mount::Right });
    store.commit(&lease, intends(&blow_out, id)).await.expect("a commit");
    let held = store.liquid_in_wells(id).await.expect("an answer");
    let wells = well_ids(&detail);
    assert_eq!(held.get(&wells[0]), Some(&Volume::from_whole_ul(120)), "what is in doubt may lie there");
    assert_eq!(held.len(), 1, "nothing went into the other");

    // By a robot that is told whole mixtures; holding its sensor somewhere puts nothing there.
    let (mount, at) = (Mount::Right, well("A2"));
    let portion = |name: &str, vial: &str, ul| Portion {
        dye: dye(name),
        vial: well(vial),
        tip: well(vial),
        volume: Volume::from_whole_ul(ul),
    };
    let portions = vec![portion("red", "B1", 60), portion("blue", "B3", 25)];
    store.commit(&lease, ends(&blow_out, JournalEvent::Succeeded)).await.expect("a commit");
    for step in [Step::PresentSensor { mount, over: at }, Step::Mix { mount, well: wells[1], at, portions }] {
        let operation = Operation::new(step);
        store.commit(&lease, intends(&operation, id)).await.expect("a commit");
        store.commit(&lease, ends(&operation, JournalEvent::InDoubt)).await.expect("a commit");
    }
    let held = store.liquid_in_wells(id).await.expect("an answer");
    assert_eq!(held.get(&wells[1]), Some(&Volume::from_whole_ul(85)));
}

pub async fn a_worker_that_lost_its_lane_writes_nothing(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let operation = dispense(&detail);
    store.commit(&lease, intends(&operation, detail.experiment.id)).await.expect("a commit");
    let new =
        store.lease(robot.id, "other", TIME_TO_LIVE, LeaseClaim::Seize).await.expect("an answer").expect("seized");

    let ending = ends(&operation, JournalEvent::Succeeded);
    assert!(matches!(store.commit(&lease, ending.clone()).await, Err(StoreError::LeaseLost)));
    let waiting = queued(store, owner, 1).await.experiment.id;
    let taken = store.take(&lease, 0, waiting, robot.plate_id.expect("a plate"), &[]).await;
    assert!(matches!(taken, Err(StoreError::LeaseLost)));
    assert_eq!(store.open_operations(robot.id).await.expect("operations").len(), 1);

    store.commit(&new, ending).await.expect("a commit by the new holder");
    store.release(&new).await.expect("released");
    let late = store.commit(&new, changes([Change::Tool(Tool::Nothing)])).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "a lease given back is no lease");
}

pub async fn an_unlawful_entry_leaves_no_trace(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 2, &robot, &lease).await;
    let id = detail.experiment.id;
    let wells = well_ids(&detail);
    let operation = dispense(&detail);
    store.commit(&lease, intends(&operation, id)).await.expect("a commit");
    let before = events(store, id).await.len();

    let next = Operation::new(Step::Home);
    let unlawful_change = |change| Entry {
        changes: vec![to_status(wells[0], WellStatus::Dispensing), change],
        ..Entry { intended: intends(&next, id).intended, ..ends(&operation, JournalEvent::Succeeded) }
    };
    let refused = [
        unlawful_change(to_status(wells[1], WellStatus::Mixed)),
        unlawful_change(measured(wells[1])),
        unlawful_change(Change::Experiment { id, to: ExperimentStatus::Running, fault: None }),
        ends(&operation, JournalEvent::Settled),
        ends(&operation, JournalEvent::Intended),
        intends(&operation, id),
    ];
    for entry in refused {
        let outcome = store.commit(&lease, entry).await;
        assert!(matches!(outcome, Err(StoreError::IllegalTransition { .. })), "{outcome:?}");
    }
    let unknown = ends(&Operation::new(Step::Home), JournalEvent::Succeeded);
    assert!(matches!(store.commit(&lease, unknown).await, Err(StoreError::NotFound(_))));
    let unknown = changes([to_status(WellId::new(), WellStatus::Dispensing)]);
    assert!(matches!(store.commit(&lease, unknown).await, Err(StoreError::NotFound(_))));

    assert!(experiment(store, id).await.wells.iter().all(|(well, _)| well.status == WellStatus::Pending));
    assert_eq!(store.open_operations(robot.id).await.expect("operations").len(), 1);
    assert_eq!(store.operations(id, 0, 10).await.expect("operations").len(), 1);
    assert_eq!(events(store, id).await.len(), before);
    store.commit(&lease, ends(&operation, JournalEvent::Succeeded)).await.expect("the lawful one");
    let twice = store.commit(&lease, ends(&operation, JournalEvent::Failed)).await;
    assert!(matches!(twice, Err(StoreError::IllegalTransition { .. })), "{twice:?}");
}

pub async fn a_doubt_is_written_and_settled(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, user(store, 10).await, 1, &robot, &lease).await;
    let operation = dispense(&detail);
    store.commit(&lease, intends(&operation, detail.experiment.id)).await.expect("a commit");
    store.commit(&lease, ends(&operation, JournalEvent::InDoubt)).await.expect("a commit");
    assert!(store.open_operations(robot.id).await.expect("operations").is_empty());
    store.commit(&lease, ends(&operation, JournalEvent::Settled)).await.expect("a commit");
    let operations = store.operations(detail.experiment.id, 0, 10).await.expect("operations");
    assert_eq!(operations[0].state, JournalEvent::Settled);
}

pub async fn a_measured_well_is_paid_and_a_failed_one_returned_once(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 3, &robot, &lease).await;
    let id = detail.experiment.id;
    let [first, second, third] = well_ids(&detail)[..] else { panic!("three wells") };
    assert_eq!(quota(store, owner).await, 7);

    let mixed = [to_status(first, WellStatus::Dispensing), to_status(first, WellStatus::Mixed), measured(first)];
    store.commit(&lease, changes(mixed)).await.expect("a commit");
    assert_eq!(quota(store, owner).await, 7);
    let failed = Change::Well { id: second, to: WellStatus::Failed, fault: Some(fault()) };
    store.commit(&lease, changes([failed])).await.expect("a commit");
    assert_eq!(quota(store, owner).await, 8);
    let again = store.commit(&lease, changes([to_status(second, WellStatus::Cancelled)])).await;
    assert!(matches!(again, Err(StoreError::IllegalTransition { .. })));
    // The end of the experiment returns the third well's, and not the second's again.
    let end = Change::Experiment { id, to: ExperimentStatus::Failed, fault: Some(fault()) };
    store.commit(&lease, changes([end])).await.expect("a commit");
    assert_eq!(quota(store, owner).await, 9);

    let detail = experiment(store, id).await;
    let states: Vec<_> = detail.wells.iter().map(|(well, result)| (well.status, result.is_some())).collect();
    assert_eq!(states, [(WellStatus::Measured, true), (WellStatus::Failed, false), (WellStatus::Failed, false)]);
    let told: Vec<_> = events(store, id).await.into_iter().skip(2).map(|event| (event.kind, event.data)).collect();
    let of = |well: WellId, place: i32, at: &str, status: &str| {
        ("well".to_owned(), json!({ "id": well, "position": place, "well_id": at, "status": status }))
    };
    assert_eq!(
        told[..3],
        [of(first, 0, "A1", "dispensing"), of(first, 0, "A1", "mixed"), of(first, 0, "A1", "measured")]
    );
    let lab = json!({ "l": 50.0, "a": 10.0, "b": -4.5 });
    let result = json!({ "well": first, "position": 0, "well_id": "A1", "srgb": "#aa3344", "lab": lab });
    assert_eq!(told[3], ("result".to_owned(), result));
    let failed = json!({ "id": second, "position": 1, "well_id": "B1", "status": "failed", "fault": fault() });
    assert_eq!(told[4], ("well".to_owned(), failed));
    assert_eq!((told[5].0.as_str(), &told[5].1["id"]), ("well", &json!(third)));
    assert_eq!(told[6], ("status".to_owned(), json!({ "status": "failed", "fault": fault() })));
    assert_eq!(told.len(), 7);
}

pub async fn a_replacement_costs_its_owner_nothing(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 1).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let id = detail.experiment.id;
    let (old, fresh, plate) = (well_ids(&detail)[0], WellId::new(), robot.plate_id.expect("a plate"));
    let replace = |at| Change::Replace { quarantined: old, fresh, at: Some((plate, at)), fault: fault() };
    let taken = store.commit(&lease, changes([to_status(old, WellStatus::Dispensing), replace(well("A1"))])).await;
    assert!(matches!(taken, Err(StoreError::WellTaken(at)) if at == well("A1")), "{taken:?}");
    store
        .commit(&lease, changes([to_status(old, WellStatus::Dispensing), replace(well("B1"))]))
        .await
        .expect("a commit");
    assert_eq!(quota(store, owner).await, 0);

    let wells = experiment(store, id).await.wells;
    let [(quarantined, _), (placed, _)] = &wells[..] else { panic!("two wells") };
    assert_eq!((quarantined.status, quarantined.fault.clone()), (WellStatus::Quarantined, Some(fault())));
    assert_eq!((placed.id, placed.status, placed.well_id), (fresh, WellStatus::Pending, Some(well("B1"))));
    assert_eq!((placed.replaces, placed.position, placed.recipe.clone()), (Some(old), 0, red(60)));
    let second = "UPDATE wells SET replaces = (SELECT w.replaces FROM wells w WHERE w.replaces IS NOT NULL)";
    let refused = store.try_sql(second).await.expect_err("a well is replaced once");
    assert!(refused.to_lowercase().contains("unique"), "{refused}");
    let told: Vec<_> = events(store, id).await.into_iter().skip(3).map(|event| event.data).collect();
    let left = json!({ "id": old, "position": 0, "well_id": "A1", "status": "quarantined", "fault": fault() });
    let came = json!({ "id": fresh, "position": 0, "well_id": "B1", "status": "pending", "replaces": old });
    assert_eq!(told, [left, came]);

    // When the fresh one ends unmeasured as well, its quota is returned, and the old one's isn't again.
    let end = Change::Experiment { id, to: ExperimentStatus::Cancelled, fault: None };
    store.commit(&lease, changes([end])).await.expect("a commit");
    assert_eq!(quota(store, owner).await, 1);
}

pub async fn an_end_ends_the_wells_and_frees_the_lane(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 2, &robot, &lease).await;
    let id = detail.experiment.id;
    assert!(matches!(store.control(id, Control::Cancel, &act("steered")).await, Ok(ControlOutcome::Requested)));
    let paused = Change::Experiment { id, to: ExperimentStatus::Paused, fault: Some(fault()) };
    store.commit(&lease, changes([paused])).await.expect("a commit");
    assert!(store.in_hand(&lease).await.expect("an answer").is_none());
    let kept = experiment(store, id).await.experiment;
    assert_eq!((kept.fault, kept.control, kept.robot_id), (Some(fault()), None, Some(robot.id)));

    let resumed = store.control(id, Control::Resume, &act("steered")).await.expect("an answer");
    assert_eq!(resumed, ControlOutcome::Applied(ExperimentStatus::Queued));
    let again = experiment(store, id).await.experiment;
    assert_eq!((again.fault, again.robot_id, again.plate_id), (None, Some(robot.id), robot.plate_id));
    assert!(store.take(&lease, 0, id, robot.plate_id.expect("a plate"), &[]).await.expect("an answer"));
    let taken = experiment(store, id).await;
    assert_eq!(taken.experiment.started_at, kept.started_at, "it started once");
    assert_eq!(taken.wells[1].0.well_id, Some(well("B1")), "it keeps its wells");

    let end = Change::Experiment { id, to: ExperimentStatus::Cancelled, fault: None };
    store.commit(&lease, changes([end])).await.expect("a commit");
    let ended = experiment(store, id).await;
    assert!(ended.experiment.completed_at.is_some());
    assert!(ended.wells.iter().all(|(well, _)| well.status == WellStatus::Cancelled));
    assert_eq!(quota(store, owner).await, 10);
    assert!(store.in_hand(&lease).await.expect("an answer").is_none());
    let revived = Change::Experiment { id, to: ExperimentStatus::Running, fault: None };
    assert!(matches!(store.commit(&lease, changes([revived])).await, Err(StoreError::IllegalTransition { .. })));
}

pub async fn consumables_follow_the_journal(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let ul = Volume::from_whole_ul;
    let slot = Slot(9);
    let draw = [
        Change::VialDrawn { vial: well("B1"), volume: ul(60) },
        Change::WasteAdded { volume: ul(5) },
        Change::WasteAdded { volume: ul(2) },
        Change::TipAssigned { slot, tip: well("B1"), dye: dye("red") },
        Change::Run(Some("run-7".to_owned())),
        Change::WhiteReference(json!({ "ch410": 1000 })),
    ];
    store.commit(&lease, changes(draw)).await.expect("a commit");
    let lost = [
        Change::TipLost { slot, tip: well("B1") },
        Change::TipAssigned { slot, tip: well("C1"), dye: dye("red") },
        Change::VialDrawn { vial: well("B2"), volume: ul(1_000_000) },
    ];
    store.commit(&lease, changes(lost)).await.expect("a commit");
    let inventory = store.inventory(robot.id).await.expect("an inventory");
    let volumes: Vec<_> = inventory.vials.iter().map(|vial| vial.volume).collect();
    assert_eq!(volumes, [ul(14_940), Volume::ZERO, ul(15_000)]);
    assert_eq!(inventory.waste, ul(7));
    let tips: Vec<_> = inventory.tips.iter().map(|tip| (tip.tip, tip.dye.clone())).collect();
    assert_eq!(tips, [(well("B1"), None), (well("C1"), Some(dye("red")))]);
    let row = store.robot(robot.id).await.expect("an answer").expect("the robot");
    assert_eq!((row.run_id.as_deref(), row.white_reference), (Some("run-7"), Some(json!({ "ch410": 1000 }))));

    let plate = PlateId::new();
    let renewed =
        [Change::WasteEmptied, Change::Run(None), Change::PlateReplaced { plate }, Change::TipsReplaced { slot }];
    store.commit(&lease, changes(renewed)).await.expect("a commit");
    let inventory = store.inventory(robot.id).await.expect("an inventory");
    assert!(inventory.waste.is_zero() && inventory.tips.is_empty());
    let row = store.robot(robot.id).await.expect("an answer").expect("the robot");
    assert_eq!((row.run_id, row.plate_id, row.white_reference.is_some()), (None, Some(plate), true));
}

/// A white that drifted makes doubtful what was measured against it, and nothing else.
pub async fn results_by_one_white_are_doubted_and_told_anew(database: TestDatabase) {
    let store = database.store.clone();
    let owner = user(&store, 10).await;
    let (robot, lease) = lane(&store, "ot2").await;
    let detail = running(&store, owner, 3, &robot, &lease).await;
    let id = detail.experiment.id;
    let (white, later) = (OperationId::new(), OperationId::new());
    let own = Doubt { delta_e: Some(9.0), limit: Some(3.0), why: Why::FarFromPrediction };
    let data = |white: OperationId, doubt: Option<Doubt>| {
        let mut data = json!({ "srgb": "#aa3344", "white_reference": { "operation_id": white } });
        if let Some(doubt) = doubt {
            data["doubt"] = json!(doubt);
        }
        data
    };
    let all = [data(white, None), data(white, Some(own)), data(later, None)];
    for ((well, _), measurement_data) in detail.wells.iter().zip(all) {
        for to in [WellStatus::Dispensing, WellStatus::Mixed] {
            store.commit(&lease, changes([to_status(well.id, to)])).await.expect("a commit");
        }
        let result = Change::Result { id: ResultId::new(), well: well.id, measurement_data };
        store.commit(&lease, changes([result])).await.expect("a commit");
    }
    let before = events(&store, id).await.len();
    let doubt = Doubt { delta_e: Some(4.5), limit: Some(1.0), why: Why::Drifted };
    store.commit(&lease, changes([Change::Doubted { experiment: id, white, doubt }])).await.expect("a commit");
    let kept = store.experiment(id).await.expect("an answer").expect("the experiment");
    let doubts: Vec<_> = kept
        .wells
        .iter()
        .map(|(_, result)| result.as_ref().expect("a result").measurement_data.get("doubt").cloned())
        .collect();
    assert_eq!(doubts, [Some(json!(doubt)), Some(json!(own)), None]);
    let told = events(&store, id).await.split_off(before);
    assert_eq!(told.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["result"], "of the one that changed");
    assert_eq!(told[0].data["doubt"], json!(doubt));
    // Nothing is left to doubt.
    store.commit(&lease, changes([Change::Doubted { experiment: id, white, doubt }])).await.expect("a commit");
    assert_eq!(events(&store, id).await.len(), before + 1);
}

pub async fn events_have_no_gaps_however_many_write(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let owner = user(&store, 10).await;
    let (robot, lease) = lane(&store, "ot2").await;
    let id = running(&store, owner, 1, &robot, &lease).await.experiment.id;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, lease) = (if writer % 2 == 0 { store.clone() } else { other.clone() }, lease.clone());
            tokio::spawn(async move {
                for number in 0..10 {
                    let report = Report { steps_done: number, steps_total: writer, seconds_left: 0.0, pace: 1.0 };
                    let told = Change::Event { experiment: id, event: ExperimentEvent::Progress(report) };
                    store.commit(&lease, changes([told.clone(), told])).await.expect("a commit");
                }
            })
        })
        .collect();
    // A reader that resumes where it stopped sees every number once, in order, also while others write.
    let mut seen = Vec::new();
    loop {
        let all_written = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let after = seen.last().copied().unwrap_or(0);
        let news = store.events(id, after, 7).await.expect("events");
        if all_written && news.is_empty() {
            break;
        }
        seen.extend(news.into_iter().map(|event| event.sequence));
    }
    for writer in writers {
        writer.await.expect("a task");
    }
    assert_eq!(seen, (1..=82).collect::<Vec<i64>>());
}

pub async fn events_of_many_experiments_are_read_at_once(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let first = running(store, owner, 1, &robot, &lease).await.experiment.id;
    let other = queued(store, owner, 1).await.experiment.id;
    let unknown = ExperimentId::new();
    let told = |experiment| {
        let report = Report { steps_done: 1, steps_total: 2, seconds_left: 0.0, pace: 1.0 };
        Change::Event { experiment, event: ExperimentEvent::Progress(report) }
    };
    for _ in 0..3 {
        store.commit(&lease, changes([told(first), told(other)])).await.expect("a commit");
    }
    let latest = store.latest_sequences(&[first, unknown, other]).await.expect("sequences");
    let (of_first, of_other) =
        (store.latest_sequence(first).await.expect("it"), store.latest_sequence(other).await.expect("it"));
    assert_eq!(latest.sequences, [(first, of_first), (other, of_other)].into());
    let asked = [(other, of_other), (unknown, 1), (first, of_first), (other, of_other - 1), (other, of_other + 1)];
    let events = store.events_at(&asked).await.expect("events");
    let places: Vec<_> = events.into_iter().map(|event| (event.experiment_id, event.sequence)).collect();
    assert_eq!(places, [(first, of_first), (other, of_other - 1), (other, of_other)]);
    assert!(store.latest_sequences(&[]).await.expect("none").sequences.is_empty());
    assert!(store.events_at(&[]).await.expect("none").is_empty());
}

pub async fn events_are_found_by_key_however_long_the_history(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 100).await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(queued(store, owner, 1).await.experiment.id);
    }
    let history = "WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 4000)
        INSERT INTO events (experiment_id, sequence, kind, data, at)
        SELECT v.experiment_id, n, v.kind, v.data, v.at FROM events v CROSS JOIN numbers WHERE v.sequence = 1";
    store.run_sql(history).await;
    store.run_sql("UPDATE experiments SET last_sequence = 4000").await;
    store.run_sql("ANALYZE").await;
    // One event of each, as at a look for what other processes did, and many of one.
    let (new, behind) = (ids.iter().map(|id| (*id, 4_000)), (3_950..=4_000).map(|sequence| (ids[0], sequence)));
    for places in [new.collect::<Vec<_>>(), behind.collect()] {
        assert_eq!(store.events_at(&places).await.expect("events").len(), places.len());
        let plan = store.plan_of_following(&places).await;
        // All experiments are few enough to be read as they lie; the events never are.
        let scans = |step: &&String| step.contains("Seq Scan on events") || step.contains("SCAN v");
        assert_eq!(plan.iter().find(scans), None, "{plan:#?}");
        assert!(plan.iter().any(|step| step.contains("events") || step.contains("SEARCH v")), "{plan:#?}");
    }
}

pub async fn commits_wake_whoever_waits(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let mut signals = store.signals();
    let id = running(store, owner, 1, &robot, &lease).await.experiment.id;
    let end = Change::Experiment { id, to: ExperimentStatus::Completed, fault: None };
    store.commit(&lease, changes([end])).await.expect("a commit");
    let mut heard = Vec::new();
    while let Ok(signal) = signals.try_recv() {
        heard.push(signal);
    }
    let (own, queue) = (Signal::Experiment(id), Signal::Queue);
    assert_eq!(heard, [own, queue, own, queue, Signal::Robots, queue, own]);
    store.commit(&lease, changes([Change::TipsReplaced { slot: Slot(9) }])).await.expect("a commit");
    assert_eq!(signals.try_recv(), Ok(Signal::Robots));
}

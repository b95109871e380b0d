//! Robots as records: changed, renamed, removed, without anything of what they did being lost.

use crate::given::*;
use domain::{
    BlankCheck, Change, Deck, ExperimentStatus, Mount, MountsSeen, PipetteSeen, Slot, Tool, UserId, Volume, WellStatus,
};
use serde_json::json;
use store::{testing::TestDatabase, *};

fn at(name: &str, url: &str) -> NewRobot {
    NewRobot { url: url.to_owned(), ..new_robot(name) }
}

/// What the log says of robots, oldest first.
async fn log(store: &Store) -> Vec<(String, serde_json::Value, Option<UserId>)> {
    let lines = store.activity(None, None, 100).await.expect("the activity log").data;
    let about_robots = lines.into_iter().rev().filter(|line| line.action.starts_with("robot_"));
    about_robots.map(|line| (line.action, line.details, line.user_id)).collect()
}

async fn named(store: &Store, name: &str) -> Option<Robot> {
    store.robots().await.expect("robots").into_iter().find(|robot| robot.name == name)
}

pub async fn a_robot_is_changed_in_one_act_and_stays_itself(database: TestDatabase) {
    let store = &database.store;
    let by = ChangedBy { user: Some(user(store, 0).await), ip: None };
    let robot = store.add_robot(&at("bench-1", "http://a"), by).await.expect("a robot");
    let other = store.add_robot(&at("bench-2", "http://b"), by).await.expect("another");
    assert!(matches!(store.add_robot(&at("bench-1", "http://c"), by).await, Err(StoreError::RobotNameTaken)));
    assert!(
        matches!(store.add_robot(&at("bench-3", "http://a"), by).await, Err(StoreError::AddressTaken(name)) if name == "bench-1")
    );

    let refused = store.change_robot(&robot, &at("bench-2", "http://a"), by).await;
    assert!(matches!(refused, Err(StoreError::RobotNameTaken)), "{refused:?}");
    let refused = store.change_robot(&robot, &at("bench-1", "http://b"), by).await;
    assert!(matches!(refused, Err(StoreError::AddressTaken(_))), "{refused:?}");
    assert_eq!(log(store).await.len(), 2, "what is refused is no line");

    let wanted = NewRobot { deck: Deck::with_p20(), ..at("window", "http://d") };
    let changed = store.change_robot(&robot, &wanted, by).await.expect("a change");
    assert_eq!((changed.id, changed.name.as_str(), changed.url.as_str()), (robot.id, "window", "http://d"));
    assert_eq!((changed.deck, changed.plate_id), (Deck::with_p20(), robot.plate_id));
    assert_eq!(changed.acts, robot.acts + 1, "no lane begins what it planned before");
    let lines = log(store).await;
    let renamed = json!({ "robot_id": robot.id, "name": "window", "before": "bench-1" });
    let others = json!({ "robot_id": robot.id, "name": "window", "changed": ["url", "deck"] });
    assert_eq!(lines[2], ("robot_renamed".to_owned(), renamed, by.user));
    assert_eq!(lines[3], ("robot_changed".to_owned(), others, by.user));

    let stale = store.change_robot(&robot, &at("bench-9", "http://a"), by).await;
    assert!(matches!(stale, Err(StoreError::RobotChanged)), "{stale:?}");
    let now = named(store, "window").await.expect("the robot");
    store.change_robot(&now, &wanted, by).await.expect("as it is");
    assert_eq!(log(store).await.len(), 4, "what changes nothing is no line");

    let former = store.former_names().await.expect("names");
    assert_eq!(former.into_iter().collect::<Vec<_>>(), [("bench-1".to_owned(), robot.id)]);
    store.change_robot(&other, &at("bench-1", "http://b"), by).await.expect("the name is free");
    let former = store.former_names().await.expect("names");
    assert_eq!(former.into_iter().collect::<Vec<_>>(), [("bench-2".to_owned(), other.id)], "another has it now");
}

pub async fn what_gives_way_takes_its_count_along_and_the_rest_is_kept(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let with_p20 = NewRobot { deck: Deck::with_p20(), ..new_robot("ot2") };
    let robot = store.change_robot(&robot, &with_p20, ChangedBy::default()).await.expect("a change");
    let used = |slot, tip: &str| Change::TipAssigned { slot: Slot(slot), tip: well(tip), dye: dye("red") };
    let drawn = |vial: &str| Change::VialDrawn { vial: well(vial), volume: Volume::from_whole_ul(100) };
    let happened = [used(9, "B1"), used(6, "B1"), drawn("B1"), drawn("B2"), drawn("B3")];
    store.commit(&lease, changes(happened)).await.expect("a commit");

    let mut deck = Deck::with_p20();
    deck.pipettes[1].tip_rack = "opentrons_96_filtertiprack_20ul".to_owned();
    deck.dyes[1].name = dye("green");
    deck.dyes.remove(2);
    let plate = robot.plate_id;
    let wanted = NewRobot { deck: deck.clone(), ..new_robot("ot2") };
    let robot = store.change_robot(&robot, &wanted, ChangedBy::default()).await.expect("a change");
    assert_eq!(robot.plate_id, plate, "the plate is the same");
    let now = store.inventory(robot.id).await.expect("an inventory");
    assert_eq!(now.tips.iter().map(|tip| tip.slot).collect::<Vec<_>>(), [Slot(9)], "the other rack is a new one");
    let vials: Vec<_> = now.vials.iter().map(|vial| (vial.vial, vial.dye.clone(), vial.volume.ul())).collect();
    assert_eq!(vials, [(well("B1"), dye("red"), 14_900.0), (well("B2"), dye("green"), 15_000.0)]);

    deck.plate = "nest_96_wellplate_200ul_flat".to_owned();
    let wanted = NewRobot { deck, ..new_robot("ot2") };
    let robot = store.change_robot(&robot, &wanted, ChangedBy::default()).await.expect("a change");
    assert!(robot.plate_id.is_some() && robot.plate_id != plate, "another make is another plate");
}

pub async fn a_deck_gives_way_only_where_nothing_has_begun_on_it(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let id = detail.experiment.id;
    let robot = store.robot(robot.id).await.expect("an answer").expect("the robot");
    let change = async |wanted: NewRobot| {
        let robot = store.robot(robot.id).await.expect("an answer").expect("the robot");
        store.change_robot(&robot, &wanted, ChangedBy::default()).await
    };
    let refused = change(NewRobot { deck: Deck::with_p20(), ..new_robot("ot2") }).await;
    assert!(matches!(refused, Err(StoreError::RobotInUse { experiments: 1 })), "{refused:?}");
    let judged = Deck { doubt_delta_e: 9.0, blank_check: BlankCheck::All, ..Deck::default() };
    change(NewRobot { deck: judged, ..new_robot("ot2") }).await.expect("how it is judged may change at any time");
    change(NewRobot { deck: Deck::default(), ..new_robot("ot2") }).await.expect("and back");
    change(new_robot("otter")).await.expect("so may its name");

    // A step in flight: the address must stay what it is until it has ended.
    let operation = dispense(&detail);
    let acts = store.robot(robot.id).await.expect("an answer").expect("the robot").acts;
    let entry = intends_for(&operation, id, Purpose::Work, acts);
    store.commit(&lease, entry).await.expect("an intent");
    let refused = change(at("otter", "http://elsewhere")).await;
    assert!(matches!(refused, Err(StoreError::AtWork)), "{refused:?}");
    let notice = Change::Notice(Some(fault()));
    store.commit(&lease, changes([notice])).await.expect("its worker can't reach it");
    change(at("otter", "http://elsewhere")).await.expect("then where it is may be mended");

    let robot = named(store, "otter").await.expect("the robot");
    assert_eq!((robot.lease_epoch, robot.url.as_str()), (lease.epoch, "http://elsewhere"));
    let in_hand = store.in_hand_id(robot.id).await.expect("an answer");
    assert_eq!(in_hand, Some(id), "what it has in hand stays");
}

pub async fn a_removed_robot_is_out_of_sight_and_what_it_did_stays(database: TestDatabase) {
    let store = &database.store;
    let by = ChangedBy { user: Some(user(store, 10).await), ip: None };
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    store.identify(&lease, "OT2CEP1").await.expect("who it is");
    let detail = running(store, owner, 1, &robot, &lease).await;
    let id = detail.experiment.id;
    let refused = store.remove_robot(robot.id, "olga@example.org", by).await;
    assert!(matches!(refused, Err(StoreError::RobotInUse { experiments: 1 })), "{refused:?}");

    let well = well_ids(&detail)[0];
    let steps = [to_status(well, WellStatus::Dispensing), to_status(well, WellStatus::Mixed), measured(well)];
    let done = Change::Experiment { id, to: ExperimentStatus::Completed, fault: None };
    store.commit(&lease, changes(steps.into_iter().chain([done]))).await.expect("its end");
    let holds = Change::Tool(Tool::Sensor { mount: Mount::Right, certain: true });
    store.commit(&lease, changes([holds])).await.expect("a commit");
    let refused = store.remove_robot(robot.id, "olga@example.org", by).await;
    assert!(matches!(refused, Err(StoreError::AtWork)), "{refused:?}");
    store.commit(&lease, changes([Change::Tool(Tool::Nothing)])).await.expect("a commit");
    assert!(log(store).await.iter().all(|(action, ..)| action != "robot_removed"));

    store.remove_robot(robot.id, "olga@example.org", by).await.expect("it is removed");
    assert!(store.robots().await.expect("robots").is_empty());
    let gone = store.robot(robot.id).await.expect("an answer").expect("its row");
    assert!(gone.removed_at.is_some() && gone.identity.is_none());
    let (action, details, who) = log(store).await.pop().expect("a line");
    assert_eq!((action.as_str(), &details["name"], who), ("robot_removed", &json!("ot2"), by.user));
    assert!(matches!(store.remove_robot(robot.id, "x", by).await, Err(StoreError::NotFound(_))));

    let after = experiment(store, id).await;
    assert_eq!((after.experiment.status, after.experiment.robot_id), (ExperimentStatus::Completed, Some(robot.id)));
    store.operations(id, 0, 10).await.expect("its journal can be read");
    let late = store.commit(&lease, changes([Change::Tool(Tool::Nothing)])).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let lease = store.lease(robot.id, "worker", TIME_TO_LIVE, LeaseClaim::Seize).await.expect("an answer");
    assert!(lease.is_none(), "nobody drives it any more");
    assert!(store.former_names().await.expect("names").is_empty(), "a removed robot is nobody's");

    let anew = store.add_robot(&new_robot("ot2"), by).await.expect("name and address are free");
    assert_ne!(anew.id, robot.id);
    let lease = store.lease(anew.id, "worker", TIME_TO_LIVE, LeaseClaim::WhenFree).await.expect("an answer");
    store.identify(&lease.expect("free"), "OT2CEP1").await.expect("and so is its machine");
}

pub async fn what_the_mounts_carry_is_remembered(database: TestDatabase) {
    let store = &database.store;
    let robot = store.ensure_robot(new_robot("ot2")).await.expect("a robot");
    assert_eq!(robot.mounts, None);
    let pipette = PipetteSeen {
        name: "p20_single_gen2".to_owned(),
        model: "p20_single_v2.2".to_owned(),
        serial: "P20SV2220230101".to_owned(),
    };
    let mounts = MountsSeen { at: in_an_hour(), left: None, right: Some(pipette) };
    store.note_mounts(robot.id, &mounts).await.expect("a note");
    let robot = store.robot(robot.id).await.expect("an answer").expect("the robot");
    let seen = robot.mounts.expect("what was seen");
    assert_eq!(seen, mounts);
    let lacks: Vec<_> = seen.lacks(&robot.deck).iter().map(ToString::to_string).collect();
    assert_eq!(lacks, ["right mount: p20_single_gen2 hangs there, and the deck has p300_single_gen2"]);
}

/// Of two who change it at once one is told that the other did.
pub async fn a_change_is_made_for_what_was_seen(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let robot = store.ensure_robot(new_robot("ot2")).await.expect("a robot");
    let (first, second) = (at("first", "http://a"), at("second", "http://b"));
    let (one, two) = tokio::join!(
        store.change_robot(&robot, &first, ChangedBy::default()),
        other.change_robot(&robot, &second, ChangedBy::default()),
    );
    let lost = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(lost.as_slice(), [StoreError::RobotChanged]), "{lost:?}");
}

//! Robots, their leases and what stands on them.

use crate::given::*;
use domain::{Attendance, Change, Deck, DeckCondition, PlateId, RobotCommand, RobotId, RobotMode, Slot, Tool, Volume};
use serde_json::json;
use std::time::Duration;
use store::{testing::TestDatabase, *};

pub async fn a_new_robot_is_full_and_a_known_one_keeps_its_counts(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    assert_eq!((robot.mode, robot.tool, robot.lease_epoch), (RobotMode::Active, Tool::Nothing, 0));
    assert_eq!(robot.deck, Deck::default());
    store.ensure_robot(new_robot("ot2")).await.expect("it is there");
    let log = store.activity(None, None, 50).await.expect("the activity log").data;
    let added: Vec<_> = log.iter().filter(|line| line.action == "robot_added").collect();
    assert_eq!(added.iter().map(|line| &line.details["name"]).collect::<Vec<_>>(), ["ot2"], "once");
    let new = store.inventory(robot.id).await.expect("an inventory");
    assert_eq!(new.plate, robot.plate_id);
    assert!(new.plate.is_some() && new.used_wells.is_empty() && new.tips.is_empty() && new.waste.is_zero());
    let full = Volume::from_whole_ul(15_000);
    let vials: Vec<_> = new.vials.iter().map(|vial| (vial.vial, vial.dye.clone(), vial.volume)).collect();
    assert_eq!(vials, [("B1", "red"), ("B2", "yellow"), ("B3", "blue")].map(|(at, name)| (well(at), dye(name), full)));

    let drawn = Change::VialDrawn { vial: well("B1"), volume: Volume::from_whole_ul(100) };
    store.commit(&lease, changes([drawn])).await.expect("a commit");
    let mut known = new_robot("ot2");
    known.url = "http://robot.example:31950".to_owned();
    known.attendance = Attendance::Operator;
    known.deck.dyes[1].name = dye("green");
    known.deck.dyes.remove(2);
    let again = store.ensure_robot(known.clone()).await.expect("the robot");
    store.ensure_robot(known).await.expect("as it is");
    let log = store.activity(None, None, 50).await.expect("the activity log").data;
    let changed: Vec<_> = log.iter().filter(|line| line.action == "robot_changed").collect();
    assert_eq!(changed.len(), 1, "a change is told, and once: {changed:?}");
    assert_eq!(changed[0].details["changed"], json!(["url", "attendance", "deck"]));
    assert_eq!((again.id, again.plate_id), (robot.id, robot.plate_id));
    assert_eq!((again.url.as_str(), again.attendance), ("http://robot.example:31950", Attendance::Operator));
    let vials = store.inventory(robot.id).await.expect("an inventory").vials;
    let vials: Vec<_> = vials.iter().map(|vial| (vial.vial, vial.dye.clone(), vial.volume)).collect();
    let left = Volume::from_whole_ul(14_900);
    assert_eq!(vials, [(well("B1"), dye("red"), left), (well("B2"), dye("green"), full)]);
    assert_eq!(store.robots().await.expect("robots").len(), 1);
    assert!(matches!(store.inventory(RobotId::new()).await, Err(StoreError::NotFound(_))));
}

pub async fn a_name_is_one_machines(database: TestDatabase) {
    let (store, other) = (&database.store, database.another().await);
    let there = |url: &str| NewRobot { url: url.to_owned(), ..new_robot("virtual-1") };
    let old = store.ensure_robot(there("http://a")).await.expect("a robot");
    assert_eq!(old.identity, None);
    let first = store.ensure_machine(there("http://a"), "A").await.expect("an answer").expect("the name of nobody");
    assert_eq!((first.id, first.identity.as_deref()), (old.id, Some("A")));
    assert!(other.ensure_machine(there("http://b"), "B").await.expect("an answer").is_none(), "another's name");
    let again = store.ensure_machine(there("http://c"), "A").await.expect("an answer").expect("its own name");
    assert_eq!((again.id, again.url.as_str()), (old.id, "http://c"), "the same machine at another address");
    let by_name = store.ensure_robot(there("http://d")).await.expect("a robot");
    assert_eq!(by_name.identity.as_deref(), Some("A"), "who it is isn't forgotten");

    let start = |store: Store, identity: &'static str| async move {
        store.ensure_machine(new_robot("virtual-2"), identity).await.expect("an answer").is_some()
    };
    let (one, two) = tokio::join!(start(store.clone(), "C"), start(other, "D"));
    assert!(one != two, "of two that start together one gets the name");
    assert!(store.ensure_machine(new_robot("virtual-3"), "A").await.is_err(), "one machine is one robot");
    assert_eq!(store.robots().await.expect("robots").len(), 2);
}

pub async fn of_many_workers_one_gets_the_lane(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let robot = store.ensure_robot(new_robot("ot2")).await.expect("a robot").id;
    for round in 1..=5 {
        let tries: Vec<_> = (0..6)
            .map(|number| {
                let store = if number % 2 == 0 { store.clone() } else { other.clone() };
                let holder = format!("worker {number}");
                tokio::spawn(async move {
                    store.lease(robot, &holder, TIME_TO_LIVE, LeaseClaim::WhenFree).await.expect("an answer")
                })
            })
            .collect();
        let mut leases = Vec::new();
        for attempt in tries {
            leases.extend(attempt.await.expect("a task"));
        }
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].epoch, round);
        store.release(&leases[0]).await.expect("released");
    }
}

pub async fn a_lease_runs_out_and_can_be_seized(database: TestDatabase) {
    let store = &database.store;
    let robot = store.ensure_robot(new_robot("ot2")).await.expect("a robot").id;
    let lease = async |holder: &str, life, claim| store.lease(robot, holder, life, claim).await.expect("an answer");
    let first = lease("first", Duration::ZERO, LeaseClaim::WhenFree).await.expect("the lane is free");
    let second = lease("second", TIME_TO_LIVE, LeaseClaim::WhenFree).await.expect("the first has run out");
    assert!(matches!(store.renew(&first, TIME_TO_LIVE).await, Err(StoreError::LeaseLost)));
    assert_eq!(lease("third", TIME_TO_LIVE, LeaseClaim::WhenFree).await, None);
    store.renew(&second, Duration::ZERO).await.expect("still ours");
    let third = lease("third", TIME_TO_LIVE, LeaseClaim::WhenFree).await.expect("the second has run out");
    let fourth = lease("fourth", TIME_TO_LIVE, LeaseClaim::Seize).await.expect("seized");
    assert_eq!([first.epoch, second.epoch, third.epoch, fourth.epoch], [1, 2, 3, 4]);
    store.release(&third).await.expect("nothing to give back");
    let robot = store.robot(robot).await.expect("an answer").expect("the robot");
    assert_eq!(robot.lease_holder.as_deref(), Some("fourth"));
    assert!(robot.lease_expires_at.is_some());
    let unknown = store.lease(RobotId::new(), "x", TIME_TO_LIVE, LeaseClaim::WhenFree).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
}

pub async fn an_operators_acts_change_the_deck_and_are_logged(database: TestDatabase) {
    let store = &database.store;
    let operator = user(store, 0).await;
    let robot = store.ensure_robot(new_robot("ot2")).await.expect("a robot");
    let by = || NewActivity { user_id: Some(operator), action: "robot_attended", details: json!({}), ip_address: None };
    let attend = async |change| store.attend(&robot, &[change], DeckCondition::HandsFree, by()).await;
    let tell = async |command| store.command(robot.id, command, "ada@example.org", by()).await;
    assert!(matches!(attend(Change::WasteEmptied).await, Err(StoreError::AtWork)), "it may move");
    tell(RobotCommand::Stop).await.expect("an act");
    let (slot, tip) = (Slot(9), well("B1"));
    attend(Change::TipLost { slot, tip }).await.expect("an act");
    let plate = PlateId::new();
    attend(Change::PlateReplaced { plate }).await.expect("an act");
    attend(Change::VialRefilled {
        vial: well("B2"),
        volume: Volume::from_whole_ul(5_000),
        batch: Some("FDC-40/7".to_owned()),
    })
    .await
    .expect("an act");
    let unknown = attend(Change::VialRefilled { vial: well("H12"), volume: Volume::ZERO, batch: None }).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));

    let inventory = store.inventory(robot.id).await.expect("an inventory");
    assert_eq!(inventory.plate, Some(plate));
    assert_eq!(inventory.vials[1].volume, Volume::from_whole_ul(5_000));
    assert_eq!(
        inventory.tips.iter().map(|tip| (tip.slot, tip.tip, tip.dye.clone())).collect::<Vec<_>>(),
        [(slot, tip, None)]
    );
    let waiting = store.robot(robot.id).await.expect("an answer").expect("the robot");
    assert_eq!((waiting.mode, waiting.mode_by.as_deref()), (RobotMode::Stopped, Some("ada@example.org")));
    assert!(waiting.stands_still && waiting.mode_at.is_some());

    attend(Change::TipsReplaced { slot }).await.expect("an act");
    tell(RobotCommand::Resume).await.expect("an act");
    assert!(store.inventory(robot.id).await.expect("an inventory").tips.is_empty());
    let active = store.robot(robot.id).await.expect("an answer").expect("the robot");
    assert_eq!((active.mode, active.stands_still), (RobotMode::Active, false));
    // The refused acts left no line.
    assert_eq!(store.activity(Some(operator), None, 10).await.expect("a page").data.len(), 6);
}

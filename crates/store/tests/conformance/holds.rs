//! People's holds against the worker's journal: whoever commits first is obeyed, whatever the other believes.

use crate::given::*;
use domain::*;
use serde_json::json;
use std::time::Duration;
use store::{testing::TestDatabase, *};

fn somebody() -> NewActivity {
    NewActivity { user_id: None, action: "robot_attended", details: json!({}), ip_address: None }
}

async fn tell(store: &Store, robot: &Robot, command: RobotCommand) -> Result<RobotMode, StoreError> {
    store.command(robot.id, command, "ada@example.org", somebody()).await
}

async fn now(store: &Store, robot: &Robot) -> Robot {
    store.robot(robot.id).await.expect("an answer").expect("the robot")
}

fn a_tip() -> Tool {
    Tool::Tip {
        mount: Mount::Right,
        tip: well("B1"),
        dye: dye("red"),
        liquid: Volume::ZERO,
        certain: true,
        used_in: None,
    }
}

/// Many times, a hold and an intent at the same moment: one of them is first, and if that is the hold, the intent is
/// refused. On PostgreSQL the intent's statement waits for the row that the hold has locked, and must look again.
pub async fn no_intent_commits_after_a_hold_has(database: TestDatabase) {
    let (store, other) = (database.store.clone(), database.another().await);
    let owner = user(&store, 10).await;
    let (robot, lease) = lane(&store, "ot2").await;
    let detail = running(&store, owner, 1, &robot, &lease).await;
    let mut refused = 0;
    for round in 0..40u64 {
        let acts = now(&store, &robot).await.acts;
        let operation = dispense(&detail);
        let entry = intends_for(&operation, detail.experiment.id, Purpose::Work, acts);
        let holding = async {
            tokio::time::sleep(Duration::from_micros(round % 8 * 150)).await;
            let command = if round % 2 == 0 { RobotCommand::Stop } else { RobotCommand::Pause };
            tell(&other, &robot, command).await.expect("told");
            // What is open now was intended before. Nothing may come after it.
            other.open_operations(robot.id).await.expect("operations").len()
        };
        // Now and then late enough that the hold is surely first.
        let intending = async {
            tokio::time::sleep(Duration::from_millis(if round % 4 == 3 { 20 } else { 0 })).await;
            store.commit(&lease, entry).await
        };
        let (intended, open_at_hold) = tokio::join!(intending, holding);
        let open = store.open_operations(robot.id).await.expect("operations");
        assert_eq!(open.len(), open_at_hold, "an intent after the hold");
        match intended {
            Ok(()) => store.commit(&lease, ends(&operation, JournalEvent::NotReceived)).await.expect("a commit"),
            Err(StoreError::Held) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(now(&store, &robot).await.stands_still);
        tell(&store, &robot, RobotCommand::Resume).await.expect("told");
    }
    assert!(refused > 0, "the hold was never first");
}

/// Each purpose under each hold, with something on the nozzle and without.
pub async fn what_passes_which_hold(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    for (command, tool, work, put_down) in [
        (RobotCommand::Resume, Tool::Nothing, true, true),
        (RobotCommand::Drain, a_tip(), true, true),
        (RobotCommand::Pause, a_tip(), false, true),
        (RobotCommand::Pause, Tool::Nothing, false, false),
        (RobotCommand::Stop, a_tip(), false, false),
        (RobotCommand::Stop, Tool::Nothing, false, false),
    ] {
        tell(store, &robot, RobotCommand::Resume).await.expect("told");
        store.commit(&lease, changes([Change::Tool(tool.clone())])).await.expect("a commit");
        tell(store, &robot, command).await.expect("told");
        for (purpose, passes) in [(Purpose::Work, work), (Purpose::PutDown, put_down)] {
            let operation = dispense(&detail);
            let acts = now(store, &robot).await.acts;
            let intended = store.commit(&lease, intends_for(&operation, detail.experiment.id, purpose, acts)).await;
            assert_eq!(intended.is_ok(), passes, "{command:?}, {tool:?}, {purpose:?}: {intended:?}");
            if passes {
                store.commit(&lease, ends(&operation, JournalEvent::NotReceived)).await.expect("a commit");
            } else {
                assert!(matches!(intended, Err(StoreError::Held)), "{intended:?}");
            }
        }
        // What has ended is written down under any hold.
        store.commit(&lease, changes([Change::Run(None)])).await.expect("a commit");
        let asks = changes([Change::Ask(fault())]);
        store.commit(&lease, asks).await.expect("a question");
        for purpose in [Purpose::Work, Purpose::PutDown] {
            let acts = now(store, &robot).await.acts;
            let asked = intends_for(&dispense(&detail), detail.experiment.id, purpose, acts);
            assert!(matches!(store.commit(&lease, asked).await, Err(StoreError::Held)), "nothing passes a question");
        }
    }
}

pub async fn an_act_on_the_deck_overtakes_whoever_looked_before(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    store.commit(&lease, changes([Change::Tool(a_tip())])).await.expect("a commit");
    let before = now(store, &robot).await.acts;
    tell(store, &robot, RobotCommand::Stop).await.expect("told");
    let cleared = [Change::Tool(Tool::Nothing)];
    store.attend(&now(store, &robot).await, &cleared, DeckCondition::Still, somebody()).await.expect("an act");
    tell(store, &robot, RobotCommand::Resume).await.expect("told");
    // Stopped, cleared and resumed between two looks: whoever still believes in the tip is refused all the same.
    let late = intends_for(&dispense(&detail), detail.experiment.id, Purpose::Work, before);
    assert!(matches!(store.commit(&lease, late).await, Err(StoreError::Held)));
    assert_eq!(now(store, &robot).await.tool, Tool::Nothing);
    let wishes = store.wishes(&lease, detail.experiment.id).await.expect("wishes");
    assert_eq!((wishes.acts, wishes.held, wishes.running), (before + 3, false, true));
}

pub async fn a_robot_stands_still_until_somebody_resumes_it(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 1, &robot, &lease).await;
    let still = async || now(store, &robot).await.stands_still;
    assert!(!still().await, "it may be sent anything");
    let operation = dispense(&detail);
    store.commit(&lease, changes([Change::Tool(a_tip())])).await.expect("a commit");
    store.commit(&lease, intends(&operation, detail.experiment.id)).await.expect("a commit");
    tell(store, &robot, RobotCommand::Pause).await.expect("told");
    assert!(!still().await, "a step is in flight");
    store.commit(&lease, ends(&operation, JournalEvent::Succeeded)).await.expect("a commit");
    assert!(!still().await, "the tip will still be put down");
    let refused =
        store.attend(&now(store, &robot).await, &[Change::Tool(Tool::Nothing)], DeckCondition::Still, somebody()).await;
    assert!(matches!(refused, Err(StoreError::AtWork)), "no hands between two moves: {refused:?}");
    store.commit(&lease, changes([Change::Tool(Tool::Nothing)])).await.expect("a commit");
    assert!(still().await);
    let plate = [Change::PlateReplaced { plate: PlateId::new() }];
    let refused = store.attend(&now(store, &robot).await, &plate, DeckCondition::PlateFree, somebody()).await;
    assert!(matches!(refused, Err(StoreError::PlateInUse)), "{refused:?}");
    for attempt in [Purpose::Work, Purpose::PutDown] {
        let acts = now(store, &robot).await.acts;
        let tried = intends_for(&dispense(&detail), detail.experiment.id, attempt, acts);
        assert!(matches!(store.commit(&lease, tried).await, Err(StoreError::Held)));
        assert!(still().await);
    }
    tell(store, &robot, RobotCommand::Resume).await.expect("told");
    assert!(!still().await);
    // Under a stop nothing is put down: with its hands full it stands as still.
    store.commit(&lease, changes([Change::Tool(a_tip())])).await.expect("a commit");
    tell(store, &robot, RobotCommand::Stop).await.expect("told");
    assert!(still().await);
    let hands_full = store.attend(&now(store, &robot).await, &plate, DeckCondition::HandsFree, somebody()).await;
    assert!(matches!(hands_full, Err(StoreError::AtWork)));
}

pub async fn a_hold_is_only_loosened_by_a_resume(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let say = async |command| tell(store, &robot, command).await;
    assert_eq!(say(RobotCommand::Stop).await.expect("told"), RobotMode::Stopped);
    assert_eq!(say(RobotCommand::Pause).await.expect("told"), RobotMode::Stopped, "a pause puts things down");
    assert!(matches!(say(RobotCommand::Drain).await, Err(StoreError::Held)), "a drain goes on working");
    assert_eq!(say(RobotCommand::Resume).await.expect("told"), RobotMode::Active);
    assert_eq!(say(RobotCommand::Drain).await.expect("told"), RobotMode::Draining);
    store.commit(&lease, changes([Change::Ask(fault())])).await.expect("a question");
    assert!(matches!(say(RobotCommand::Drain).await, Err(StoreError::Held)), "a drain is no answer");
    assert_eq!(say(RobotCommand::Resume).await.expect("told"), RobotMode::Draining, "an answer doesn't undo a drain");
    assert_eq!(now(store, &robot).await.attention, None);
    assert_eq!(say(RobotCommand::Pause).await.expect("told"), RobotMode::Paused);
    assert_eq!(say(RobotCommand::Stop).await.expect("told"), RobotMode::Stopped);
}

pub async fn an_experiment_is_not_taken_onto_a_plate_that_was_replaced(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let waiting = queued(store, owner, 1).await;
    let old = robot.plate_id.expect("a plate");
    let places = [(well_ids(&waiting)[0], well("A1"))];
    let take = async |acts, plate| store.take(&lease, acts, waiting.experiment.id, plate, &places).await;
    tell(store, &robot, RobotCommand::Pause).await.expect("told");
    assert!(matches!(take(1, old).await, Err(StoreError::Held)), "paused");
    let new = PlateId::new();
    let replaced = [Change::PlateReplaced { plate: new }];
    store.attend(&now(store, &robot).await, &replaced, DeckCondition::PlateFree, somebody()).await.expect("an act");
    tell(store, &robot, RobotCommand::Resume).await.expect("told");
    let acts = now(store, &robot).await.acts;
    assert!(matches!(take(robot.acts, new).await, Err(StoreError::Held)), "somebody attended the deck since");
    assert!(matches!(take(acts, old).await, Err(StoreError::Held)), "another plate lies there");
    assert_eq!(experiment(store, waiting.experiment.id).await.experiment.status, ExperimentStatus::Queued);
    assert!(take(acts, new).await.expect("an answer"));
    store.commit(&lease, changes([Change::PlateLifted])).await.expect("a commit");
    assert_eq!(store.inventory(robot.id).await.expect("an inventory").plate, None);
}

pub async fn a_question_is_raised_once_and_stays_until_it_is_answered(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let other = Fault { code: FaultCode::DyeShort, ..fault() };
    store.commit(&lease, changes([Change::Ask(fault())])).await.expect("a question");
    let asked = now(store, &robot).await;
    assert_eq!((asked.attention.as_ref(), asked.mode), (Some(&fault()), RobotMode::Active));
    store.commit(&lease, changes([Change::Ask(other.clone())])).await.expect("a question");
    let again = now(store, &robot).await;
    assert_eq!((again.attention, again.attention_at), (Some(fault()), asked.attention_at));
    // A worker that was slow to ask takes no stop back.
    tell(store, &robot, RobotCommand::Stop).await.expect("told");
    store
        .commit(&lease, changes([Change::Ask(other.clone()), Change::Notice(Some(other.clone()))]))
        .await
        .expect("both");
    let stopped = now(store, &robot).await;
    assert_eq!((stopped.mode, stopped.notice), (RobotMode::Stopped, Some(other)));
    store
        .attend(&now(store, &robot).await, &[Change::Answered], DeckCondition::Still, somebody())
        .await
        .expect("an act");
    store.commit(&lease, changes([Change::Notice(None)])).await.expect("a commit");
    let answered = now(store, &robot).await;
    assert_eq!((answered.attention, answered.notice, answered.mode), (None, None, RobotMode::Stopped));
}

fn asking(owner: UserId, amounts: &[(&str, u32)]) -> NewExperiment {
    let recipe = Recipe::new(amounts.iter().map(|(name, ul)| (dye(name), Volume::from_whole_ul(*ul))));
    NewExperiment { wells: vec![NewWell::of(recipe, None)], ..request(owner, 1) }
}

pub async fn what_no_deck_can_mix_is_found(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let ask = async |amounts: &[(&str, u32)]| {
        let request = asking(owner, amounts);
        let id = request.id;
        store.accept(request).await.expect("an answer");
        id
    };
    let red = ask(&[("red", 60)]).await;
    let green = ask(&[("green", 60), ("red", 60)]).await;
    let little = ask(&[("red", 5)]).await;
    let decks = [Deck::default(), Deck::with_p20()];
    let [plain, small] = decks.each_ref().map(|deck| deck.told(Grain::Strokes));
    assert_eq!(store.unmixable(None, &[plain, small]).await.expect("an answer"), [green]);
    assert_eq!(store.unmixable(None, &[plain]).await.expect("an answer"), [green, little]);
    assert_eq!(store.unmixable(None, &[]).await.expect("an answer"), [red, green, little]);
    assert!(store.give_up(green, &fault()).await.expect("an answer"));
    assert!(!store.give_up(green, &fault()).await.expect("an answer"), "once");
    let ended = experiment(store, green).await;
    assert_eq!((ended.experiment.status, ended.experiment.fault), (ExperimentStatus::Failed, Some(fault())));
    assert_eq!(quota(store, owner).await, 8);
    assert_eq!(store.unmixable(None, &[plain, small]).await.expect("an answer"), []);
}

pub async fn a_lane_sees_what_its_deck_can_mix(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let green = asking(owner, &[("green", 60)]);
    let small = asking(owner, &[("red", 5)]);
    let red = asking(owner, &[("red", 60)]);
    let ids = [green.id, small.id, red.id];
    for request in [green, small, red] {
        store.accept(request).await.expect("an answer");
    }
    let peek = async |deck: &Deck| store.peek(&lease, &deck.told(Grain::Strokes)).await.expect("an answer");
    assert_eq!(peek(&robot.deck).await, Some(ids[2]), "the first that it can mix, not the first");
    assert_eq!(peek(&Deck::with_p20()).await, Some(ids[1]));
    let mut garden = Deck::default();
    garden.dyes[0].name = dye("green");
    assert_eq!(peek(&garden).await, Some(ids[0]));
    garden.dyes.clear();
    assert_eq!(peek(&garden).await, None);
}

pub async fn a_handling_is_for_robots_that_are_told_each_stroke(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let handled = NewExperiment {
        metadata: serde_json::json!({ Handling::KEPT_AS: { "touch_tip": true } }),
        ..asking(owner, &[("red", 60)])
    };
    let usual = asking(owner, &[("red", 60)]);
    let ids = [handled.id, usual.id];
    for request in [handled, usual] {
        store.accept(request).await.expect("an answer");
    }
    let [by_script, by_strokes] = [Grain::Mixtures, Grain::Strokes].map(|grain| robot.deck.told(grain));
    assert_eq!(store.peek(&lease, &by_strokes).await.expect("an answer"), Some(ids[0]));
    assert_eq!(store.peek(&lease, &by_script).await.expect("an answer"), Some(ids[1]));
    assert_eq!(store.unmixable(None, &[by_script]).await.expect("an answer"), [ids[0]]);
    assert_eq!(store.unmixable(None, &[by_script, by_strokes]).await.expect("an answer"), []);
    let needs = experiment(store, ids[0]).await.experiment.needs.expect("written down");
    assert!(needs.strokes && by_script.lacks(&needs).is_some() && by_strokes.lacks(&needs).is_none());
}

pub async fn an_experiment_is_handed_over_without_what_it_touched(database: TestDatabase) {
    let store = &database.store;
    let owner = user(store, 10).await;
    let (robot, lease) = lane(store, "ot2").await;
    let detail = running(store, owner, 3, &robot, &lease).await;
    let id = detail.experiment.id;
    let [done, touched, untouched] = well_ids(&detail)[..] else { panic!("three wells") };
    let steps = [
        to_status(done, WellStatus::Dispensing),
        to_status(done, WellStatus::Mixed),
        measured(done),
        to_status(touched, WellStatus::Dispensing),
    ];
    store.commit(&lease, changes(steps)).await.expect("a commit");
    store.hand_over(&lease, id, &fault()).await.expect("an answer");
    let over = experiment(store, id).await;
    assert_eq!((over.experiment.status, over.experiment.robot_id), (ExperimentStatus::Queued, None));
    let stands: Vec<_> = over.wells.iter().map(|(well, _)| (well.id, well.status, well.well_id)).collect();
    let fresh = over.wells.iter().find(|(well, _)| well.replaces == Some(touched)).expect("it is made up for").0.id;
    let expected = [
        (done, WellStatus::Measured, Some(well("A1"))),
        (touched, WellStatus::Quarantined, Some(well("B1"))),
        (fresh, WellStatus::Pending, None),
        (untouched, WellStatus::Pending, None),
    ];
    assert_eq!(stands.len(), expected.len());
    assert!(expected.iter().all(|well| stands.contains(well)), "{stands:?}");
    assert_eq!(quota(store, owner).await, 7, "three wells are paid for, as before");
    let used = store.inventory(robot.id).await.expect("an inventory").used_wells;
    assert_eq!(used, [well("A1"), well("B1")], "what was touched is never used again");
    assert!(store.peek(&lease, &robot.bench()).await.expect("an answer").is_some());
}

pub async fn a_machine_is_one_robot(database: TestDatabase) {
    let store = &database.store;
    let (one, lease) = lane(store, "one").await;
    let (_, other) = lane(store, "two").await;
    store.identify(&lease, "OT2CEP20240101A01").await.expect("its own");
    store.identify(&lease, "OT2CEP20240101A01").await.expect("still its own");
    let taken = store.identify(&other, "OT2CEP20240101A01").await;
    assert!(matches!(&taken, Err(StoreError::IdentityTaken(name)) if name == "one"), "{taken:?}");
    assert_eq!(now(store, &one).await.identity.as_deref(), Some("OT2CEP20240101A01"));
    assert_eq!(store.lab_id().await.expect("an id"), database.another().await.lab_id().await.expect("an id"));
}

//! The shared reading of the queue against the queue itself.

use crate::given::*;
use domain::{Change, Control, ExperimentId, ExperimentStatus, UserId};
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use store::{
    testing::{TestDatabase, act, direct},
    *,
};

/// More than a short queue, which is read afresh after each change.
const LONG: usize = 101;

/// Something that changes the queue.
#[derive(Clone, Debug)]
enum Step {
    Ask { person: usize, priority: i16, wells: usize },
    Take,
    Return,
    End,
    Control(Index, Control),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (0..3usize, prop_oneof![4 => Just(0i16), 1 => -1..=1i16], 1..4usize);
    let ask = ask.prop_map(|(person, priority, wells)| Step::Ask { person, priority, wells });
    let control = prop_oneof![Just(Control::Pause), Just(Control::Resume), Just(Control::Cancel)];
    let control = (any::<Index>(), control).prop_map(|(which, control)| Step::Control(which, control));
    let step =
        prop_oneof![6 => ask, 2 => Just(Step::Take), 1 => Just(Step::Return), 1 => Just(Step::End), 3 => control];
    prop::collection::vec(step, 20..40)
}

async fn ask(store: &Store, user: UserId, priority: i16, wells: usize) -> ExperimentId {
    let wanted = NewExperiment { priority, ..request(user, wells) };
    let id = wanted.id;
    assert!(matches!(store.accept(wanted).await.expect("an answer"), Acceptance::Accepted { .. }));
    id
}

async fn ends_as(store: &Store, lease: &Lease, id: ExperimentId, to: ExperimentStatus) {
    store.commit(lease, changes([Change::Experiment { id, to, fault: None }])).await.expect("a commit");
}

async fn assert_agrees(store: &Store, robot: &Robot, lease: &Lease, after: &Step) {
    let said = direct::queue(store, 1_000).await;
    let turns = store.turns().await.expect("the queue");
    let read: Vec<_> = turns.iter().map(|queued| (queued.experiment, queued.wells)).collect();
    assert_eq!(read, said, "after {after:?}");
    let mut wells = 0;
    for (place, (id, of_it)) in said.iter().enumerate() {
        let waiting = experiment(store, *id).await.experiment;
        let ahead = store.ahead_of(&waiting).await.expect("an answer");
        assert_eq!(ahead, Ahead { experiments: place, wells }, "after {after:?}");
        wells += u64::from(*of_it);
    }
    assert_eq!(store.peek(lease, &robot.bench()).await.expect("an answer"), direct::peek(store, robot.id).await);
}

pub async fn the_shared_reading_says_what_the_database_says(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let plate = robot.plate_id.expect("a plate");
    let mut runner =
        TestRunner::new_with_rng(Config::default(), prop::test_runner::TestRng::deterministic_rng(Default::default()));
    for _ in 0..4 {
        let people = [user(store, 500).await, user(store, 500).await, user(store, 500).await];
        let mut asked = Vec::new();
        let history = steps().new_tree(&mut runner).expect("steps").current();
        for step in history {
            let in_hand = store.in_hand_id(robot.id).await.expect("an answer");
            match (&step, in_hand) {
                (Step::Ask { person, priority, wells }, _) => {
                    asked.push(ask(store, people[*person], *priority, *wells).await);
                }
                (Step::Take, None) => {
                    if let Some(next) = store.peek(&lease, &robot.bench()).await.expect("an answer") {
                        assert!(store.take(&lease, 0, next, plate, &[]).await.expect("an answer"));
                    }
                }
                (Step::Return, Some(id)) => ends_as(store, &lease, id, ExperimentStatus::Queued).await,
                (Step::End, Some(id)) => ends_as(store, &lease, id, ExperimentStatus::Completed).await,
                (Step::Control(which, control), _) if !asked.is_empty() => {
                    store.control(*which.get(&asked), *control, &act("told")).await.expect("an answer");
                }
                _ => continue,
            }
            assert_agrees(store, &robot, &lease, &step).await;
        }
    }
}

pub async fn what_came_after_the_reading_stands_where_the_next_one_puts_it(database: TestDatabase) {
    let store = &database.store;
    let (robot, lease) = lane(store, "ot2").await;
    let people = [user(store, 500).await, user(store, 500).await, user(store, 500).await];
    let served = user(store, 500).await;
    running(store, served, 1, &robot, &lease).await;
    for index in 0..LONG {
        ask(store, people[index % 7 % 3], [0, 0, 1, -1][index % 4], 1 + index % 3).await;
    }
    let newcomer = user(store, 500).await;
    for (user, priority) in [(people[0], 0), (people[1], 1), (people[2], 5), (newcomer, 0), (served, 0), (served, -5)] {
        let id = ask(store, user, priority, 2).await;
        let late = experiment(store, id).await.experiment;
        let there = direct::queue(store, 1_000).await;
        let place = there.iter().position(|(other, _)| *other == id).expect("it waits");
        let wells = there[..place].iter().map(|(_, wells)| u64::from(*wells)).sum();
        assert_eq!(store.ahead_of(&late).await.expect("an answer"), Ahead { experiments: place, wells });
        store.control(id, Control::Cancel, &act("cancelled")).await.expect("an answer");
        store.read_turns_now().await;
    }
}

pub async fn a_lane_passes_over_what_is_gone_since_the_reading(database: TestDatabase) {
    let (store, other) = (&database.store, database.another().await);
    let (robot, lease) = lane(store, "ot2").await;
    let person = user(store, 1_000).await;
    let mut asked = Vec::new();
    for _ in 0..LONG + 200 {
        asked.push(ask(store, person, 0, 1).await);
    }
    for gone in [1, 40, 130] {
        store.turns().await.expect("the queue");
        for id in asked.drain(..gone) {
            other.control(id, Control::Cancel, &act("cancelled")).await.expect("an answer");
        }
        assert_eq!(store.peek(&lease, &robot.bench()).await.expect("an answer"), asked.first().copied());
    }
}

pub async fn wells_are_counted_where_nobody_wrote_down_how_many(database: TestDatabase) {
    let store = &database.store;
    let person = user(store, 500).await;
    ask(store, person, 0, 7).await;
    // As a release older than the column accepts it.
    store.run_sql("UPDATE experiments SET asked = NULL").await;
    assert_eq!(store.queue(1).await.expect("the queue")[0].wells, 7);
}

pub async fn a_full_queue_refuses_and_charges_nothing(database: TestDatabase) {
    let options = Options { queue_limit: 3, ..Options::default() };
    let store = &database.another_with(options).await;
    let person = user(store, 100).await;
    let key = || Some(IdempotencyKey { key: "first".to_owned(), request_hash: "hash".to_owned() });
    let first = NewExperiment { idempotency: key(), ..request(person, 1) };
    store.accept(first.clone()).await.expect("an answer");
    let second = ask(store, person, 0, 1).await;
    ask(store, person, 0, 1).await;
    let refused = store.accept(request(person, 1)).await.expect("an answer");
    assert_eq!(refused, Acceptance::QueueFull { limit: 3 });
    assert_eq!(quota(store, person).await, 97);
    let again = store.accept(NewExperiment { id: ExperimentId::new(), ..first }).await.expect("an answer");
    assert!(matches!(again, Acceptance::Replayed { .. }), "what was accepted before stays so: {again:?}");
    store.control(second, Control::Cancel, &act("cancelled")).await.expect("an answer");
    ask(store, person, 0, 1).await;
}

//! A lab without people or HTTP: experiments in lanes' hands, and events written to them.

use domain::*;
use futures::future::join_all;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::time::Duration;
use store::{
    Entry, Lease, LeaseClaim, NewRobot, NewUser, Robot, Store,
    testing::{act, request},
};

/// Robots, each of which may have one experiment in hand.
const ROBOTS: usize = 3;

pub struct Lab {
    pub store: Store,
    owner: UserId,
    lanes: Vec<(Robot, Lease)>,
}

impl Lab {
    pub async fn new(store: Store) -> Self {
        let id = UserId::new();
        let (email, hashed_password) = (format!("{id}@example.org"), "$argon2id$…".to_owned());
        let user = NewUser { id, email, hashed_password, role: Role::Researcher, quota: 10_000 };
        let owner = store.create_user(user, &act("user_created")).await.expect("an account").id;
        let lanes = join_all((0..ROBOTS).map(|number| lane(&store, number))).await;
        Self { owner, lanes, store }
    }

    /// The same lab as another process has it.
    pub fn seen_from(&self, store: Store) -> Self {
        Self { store, owner: self.owner, lanes: self.lanes.clone() }
    }

    /// An experiment that waits.
    pub async fn queued(&self) -> ExperimentId {
        let request = request(self.owner, [Recipe::default()]);
        let id = request.id;
        self.store.accept(request).await.expect("accepted");
        id
    }

    /// An experiment in a robot's hand, on a fresh plate.
    pub async fn started(&self, robot: usize) -> ExperimentId {
        let (id, (robot, lease)) = (self.queued().await, &self.lanes[robot]);
        let plate = PlateId::new();
        let renewed = Entry { changes: vec![Change::PlateReplaced { plate }], ..Entry::default() };
        self.store.commit(lease, renewed).await.expect("a fresh plate");
        let detail = self.store.experiment(id).await.expect("an answer").expect("the experiment");
        let places: Vec<_> = detail.wells.iter().map(|(well, _)| well.id).zip(WellName::all()).collect();
        assert!(self.store.take(lease, robot.acts, id, plate, &places).await.expect("an answer"));
        id
    }

    pub async fn commit(&self, robot: usize, changes: Vec<Change>) {
        let entry = Entry { changes, ..Entry::default() };
        self.store.commit(&self.lanes[robot].1, entry).await.expect("committed");
    }

    /// Ends what the robot has in hand, in one commit with whatever else.
    pub async fn end(&self, robot: usize, id: ExperimentId, more: Vec<Change>) {
        let mut changes = vec![Change::Experiment { id, to: ExperimentStatus::Completed, fault: None }];
        changes.extend(more);
        self.commit(robot, changes).await;
    }

    pub async fn latest(&self, id: ExperimentId) -> i64 {
        self.store.latest_sequence(id).await.expect("a sequence")
    }
}

async fn lane(store: &Store, number: usize) -> (Robot, Lease) {
    let robot = NewRobot {
        name: format!("number {number}"),
        kind: RobotKind::Ot2,
        url: format!("http://127.0.0.1:{number}"),
        sensor_url: "tcp://127.0.0.1:1".to_owned(),
        attendance: Attendance::Virtual,
        deck: Deck::default(),
    };
    let robot = store.ensure_robot(robot).await.expect("a robot");
    let life = Duration::from_secs(3_600);
    let lease = store.lease(robot.id, "test", life, LeaseClaim::WhenFree).await.expect("an answer");
    (robot, lease.expect("a lane"))
}

/// An event for an experiment.
pub fn told(experiment: ExperimentId) -> Change {
    let report = Report { steps_done: 1, steps_total: 2, seconds_left: 0.0, pace: 1.0 };
    Change::Event { experiment, event: ExperimentEvent::Progress(report) }
}

/// Always the same histories.
pub fn rng() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

/// Waits until it is so.
///
/// # Panics
/// When that takes a minute.
pub async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waits).await.expect("it comes to be so");
}

//! The race of a script against the lane, many times over: pause, look until the robot stands still, lay a plate, confirm
//! it, resume. In one process, so that thousands of rounds take minutes; `people/rounds.rs` does the same from outside.
//!
//! `TINCTURE_ROUNDS` says how many plates (CI: 100, and 6 over a line of 8 ms). 2,000 is a thorough run:
//! `TINCTURE_ROUNDS=2000 cargo test -p tincture-crash --test plates`.

use crash::{
    database::{Database, Kind},
    evidence,
    hands::Hands,
    proxy::DelayProxy,
    verdict,
};
use domain::{Attendance, Deck, ExperimentId, RobotKind, Role, UserId};
use emulator::{Emulator, world::Event};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    time::Duration,
};
use store::{NewRobot, NewUser, Options, Robot, Store, StoreError, User};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use workflow::{
    AttendError, DeckAct, ExperimentRequest, Lab, RobotCommand, Tasks, WellRequest, WorkerConfig, run_worker,
};

const ROUNDS: u32 = 100;
const FAR_ROUNDS: u32 = 6;
const GRANTED: i32 = 100_000;
/// Experiments kept waiting.
const QUEUE: usize = 3;
/// Nothing waits this long unless it is broken.
const LIMIT: Duration = Duration::from_secs(240);

fn rounds(usual: u32) -> u32 {
    std::env::var("TINCTURE_ROUNDS").map_or(usual, |rounds| rounds.parse().expect("a whole number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_well_is_used_twice_on_sqlite() {
    Script::start(Kind::Sqlite, Duration::ZERO).await.play(rounds(ROUNDS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_well_is_used_twice_on_postgres() {
    Script::start(Kind::Postgres, Duration::ZERO).await.play(rounds(ROUNDS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_well_is_used_twice_with_the_database_eight_milliseconds_away() {
    Script::start(Kind::Postgres, Duration::from_millis(4)).await.play(rounds(FAR_ROUNDS)).await;
}

/// An operator who doesn't sleep, and what they attend.
struct Script {
    database: Database,
    /// What script and worker work through; it may be far away.
    store: Store,
    lab: Lab,
    emulator: Emulator,
    hands: Hands,
    robot: Robot,
    user: User,
    asked: Vec<ExperimentId>,
    random: ChaCha8Rng,
    /// A pause comes at most so long after an experiment's end: as long as the next one's beginning takes.
    spread: Duration,
}

impl Script {
    async fn start(kind: Kind, database_delay: Duration) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = emulator::Config { listen: any, sensor_listen: any, speed: f64::INFINITY, ..Default::default() };
        let emulator = emulator::start(config).await.expect("an emulator");
        let database = Database::make(kind).await.expect("a database");
        let url = match database_delay {
            Duration::ZERO => database.url(),
            delay => DelayProxy::before(&database.url(), delay).await.expect("a slow line"),
        };
        let store = Store::connect(&url, Options::default()).await.expect("the database opens");
        let robot = NewRobot {
            name: "bench".to_owned(),
            kind: RobotKind::Ot2,
            url: format!("http://{}", emulator.robot_addr()),
            sensor_url: format!("tcp://{}", emulator.sensor_addr()),
            attendance: Attendance::Operator,
            deck: Deck::default(),
        };
        let robot = store.ensure_robot(robot).await.expect("a robot");
        let (id, hashed_password) = (UserId::new(), "unused".to_owned());
        let email = "olga@example.org".to_owned();
        let user = NewUser { id, email, hashed_password, role: Role::Operator, quota: GRANTED };
        let user = store.create_user(user, &store::testing::act("user_created")).await.expect("an account");
        Self {
            lab: Lab::new(store.clone()),
            hands: Hands::at(emulator.robot_addr()).expect("hands"),
            database,
            store,
            emulator,
            robot,
            user,
            asked: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(10),
            spread: Duration::from_millis(60) + database_delay * 60,
        }
    }

    async fn play(mut self, rounds: u32) {
        let stop = CancellationToken::new();
        let worker = tokio::spawn(run_worker(self.store.clone(), WorkerConfig::default(), Tasks::new(stop.clone())));
        let mut changed = 0;
        while changed < rounds {
            self.feed().await;
            if timeout(LIMIT, self.one_round()).await.expect("a round ends") {
                changed += 1;
            }
        }
        self.finish().await;
        stop.cancel();
        worker.await.expect("the worker ends well");
        self.judge(rounds).await;
    }

    async fn feed(&mut self) {
        while self.store.queue(100).await.expect("a queue").len() < QUEUE {
            // Each of another volume, so that a well that was used before shows.
            let volume = 20 + (self.asked.len() as u32 * 7) % 200;
            let volumes = BTreeMap::from([("red".to_owned(), f64::from(volume))]);
            let request = ExperimentRequest {
                name: None,
                wells: vec![WellRequest { volumes, target: None }],
                ..Default::default()
            };
            let accepted = self.lab.submit(&self.user, request, None, None).await.expect("accepted");
            self.asked.push(accepted.experiment.experiment.id);
        }
    }

    /// Whether a plate could be changed: not under an experiment that has its wells on it. The pause comes while one is
    /// ended and the next one begun.
    async fn one_round(&mut self) -> bool {
        let before = self.in_hand().await;
        while before.is_some() && self.in_hand().await == before {
            self.answer().await;
        }
        sleep(self.spread.mul_f64(self.random.random_range(0.0..1.0))).await;
        self.tell(RobotCommand::Pause).await;
        while !self.seen().await.stands_still {}
        // As a person does it: the plate first, then the word. What is refused was no plate for this robot yet.
        let changed = self.in_hand().await.is_none() && {
            self.hands.put_plate().await.expect("a plate");
            self.confirm(DeckAct::NewPlate).await
        };
        self.tell(RobotCommand::Resume).await;
        changed
    }

    async fn in_hand(&self) -> Option<ExperimentId> {
        self.store.in_hand_id(self.robot.id).await.expect("an answer")
    }

    async fn seen(&self) -> Robot {
        self.store.robot(self.robot.id).await.expect("an answer").expect("the robot")
    }

    async fn tell(&self, command: RobotCommand) {
        self.lab.command_robot(&self.user, self.robot.id, command, None).await.expect("told");
    }

    async fn confirm(&self, act: DeckAct) -> bool {
        match self.lab.act_on_deck(&self.user, self.robot.id, act.clone(), None).await {
            Ok(()) => true,
            Err(refusal @ AttendError::Store(StoreError::AtWork | StoreError::PlateInUse)) => {
                let robot = self.seen().await;
                panic!("what stands still with no experiment in hand stays so: {refusal}: {act:?}, {robot:?}")
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// What the robot asks for in the meantime is done.
    async fn answer(&self) {
        if self.seen().await.attention.is_none() {
            return;
        }
        // What was asked for is the answer, and the robot would go on before everything is filled.
        self.tell(RobotCommand::Pause).await;
        let deck = Deck::default();
        for dye in &deck.dyes {
            self.hands.fill(&dye.vial.to_string(), dye.name.as_str(), 15_000.0).await.expect("dye");
            self.confirm(DeckAct::Refill { vial: dye.vial, volume: None, batch: None }).await;
        }
        self.tell(RobotCommand::Resume).await;
    }

    async fn finish(&self) {
        let until = Instant::now() + LIMIT;
        while !self.store.queue(10).await.expect("a queue").is_empty() || self.in_hand().await.is_some() {
            assert!(Instant::now() < until, "some experiments never end");
            self.answer().await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn judge(self, rounds: u32) {
        let granted = [(self.user.email.clone(), i64::from(GRANTED))];
        let emulators = [("bench".to_owned(), self.emulator.robot_addr())];
        let gathered = evidence::gather(&self.database, &granted, &self.asked, HashSet::new(), &emulators).await;
        let evidence = gathered.expect("evidence");
        let violations = verdict::judge(&evidence);
        assert!(violations.is_empty(), "{violations:#?}");
        let measured = verdict::summary(&evidence).measured;
        assert_eq!(measured, self.asked.len(), "every well that was asked for is measured");
        let ledger = &evidence.robots[0].ledger;
        let plates = ledger.iter().filter(|entry| matches!(entry.event, Event::NewPlate { .. })).count();
        assert!(plates >= rounds as usize, "{plates} plates in {rounds} rounds");
        println!("{rounds} rounds, {measured} wells");
        self.emulator.shutdown().await;
    }
}

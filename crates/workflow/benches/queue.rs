//! What readers of a long queue pay: a shared reading of it against asking the database afresh, in one run.
//!
//! `cargo bench -p tincture-workflow --bench queue [-- --rounds 50]`, on SQLite and on PostgreSQL, with 100, 10,000 and
//! 20,000 experiments of 8 wells by 40 people waiting. Prints, and judges nothing. "Afresh" is `store::testing::direct`,
//! which is what each reader did before `docs/decisions/0009-turns.md`.

use domain::{Attendance, Deck, RobotKind, Role, UserId};
use futures::{StreamExt, stream};
use std::{
    env,
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};
use store::{
    ExperimentDetail, Lease, LeaseClaim, NewRobot, NewUser, Options, Robot, Store, User,
    testing::{TestDatabase, act, direct},
};
use workflow::{ExperimentRequest, Lab, WellRequest};

const LENGTHS: [usize; 3] = [100, 10_000, 20_000];
const PEOPLE: usize = 40;
const WELLS: usize = 8;
/// Requests at once, where they are counted by the second.
const AT_ONCE: usize = 16;

struct Bench {
    store: Store,
    lab: Lab,
    people: Vec<User>,
    robot: Robot,
    lease: Lease,
    rounds: usize,
}

fn main() {
    let mut arguments = env::args().skip_while(|argument| argument != "--rounds");
    let rounds = arguments.nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(50);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        run("SQLite", TestDatabase::sqlite().await, rounds).await;
        run("PostgreSQL", TestDatabase::postgres().await, rounds).await;
    });
}

async fn run(name: &str, database: TestDatabase, rounds: usize) {
    let options = Options { queue_limit: 100_000, ..Options::default() };
    let bench = Bench::new(Store::connect(&database.url, options).await.expect("it opens"), rounds).await;
    for length in LENGTHS {
        bench.fill(length).await;
        println!("{name}, {length} waiting: median and 99 % of {rounds}, statements each");
        bench.measure().await;
    }
}

impl Bench {
    async fn new(store: Store, rounds: usize) -> Self {
        let robot = NewRobot {
            name: "bench".to_owned(),
            kind: RobotKind::Ot2,
            url: "http://127.0.0.1:1".to_owned(),
            sensor_url: "tcp://127.0.0.1:1".to_owned(),
            attendance: Attendance::Virtual,
            deck: Deck::default(),
        };
        let robot = store.ensure_robot(robot).await.expect("a robot");
        let life = Duration::from_secs(3_600);
        let lease = store.lease(robot.id, "bench", life, LeaseClaim::WhenFree).await.expect("an answer");
        let mut people = Vec::with_capacity(PEOPLE);
        for _ in 0..PEOPLE {
            let id = UserId::new();
            let email = format!("{id}@example.org");
            let (hashed_password, role) = ("$argon2id$…".to_owned(), Role::Researcher);
            let user = NewUser { id, email, hashed_password, role, quota: 1_000_000 };
            people.push(store.create_user(user, &act("account_created")).await.expect("an account"));
        }
        Self { lab: Lab::new(store.clone()), store, people, robot, lease: lease.expect("a lane"), rounds }
    }

    async fn fill(&self, length: usize) {
        let there = self.store.queue_length().await.expect("a number");
        stream::iter(there..length).for_each_concurrent(AT_ONCE, async |index| drop(self.submit(index).await)).await;
        // Until the last of them is in the reading.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    async fn submit(&self, index: usize) -> ExperimentDetail {
        let red = 20.0 + (index % 100) as f64;
        let well = WellRequest { volumes: [("red".to_owned(), red), ("blue".to_owned(), 60.0)].into(), target: None };
        let request = ExperimentRequest { name: None, wells: vec![well; WELLS], ..Default::default() };
        let user = &self.people[index % PEOPLE];
        self.lab.submit(user, request, None, None).await.expect("accepted").experiment
    }

    async fn measure(&self) {
        let some = self.submit(0).await;
        self.compare(
            "create",
            async |index| self.place_afresh(&self.submit(index).await).await,
            async |index| {
                self.lab.progress(&self.submit(index).await).await.expect("progress");
            },
        )
        .await;
        let read = async || {
            let id = some.experiment.id;
            self.store.experiment(id).await.expect("an answer").expect("the experiment")
        };
        self.compare(
            "read one",
            async |_| self.place_afresh(&read().await).await,
            async |_| {
                self.lab.progress(&read().await).await.expect("progress");
            },
        )
        .await;
        self.compare(
            "a robot's supplies",
            async |_| drop(direct::demand(&self.store, self.robot.id).await),
            async |_| {
                self.lab.supplies(&self.robot).await.expect("supplies");
            },
        )
        .await;
        self.compare(
            "the queue's length",
            async |_| drop(direct::queue(&self.store, 1_000).await),
            async |_| {
                self.store.queue_length().await.expect("a number");
            },
        )
        .await;
        self.compare(
            "a lane's look",
            async |_| _ = direct::peek(&self.store, self.robot.id).await,
            async |_| {
                self.store.peek(&self.lease, &self.robot.bench()).await.expect("an answer");
            },
        )
        .await;
        self.throughput("afresh", async |index| self.place_afresh(&self.submit(index).await).await).await;
        self.throughput("shared", async |index| {
            self.lab.progress(&self.submit(index).await).await.expect("progress");
        })
        .await;
        let began = Instant::now();
        self.store.read_turns_now().await;
        println!("  one reading of the whole queue {:>8.2?}", began.elapsed());
    }

    /// As each reader asked for its place.
    async fn place_afresh(&self, detail: &ExperimentDetail) {
        self.store.robots().await.expect("robots");
        let queue = direct::queue(&self.store, 200).await;
        self.store.running().await.expect("a list");
        black_box(queue.iter().position(|(id, _)| *id == detail.experiment.id));
    }

    async fn compare<A: Future<Output = ()>, B: Future<Output = ()>>(
        &self,
        what: &str,
        afresh: impl Fn(usize) -> A,
        shared: impl Fn(usize) -> B,
    ) {
        let (before, after) = (self.time(afresh).await, self.time(shared).await);
        println!("  {what:<20} afresh {before}   shared {after}");
    }

    async fn time<F: Future<Output = ()>>(&self, act: impl Fn(usize) -> F) -> String {
        let sent = direct::statements();
        let mut took = Vec::with_capacity(self.rounds);
        for round in 0..self.rounds {
            let began = Instant::now();
            act(round).await;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let at = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
        let each = (direct::statements() - sent) as f64 / self.rounds as f64;
        format!("{:>8.2} {:>8.2} ms {each:>5.1}", at(50), at(99))
    }

    async fn throughput<F: Future<Output = ()>>(&self, how: &str, act: impl Fn(usize) -> F) {
        let count = self.rounds * 4;
        let began = Instant::now();
        stream::iter(0..count).for_each_concurrent(AT_ONCE, act).await;
        println!("  {AT_ONCE} at once create, {how} {:>8.0} a second", count as f64 / began.elapsed().as_secs_f64());
    }
}

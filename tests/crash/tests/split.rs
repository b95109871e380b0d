//! Both servers of a pair take writes, and each has a worker that knows of no other: a primary that was cut off, or thawed, and
//! the one that was promoted in its place. Nothing tells the two apart but the robot that both drive.
//!
//! Workers that know of both servers never come to this; so much the worse for those behind a name that follows the leader.

use crash::{
    database::Database,
    evidence::{self, Evidence},
    hands::Hands,
    verdict::{self, Promise, Violation},
};
use domain::{Attendance, Deck, ExperimentId, RobotKind, Role, UserId};
use emulator::world::Event;
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use store::{
    NewRobot, NewUser, Options, Store,
    testing::{
        TestDatabase,
        pair::{Pair, Replication},
    },
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use workflow::{ExperimentRequest, Lab, Patience, Tasks, WellRequest, WorkerConfig, run_worker};

const LIMIT: Duration = Duration::from_secs(120);
const LEASE: Duration = Duration::from_secs(2);
const GRANTED: i32 = 1_000;
/// How often the robot goes from one to the other before the old server is gone.
const TAKEOVERS: usize = 8;

fn request(number: u32) -> ExperimentRequest {
    let volumes = |well: u32| {
        let volume = |dye: u32| f64::from(30 + (number * 17 + well * 7 + dye * 5) % 60);
        BTreeMap::from([
            ("red".to_owned(), volume(0)),
            ("yellow".to_owned(), volume(1)),
            ("blue".to_owned(), volume(2)),
        ])
    };
    ExperimentRequest { name: None, wells: (0..6).map(|well| WellRequest { volumes: volumes(well) }).collect() }
}

/// Drives every robot of the database at this URL, alone.
async fn work(url: String) -> JoinHandle<()> {
    let store = Store::connect(&url, Options::default()).await.expect("it opens");
    let config = WorkerConfig {
        lease: LEASE,
        poll: Duration::from_millis(50),
        patience: Patience::default().scaled(0.05),
        ..WorkerConfig::default()
    };
    tokio::spawn(async move {
        let _ = run_worker(store, config, Tasks::new(CancellationToken::new())).await;
    })
}

/// Waits until the ledger has so many that are so.
async fn until(hands: &Hands, count: usize, is_so: fn(&Event) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let ledger = hands.ledger().await.expect("a ledger");
        if ledger.iter().filter(|entry| is_so(&entry.event)).count() >= count {
            return;
        }
        assert!(Instant::now() < deadline, "it doesn't come to that");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn drops(hands: &Hands, count: usize) {
    until(hands, count, |event| matches!(event, Event::Dispense { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_of_two_histories_repeat_no_drop() {
    let pair = Arc::new(spawn_blocking(|| Pair::start(Replication::Asynchronous)).await.expect("a pair of servers"));
    let old = Database::over(TestDatabase::on_pair(Arc::clone(&pair)).await).await.expect("a database");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = emulator::Config { listen: any, sensor_listen: any, speed: 100.0, ..Default::default() };
    let emulator = emulator::start(config).await.expect("an emulator");
    let hands = Hands::at(emulator.robot_addr()).expect("hands");
    let robot = NewRobot {
        name: "bench".to_owned(),
        kind: RobotKind::Ot2,
        url: format!("http://{}", emulator.robot_addr()),
        sensor_url: format!("tcp://{}", emulator.sensor_addr()),
        attendance: Attendance::Virtual,
        deck: Deck::default(),
    };
    old.store().ensure_robot(robot).await.expect("a robot");
    let (id, hashed_password) = (UserId::new(), "unused".to_owned());
    let email = "ada@example.org".to_owned();
    let user = NewUser { id, email: email.clone(), hashed_password, role: Role::Student, quota: GRANTED };
    let user = old.store().create_user(user, &store::testing::act("user_created")).await.expect("an account");
    let lab = Lab::new(old.store());
    let mut asked: Vec<ExperimentId> = Vec::new();
    for number in 0..4 {
        let accepted = lab.submit(&user, request(number), None, None).await.expect("accepted");
        asked.push(accepted.experiment.experiment.id);
    }
    let one = work(url_of(&pair, 0, &old)).await;
    drops(&hands, 3).await;
    let asked_of = Arc::clone(&pair);
    spawn_blocking(move || {
        asked_of.catch_up();
        asked_of.promote();
    })
    .await
    .expect("promoted");
    let new = old.at_server(1).await.expect("the new primary");
    let other = work(url_of(&pair, 1, &old)).await;
    until(&hands, 1, |event| matches!(event, Event::Dispense { .. })).await;
    let fought = until_taken_over(&[&old, &new]).await;
    one.abort();
    let _ = one.await;
    let deadline = Instant::now() + LIMIT;
    for id in &asked {
        loop {
            let status = new.store().experiment(*id).await.expect("an answer").expect("it is there").experiment.status;
            if status.is_final() {
                break;
            }
            assert!(Instant::now() < deadline, "{id} is {status}");
            sleep(Duration::from_millis(50)).await;
        }
    }
    other.abort();
    let _ = other.await;
    let (granted, emulators) = ([(email, i64::from(GRANTED))], [("bench".to_owned(), emulator.robot_addr())]);
    let evidence = evidence::gather(&new, &granted, &asked, HashSet::new(), &emulators).await.expect("evidence");
    assert_ne!(verdict::summary(&evidence).measured, 0, "nothing was measured: the test proves nothing");
    let violations = verdict::judge(&Evidence { may_lose_commits: true, ..evidence });
    // Who is interrupted again and again may give an experiment up; and hands at a virtual deck know no run, so that one's may
    // take a tool from under the other. Drops and readings must be right all the same.
    let counts = |one: &&Violation| matches!(one.promise, Promise::Recipe | Promise::Result);
    let told: Vec<_> = violations.iter().filter(counts).map(ToString::to_string).collect();
    assert!(told.is_empty(), "after {fought} takeovers:\n{}", told.join("\n"));
    emulator.shutdown().await;
}

fn url_of(pair: &Pair, server: usize, database: &Database) -> String {
    let name = database.url().rsplit('/').next().expect("a database's name").to_owned();
    pair.url_of(server, &name)
}

/// Waits until the robot has gone from one history to the other so often; gives how often.
async fn until_taken_over(histories: &[&Database]) -> usize {
    let deadline = Instant::now() + LIMIT;
    let mut last = vec![None; histories.len()];
    let mut takeovers = 0;
    while takeovers < TAKEOVERS {
        for (history, last) in histories.iter().zip(&mut last) {
            let run = history.store().robots().await.expect("robots").remove(0).run_id;
            takeovers += usize::from(last.is_some() && *last != run);
            *last = run;
        }
        assert!(Instant::now() < deadline, "only {takeovers} takeovers");
        sleep(Duration::from_millis(10)).await;
    }
    takeovers
}

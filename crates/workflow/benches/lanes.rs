//! How busy robots are kept, and what the orchestrator adds between two commands.
//!
//! `cargo bench -p tincture-workflow [-- --speed 100 --experiments 100 --robots 3]`: 10 users' experiments of 8 wells over
//! virtual robots, once on SQLite and once on PostgreSQL, in one run on one machine. Prints, and judges nothing.

use domain::{Attendance, Deck, ExperimentId, RobotKind, Role, UserId};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    time::{Duration, Instant},
};
use store::{NewRobot, NewUser, Store, testing::TestDatabase};
use tokio_util::sync::CancellationToken;
use workflow::{ExperimentRequest, Lab, Tasks, WellRequest, WorkerConfig, run_worker};

const USERS: usize = 10;
const WELLS: usize = 8;

struct Load {
    /// Times an OT-2's own speed.
    speed: f64,
    experiments: usize,
    robots: usize,
}

fn main() {
    let argument = |name: &str| {
        let mut arguments = env::args().skip_while(|argument| argument != name);
        arguments.nth(1).and_then(|value| value.parse::<f64>().ok())
    };
    let load = Load {
        speed: argument("--speed").unwrap_or(f64::INFINITY),
        experiments: argument("--experiments").unwrap_or(100.0) as usize,
        robots: argument("--robots").unwrap_or(3.0) as usize,
    };
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().expect("the only recorder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{} experiments of {WELLS} wells by {USERS} users on {} robots at {}×",
        load.experiments, load.robots, load.speed
    );
    runtime.block_on(async {
        run("SQLite", TestDatabase::sqlite().await, &load, &snapshotter).await;
        run("PostgreSQL", TestDatabase::postgres().await, &load, &snapshotter).await;
    });
}

async fn run(name: &str, database: TestDatabase, load: &Load, snapshotter: &Snapshotter) {
    let store = &database.store;
    let _robots = robots(store, load).await;
    let experiments = submit(store, load).await;
    let _ = snapshotter.snapshot();
    let stop = CancellationToken::new();
    let began = Instant::now();
    let worker = tokio::spawn(run_worker(store.clone(), WorkerConfig::default(), Tasks::new(stop.clone())));
    wait_for_all(store, load.experiments).await;
    let took = began.elapsed();
    stop.cancel();
    worker.await.expect("the worker ends");

    let mut overheads = Vec::new();
    let mut commands = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let DebugValue::Histogram(values) = value else { continue };
        let values = values.into_iter().map(|value| value.into_inner());
        match key.key().name() {
            "tincture_operation_overhead_seconds" => overheads.extend(values),
            "tincture_operation_seconds" => commands.extend(values),
            _ => {}
        }
    }
    let lanes = took.as_secs_f64() * load.robots as f64;
    let held = in_hand_seconds(store, &experiments).await;
    let commanded: f64 = commands.iter().sum();
    println!("{name}");
    println!("  {:.1} s, {:.0} operations a second", took.as_secs_f64(), commands.len() as f64 / took.as_secs_f64());
    println!(
        "  between two commands: median {:.2} ms, p99 {:.2} ms",
        quantile(&mut overheads, 0.5),
        quantile(&mut overheads, 0.99)
    );
    println!(
        "  robots held by an experiment {:.1} % of the time, carrying out a command {:.1} %",
        100.0 * held / lanes,
        100.0 * commanded / lanes
    );
}

/// In milliseconds.
fn quantile(seconds: &mut [f64], share: f64) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(((seconds.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN) * 1_000.0
}

async fn robots(store: &Store, load: &Load) -> Vec<emulator::Emulator> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut robots = Vec::new();
    for number in 1..=load.robots {
        let config = emulator::Config { listen: any, sensor_listen: any, speed: load.speed, ..Default::default() };
        let robot = emulator::start(config).await.expect("an emulator");
        let record = NewRobot {
            name: format!("virtual-{number}"),
            kind: RobotKind::Ot2,
            url: format!("http://{}", robot.robot_addr()),
            sensor_url: format!("tcp://{}", robot.sensor_addr()),
            attendance: Attendance::Virtual,
            deck: Deck::default(),
        };
        store.ensure_robot(record).await.expect("a robot");
        robots.push(robot);
    }
    robots
}

async fn submit(store: &Store, load: &Load) -> Vec<ExperimentId> {
    let lab = Lab::new(store.clone());
    let mut experiments = Vec::new();
    for number in 0..USERS {
        let user = NewUser {
            id: UserId::new(),
            email: format!("user-{number}@example.org"),
            hashed_password: "nobody signs in here".to_owned(),
            role: Role::Student,
            quota: 10_000,
        };
        let user = store.create_user(user, &store::testing::act("user_created")).await.expect("a user");
        for _ in (number..load.experiments).step_by(USERS) {
            let volumes = BTreeMap::from([("red".into(), 60.0), ("yellow".into(), 30.0), ("blue".into(), 60.0)]);
            let request = ExperimentRequest {
                name: None,
                wells: vec![WellRequest { volumes, target: None }; WELLS],
                ..Default::default()
            };
            let accepted = lab.submit(&user, request, None, None).await.expect("accepted");
            experiments.push(accepted.experiment.experiment.id);
        }
    }
    experiments
}

async fn wait_for_all(store: &Store, count: usize) {
    loop {
        let waiting = store.queue(1).await.expect("a queue").len() + store.running().await.expect("a list").len();
        if waiting == 0 {
            return println!("  all {count} are through");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn in_hand_seconds(store: &Store, experiments: &[ExperimentId]) -> f64 {
    let mut held = 0.0;
    for id in experiments {
        let experiment = store.experiment(*id).await.expect("a database").expect("an experiment").experiment;
        if let (Some(started), Some(completed)) = (experiment.started_at, experiment.completed_at) {
            held += (completed - started).as_seconds_f64();
        }
    }
    held
}

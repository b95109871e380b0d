//! The failure that falsifies results in today's lab: a lost or late sensor reply with runs queued behind it. There the
//! next run is stored with the colours of the one before. Here: at least 120 timings on a line, and more on a broker, as today's
//! lab has it; no wrong, misattributed or invented result.

use crash::{
    database::{Database, Kind},
    evidence,
    proxy::{SensorFault, SensorProxy, SensorRelay},
    timeline::Timeline,
    verdict,
};
use domain::{Attendance, Deck, ExperimentId, ExperimentStatus, RobotKind, Role, UserId};
use emulator::{Emulator, OnBroker};
use mqtt::{Brokers, Target, testing::Mosquitto};
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use store::{NewRobot, NewUser, User};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use workflow::{ExperimentRequest, Patience, Tasks, WellRequest, WorkerConfig, run_worker};

/// How long the worker waits for a reading; replies come from at once to long after.
const READING: Duration = Duration::from_millis(200);
const LABS: u32 = 4;
const TIMINGS: u32 = 32;
const GRANTED: i32 = 1_000;
/// Nothing waits this long unless it is broken.
const LIMIT: Duration = Duration::from_secs(240);

struct Lab {
    database: Database,
    emulator: Emulator,
    sensor: Between,
    timeline: Timeline,
    users: Vec<User>,
    stop: CancellationToken,
}

/// What stands between the worker and its sensor.
enum Between {
    Line(Arc<SensorProxy>),
    Broker { relay: SensorRelay, _broker: Mosquitto },
}

impl Between {
    fn url(&self) -> String {
        match self {
            Self::Line(proxy) => format!("tcp://{}", proxy.address()),
            Self::Broker { relay, .. } => relay.url(),
        }
    }

    fn arm(&self, skip: u32, fault: SensorFault) {
        match self {
            Self::Line(proxy) => proxy.arm(skip, fault),
            Self::Broker { relay, .. } => relay.arm(skip, fault),
        }
    }

    fn waiting(&self) -> usize {
        match self {
            Self::Line(proxy) => proxy.waiting(),
            Self::Broker { relay, .. } => relay.waiting(),
        }
    }
}

impl Lab {
    async fn on_a_line() -> Self {
        let timeline = Timeline::default();
        let emulator = start_emulator(None).await;
        let proxy = SensorProxy::start("sensor", emulator.sensor_addr(), timeline.clone()).await.expect("a proxy");
        Self::around(emulator, Between::Line(proxy), timeline).await
    }

    async fn on_a_broker() -> Self {
        let (timeline, broker) = (Timeline::default(), Mosquitto::start());
        let target = Target::parse(&format!("{}/virtual-1", broker.address())).expect("an address");
        let emulator = start_emulator(Some(OnBroker { brokers: Brokers::default(), target })).await;
        let relay = SensorRelay::start(&broker.address(), "virtual-1", timeline.clone());
        Self::around(emulator, Between::Broker { relay, _broker: broker }, timeline).await
    }

    async fn around(emulator: Emulator, sensor: Between, timeline: Timeline) -> Self {
        let database = Database::make(Kind::Sqlite).await.expect("a database");
        let robot = NewRobot {
            name: "virtual-1".to_owned(),
            kind: RobotKind::Ot2,
            url: format!("http://{}", emulator.robot_addr()),
            sensor_url: sensor.url(),
            attendance: Attendance::Virtual,
            deck: Deck::default(),
        };
        database.store().ensure_robot(robot).await.expect("a robot");
        let mut users = Vec::new();
        for email in ["ada@example.org", "grace@example.org", "rosalind@example.org"] {
            let (id, hashed_password) = (UserId::new(), "unused".to_owned());
            let user = NewUser { id, email: email.to_owned(), hashed_password, role: Role::Student, quota: GRANTED };
            let by = store::testing::act("user_created");
            users.push(database.store().create_user(user, &by).await.expect("an account"));
        }
        Self { database, emulator, sensor, timeline, users, stop: CancellationToken::new() }
    }

    /// Each asks for two wells of a colour of its own, so that a reading taken for another's would show.
    async fn submit(&self, number: u32) -> ExperimentId {
        let user = &self.users[number as usize % self.users.len()];
        let well = |red: u32, blue: u32| WellRequest {
            volumes: BTreeMap::from([("red".to_owned(), f64::from(red)), ("blue".to_owned(), f64::from(blue))]),
        };
        let wells = vec![well(20 + 4 * number, 150), well(150, 20 + 4 * number)];
        let request = ExperimentRequest { name: None, wells, ..Default::default() };
        let lab = workflow::Lab::new(self.database.store().clone());
        lab.submit(user, request, None, None).await.expect("accepted").experiment.experiment.id
    }

    async fn wait_for_all(&self) {
        let until = Instant::now() + LIMIT;
        let store = self.database.store();
        while !store.queue(1_000).await.expect("a queue").is_empty()
            || !store.running().await.expect("lanes").is_empty()
        {
            assert!(Instant::now() < until, "some experiments never end:\n{}", self.timeline);
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn start_emulator(sensor_on: Option<OnBroker>) -> Emulator {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config =
        emulator::Config { listen: any, sensor_listen: any, sensor_on, speed: f64::INFINITY, ..Default::default() };
    emulator::start(config).await.expect("an emulator")
}

/// The `index`th of all timings: what happens to the reply, and when.
fn timing(index: u32) -> SensorFault {
    let by = READING * index * 5 / (LABS * TIMINGS * 2);
    match index % 4 {
        0 | 1 => SensorFault::LateReply { by },
        2 => SensorFault::HoldBack { by },
        _ if index % 8 == 3 => SensorFault::ReplyLost,
        _ => SensorFault::ToldAgain,
    }
}

/// `fault` is what becomes of each experiment's readings.
async fn suffer(lab: Lab, fault: impl Fn(u32) -> SensorFault) -> u64 {
    let mut experiments = Vec::new();
    for number in 0..TIMINGS {
        lab.sensor.arm(number % 3, fault(number));
        experiments.push(lab.submit(number).await);
    }
    let patience = Patience { reading: READING, ..Patience::default() };
    let config = WorkerConfig { patience, poll: Duration::from_millis(50), ..WorkerConfig::default() };
    let worker = tokio::spawn(run_worker(lab.database.store().clone(), config, Tasks::new(lab.stop.clone())));
    lab.wait_for_all().await;
    lab.stop.cancel();
    worker.await.expect("the worker ends well");

    let granted: Vec<_> = lab.users.iter().map(|user| (user.email.clone(), i64::from(GRANTED))).collect();
    let emulators = [("virtual-1".to_owned(), lab.emulator.robot_addr())];
    let gathered = evidence::gather(&lab.database, &granted, &experiments, HashSet::new(), &emulators).await;
    let evidence = gathered.expect("evidence");
    let violations = verdict::judge(&evidence);
    assert!(violations.is_empty(), "{violations:#?}\n{}", lab.timeline);
    let completed = |status| status == ExperimentStatus::Completed;
    assert!(evidence.experiments.iter().all(|detail| completed(detail.experiment.status)));
    assert_eq!(verdict::summary(&evidence).measured, 2 * experiments.len());
    assert_eq!(lab.sensor.waiting(), 0, "some timings never came about");
    lab.emulator.shutdown().await;
    lab.timeline.faults()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_late_or_lost_reply_falsifies_a_result() {
    let mut labs: JoinSet<u64> = JoinSet::new();
    for index in 0..LABS {
        labs.spawn(async move { suffer(Lab::on_a_line().await, |number| timing(index + number * LABS)).await });
    }
    let mut timings = 0;
    while let Some(faults) = labs.join_next().await {
        timings += faults.expect("no lab broke a promise");
    }
    assert!(timings >= 120, "{timings} timings");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_on_a_broker() {
    let timings = suffer(Lab::on_a_broker().await, |number| timing(number * (LABS + 1))).await;
    assert_eq!(timings, u64::from(TIMINGS));
}

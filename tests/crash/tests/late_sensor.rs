//! The failure that falsifies results in today's lab: a lost or late sensor reply with runs queued behind it. There the
//! next run is stored with the colours of the one before. Here: at least 120 timings on a line, and more on a broker, as today's
//! lab has it, with the robot moved by its script there, too; no wrong, misattributed or invented result. And that the judge sees the
//! failure, where answers are taken as today's hub takes them.

use crash::{
    database::{Database, Kind},
    evidence::{self, Evidence},
    proxy::{SensorFault, SensorProxy, SensorRelay},
    timeline::Timeline,
    verdict::{self, Promise},
};
use domain::{
    Attendance, Deck, ExperimentId, ExperimentStatus, RobotKind, Role, UserId,
    reading::{BANDS, Channels, Gain, Reading, SensorSettings},
};
use emulator::{Emulator, OnBroker};
use hardware::{
    AddressError, Attendant, ColourSensor, Connect, Network, PendingReading, ReadRequest, Robot, SensorError,
};
use mqtt::{Broker, Brokers, Listener, Target, testing::Mosquitto};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use store::{NewRobot, NewUser, User};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use workflow::{ExperimentRequest, Patience, Tasks, WellRequest, WorkerConfig, run_worker};

/// How long the worker waits for a reading; replies come from at once to long after.
const READING: Duration = Duration::from_millis(200);
const LABS: u32 = 4;
const TIMINGS: u32 = 32;
const GRANTED: i32 = 1_000;
const SERIAL: &str = "OT2VIRT1";
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
        let emulator = start_emulator(None, None).await;
        let proxy = SensorProxy::start("sensor", emulator.sensor_addr(), timeline.clone()).await.expect("a proxy");
        let robot = by_http(&emulator);
        Self::around(emulator, Between::Line(proxy), timeline, robot).await
    }

    async fn on_a_broker() -> Self {
        let (timeline, broker) = (Timeline::default(), Mosquitto::start());
        let emulator = start_emulator(Some(on(&broker, "virtual-1")), None).await;
        let relay = SensorRelay::start(&broker.address(), "virtual-1", timeline.clone());
        let robot = by_http(&emulator);
        Self::around(emulator, Between::Broker { relay, _broker: broker }, timeline, robot).await
    }

    /// Today's lab, with nothing but its hub swapped.
    async fn with_a_script() -> Self {
        let (timeline, broker) = (Timeline::default(), Mosquitto::start());
        let emulator = start_emulator(Some(on(&broker, "virtual-1")), Some(on(&broker, SERIAL))).await;
        while !broker.log().contains(&format!("command/ot2/{SERIAL}/pipette")) {
            sleep(Duration::from_millis(10)).await;
        }
        let relay = SensorRelay::start(&broker.address(), "virtual-1", timeline.clone());
        let robot = (RobotKind::Script, format!("{}/{SERIAL}", broker.address()), Attendance::Operator);
        Self::around(emulator, Between::Broker { relay, _broker: broker }, timeline, robot).await
    }

    async fn around(
        emulator: Emulator,
        sensor: Between,
        timeline: Timeline,
        (kind, url, attendance): (RobotKind, String, Attendance),
    ) -> Self {
        let database = Database::make(Kind::Sqlite).await.expect("a database");
        // One exposure a reading, as today's hub takes it: with every third reply in trouble a look of several never ends.
        let deck = Deck { reads: 1, ..Deck::default() };
        let (name, sensor_url) = ("virtual-1".to_owned(), sensor.url());
        let robot = NewRobot { name, kind, url, sensor_url, attendance, deck };
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
        self.submit_wells(number, &[(20 + 4 * number, 150), (150, 20 + 4 * number)]).await
    }

    /// µL of red and blue.
    async fn submit_wells(&self, number: u32, wells: &[(u32, u32)]) -> ExperimentId {
        let user = &self.users[number as usize % self.users.len()];
        let well = |(red, blue): &(u32, u32)| WellRequest {
            volumes: BTreeMap::from([("red".to_owned(), f64::from(*red)), ("blue".to_owned(), f64::from(*blue))]),
            target: None,
        };
        let request = ExperimentRequest { name: None, wells: wells.iter().map(well).collect(), ..Default::default() };
        let lab = workflow::Lab::new(self.database.store().clone());
        lab.submit(user, request, None, None).await.expect("accepted").experiment.experiment.id
    }

    /// Until all is done. Devices are reached over the network, unless in another way.
    async fn work(&self, connect: Option<Arc<dyn Connect>>) {
        let patience = Patience { reading: READING, ..Patience::default() };
        let config = WorkerConfig { patience, poll: Duration::from_millis(50), connect, ..WorkerConfig::default() };
        let worker = tokio::spawn(run_worker(self.database.store().clone(), config, Tasks::new(self.stop.clone())));
        self.wait_for_all().await;
        self.stop.cancel();
        worker.await.expect("the worker ends well");
    }

    async fn evidence(&self, experiments: &[ExperimentId]) -> Evidence {
        let granted: Vec<_> = self.users.iter().map(|user| (user.email.clone(), i64::from(GRANTED))).collect();
        let emulators = [("virtual-1".to_owned(), self.emulator.robot_addr())];
        let gathered = evidence::gather(&self.database, &granted, experiments, HashSet::new(), &emulators).await;
        gathered.expect("evidence")
    }

    async fn wait_for_all(&self) {
        let until = Instant::now() + LIMIT;
        let store = self.database.store();
        while !store.queue(1_000).await.expect("a queue").is_empty()
            || !store.running().await.expect("lanes").is_empty()
        {
            if Instant::now() >= until {
                let asked: Vec<_> =
                    store.robots().await.expect("robots").into_iter().map(|robot| robot.attention).collect();
                panic!("some experiments never end; the operator is asked {asked:?}:\n{}", self.timeline);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn start_emulator(sensor_on: Option<OnBroker>, script_on: Option<OnBroker>) -> Emulator {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = emulator::Config {
        listen: any,
        sensor_listen: any,
        sensor_on,
        script_on,
        speed: f64::INFINITY,
        ..Default::default()
    };
    emulator::start(config).await.expect("an emulator")
}

fn on(broker: &Mosquitto, device: &str) -> OnBroker {
    let target = Target::parse(&format!("{}/{device}", broker.address())).expect("an address");
    OnBroker { brokers: Brokers::default(), target }
}

fn by_http(emulator: &Emulator) -> (RobotKind, String, Attendance) {
    (RobotKind::Ot2, format!("http://{}", emulator.robot_addr()), Attendance::Virtual)
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

/// So many experiments; `fault` is what becomes of each one's readings.
async fn suffer(lab: Lab, timings: u32, fault: impl Fn(u32) -> SensorFault) -> u64 {
    let mut experiments = Vec::new();
    for number in 0..timings {
        lab.sensor.arm(number % 3, fault(number));
        experiments.push(lab.submit(number).await);
    }
    lab.work(None).await;

    let evidence = lab.evidence(&experiments).await;
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
        labs.spawn(
            async move { suffer(Lab::on_a_line().await, TIMINGS, |number| timing(index + number * LABS)).await },
        );
    }
    let mut timings = 0;
    while let Some(faults) = labs.join_next().await {
        timings += faults.expect("no lab broke a promise");
    }
    assert!(timings >= 120, "{timings} timings");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_on_a_broker() {
    let timings = suffer(Lab::on_a_broker().await, TIMINGS, |number| timing(number * (LABS + 1))).await;
    assert_eq!(timings, u64::from(TIMINGS));
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_where_the_robot_is_moved_by_its_script() {
    let timings = suffer(Lab::with_a_script().await, TIMINGS / 2, |number| timing(number * (LABS + 1) + 1)).await;
    assert_eq!(timings, u64::from(TIMINGS / 2));
}

/// Takes whatever comes next for the answer to its own question, as today's hub does.
#[derive(Debug)]
struct CurrentTask {
    broker: Broker,
    asks_on: String,
    answers_on: String,
    answers: Mutex<Listener>,
}

impl CurrentTask {
    fn new(sensor: &str) -> Self {
        let Target { broker, device, .. } = Target::parse(sensor).expect("an address");
        let broker = Brokers::default().at(&broker, Duration::from_secs(5));
        let answers_on = format!("color-mixing/picow/{device}/as7341");
        let answers = Mutex::new(broker.listen(&answers_on).expect("room"));
        Self { broker, asks_on: format!("command/picow/{device}/as7341/read"), answers_on, answers }
    }

    async fn next(&self, request: &ReadRequest) -> Reading {
        let mut answers = self.answers.lock().await;
        let session = self.broker.session().await.expect("a session");
        session.subscribe(&self.answers_on).await.expect("heard");
        let id = format!("{}:{}", request.operation, request.lease_epoch);
        let gain = request.settings.gain().factor();
        let question = json!({ "command": {"R": 0, "Y": 0, "B": 0}, "experiment_id": id, "settings": {"gain": gain} });
        session.publish(&self.asks_on, question.to_string().into_bytes()).await.expect("asked");
        let answer: Value = serde_json::from_slice(&answers.hear().await).expect("JSON");
        let band = |name: &str| answer["sensor_data"][name].as_u64().and_then(|count| u16::try_from(count).ok());
        let bands = BANDS.each_ref().map(|of| band(of.name).expect("a count"));
        let told = answer["sensor_settings"]["gain"].as_f64().expect("its gain");
        let gain = Gain::from_factor(told).expect("a gain");
        let settings = SensorSettings::new(gain, request.settings.atime(), request.settings.astep()).expect("settings");
        Reading::new(Channels::of_bands(bands), settings.with_led(None).expect("no light"))
    }
}

impl ColourSensor for CurrentTask {
    fn read(&self, request: ReadRequest) -> PendingReading<'_> {
        Box::pin(async move {
            timeout(READING, self.next(&request)).await.map_err(|_| SensorError::Silent { after: READING })
        })
    }
}

/// Devices over the network, but for the sensor.
#[derive(Debug)]
struct TodaysHub {
    network: Network,
    sensor: Arc<CurrentTask>,
}

impl Connect for TodaysHub {
    fn robot(&self, kind: RobotKind, url: &str) -> Result<Arc<dyn Robot>, AddressError> {
        self.network.robot(kind, url)
    }

    fn sensor(&self, _: &str) -> Result<Arc<dyn ColourSensor>, AddressError> {
        Ok(self.sensor.clone())
    }

    fn attendant(&self, url: &str) -> Result<Arc<dyn Attendant>, AddressError> {
        self.network.attendant(url)
    }
}

/// The first well's reply is lost, as the hub sees it, and comes when the hub has asked again: how many results are wrong?
async fn results_after_a_late_reply(is_matched: bool) -> usize {
    let lab = Lab::with_a_script().await;
    // The white reference and a look at each well come first.
    lab.sensor.arm(5, SensorFault::LateReply { by: READING + Duration::from_millis(10) });
    let id = lab.submit_wells(0, &[(20, 150), (60, 120), (90, 60), (150, 20)]).await;
    let network = Network::new(Patience { reading: READING, ..Patience::default() });
    let hub = || TodaysHub { network, sensor: Arc::new(CurrentTask::new(&lab.sensor.url())) };
    lab.work((!is_matched).then(|| Arc::new(hub()) as Arc<dyn Connect>)).await;
    assert_eq!(lab.timeline.faults(), 1, "the reply was late");
    let evidence = lab.evidence(&[id]).await;
    let violations = verdict::judge(&evidence);
    assert!(violations.iter().all(|violation| violation.promise == Promise::Result), "{violations:#?}");
    assert_eq!(verdict::summary(&evidence).measured, 4);
    lab.emulator.shutdown().await;
    violations.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reply_falsifies_the_next_results_unless_answers_are_matched() {
    assert_eq!(results_after_a_late_reply(true).await, 0);
    let wrong = results_after_a_late_reply(false).await;
    assert!(wrong >= 2, "the check sees nothing: {wrong} wrong results");
}

//! A whole lab in one process, for the tests here: database, emulator, worker.

use domain::{
    Attendance, Deck, EventKind, ExperimentId, ExperimentStatus, Fault, Handling, Mount, RobotKind, Role, UserId,
    WellName,
};
use emulator::Emulator;
use hardware::Connect;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{ExperimentDetail, NewRobot, NewUser, Options, Robot, Store, User, testing::TestDatabase};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use workflow::{ExperimentRequest, Lab, Tasks, WellRequest, WorkerConfig, run_worker};

/// Long for a debug build on a busy machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a worker here looks for what this process did.
const POLL: Duration = Duration::from_millis(50);

/// A worker on a runtime of its own, so that it can be killed with all its tasks.
struct Worker {
    runtime: Runtime,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// An emulator on a runtime of its own, so that it can be switched off in the middle of a command.
struct VirtualRobot {
    runtime: Runtime,
    emulator: Emulator,
}

pub struct TestLab {
    pub database: Arc<TestDatabase>,
    emulator: Option<VirtualRobot>,
    pub robot: Robot,
    pub lab: Lab,
    pub user: User,
    address: SocketAddr,
    sensor: SocketAddr,
    state: PathBuf,
    _directory: tempfile::TempDir,
    speed: f64,
    worker: Option<Worker>,
    give_way: Duration,
    poll: Duration,
    /// Those of this process, where it and the worker tell each other what they commit.
    joined: Option<Tasks>,
    /// The robots that its workers are started for; all where nothing is said.
    names: Option<Vec<String>>,
}

impl TestLab {
    pub async fn new(database: TestDatabase, speed: f64) -> Self {
        Self::attended(database, speed, Attendance::Virtual).await
    }

    pub async fn attended(database: TestDatabase, speed: f64, attendance: Attendance) -> Self {
        Self::on_deck(database, speed, attendance, Deck::default()).await
    }

    pub async fn on_deck(database: TestDatabase, speed: f64, attendance: Attendance, deck: Deck) -> Self {
        Self::open(Arc::new(database), "virtual-1", speed, attendance, deck).await
    }

    async fn open(database: Arc<TestDatabase>, name: &str, speed: f64, attendance: Attendance, deck: Deck) -> Self {
        let logs = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
        let _ = logs.with_test_writer().try_init();
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().to_owned();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let emulator = start(any, any, &state, speed, &deck).await;
        let (address, sensor) = (emulator.emulator.robot_addr(), emulator.emulator.sensor_addr());
        let robot = database
            .store
            .ensure_robot(NewRobot {
                name: name.to_owned(),
                kind: RobotKind::Ot2,
                url: format!("http://{address}"),
                sensor_url: format!("tcp://{sensor}"),
                attendance,
                deck,
            })
            .await
            .expect("a robot");
        let email = if name == "virtual-1" { "ada@example.org" } else { "bea@example.org" };
        let user = user(&database.store, email, 500).await;
        let lab = Lab::new(database.store.clone());
        Self {
            database,
            emulator: Some(emulator),
            robot,
            lab,
            user,
            address,
            sensor,
            state,
            _directory: directory,
            speed,
            worker: None,
            give_way: WorkerConfig::default().give_way,
            poll: POLL,
            joined: None,
            names: None,
        }
    }

    /// Another robot of the same lab, beside this one.
    pub async fn beside(other: &Self) -> Self {
        Self::open(Arc::clone(&other.database), "virtual-2", other.speed, Attendance::Virtual, Deck::default()).await
    }

    /// The same machine, in another lab's database. It stays this lab's to switch off.
    pub async fn under(&self, database: TestDatabase, attendance: Attendance) -> Self {
        let robot = NewRobot {
            name: "virtual-1".to_owned(),
            kind: RobotKind::Ot2,
            url: format!("http://{}", self.address),
            sensor_url: format!("tcp://{}", self.sensor),
            attendance,
            deck: self.robot.deck.clone(),
        };
        let robot = database.store.ensure_robot(robot).await.expect("a robot");
        Self {
            emulator: None,
            robot,
            lab: Lab::new(database.store.clone()),
            user: user(&database.store, "ada@example.org", 500).await,
            address: self.address,
            sensor: self.sensor,
            state: self.state.clone(),
            _directory: tempfile::tempdir().expect("a directory"),
            speed: self.speed,
            worker: None,
            give_way: self.give_way,
            poll: self.poll,
            joined: None,
            names: None,
            database: Arc::new(database),
        }
    }

    /// Until something is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let reached = async {
            while !is_so(self).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what} doesn't come"));
    }

    pub fn store(&self) -> &Store {
        &self.database.store
    }

    pub fn start_worker(&mut self) {
        self.run_worker(None);
    }

    /// One that reaches its devices in a way of its own.
    pub fn start_worker_with(&mut self, connect: Arc<dyn Connect>) {
        self.run_worker(Some(connect));
    }

    /// How long a robot may be out of reach before its work is offered to others.
    pub fn give_way_after(&mut self, give_way: Duration) {
        self.give_way = give_way;
    }

    /// As `tincture worker --robot` with this name.
    pub fn only_drive(&mut self, name: &str) {
        self.names = Some(vec![name.to_owned()]);
    }

    /// Nobody looks by itself for what the other process did.
    pub async fn only_listen(&mut self) {
        let tasks = Tasks::new(CancellationToken::new());
        self.store().join(&tasks);
        self.until("hearing", async |lab| lab.store().hears_others()).await;
        (self.poll, self.joined) = (Duration::from_secs(60 * 60), Some(tasks));
    }

    fn run_worker(&mut self, connect: Option<Arc<dyn Connect>>) {
        let stop = CancellationToken::new();
        let config = WorkerConfig {
            poll: self.poll,
            lease: Duration::from_secs(1),
            give_way: self.give_way,
            connect,
            robots: self.names.clone(),
            ..WorkerConfig::default()
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        // With connections of its own, as another process has: they die with its runtime.
        let (url, stopped) = (self.database.url.clone(), stop.clone());
        let joins = self.joined.is_some();
        let task = runtime.spawn(async move {
            let store = Store::connect(&url, Options::default()).await.expect("the database opens");
            let tasks = Tasks::new(stopped);
            if joins {
                store.join(&tasks);
            }
            run_worker(store, config, tasks).await;
        });
        self.worker = Some(Worker { runtime, task, stop });
    }

    /// As `kill -9` would: nothing is put down, nothing released.
    pub fn kill_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.runtime.shutdown_background();
        }
    }

    pub async fn stop_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop.cancel();
            tokio::time::timeout(PATIENCE, worker.task).await.expect("the worker stops").expect("and well");
            worker.runtime.shutdown_background();
        }
    }

    /// Switches the robot off and on: its server forgets, its deck doesn't.
    pub async fn restart_robot(&mut self) {
        self.switch_off();
        self.emulator = Some(start(self.address, self.sensor, &self.state, self.speed, &self.robot.deck).await);
    }

    pub fn switch_robot_off(&mut self) {
        self.switch_off();
    }

    fn switch_off(&mut self) {
        if let Some(robot) = self.emulator.take() {
            robot.runtime.shutdown_background();
            drop(robot.emulator);
        }
    }

    pub async fn submit(&self, wells: &[(f64, f64, f64)]) -> ExperimentId {
        self.submit_handled(wells, Handling::default()).await
    }

    pub async fn submit_handled(&self, wells: &[(f64, f64, f64)], handling: Handling) -> ExperimentId {
        self.ask(ExperimentRequest { handling, ..Self::request(wells) }).await
    }

    /// For wells of so much red, yellow and blue, µL.
    pub fn request(wells: &[(f64, f64, f64)]) -> ExperimentRequest {
        let well = |(red, yellow, blue): &(f64, f64, f64)| WellRequest {
            volumes: BTreeMap::from([("red".into(), *red), ("yellow".into(), *yellow), ("blue".into(), *blue)]),
            target: None,
        };
        ExperimentRequest { wells: wells.iter().map(well).collect(), ..Default::default() }
    }

    pub async fn ask(&self, request: ExperimentRequest) -> ExperimentId {
        self.lab.submit(&self.user, request, None, None).await.expect("accepted").experiment.experiment.id
    }

    pub async fn experiment(&self, id: ExperimentId) -> ExperimentDetail {
        self.store().experiment(id).await.expect("a database").expect("an experiment")
    }

    pub async fn wait_for(&self, id: ExperimentId, status: ExperimentStatus) -> ExperimentDetail {
        let reached = async {
            loop {
                let experiment = self.experiment(id).await;
                if experiment.experiment.status == status {
                    return experiment;
                }
                assert!(!experiment.experiment.status.is_final(), "{:?}", experiment.experiment);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the status is reached")
    }

    /// Until the journal holds at least so many operations of the experiment.
    pub async fn wait_for_operations(&self, id: ExperimentId, count: usize) {
        let reached = async {
            while self.store().operations(id, 0, 1_000).await.expect("a database").len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the robot gets so far");
    }

    /// Until the robot is carrying out such a step for the experiment.
    pub async fn wait_for_step(&self, id: ExperimentId, step: &str) {
        let reached = async {
            loop {
                let doing = self.store().latest_event(id, EventKind::Operation).await.expect("a database");
                if doing.is_some_and(|event| event.data["step"] == step) {
                    // It is intended; a moment later it has been sent.
                    return tokio::time::sleep(Duration::from_millis(15)).await;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the robot gets so far");
    }

    /// Until the robot says that it stands still: then it does, at once and until it is resumed.
    pub async fn wait_until_still(&self) {
        let still = async {
            loop {
                if self.store().robot(self.robot.id).await.expect("a database").expect("a robot").stands_still {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, still).await.expect("the robot stands still");
    }

    /// Until nothing hangs on the nozzle and nothing is under way.
    pub async fn wait_until_put_down(&self) {
        let put_down = async {
            loop {
                let robot = self.store().robot(self.robot.id).await.expect("a database").expect("a robot");
                let open = self.store().open_operations(self.robot.id).await.expect("a database");
                if robot.tool == domain::Tool::Nothing && open.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, put_down).await.expect("the robot puts everything down");
    }

    pub async fn wait_for_question(&self) -> Fault {
        let asked = async {
            loop {
                let robot = self.store().robot(self.robot.id).await.expect("a database").expect("a robot");
                if let Some(question) = robot.attention {
                    return question;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the operator is asked")
    }

    pub async fn post(&self, path: &str) {
        self.tell(path, json!({})).await;
    }

    /// Tells the emulator.
    pub async fn tell(&self, path: &str, body: Value) {
        let answer = reqwest::Client::new().post(format!("http://{}{path}", self.address)).json(&body).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }

    pub async fn quota(&self) -> i32 {
        self.store().user(self.user.id).await.expect("a database").expect("a user").quota_remaining
    }

    pub async fn ledger(&self) -> Vec<Value> {
        self.get("/emulator/ledger").await["data"].as_array().expect("a list").clone()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.expect("an answer");
        answer.json().await.expect("json")
    }

    /// What really dripped into each well of the plate on the deck, by dye: each drop's µL.
    pub async fn drops(&self) -> BTreeMap<(String, String), Vec<f64>> {
        let mut drops: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for entry in self.ledger().await {
            if entry["kind"] == "new_plate" {
                drops.clear();
            }
            if entry["kind"] != "dispense" {
                continue;
            }
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            drops.entry((text("well"), text("dye"))).or_default().push(entry["volume_ul"].as_f64().expect("a volume"));
        }
        drops
    }

    /// Holds the ledger against the request: in every measured well exactly one drop of each dye, of the asked volume.
    pub async fn check_measured_wells(&self, experiment: &ExperimentDetail) {
        let drops = self.drops().await;
        for (well, result) in experiment.wells.iter().filter(|(well, _)| well.status == domain::WellStatus::Measured) {
            let at: WellName = well.well_id.expect("a measured well has a place");
            assert!(result.is_some(), "{at} is measured and has no result");
            for (dye, asked) in well.recipe.iter() {
                let fell = drops.get(&(at.to_string(), dye.to_string())).cloned().unwrap_or_default();
                assert_eq!(fell.len(), 1, "{dye} in {at}: {fell:?}");
                // The stated error is at most 3 × 2.5 % ± 1 % ± 0.2 µL.
                assert!(
                    (fell[0] - asked.ul()).abs() <= asked.ul() * 0.085 + 0.3,
                    "{dye} in {at}: {fell:?}, asked {asked}"
                );
            }
        }
    }

    /// Every result is the sensor's reading over that very well, by the ledger's word.
    pub async fn check_reads(&self, experiment: &ExperimentDetail) {
        let ledger = self.ledger().await;
        for (well, result) in &experiment.wells {
            let Some(result) = result else { continue };
            let key = result.measurement_data["operation_id"].as_str().expect("an operation");
            let read = ledger.iter().find(|entry| entry["kind"] == "read" && entry["key"] == key).expect("a read");
            assert_eq!(read["well"].as_str(), well.well_id.map(|at| at.to_string()).as_deref(), "{read}");
        }
    }

    /// As somebody at the Opentrons App would.
    /// Another client makes a run of its own current.
    pub async fn take_robot_and_home(&self) {
        // It isn't given while a command is carried out.
        if let Some(run) = self.take_robot().await {
            self.command(&run, "home", json!({})).await;
        }
    }

    /// … and throws a tip away.
    pub async fn take_robot_and_use_a_tip(&self) {
        let run = self.take_robot().await.expect("the robot stands still");
        let pipette =
            self.command(&run, "loadPipette", json!({ "pipetteName": "p300_single_gen2", "mount": "left" })).await;
        let rack = json!({
            "location": { "slotName": "9" }, "loadName": "opentrons_96_tiprack_300ul", "namespace": "opentrons", "version": 1,
        });
        let rack = self.command(&run, "loadLabware", rack).await;
        let pipette = &pipette["pipetteId"];
        let tip = json!({ "pipetteId": pipette, "labwareId": rack["labwareId"], "wellName": "H12" });
        self.command(&run, "pickUpTip", tip).await;
        let trash = json!({ "pipetteId": pipette, "labwareId": "fixedTrash", "wellName": "A1" });
        self.command(&run, "dropTip", trash).await;
    }

    async fn take_robot(&self) -> Option<String> {
        let run = self.send("/runs", json!({ "data": {} })).await;
        run["data"]["id"].as_str().map(str::to_owned)
    }

    /// What the command gave, however it ended.
    async fn command(&self, run: &str, kind: &str, params: Value) -> Value {
        let command = json!({ "data": { "commandType": kind, "params": params, "intent": "setup" } });
        let path = format!("/runs/{run}/commands?waitUntilComplete=true&timeout=5000");
        self.send(&path, command).await["data"]["result"].take()
    }

    async fn send(&self, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("http://{}{path}", self.address));
        let answer = request.header("Opentrons-Version", "*").json(&body).send().await.expect("an answer");
        answer.json().await.expect("json")
    }

    pub async fn check_left_safe(&self) {
        let state = self.get("/emulator/state").await;
        let text = state.to_string();
        assert!(!text.contains("\"tip\":{\"mount\""), "something hangs on the nozzle: {text}");
        let robot = self.store().robot(self.robot.id).await.expect("a database").expect("a robot");
        assert_eq!(robot.tool, domain::Tool::Nothing);
    }
}

async fn start(listen: SocketAddr, sensor: SocketAddr, state: &Path, speed: f64, deck: &Deck) -> VirtualRobot {
    let model = |mount| deck.pipette(mount).map(|pipette| pipette.model);
    let usual = emulator::Config::default();
    let config = emulator::Config {
        listen,
        sensor_listen: sensor,
        speed,
        seed: Some(7),
        state_dir: Some(state.to_owned()),
        left_pipette: model(Mount::Left).or(usual.left_pipette),
        right_pipette: model(Mount::Right).or(usual.right_pipette),
        ..usual
    };
    // A port and a ledger that were just let go may take a moment.
    for _ in 0..100 {
        if let Some(robot) = try_start(config.clone()).await {
            return robot;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the emulator doesn't start");
}

async fn try_start(config: emulator::Config) -> Option<VirtualRobot> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let started = runtime.spawn(emulator::start(config)).await.expect("the start doesn't panic");
    match started {
        Ok(emulator) => Some(VirtualRobot { runtime, emulator }),
        Err(_) => {
            runtime.shutdown_background();
            None
        }
    }
}

pub async fn user(store: &Store, email: &str, quota: i32) -> User {
    let hashed_password = "not a hash: nobody signs in here".to_owned();
    let new = NewUser { id: UserId::new(), email: email.to_owned(), hashed_password, role: Role::Student, quota };
    store.create_user(new, &store::testing::act("user_created")).await.expect("a user")
}

impl Drop for TestLab {
    fn drop(&mut self) {
        self.kill_worker();
        self.switch_off();
    }
}

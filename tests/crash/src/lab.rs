//! The lab under test: its real processes, each started by itself, with proxies in between.

use crate::{
    api::Account,
    database::Database,
    failover::Door,
    fault::{Fault, Targets},
    hands::Hands,
    process::{Process, Recipe},
    proxy::{DelayProxy, RobotProxy, SensorProxy},
    timeline::Timeline,
};
use anyhow::{Context, Result, bail};
use domain::Attendance;
use free_port::free_port;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    sync::Mutex,
    time::{sleep, timeout},
};

/// How long a lane stays a dead worker's.
pub const LEASE: Duration = Duration::from_secs(2);
/// Waits for devices are this share of a real lab's where nothing else is said, since these devices are this much faster.
const PATIENCE: f64 = 0.05;
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// What kind of lab.
#[derive(Clone, Debug)]
pub struct Plan {
    pub robots: usize,
    /// How many of them, from the first, have an operator instead of renewing themselves.
    pub attended: usize,
    pub workers: usize,
    pub users: usize,
    /// Wells each user may ask for.
    pub quota: i64,
    /// Times a real OT-2's.
    pub speed: f64,
    pub seed: u64,
    /// A sabotage to switch on in the workers.
    pub sabotage: Option<String>,
    /// The share of a real lab's waits for its devices.
    pub patience: f64,
    /// Where the lab's documents go; they stay in its database where nothing is said.
    pub documents_url: Option<String>,
    /// The robots tell nothing that only virtual ones can: an OT-2 has no ledger to ask.
    pub pass_for_real: bool,
    /// How far away the database is, each way. Only PostgreSQL can be far away.
    pub database_delay: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            robots: 1,
            attended: 0,
            workers: 1,
            users: 1,
            quota: 20_000,
            speed: 200.0,
            seed: 1,
            sabotage: None,
            patience: PATIENCE,
            documents_url: None,
            pass_for_real: false,
            database_delay: Duration::ZERO,
        }
    }
}

/// One robot: its emulator, and what stands in front of it.
#[derive(Debug)]
pub struct Bench {
    pub name: String,
    pub attendance: Attendance,
    recipe: Recipe,
    process: Mutex<Option<Process>>,
    /// The emulator's own address now.
    address: std::sync::Mutex<SocketAddr>,
    pub robot: Arc<RobotProxy>,
    pub sensor: Arc<SensorProxy>,
}

/// All of it.
#[derive(Debug)]
pub struct Lab {
    pub benches: Vec<Arc<Bench>>,
    pub accounts: Vec<Account>,
    /// Somebody who runs the lab.
    pub operator: Account,
    pub server: SocketAddr,
    server_recipe: Recipe,
    server_process: Mutex<Option<Process>>,
    worker_recipes: Vec<Recipe>,
    workers: Vec<Mutex<Option<Process>>>,
    door: Door,
    timeline: Timeline,
}

impl Lab {
    /// Starts everything and waits until it is ready.
    pub async fn start(
        plan: &Plan,
        binary: &Path,
        directory: &Path,
        database: &Database,
        timeline: &Timeline,
    ) -> Result<Self> {
        let url = DelayProxy::before(&database.url(), plan.database_delay).await?;
        let maker = Maker {
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            database: url,
            documents: plan.documents_url.clone(),
        };
        let mut benches = Vec::new();
        for index in 0..plan.robots {
            benches.push(Arc::new(Bench::start(&maker, plan, index, timeline).await?));
        }
        // It comes back to the port that it had, however long it was gone.
        let listen = format!("127.0.0.1:{}", free_port());
        let server_recipe = maker.recipe("serve", &["serve", "--listen", &listen]);
        let (process, lines) = server_recipe.start(&["is ready"]).await?;
        let server = address_in(lines.first(), "http://")?;
        for bench in &benches {
            let (robot, sensor) =
                (format!("http://{}", bench.robot.address()), format!("tcp://{}", bench.sensor.address()));
            let add = ["robot", "add", &bench.name, "--url", &robot, "--sensor", &sensor];
            let is_virtual = if bench.attendance == Attendance::Virtual { &["--virtual"][..] } else { &[] };
            maker.run(&[&add, is_virtual].concat(), "").await?;
        }
        let mut accounts = Vec::new();
        for index in 0..plan.users {
            accounts.push(maker.account(&format!("user-{index}"), "student", plan.quota).await?);
        }
        let operator = maker.account("operator", "operator", 0).await?;
        let worker_recipes: Vec<_> = (0..plan.workers).map(|index| maker.worker(index, plan)).collect();
        let lab = Self {
            benches,
            accounts,
            operator,
            server,
            server_recipe,
            server_process: Mutex::new(Some(process)),
            workers: worker_recipes.iter().map(|_| Mutex::new(None)).collect(),
            worker_recipes,
            door: Door::default(),
            timeline: timeline.clone(),
        };
        for worker in 0..plan.workers {
            lab.start_worker(worker).await?;
        }
        Ok(lab)
    }

    pub fn targets(&self, gap: Duration) -> Targets {
        Targets { robots: self.benches.len(), workers: self.workers.len(), lease: LEASE, gap }
    }

    /// The emulators themselves, past their proxies.
    pub fn emulators(&self) -> Vec<(String, SocketAddr)> {
        self.benches.iter().map(|bench| (bench.name.clone(), bench.address())).collect()
    }

    /// Does it. Faults that need time take it here; those of a conversation are armed and wait for it.
    pub async fn suffer(&self, fault: Fault, database: &Database) -> Result<()> {
        match fault {
            Fault::KillWorker { worker, dead_for } => self.kill_worker(worker, dead_for).await,
            Fault::StopWorker { worker, stopped_for } => self.stop_worker(worker, stopped_for).await,
            Fault::EndWorker { worker, gone_for } => self.end_worker_for(worker, gone_for).await,
            Fault::KillServer { dead_for } => self.kill_server(dead_for).await,
            Fault::EndServer { gone_for } => self.end_server(gone_for).await,
            Fault::KillRobot { robot, dead_for } => self.bench(robot)?.kill(dead_for, &self.timeline).await,
            Fault::Robot { robot, aim, fault } => {
                let proxy = &self.bench(robot)?.robot;
                if proxy.waiting() < 3 {
                    proxy.arm(aim, fault);
                }
                Ok(())
            }
            Fault::Sensor { robot, skip, fault } => {
                let proxy = &self.bench(robot)?.sensor;
                if proxy.waiting() < 2 {
                    proxy.arm(skip, fault);
                }
                Ok(())
            }
            Fault::ShutRobot { robot, time } => {
                self.bench(robot)?.robot.shut_for(time);
                Ok(())
            }
            Fault::ShutSensor { robot, time } => {
                self.bench(robot)?.sensor.shut_for(time);
                Ok(())
            }
            Fault::TakeRobot { robot } => self.bench(robot)?.take(&self.timeline).await.map(drop),
            Fault::TakeDatabase { time } => {
                self.timeline.fault(format!("the database is taken away ({time:?})"));
                database.take_away(time).await
            }
            Fault::FailOver(failover) => self.door.fail_over(failover, database, &self.timeline).await,
            Fault::SensorDies { robot } => {
                self.bench(robot)?.sensor.switch_off();
                Ok(())
            }
            Fault::RobotOff { robot } => {
                self.bench(robot)?.robot.switch_off();
                Ok(())
            }
            // These are people's, and so are their robots.
            Fault::CancelExperiment | Fault::Button { .. } | Fault::StopLab { .. } => Ok(()),
        }
    }

    pub fn bench(&self, robot: usize) -> Result<&Bench> {
        self.benches.get(robot).map(Arc::as_ref).context("no such robot")
    }

    pub async fn start_worker(&self, worker: usize) -> Result<()> {
        let recipe = self.worker_recipes.get(worker).context("no such worker")?;
        let place = self.workers.get(worker).context("no such worker")?;
        // A worker says nothing when it is ready; it is, as far as anybody can tell, at once.
        let mut attempts = 0;
        let _is_open = self.door.enter().await;
        loop {
            let (mut process, _) = recipe.start(&[]).await?;
            sleep(Duration::from_millis(300)).await;
            if !process.has_ended() {
                *place.lock().await = Some(process);
                return Ok(());
            }
            attempts += 1;
            if attempts > 20 {
                bail!("{} doesn't start; see its log in {}", recipe.name, recipe.directory.display());
            }
        }
    }

    async fn kill_worker(&self, worker: usize, dead_for: Duration) -> Result<()> {
        let Some(process) = self.take_worker(worker)? else { return Ok(()) };
        process.kill().await?;
        self.timeline.fault(format!("worker {worker} is killed, for {dead_for:?}"));
        sleep(dead_for).await;
        self.start_worker(worker).await
    }

    async fn end_worker_for(&self, worker: usize, gone_for: Duration) -> Result<()> {
        let Some(process) = self.take_worker(worker)? else { return Ok(()) };
        self.timeline.fault(format!("worker {worker} is asked to end, for {gone_for:?}"));
        let took = process.end().await?;
        self.timeline.note(format!("worker {worker} has ended after {took:?}"));
        sleep(gone_for).await;
        self.start_worker(worker).await
    }

    /// Takes a worker's process out of the lab, to end it. One that another fault has at hand is left to it.
    pub fn take_worker(&self, worker: usize) -> Result<Option<Process>> {
        let place = self.workers.get(worker).context("no such worker")?;
        Ok(place.try_lock().ok().and_then(|mut held| held.take()))
    }

    async fn stop_worker(&self, worker: usize, stopped_for: Duration) -> Result<()> {
        let place = self.workers.get(worker).context("no such worker")?;
        let Ok(held) = place.try_lock() else { return Ok(()) };
        let Some(process) = held.as_ref() else { return Ok(()) };
        process.stop()?;
        self.timeline.fault(format!("worker {worker} is stopped for {stopped_for:?}"));
        sleep(stopped_for).await;
        process.wake()?;
        self.timeline.note(format!("worker {worker} wakes"));
        Ok(())
    }

    async fn kill_server(&self, dead_for: Duration) -> Result<()> {
        let mut held = self.server_process.lock().await;
        let Some(process) = held.take() else { return Ok(()) };
        process.kill().await?;
        self.timeline.fault(format!("serve is killed, for {dead_for:?}"));
        sleep(dead_for).await;
        let _is_open = self.door.enter().await;
        *held = Some(self.server_recipe.start(&["is ready"]).await?.0);
        Ok(())
    }

    async fn end_server(&self, gone_for: Duration) -> Result<()> {
        let mut held = self.server_process.lock().await;
        let Some(process) = held.take() else { return Ok(()) };
        self.timeline.fault(format!("serve is asked to end, for {gone_for:?}"));
        process.end().await?;
        sleep(gone_for).await;
        let _is_open = self.door.enter().await;
        *held = Some(self.server_recipe.start(&["is ready"]).await?.0);
        Ok(())
    }

    /// Nothing more goes wrong from here on. What was broken for good stays so.
    pub async fn heal(&self) -> Result<()> {
        for bench in &self.benches {
            bench.robot.disarm();
            bench.sensor.disarm();
        }
        for (worker, place) in self.workers.iter().enumerate() {
            let mut held = place.lock().await;
            let ended = held.as_mut().is_none_or(Process::has_ended);
            drop(held);
            if ended {
                self.timeline.note(format!("worker {worker} had ended by itself"));
                self.start_worker(worker).await?;
            }
        }
        self.timeline.note("everything is healed");
        Ok(())
    }

    /// Ends the workers as an operator would.
    pub async fn end(&self) -> Result<()> {
        for place in &self.workers {
            if let Some(process) = place.lock().await.take() {
                process.end().await?;
            }
        }
        Ok(())
    }
}

impl Bench {
    async fn start(maker: &Maker, plan: &Plan, index: usize, timeline: &Timeline) -> Result<Self> {
        let name = format!("bench-{index}");
        let state = maker.directory.join(&name).display().to_string();
        let (seed, speed) = (plan.seed.wrapping_add(index as u64).to_string(), plan.speed.to_string());
        let listen = ["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0"];
        let more = ["--speed", &speed, "--seed", &seed, "--state-dir", &state];
        let recipe = maker.recipe(&name, &[listen.as_slice(), &more].concat());
        let (process, robot, sensor) = start_emulator(&recipe).await?;
        Ok(Self {
            attendance: if index < plan.attended { Attendance::Operator } else { Attendance::Virtual },
            recipe,
            process: Mutex::new(Some(process)),
            address: std::sync::Mutex::new(robot),
            robot: RobotProxy::start(&name, robot, timeline.clone(), plan.pass_for_real).await?,
            sensor: SensorProxy::start(&format!("{name}'s sensor"), sensor, timeline.clone()).await?,
            name,
        })
    }

    /// Hands at its deck.
    pub fn hands(&self) -> Result<Hands> {
        Hands::at(self.address())
    }

    fn address(&self) -> SocketAddr {
        *self.address.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Kills the robot's server and starts it again: its runs are forgotten, what is on the deck is not.
    pub async fn kill(&self, dead_for: Duration, timeline: &Timeline) -> Result<()> {
        self.restart(&self.recipe, dead_for, timeline).await
    }

    /// The same, and it takes so long to boot.
    pub async fn kill_and_boot(&self, boots_for: Duration, timeline: &Timeline) -> Result<()> {
        let mut recipe = self.recipe.clone();
        recipe.arguments.extend(["--boot".to_owned(), boots_for.as_secs_f64().to_string()]);
        self.restart(&recipe, Duration::ZERO, timeline).await
    }

    async fn restart(&self, recipe: &Recipe, dead_for: Duration, timeline: &Timeline) -> Result<()> {
        let mut held = self.process.lock().await;
        let Some(process) = held.take() else { return Ok(()) };
        process.kill().await?;
        timeline.fault(format!("{}: its server is killed, for {dead_for:?}", self.name));
        sleep(dead_for).await;
        let (process, robot, sensor) = start_emulator(recipe).await?;
        *self.address.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = robot;
        self.robot.set_device(robot);
        self.sensor.set_device(sensor);
        *held = Some(process);
        Ok(())
    }

    /// What the Opentrons App does when somebody opens it. Whether the robot let it.
    pub async fn take(&self, timeline: &Timeline) -> Result<bool> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        let request = client.post(format!("http://{}/runs", self.address())).header("Opentrons-Version", "*");
        match request.body("{\"data\":{}}").header("content-type", "application/json").send().await {
            Ok(answer) if answer.status().is_success() => {
                timeline.fault(format!("{}: another client takes it", self.name));
                return Ok(true);
            }
            Ok(answer) => timeline.note(format!("{}: another client is refused with {}", self.name, answer.status())),
            Err(_) => {}
        }
        Ok(false)
    }
}

async fn start_emulator(recipe: &Recipe) -> Result<(Process, SocketAddr, SocketAddr)> {
    let (process, lines) = recipe.start(&["http://", "tcp://"]).await?;
    Ok((process, address_in(lines.first(), "http://")?, address_in(lines.get(1), "tcp://")?))
}

fn address_in(line: Option<&String>, scheme: &str) -> Result<SocketAddr> {
    let after = line.and_then(|line| line.split_once(scheme)).context("a line without an address")?.1;
    let address = after.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
    address.parse().with_context(|| format!("'{address}' is no address"))
}

/// What every process has in common.
struct Maker {
    binary: PathBuf,
    directory: PathBuf,
    database: String,
    documents: Option<String>,
}

impl Maker {
    fn recipe(&self, name: &str, arguments: &[&str]) -> Recipe {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut recipe = Recipe {
            name: name.to_owned(),
            binary: self.binary.clone(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: vec![
                variable("TINCTURE_DATABASE_URL", &self.database),
                variable("TINCTURE_ADMIN_PASSWORD", "correct horse battery"),
                variable("TINCTURE_LOG", "info"),
                // Its people are in more of a hurry than anybody.
                variable("TINCTURE_CHANGES_PER_MINUTE", "100000"),
                variable("NO_COLOR", "1"),
            ],
            directory: self.directory.clone(),
        };
        recipe.environment.extend(self.documents.as_ref().map(|url| variable("TINCTURE_DOCUMENTS_URL", url)));
        recipe
    }

    fn worker(&self, index: usize, plan: &Plan) -> Recipe {
        let mut recipe = self.recipe(&format!("worker-{index}"), &["worker"]);
        recipe.environment.push(("TINCTURE_LEASE_SECONDS".to_owned(), LEASE.as_secs().to_string()));
        recipe.environment.push(("TINCTURE_PATIENCE".to_owned(), plan.patience.to_string()));
        let sabotage = plan.sabotage.as_ref();
        recipe.environment.extend(sabotage.map(|name| ("TINCTURE_TEST_SABOTAGE".to_owned(), name.clone())));
        recipe
    }

    async fn account(&self, name: &str, role: &str, quota: i64) -> Result<Account> {
        let (email, password) = (format!("{name}@example.org"), format!("correct horse {name}"));
        let create = ["user", "create", &email, "--role", role, "--quota", &quota.to_string(), "--password-stdin"];
        self.run(&create, &password).await?;
        Ok(Account { email, password, granted: quota })
    }

    /// A command of the command line that ends by itself.
    async fn run(&self, arguments: &[&str], input: &str) -> Result<()> {
        let recipe = self.recipe("command", arguments);
        let mut child = recipe.command().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("a process without standard input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let output = timeout(COMMAND_LIMIT, child.wait_with_output()).await??;
        if output.status.success() {
            return Ok(());
        }
        bail!("tincture {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))
    }
}

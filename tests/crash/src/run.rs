//! One run: start the lab, keep it busy, break it, heal it, wait, judge.

use crate::{
    api::Session,
    binary,
    database::{Database, Kind},
    document_store::DocumentStore,
    evidence,
    fault::{Fault, Mix, Schedule},
    lab::{Lab, Plan},
    people::People,
    timeline::Timeline,
    verdict::{self, Summary, Violation},
};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use domain::{ExperimentId, RobotId};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::StoreError;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// Faults in progress at once; more would only queue up.
const MOST_AT_ONCE: usize = 8;
/// Experiments kept waiting or running, a robot.
const BUSY: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// How long the database may take to say what is waiting; its server may be frozen.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// From an owner's wish to the end of an experiment, whatever is broken.
const CANCELLED_WITHIN: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    /// Faults that must take effect.
    pub faults: u64,
    pub database: Kind,
    pub robots: usize,
    /// How many of them have an operator; somebody stands by and answers.
    pub attended: usize,
    pub mix: Mix,
    /// What breaks for good, at robot 0, once a quarter of the faults is over.
    pub broken: Option<Broken>,
    /// A bug to switch on, to see whether it is caught.
    pub sabotage: Option<String>,
    /// Times a real OT-2's speed.
    pub speed: f64,
    /// The longest time between two faults.
    pub gap: Duration,
    /// The longest that faults go on.
    pub longest: Duration,
    /// The longest wait for the end of all experiments once everything is healed.
    pub patience: Duration,
    /// Where logs are kept; a temporary directory, deleted when all is well, where nothing is said.
    pub directory: Option<PathBuf>,
}

/// What nobody repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Broken {
    Sensor,
    Robot,
}

impl Settings {
    /// A run with this seed on this database, everything else as usual.
    pub fn new(seed: u64, faults: u64, database: Kind) -> Self {
        Self {
            seed,
            faults,
            database,
            robots: 3,
            attended: 0,
            mix: Mix::Everything,
            broken: None,
            sabotage: None,
            speed: 200.0,
            gap: Duration::from_millis(400),
            longest: Duration::from_secs(600),
            patience: Duration::from_secs(120),
            directory: None,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub faults: u64,
    pub summary: Summary,
    pub violations: Vec<Violation>,
    pub timeline: Timeline,
    pub directory: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.violations.is_empty() {
            writeln!(f, "{}", self.timeline)?;
        }
        writeln!(
            f,
            "seed {}: {} faults in {:.0} s; {}",
            self.seed,
            self.faults,
            self.timeline.elapsed().as_secs_f64(),
            self.summary
        )?;
        if self.violations.is_empty() {
            return writeln!(f, "no violation");
        }
        writeln!(f, "{} violations (logs in {}):", self.violations.len(), self.directory.display())?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// What was asked of the lab so far.
#[derive(Debug, Default)]
struct Asked {
    experiments: Vec<(ExperimentId, usize)>,
    cancelled: HashSet<ExperimentId>,
}

struct Running {
    lab: Lab,
    people: Arc<People>,
    database: Arc<Database>,
    broken: Option<Broken>,
    /// The database may lose commits.
    may_lose: bool,
    sessions: Vec<Session>,
    asked: Mutex<Asked>,
    timeline: Timeline,
}

/// Runs it all.
///
/// # Errors
/// The harness itself failed: what it started doesn't start, or can't be reached. Broken promises are no errors but
/// the report's violations.
pub async fn run(settings: &Settings) -> Result<Report> {
    let timeline = Timeline::default();
    let binary = tokio::task::spawn_blocking(binary::find).await??;
    let temporary = tempfile::Builder::new().prefix("tincture-crash-").tempdir()?;
    let directory = settings.directory.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&directory)?;
    if std::fs::read_dir(&directory)?.next().is_some() {
        bail!("{} isn't empty: an earlier run's decks would be taken for this one's", directory.display());
    }
    let database = Database::make(settings.database).await?;
    let documents = Arc::new(DocumentStore::beside(settings.database).await);
    let plan = Plan {
        documents_url: documents.url().map(str::to_owned),
        robots: settings.robots,
        attended: settings.attended,
        workers: 2,
        users: 3,
        speed: settings.speed,
        seed: settings.seed,
        sabotage: settings.sabotage.clone(),
        ..Plan::default()
    };
    let lab = Lab::start(&plan, &binary, &directory, &database, &timeline).await?;
    let mut sessions = Vec::new();
    for account in &lab.accounts {
        sessions.push(Session::sign_in(lab.server, account).await?);
    }
    let people = Arc::new(People::sign_in(lab.server, &lab.operator, &lab.benches, timeline.clone()).await?);
    let (database, broken) = (Arc::new(database), settings.broken);
    let running = Arc::new(Running {
        lab,
        people,
        database,
        broken,
        may_lose: settings.database == Kind::AsynchronousPair,
        sessions,
        asked: Mutex::default(),
        timeline: timeline.clone(),
    });

    let (enough, stop) = watch::channel(false);
    let feeder = tokio::spawn(feed(Arc::clone(&running), settings.seed, stop));
    let (all_over, go_home) = watch::channel(false);
    let attendants: JoinSet<()> = (0..settings.attended)
        .map(|robot| Arc::clone(&running.people).stand_by(robot, Arc::clone(&running.database), go_home.clone()))
        .collect();
    let (healed, sick) = watch::channel(false);
    let killing = {
        let (documents, timeline) = (Arc::clone(&documents), timeline.clone());
        let seed = settings.seed;
        tokio::spawn(async move { documents.kill_again_and_again(seed, &timeline, sick).await })
    };
    break_it(&running, settings).await?;
    enough.send_replace(true);
    feeder.await??;
    healed.send_replace(true);
    killing.await?;
    running.lab.heal().await?;
    running.people.release_all().await?;
    running.wait_for_the_end(settings.patience).await?;
    let unkept = running.end_what_waits().await?;
    all_over.send_replace(true);
    attendants.join_all().await;
    running.lab.end().await?;

    let mut evidence = running.evidence().await?;
    evidence.documents = Some(documents.found(&running.database).await?);
    let mut violations = verdict::judge(&evidence);
    violations.extend(unkept);
    violations.extend(running.api_agrees(&evidence).await?);
    let directory = if violations.is_empty() || settings.directory.is_some() { directory } else { temporary.keep() };
    Ok(Report {
        seed: settings.seed,
        faults: timeline.faults(),
        summary: verdict::summary(&evidence),
        violations,
        timeline,
        directory,
    })
}

/// Keeps every robot busy until told to stop.
async fn feed(running: Arc<Running>, seed: u64, stop: watch::Receiver<bool>) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0xFEED);
    let mut number = 0;
    while !*stop.borrow() {
        if running.unfinished().await.unwrap_or(usize::MAX) >= BUSY * running.lab.benches.len() {
            sleep(PAUSE).await;
            continue;
        }
        let by = random.random_range(0..running.sessions.len());
        let request = request(&mut random);
        let session = running.sessions.get(by).context("nobody is signed in")?;
        let id = session.submit(&format!("{seed}-{number}"), &request).await?;
        running.asked().experiments.push((id, by));
        number += 1;
    }
    Ok(())
}

/// Mostly one to six wells of up to three dyes, in whole and broken µL; now and then half a plate, so that plates run out.
fn request(random: &mut ChaCha8Rng) -> Value {
    let wells = match random.random_range(0..8) {
        0 => random.random_range(30..=60),
        _ => random.random_range(1..=6),
    };
    let kinds = if wells > 6 { 1 } else { 3 };
    let wells: Vec<Value> = (0..wells).map(|_| json!({ "volumes": volumes(random, kinds) })).collect();
    json!({ "name": "crash", "wells": wells, "handling": handling(random) })
}

/// Two in three as usual.
fn handling(random: &mut ChaCha8Rng) -> Value {
    if random.random_range(0..3) > 0 {
        return json!({});
    }
    let mut handling = json!({ "touch_tip": random.random_bool(0.3) });
    let tips = ["reused", "per_dye", "per_transfer"];
    handling["tips"] = json!(tips[random.random_range(0..tips.len())]);
    handling["blow_out"] = json!(if random.random_bool(0.5) { "well" } else { "waste" });
    if random.random_bool(0.7) {
        handling["mix"] = json!({ "repetitions": random.random_range(1..=2), "volume": 30 });
    }
    if random.random_bool(0.5) {
        handling["air_gap"] = json!(5);
    }
    handling
}

fn volumes(random: &mut ChaCha8Rng, kinds: usize) -> Value {
    let mut volumes = serde_json::Map::new();
    for dye in ["red", "yellow", "blue"].into_iter().take(kinds) {
        if volumes.is_empty() || random.random_range(0..5) > 0 {
            volumes.insert(dye.to_owned(), json!(f64::from(random.random_range(200..=1_000)) / 10.0));
        }
    }
    Value::Object(volumes)
}

impl Broken {
    const fn fault(self) -> Fault {
        match self {
            Self::Sensor => Fault::SensorDies { robot: 0 },
            Self::Robot => Fault::RobotOff { robot: 0 },
        }
    }
}

fn has_ended(shown: &Value) -> bool {
    matches!(shown.get("status").and_then(Value::as_str), Some("completed" | "failed" | "cancelled"))
}

/// Whether an experiment that waits names what it waits for.
fn says_why(shown: &Value) -> bool {
    ["fault", "waits_for", "waiting", "reason"].iter().any(|name| shown.get(name).is_some_and(|why| !why.is_null()))
}

/// Injects faults until enough have taken effect.
async fn break_it(running: &Arc<Running>, settings: &Settings) -> Result<()> {
    let mut schedule = Schedule::new(settings.seed, running.lab.targets(settings.gap), settings.mix);
    let until = Instant::now() + settings.longest;
    let mut suffering = JoinSet::new();
    let mut breaks = settings.broken;
    while running.timeline.faults() < settings.faults && Instant::now() < until {
        let (gap, fault) = schedule.draw();
        sleep(gap).await;
        if running.timeline.faults() >= settings.faults / 4
            && let Some(broken) = breaks.take()
        {
            running.lab.suffer(broken.fault(), &running.database).await?;
        }
        while suffering.len() >= MOST_AT_ONCE {
            suffering.join_next().await.transpose()?.transpose()?;
        }
        let running = Arc::clone(running);
        suffering.spawn(async move {
            match fault {
                Fault::CancelExperiment => running.cancel_one().await,
                Fault::Button { robot, button, time } => {
                    running.at_the_robot(running.people.hold_for(robot, button, time, &running.database).await)
                }
                Fault::StopLab { time } => running.stop_lab(time).await,
                fault => running.lab.suffer(fault, &running.database).await,
            }
        });
    }
    while let Some(suffered) = suffering.join_next().await {
        suffered??;
    }
    Ok(())
}

impl Running {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many experiments haven't ended.
    async fn unfinished(&self) -> Result<usize> {
        let store = self.database.store();
        let count = async { Ok::<_, StoreError>(store.queue(1_000).await?.len() + store.running().await?.len()) };
        Ok(timeout(LOOK_LIMIT, count).await??)
    }

    async fn cancel_one(&self) -> Result<()> {
        let Some((id, by)) = self.asked().experiments.iter().rev().nth(2).copied() else { return Ok(()) };
        self.asked().cancelled.insert(id);
        let session = self.sessions.get(by).context("nobody is signed in")?;
        match session.cancel(id).await {
            Ok(()) => self.timeline.fault(format!("experiment {id} is cancelled")),
            Err(error) => self.timeline.note(format!("experiment {id} can't be cancelled: {error}")),
        }
        Ok(())
    }

    /// People's requests may fail while server or database are away; what they saw and did is kept all the same.
    fn at_the_robot(&self, outcome: Result<()>) -> Result<()> {
        if let Err(error) = outcome {
            self.timeline.note(format!("somebody at a robot: {error:#}"));
        }
        Ok(())
    }

    async fn stop_lab(&self, time: Duration) -> Result<()> {
        match self.people.stop_lab().await {
            Ok(()) => self.timeline.fault(format!("the lab is stopped for {time:?}")),
            Err(error) => self.timeline.note(format!("the lab can't be stopped: {error:#}")),
        }
        sleep(time).await;
        self.people.release_all().await
    }

    /// What is unfinished is kept waiting by the robot that is broken for good: it says why, and ends at once when its
    /// owner wishes.
    async fn end_what_waits(&self) -> Result<Vec<Violation>> {
        let mut violations = Vec::new();
        if self.broken.is_none() {
            return Ok(violations);
        }
        let asked = self.asked().experiments.clone();
        for (id, by) in asked {
            let session = self.sessions.get(by).context("nobody is signed in")?;
            let shown = session.experiment(id).await?;
            if has_ended(&shown) {
                continue;
            }
            if !says_why(&shown) {
                let what = format!("experiment {id} waits for a broken robot and doesn't say why: {shown}");
                violations.push(Violation { promise: verdict::Promise::Final, what });
            }
            self.asked().cancelled.insert(id);
            let began = Instant::now();
            session.cancel(id).await?;
            while !has_ended(&session.experiment(id).await?) {
                if began.elapsed() > CANCELLED_WITHIN {
                    let what = format!("experiment {id} isn't cancelled after {CANCELLED_WITHIN:?}");
                    violations.push(Violation { promise: verdict::Promise::Final, what });
                    break;
                }
                sleep(PAUSE / 4).await;
            }
        }
        Ok(violations)
    }

    async fn wait_for_the_end(&self, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        while self.unfinished().await? > 0 && Instant::now() < until {
            // What a dead sensor fails ends by itself.
            if self.broken == Some(Broken::Robot) && self.only_the_broken_one_is_left().await? {
                break;
            }
            self.resume_paused().await?;
            sleep(PAUSE).await;
        }
        self.timeline.note(format!("{} experiments are left", self.unfinished().await?));
        Ok(())
    }

    async fn only_the_broken_one_is_left(&self) -> Result<bool> {
        let store = self.database.store();
        let broken = self.broken_robot().await?;
        if !store.queue(1_000).await?.is_empty() {
            return Ok(false);
        }
        for id in store.running().await? {
            let experiment = store.experiment(id).await?.context("a running experiment is gone")?;
            if experiment.experiment.robot_id != broken {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn broken_robot(&self) -> Result<Option<RobotId>> {
        if self.broken.is_none() {
            return Ok(None);
        }
        let name = &self.lab.bench(0)?.name;
        Ok(self.database.store().robots().await?.into_iter().find(|robot| robot.name == *name).map(|robot| robot.id))
    }

    /// What an operator's robot gave up for a person to look at goes on.
    async fn resume_paused(&self) -> Result<()> {
        let shown = self.people.session().read("experiments?limit=200").await?;
        let newest = shown.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        let paused =
            newest.iter().filter(|experiment| experiment.get("status").and_then(Value::as_str) == Some("paused"));
        for experiment in paused.filter_map(|experiment| experiment.get("id")?.as_str()) {
            self.people.resume_experiment(experiment.parse()?).await?;
        }
        Ok(())
    }

    async fn evidence(&self) -> Result<evidence::Evidence> {
        let granted: Vec<_> =
            self.lab.accounts.iter().map(|account| (account.email.clone(), account.granted)).collect();
        let (experiments, cancelled) = {
            let asked = self.asked();
            (asked.experiments.iter().map(|(id, _)| *id).collect::<Vec<_>>(), asked.cancelled.clone())
        };
        let gathered =
            evidence::gather(&self.database, &granted, &experiments, cancelled, &self.lab.emulators()).await?;
        let broken = self.broken_robot().await?.into_iter().collect();
        Ok(evidence::Evidence { holds: self.people.holds(), broken, may_lose_commits: self.may_lose, ..gathered })
    }

    /// What people are shown is what the database holds.
    async fn api_agrees(&self, evidence: &evidence::Evidence) -> Result<Vec<Violation>> {
        let mut violations = Vec::new();
        let asked: HashMap<_, _> = self.asked().experiments.iter().copied().collect();
        for detail in &evidence.experiments {
            let id = detail.experiment.id;
            let by = *asked.get(&id).context("nobody asked for it")?;
            let session = self.sessions.get(by).context("nobody is signed in")?;
            let shown = session.experiment(id).await?;
            let results = |wells: &[Value]| {
                let channels = wells.iter().filter_map(|well| well.pointer("/result/channels").cloned());
                channels.collect::<Vec<_>>()
            };
            let shown_results =
                results(shown.get("wells").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default());
            let kept = detail
                .wells
                .iter()
                .filter_map(|(_, result)| result.as_ref()?.measurement_data.get("channels").cloned());
            let same = shown.get("status").and_then(Value::as_str) == Some(detail.experiment.status.as_str())
                && shown_results == kept.collect::<Vec<_>>();
            if !same {
                let what = format!("the API shows of experiment {id}: {shown}");
                violations.push(Violation { promise: verdict::Promise::Result, what });
            }
        }
        Ok(violations)
    }
}

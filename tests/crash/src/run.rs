//! One run: start the lab, keep it busy, break it, heal it, wait, judge.

use crate::{
    api::Session,
    binary,
    database::{Database, Kind},
    evidence,
    fault::{Fault, Mix, Schedule},
    lab::{Lab, Plan},
    timeline::Timeline,
    verdict::{self, Summary, Violation},
};
use anyhow::{Context, Result, bail};
use domain::ExperimentId;
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

/// Faults in progress at once; more would only queue up.
const MOST_AT_ONCE: usize = 8;
/// Experiments kept waiting or running, a robot.
const BUSY: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    /// Faults that must take effect.
    pub faults: u64,
    pub database: Kind,
    pub robots: usize,
    pub mix: Mix,
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

impl Settings {
    /// A run with this seed on this database, everything else as usual.
    pub fn new(seed: u64, faults: u64, database: Kind) -> Self {
        Self {
            seed,
            faults,
            database,
            robots: 3,
            mix: Mix::Everything,
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
    database: Database,
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
    let plan = Plan {
        robots: settings.robots,
        workers: 2,
        users: 3,
        quota: 20_000,
        speed: settings.speed,
        seed: settings.seed,
        sabotage: settings.sabotage.clone(),
    };
    let lab = Lab::start(&plan, &binary, &directory, &database, &timeline).await?;
    let mut sessions = Vec::new();
    for account in &lab.accounts {
        sessions.push(Session::sign_in(lab.server, account).await?);
    }
    let running = Arc::new(Running { lab, database, sessions, asked: Mutex::default(), timeline: timeline.clone() });

    let (enough, stop) = watch::channel(false);
    let feeder = tokio::spawn(feed(Arc::clone(&running), settings.seed, stop));
    break_it(&running, settings).await?;
    enough.send_replace(true);
    feeder.await??;
    running.lab.heal().await?;
    running.wait_for_the_end(settings.patience).await?;
    running.lab.end().await?;

    let evidence = running.evidence().await?;
    let mut violations = verdict::judge(&evidence);
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
    json!({ "name": "crash", "wells": wells })
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

/// Injects faults until enough have taken effect.
async fn break_it(running: &Arc<Running>, settings: &Settings) -> Result<()> {
    let mut schedule = Schedule::new(settings.seed, running.lab.targets(settings.gap), settings.mix);
    let until = Instant::now() + settings.longest;
    let mut suffering = JoinSet::new();
    while running.timeline.faults() < settings.faults && Instant::now() < until {
        let (gap, fault) = schedule.draw();
        sleep(gap).await;
        while suffering.len() >= MOST_AT_ONCE {
            suffering.join_next().await.transpose()?.transpose()?;
        }
        let running = Arc::clone(running);
        suffering.spawn(async move {
            match fault {
                Fault::CancelExperiment => running.cancel_one().await,
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
        Ok(store.queue(1_000).await?.len() + store.running().await?.len())
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

    async fn wait_for_the_end(&self, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        while self.unfinished().await? > 0 && Instant::now() < until {
            sleep(PAUSE).await;
        }
        self.timeline.note(format!("{} experiments are left", self.unfinished().await?));
        Ok(())
    }

    async fn evidence(&self) -> Result<evidence::Evidence> {
        let granted: Vec<_> =
            self.lab.accounts.iter().map(|account| (account.email.clone(), account.granted)).collect();
        let (experiments, cancelled) = {
            let asked = self.asked();
            (asked.experiments.iter().map(|(id, _)| *id).collect::<Vec<_>>(), asked.cancelled.clone())
        };
        evidence::gather(&self.database, &granted, &experiments, cancelled, &self.lab.emulators()).await
    }

    /// What people are shown is what the database holds.
    async fn api_agrees(&self, evidence: &evidence::Evidence) -> Result<Vec<Violation>> {
        let mut violations = Vec::new();
        let asked = self.asked().experiments.clone();
        for (detail, (id, by)) in evidence.experiments.iter().zip(asked) {
            let session = self.sessions.get(by).context("nobody is signed in")?;
            // Signed in again: a long run outlives an access token.
            let session = if self.timeline.elapsed() > Duration::from_secs(800) {
                &Session::sign_in(self.lab.server, &session.account).await?
            } else {
                session
            };
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

//! A small lab with its people, and what every story here does with it.

use crash::{
    api::Session,
    binary,
    database::{Database, Kind},
    evidence::{self, Evidence},
    hands::{Hands, Mark},
    lab::{Bench, Lab, Plan},
    people::People,
    timeline::Timeline,
    verdict,
};
use domain::ExperimentId;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Nothing that is waited for takes longer, unless it never comes.
const LIMIT: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(10);

pub struct Scene {
    pub lab: Lab,
    pub database: Arc<Database>,
    pub people: Arc<People>,
    pub user: Session,
    pub timeline: Timeline,
    asked: Mutex<Vec<ExperimentId>>,
    cancelled: Mutex<HashSet<ExperimentId>>,
    number: AtomicU32,
    directory: TempDir,
}

/// A lab in which a person can see what happens, step by step.
pub fn slow() -> Plan {
    Plan { speed: 10.0, patience: 0.2, ..Plan::default() }
}

/// Two wells, each of a large stroke of another dye, so that a tip is full for a while.
pub fn two_wells() -> Value {
    json!({ "wells": [{ "volumes": { "red": 280 } }, { "volumes": { "blue": 280 } }] })
}

pub fn one_well(dye: &str, volume: u32) -> Value {
    json!({ "wells": [{ "volumes": { dye: volume } }] })
}

impl Scene {
    pub async fn open(plan: &Plan, kind: Kind) -> Self {
        let binary = tokio::task::spawn_blocking(binary::find).await.expect("no panic").expect("a binary");
        let directory = tempfile::Builder::new().prefix("tincture-people-").tempdir().expect("a directory");
        let timeline = Timeline::default();
        let database = Arc::new(Database::make(kind).await.expect("a database"));
        let lab = Lab::start(plan, &binary, directory.path(), &database, &timeline).await.expect("the lab starts");
        let people = People::sign_in(lab.server, &lab.operator, &lab.benches, timeline.clone());
        let people = Arc::new(people.await.expect("the operator signs in"));
        let user = Session::sign_in(lab.server, &lab.accounts[0]).await.expect("somebody signs in");
        let (asked, cancelled, number) = Default::default();
        Self { lab, database, people, user, timeline, asked, cancelled, number, directory }
    }

    pub fn bench(&self, robot: usize) -> &Bench {
        self.lab.bench(robot).expect("a robot")
    }

    pub fn hands(&self, robot: usize) -> Hands {
        self.bench(robot).hands().expect("hands")
    }

    pub async fn submit(&self, request: &Value) -> ExperimentId {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let id = self.user.submit(&format!("scene-{number}"), request).await.expect("accepted");
        self.asked.lock().expect("no panic").push(id);
        id
    }

    pub async fn cancel(&self, id: ExperimentId) {
        self.cancelled.lock().expect("no panic").insert(id);
        self.user.cancel(id).await.expect("the wish is heard");
    }

    pub async fn status(&self, id: ExperimentId) -> String {
        let shown = self.user.experiment(id).await.expect("an experiment");
        shown["status"].as_str().expect("a status").to_owned()
    }

    /// Looks until an experiment is in one of these states, which it gives; anything final else is a failure.
    pub async fn until_status(&self, id: ExperimentId, wanted: &[&str]) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            let status = self.status(id).await;
            if wanted.contains(&status.as_str()) {
                return status;
            }
            let over = matches!(status.as_str(), "completed" | "failed" | "cancelled") || Instant::now() > until;
            assert!(!over, "{id} is {status}, not {wanted:?}\n{}", self.story(id).await);
            sleep(GLANCE * 5).await;
        }
    }

    pub async fn until_completed(&self, id: ExperimentId) {
        self.until_status(id, &["completed"]).await;
    }

    /// Looks until `reached` gives something.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, reached: impl Fn() -> F) -> T {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(found) = reached().await {
                return found;
            }
            assert!(Instant::now() < until, "never: {what}\n{}", self.timeline);
            sleep(GLANCE).await;
        }
    }

    /// Looks until a tip with liquid in it hangs on the nozzle.
    pub async fn until_a_tip_is_full(&self, robot: usize) {
        let hands = self.hands(robot);
        let hands = &hands;
        self.until("a tip with liquid", || async {
            let held = hands.state().await.ok()?.pointer("/right/nominal_ul")?.as_f64()?;
            (held > 0.0).then_some(())
        })
        .await;
    }

    /// Another client takes a robot that has a tip with liquid in it; its operator is asked.
    pub async fn question_with_a_full_tip(&self, robot: usize) {
        self.until_a_tip_is_full(robot).await;
        let taken = || async { self.bench(robot).take(&self.timeline).await.ok().filter(|taken| *taken) };
        self.until("another client has it", taken).await;
        self.people.until(robot, &self.database, "asking", |seen| seen.asks()).await.expect("it asks");
        self.still(robot).await;
    }

    /// Somebody stops a robot that has a tip with liquid in it; the operation that was in flight has ended.
    pub async fn stop_with_a_full_tip(&self, robot: usize) -> Mark {
        for _ in 0..20 {
            self.until_a_tip_is_full(robot).await;
            assert!(self.people.stop(robot).await.expect("an answer"), "the stop is heard");
            self.still(robot).await;
            let state = self.hands(robot).state().await.expect("a state");
            if state.pointer("/right/nominal_ul").and_then(Value::as_f64).is_some_and(|held| held > 0.0) {
                return self.mark(robot).await;
            }
            assert!(self.people.resume(robot).await.expect("an answer"), "the resume is heard");
        }
        panic!("no stop ever came while a tip was full");
    }

    /// Looks until a robot is shown to stand still.
    pub async fn still(&self, robot: usize) {
        let still = self.people.until(robot, &self.database, "still", |seen| seen.stands_still).await;
        still.expect("it stands still");
    }

    pub async fn mark(&self, robot: usize) -> Mark {
        self.hands(robot).mark().await.expect("a mark")
    }

    /// Nothing has happened on the deck since, not even a move.
    pub async fn assert_unmoved(&self, robot: usize, since: Mark, after: &str) {
        let now = self.mark(robot).await;
        if now == since {
            return;
        }
        let ledger = self.hands(robot).ledger().await.expect("a ledger");
        let since_then: Vec<_> = ledger.into_iter().filter(|entry| entry.sequence > since.sequence).collect();
        panic!("it moved after {after}: {since:?}, then {now:?}\n{since_then:#?}\n{}", self.timeline);
    }

    /// Whoever drives a robot has held it for a while: its lease was taken since `epoch` and renewed twice after that.
    pub async fn until_driven(&self, robot: usize, epoch: i64) {
        let first = self.until("a lease", || async { self.lease(robot).await.filter(|lease| lease.0 > epoch) }).await;
        let second =
            self.until("a renewal", || async { self.lease(robot).await.filter(|lease| *lease != first) }).await;
        self.until("another", || async { self.lease(robot).await.filter(|lease| *lease != second) }).await;
    }

    /// The lease's epoch and end, while somebody holds it.
    pub async fn lease(&self, robot: usize) -> Option<(i64, String)> {
        let name = &self.bench(robot).name;
        let robots = self.database.store().robots().await.ok()?;
        let robot = robots.into_iter().find(|robot| robot.name == *name)?;
        Some((robot.lease_epoch, robot.lease_expires_at?.to_rfc3339()))
    }

    pub async fn epoch(&self, robot: usize) -> i64 {
        self.until("a lease", || self.lease(robot)).await.0
    }

    /// Ends a worker as an operator would, and gives how long it took.
    pub async fn end_worker(&self, worker: usize) -> Duration {
        let process = self.lab.take_worker(worker).expect("a worker").expect("it runs");
        process.end().await.expect("it ends when asked to")
    }

    pub async fn kill_worker(&self, worker: usize) {
        let process = self.lab.take_worker(worker).expect("a worker").expect("it runs");
        process.kill().await.expect("killed");
    }

    pub async fn start_worker(&self, worker: usize) {
        self.lab.start_worker(worker).await.expect("it starts");
    }

    async fn evidence(&self) -> Evidence {
        let account = &self.lab.accounts[0];
        let granted = [(account.email.clone(), account.granted)];
        let asked = self.asked.lock().expect("no panic").clone();
        let cancelled = self.cancelled.lock().expect("no panic").clone();
        let gathered = evidence::gather(&self.database, &granted, &asked, cancelled, &self.lab.emulators()).await;
        Evidence { holds: self.people.holds(), ..gathered.expect("evidence") }
    }

    /// Ends the workers and holds everything against everything.
    pub async fn judge(&self) -> Evidence {
        self.lab.end().await.expect("the workers end");
        let evidence = self.evidence().await;
        let violations = verdict::judge(&evidence);
        let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{}\n{}", self.timeline, told.join("\n"));
        evidence
    }

    async fn story(&self, id: ExperimentId) -> String {
        let shown = self.user.experiment(id).await.map(|shown| shown["fault"].to_string());
        format!("{shown:?}\n{}\nlogs: {}", self.timeline, self.directory.path().display())
    }
}

//! The database's primary dies and its standby is promoted, while robots work.
//!
//! Real servers, a real stream. What is held against the lab is the decks' own ledger, as in every other run.

use crash::{
    api::Session,
    binary,
    database::Database,
    evidence::{self, Evidence},
    lab::{Lab, Plan},
    people::People,
    timeline::Timeline,
    verdict::{self, Promise, Violation},
};
use domain::{ExperimentId, ExperimentStatus, FaultCode, JournalEvent};
use emulator::world::{Entry, Event};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc, time::Duration};
use store::testing::{
    TestDatabase,
    pair::{Pair, Replication},
};
use tempfile::TempDir;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// Nothing that is waited for takes longer, unless it never comes.
const LIMIT: Duration = Duration::from_secs(120);

struct Scene {
    pair: Arc<Pair>,
    database: Database,
    lab: Lab,
    user: Session,
    timeline: Timeline,
    asked: Vec<ExperimentId>,
    /// A failover may lose commits.
    loses: bool,
    _directory: TempDir,
}

impl Scene {
    async fn open(replication: Replication, plan: &Plan) -> Self {
        let pair = Arc::new(spawn_blocking(move || Pair::start(replication)).await.expect("a pair of servers"));
        let binary = spawn_blocking(binary::find).await.expect("no panic").expect("a binary");
        let directory = tempfile::Builder::new().prefix("tincture-failover-").tempdir().expect("a directory");
        let database = Database::over(TestDatabase::on_pair(Arc::clone(&pair)).await).await.expect("a database");
        let timeline = Timeline::default();
        let lab = Lab::start(plan, &binary, directory.path(), &database, &timeline).await.expect("the lab starts");
        let user = Session::sign_in(lab.server, &lab.accounts[0]).await.expect("somebody signs in");
        Self {
            pair,
            database,
            lab,
            user,
            timeline,
            asked: Vec::new(),
            loses: replication == Replication::Asynchronous,
            _directory: directory,
        }
    }

    async fn submit(&mut self, request: &Value) {
        let key = format!("failover-{}", self.asked.len());
        self.asked.push(self.user.submit(&key, request).await.expect("accepted"));
    }

    /// Does something with the servers, which blocks.
    async fn servers(&self, act: impl FnOnce(&Pair) + Send + 'static) {
        let pair = Arc::clone(&self.pair);
        spawn_blocking(move || act(&pair)).await.expect("the servers do it");
    }

    async fn ledger(&self) -> Vec<Entry> {
        self.lab.benches[0].hands().expect("hands").ledger().await.expect("a ledger")
    }

    /// Waits until so many drops more have fallen than `before`.
    async fn until_drops(&self, before: usize, more: usize) -> usize {
        let deadline = Instant::now() + LIMIT;
        loop {
            let fallen = self.ledger().await.iter().filter(|entry| is_drop(entry)).count();
            if fallen >= before + more {
                return fallen;
            }
            assert!(Instant::now() < deadline, "only {fallen} drops fell\n{}", self.timeline);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The standby has all that was committed until now, and gets nothing more.
    async fn cut_off(&self) {
        self.servers(Pair::catch_up).await;
        self.servers(Pair::cut).await;
        self.timeline.fault("the stream to the standby is cut");
    }

    /// The primary is gone and the standby takes its place.
    async fn fail_over(&self) {
        self.servers(|pair| pair.crash(0)).await;
        self.timeline.fault("the primary is gone");
        self.servers(Pair::promote).await;
        self.timeline.note("the standby is promoted");
    }

    /// Waits until the server that took over has all of it completed.
    async fn until_completed(&self, there: &Database) {
        let deadline = Instant::now() + LIMIT;
        for id in &self.asked {
            loop {
                let status =
                    there.store().experiment(*id).await.expect("an answer").expect("it is there").experiment.status;
                if status == ExperimentStatus::Completed {
                    break;
                }
                assert!(Instant::now() < deadline && !status.is_final(), "{id} is {status}\n{}", self.timeline);
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn promoted(&self) -> Database {
        self.database.at_server(1).await.expect("the new primary")
    }

    /// Holds what happened on the deck against what the server that took over says.
    async fn judge(&self, database: &Database) {
        let violations = self.violations(database).await;
        let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{}\n{}", self.timeline, told.join("\n"));
    }

    async fn violations(&self, database: &Database) -> Vec<Violation> {
        self.lab.end().await.expect("the workers end");
        let granted: Vec<_> =
            self.lab.accounts.iter().map(|account| (account.email.clone(), account.granted)).collect();
        let evidence = evidence::gather(database, &granted, &self.asked, HashSet::new(), &self.lab.emulators()).await;
        verdict::judge(&Evidence { may_lose_commits: self.loses, ..evidence.expect("evidence") })
    }
}

fn is_drop(entry: &Entry) -> bool {
    matches!(entry.event, Event::Dispense { .. })
}

fn wells(count: usize) -> Value {
    let well = json!({ "volumes": { "red": 60, "yellow": 50, "blue": 40 } });
    json!({ "wells": vec![well; count] })
}

/// The stream is cut; intents are committed on the primary and their drops fall; the primary is lost; the standby, which
/// knows of none of them, is promoted, and the lab goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_asynchronous_failover_loses_isnt_done_again() {
    let plan = Plan { speed: 40.0, ..Plan::default() };
    let mut scene = Scene::open(Replication::Asynchronous, &plan).await;
    scene.submit(&wells(6)).await;
    scene.submit(&wells(3)).await;
    let fallen = scene.until_drops(0, 4).await;
    scene.cut_off().await;
    scene.until_drops(fallen, 4).await;
    let told = scene.database.store().events(scene.asked[0], 0, 1_000).await.expect("events");
    scene.fail_over().await;
    let promoted = scene.promoted().await;
    scene.until_completed(&promoted).await;
    assert_ne!(lost(&promoted).await, 0, "nothing was lost: the test proves nothing");
    check_that_streams_resume(&promoted, &told).await;
    scene.judge(&promoted).await;
}

/// Who saw these events goes on after the last of them that is still there, and is told each that was written since.
async fn check_that_streams_resume(promoted: &Database, told: &[store::Event]) {
    let (store, id) = (promoted.store(), told[0].experiment_id);
    let now = store.events(id, 0, 1_000).await.expect("events");
    let common = told.iter().zip(&now).take_while(|(then, now)| then.id() == now.id() && then.data == now.data).count();
    assert!(common > 0 && common < told.len(), "{common} of {} events are still there", told.len());
    assert!(now[..common].iter().all(|event| event.timeline.is_none()), "old ids stay as they were");
    assert!(now[common..].iter().all(|event| event.id().to_string() == format!("2-{}", event.sequence)), "{now:?}");
    for (place, seen) in told.iter().enumerate() {
        let after = store.resume_after(id, seen.id()).await.expect("an answer");
        assert_eq!(after, told[place.min(common - 1)].sequence, "{}", seen.id());
    }
    for seen in &now[common..] {
        let again = seen.id().to_string().parse().expect("its id");
        assert_eq!(store.resume_after(id, again).await.expect("an answer"), seen.sequence);
    }
}

/// The same while nothing is under way, and so fast that no worker notices: its lease goes on, for all it knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_noticed_nothing_asks_its_robot_all_the_same() {
    let mut scene = Scene::open(Replication::Asynchronous, &Plan::default()).await;
    scene.submit(&wells(3)).await;
    scene.until_drops(0, 2).await;
    scene.cut_off().await;
    scene.until_completed(&scene.database).await;
    scene.fail_over().await;
    let promoted = scene.promoted().await;
    scene.until_completed(&promoted).await;
    assert_ne!(lost(&promoted).await, 0, "nothing was lost: the test proves nothing");
    scene.judge(&promoted).await;
}

/// A real robot has no ledger to ask, only the list of what it was told. Its operator looks, and no well but those that got a
/// drop is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_robots_own_list_says_what_was_lost() {
    let plan = Plan { speed: 40.0, attended: 1, pass_for_real: true, ..Plan::default() };
    let mut scene = Scene::open(Replication::Asynchronous, &plan).await;
    scene.submit(&wells(6)).await;
    let fallen = scene.until_drops(0, 3).await;
    scene.cut_off().await;
    scene.until_drops(fallen, 4).await;
    scene.fail_over().await;
    let promoted = scene.promoted().await;
    let people = People::sign_in(scene.lab.server, &scene.lab.operator, &scene.lab.benches, scene.timeline.clone());
    let people = people.await.expect("the operator signs in");
    people.until(0, &promoted, "asking", |seen| seen.asks()).await.expect("it asks");
    let robot = promoted.store().robots().await.expect("robots").remove(0);
    assert_eq!(robot.attention.map(|question| question.code), Some(FaultCode::DeckUnknown));
    let plate = robot.plate_id;
    assert!(people.resume(0).await.expect("an answer"), "the resume is heard");
    scene.until_completed(&promoted).await;
    assert_ne!(lost(&promoted).await, 0, "nothing was lost: the test proves nothing");
    let robot = promoted.store().robots().await.expect("robots").remove(0);
    assert_eq!((robot.plate_id, robot.attention), (plate, None), "the plate stays, and nothing more is asked");
    scene.judge(&promoted).await;
}

/// How many operations the journal got back from robots.
async fn lost(database: &Database) -> usize {
    let journal = database.journal().await.expect("a journal");
    journal
        .iter()
        .filter(|record| record.events == [JournalEvent::Intended, JournalEvent::InDoubt, JournalEvent::Settled])
        .count()
}

/// A commit waits for the standby: whatever was answered is there after its promotion, and the lab goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_failover_loses_nothing() {
    let plan = Plan { speed: 40.0, ..Plan::default() };
    let mut scene = Scene::open(Replication::Synchronous, &plan).await;
    scene.submit(&wells(4)).await;
    scene.until_drops(0, 3).await;
    scene.submit(&wells(2)).await;
    scene.fail_over().await;
    let promoted = scene.promoted().await;
    scene.until_completed(&promoted).await;
    scene.judge(&promoted).await;
}

/// A lab that trusts its journal after a promotion knows nothing of what was done, and is caught at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lab_that_asks_no_robot_is_caught() {
    let plan = Plan { speed: 40.0, sabotage: Some("no-lists".to_owned()), ..Plan::default() };
    let mut scene = Scene::open(Replication::Asynchronous, &plan).await;
    scene.submit(&wells(6)).await;
    let fallen = scene.until_drops(0, 3).await;
    scene.cut_off().await;
    scene.until_drops(fallen, 4).await;
    scene.fail_over().await;
    let promoted = scene.promoted().await;
    let deadline = Instant::now() + LIMIT;
    while !is_taken_over(&promoted).await {
        assert!(Instant::now() < deadline, "nobody takes the robot\n{}", scene.timeline);
        sleep(Duration::from_millis(50)).await;
    }
    let violations = scene.violations(&promoted).await;
    let of_the_journal = violations.iter().filter(|violation| violation.promise == Promise::Journal);
    assert_ne!(of_the_journal.count(), 0, "the journal lacks nothing\n{}", scene.timeline);
}

/// Whether a lane believes that it knows what its robot was told before the promotion.
async fn is_taken_over(promoted: &Database) -> bool {
    let robot = promoted.store().robots().await.expect("robots").remove(0);
    robot.history.is_some_and(|history| history.ends_with('2'))
}

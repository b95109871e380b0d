//! PostgreSQL's leader moves by itself, again and again, while experiments are accepted and robots work.
//!
//! Patroni and etcd as an institution runs them. One round kills the leader's machine, one asks it to give way;
//! `TINCTURE_FAILOVERS=40` goes on for as many moves.

use crash::{
    api::Session,
    binary,
    database::Database,
    evidence,
    lab::{Lab, Plan},
    timeline::Timeline,
    verdict,
};
use domain::{ExperimentId, ExperimentStatus};
use serde_json::json;
use std::{
    collections::HashSet,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::testing::{TestDatabase, patroni::Patroni};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

const LIMIT: Duration = Duration::from_secs(180);
/// Between two experiments that are asked for.
const GAP: Duration = Duration::from_millis(300);
/// Work between two moves.
const REST: Duration = Duration::from_secs(4);

/// What was accepted, and how long nothing was at the worst.
#[derive(Default)]
struct Accepted {
    experiments: Vec<ExperimentId>,
    longest_wait: Duration,
}

impl Accepted {
    fn note(&mut self, experiment: ExperimentId, after: Duration) {
        self.experiments.push(experiment);
        self.longest_wait = self.longest_wait.max(after);
    }
}

/// Asks for one experiment after the other, each under its key until it is accepted.
async fn ask(user: Session, accepted: Arc<Mutex<Accepted>>, enough: Arc<AtomicBool>) {
    let mut last = Instant::now();
    for number in 0.. {
        let key = format!("patroni-{number}");
        let id = loop {
            match user.submit(&key, &json!({ "wells": [{ "volumes": { "red": 40, "blue": 60 } }] })).await {
                Ok(id) => break id,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        };
        accepted.lock().expect("no panic").note(id, last.elapsed());
        if enough.load(Ordering::SeqCst) {
            return;
        }
        last = Instant::now();
        sleep(GAP).await;
    }
}

/// Moves the leader once; safe again when this returns.
fn move_leader(patroni: &Patroni, number: usize, timeline: &Timeline) {
    if number.is_multiple_of(2) {
        let dead = patroni.kill_leader();
        timeline.fault(format!("the leader ({dead}) is killed"));
        patroni.until_leader_is_not(dead);
        timeline.note("the other leads");
        patroni.revive(dead);
    } else {
        timeline.fault("the leader is asked to give way");
        patroni.switch_over();
    }
    patroni.until_safe();
    timeline.note("there is a synchronous standby again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_moves_loses_nothing_and_repeats_no_drop() {
    let moves = env::var("TINCTURE_FAILOVERS").map_or(2, |moves| moves.parse().expect("a number of moves"));
    let patroni = Arc::new(spawn_blocking(Patroni::start).await.expect("Patroni starts"));
    let binary = spawn_blocking(binary::find).await.expect("no panic").expect("a binary");
    let directory = tempfile::Builder::new().prefix("tincture-patroni-lab-").tempdir().expect("a directory");
    let database = Database::over(TestDatabase::on_patroni(Arc::clone(&patroni)).await).await.expect("a database");
    let timeline = Timeline::default();
    let plan = Plan { robots: 2, workers: 2, speed: 100.0, ..Plan::default() };
    let lab = Lab::start(&plan, &binary, directory.path(), &database, &timeline).await.expect("the lab starts");
    let user = Session::sign_in(lab.server, &lab.accounts[0]).await.expect("somebody signs in");

    let (accepted, enough) = (Arc::new(Mutex::new(Accepted::default())), Arc::new(AtomicBool::new(false)));
    let asking = tokio::spawn(ask(user, Arc::clone(&accepted), Arc::clone(&enough)));
    for number in 0..moves {
        sleep(REST).await;
        let (patroni, timeline) = (Arc::clone(&patroni), timeline.clone());
        spawn_blocking(move || move_leader(&patroni, number, &timeline)).await.expect("the leader moves");
    }
    sleep(REST).await;
    enough.store(true, Ordering::SeqCst);
    asking.await.expect("all were accepted");
    let accepted = std::mem::take(&mut *accepted.lock().expect("no panic"));

    let database = database.at_leader().await.expect("the leader");
    let deadline = Instant::now() + LIMIT;
    for id in &accepted.experiments {
        loop {
            let status =
                database.store().experiment(*id).await.expect("an answer").expect("what was accepted is there");
            match status.experiment.status {
                ExperimentStatus::Completed => break,
                status => assert!(Instant::now() < deadline && !status.is_final(), "{id} is {status}\n{timeline}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    lab.end().await.expect("the workers end");
    let granted: Vec<_> = lab.accounts.iter().map(|account| (account.email.clone(), account.granted)).collect();
    let emulators = lab.emulators();
    let evidence = evidence::gather(&database, &granted, &accepted.experiments, HashSet::new(), &emulators).await;
    let violations = verdict::judge(&evidence.expect("evidence"));
    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{timeline}\n{}", told.join("\n"));
    let (count, longest) = (accepted.experiments.len(), accepted.longest_wait);
    eprintln!(
        "{timeline}\n{count} experiments accepted and completed over {moves} moves; at the worst one waited {longest:.1?}"
    );
}

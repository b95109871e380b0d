//! What tests start from: people, robots, experiments.

use chrono::{DateTime, TimeDelta, Utc};
use domain::*;
use serde_json::json;
use std::time::Duration;
pub use store::testing::act;
use store::*;

pub const TIME_TO_LIVE: Duration = Duration::from_secs(60);

pub fn in_an_hour() -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(1)
}

pub fn well(name: &str) -> WellName {
    name.parse().expect("a well's name")
}

pub fn dye(name: &str) -> DyeName {
    name.parse().expect("a dye's name")
}

pub fn red(microlitres: u32) -> Recipe {
    Recipe::new([(dye("red"), Volume::from_whole_ul(microlitres))])
}

pub fn fault() -> Fault {
    Fault {
        code: FaultCode::CommandInDoubt,
        what: "Nobody knows whether the drop fell.".to_owned(),
        cause: "the robot restarted".to_owned(),
        done: "the well is quarantined".to_owned(),
        next: "nothing".to_owned(),
    }
}

pub fn new_user(quota: i32) -> NewUser {
    let id = UserId::new();
    NewUser {
        id,
        email: format!("{id}@example.org"),
        hashed_password: "$argon2id$…".to_owned(),
        role: Role::Researcher,
        quota,
    }
}

pub async fn user(store: &Store, quota: i32) -> UserId {
    store.create_user(new_user(quota), &act("user_created")).await.expect("a new account").id
}

/// A sign-in of somebody, with this hash of its token.
pub async fn session(store: &Store, user: UserId, hash: &str, expires_at: DateTime<Utc>) -> Session {
    let user = store.user(user).await.expect("an answer").expect("the account");
    let by = act("sign_in");
    store.create_session(SessionId::new(), &user, hash, expires_at, &by).await.expect("a session")
}

/// Somebody whom a provider vouches for, who is welcome and gets what account has their address.
pub fn external(subject: &str, role: Role, quota: i32) -> ExternalSignIn {
    let session = SessionId::new();
    ExternalSignIn {
        issuer: "https://id.example.org".to_owned(),
        subject: subject.to_owned(),
        email: Some(format!("{subject}@example.org")),
        unknown: Unknown { is_welcome: true, takes_over: true },
        role,
        quota,
        groups: Vec::new(),
        once: (format!("once {session}"), in_an_hour()),
        session,
        refresh_hash: format!("hash {session}"),
        expires_at: in_an_hour(),
        pending: (format!("pending {session}"), in_an_hour()),
        provider_session: Some(format!("session of {subject}")),
        proved_at: Utc::now(),
        ip: None,
    }
}

pub async fn set_quota(store: &Store, user: UserId, quota: i32) {
    let changes = UserChanges { quota: Some(quota), ..UserChanges::default() };
    store.update_user(user, changes, &[act("quota_changed")]).await.expect("a quota");
}

pub async fn quota(store: &Store, user: UserId) -> i32 {
    store.user(user).await.expect("an answer").expect("the account").quota_remaining
}

pub fn request(user: UserId, wells: usize) -> NewExperiment {
    NewExperiment {
        name: Some("a series of reds".to_owned()),
        metadata: json!({ "from": "a test" }),
        ip_address: Some("192.0.2.7".parse().expect("an address")),
        ..testing::request(user, (0..wells).map(|_| red(60)))
    }
}

/// An accepted experiment, waiting.
pub async fn queued(store: &Store, user: UserId, wells: usize) -> ExperimentDetail {
    let request = request(user, wells);
    let id = request.id;
    let acceptance = store.accept(request).await.expect("an answer");
    assert!(matches!(acceptance, Acceptance::Accepted { .. }), "{acceptance:?}");
    experiment(store, id).await
}

pub async fn experiment(store: &Store, id: ExperimentId) -> ExperimentDetail {
    store.experiment(id).await.expect("an answer").expect("the experiment")
}

pub fn new_robot(name: &str) -> NewRobot {
    NewRobot {
        name: name.to_owned(),
        kind: RobotKind::Ot2,
        url: "http://127.0.0.1:31950".to_owned(),
        sensor_url: "tcp://127.0.0.1:31951".to_owned(),
        attendance: Attendance::Virtual,
        deck: Deck::default(),
    }
}

/// A robot, driven by "worker".
pub async fn lane(store: &Store, name: &str) -> (Robot, Lease) {
    let robot = store.ensure_robot(new_robot(name)).await.expect("a robot");
    let lease = store.lease(robot.id, "worker", TIME_TO_LIVE, LeaseClaim::WhenFree).await.expect("an answer");
    (robot, lease.expect("the lane is free"))
}

/// An experiment in the lane's hand, its wells from A1 on.
pub async fn running(store: &Store, user: UserId, wells: usize, robot: &Robot, lease: &Lease) -> ExperimentDetail {
    let waiting = queued(store, user, wells).await;
    let places: Vec<_> = waiting.wells.iter().map(|(well, _)| well.id).zip(WellName::all()).collect();
    let plate = robot.plate_id.expect("a new robot has a plate");
    assert!(store.take(lease, robot.acts, waiting.experiment.id, plate, &places).await.expect("an answer"));
    experiment(store, waiting.experiment.id).await
}

pub fn well_ids(detail: &ExperimentDetail) -> Vec<WellId> {
    detail.wells.iter().map(|(well, _)| well.id).collect()
}

/// A dispense into the first well of an experiment.
pub fn dispense(detail: &ExperimentDetail) -> Operation {
    let (well, _) = detail.wells.first().expect("a well");
    let at = well.well_id.expect("a place on the plate");
    let volume = Volume::from_whole_ul(60);
    Operation::new(Step::Dispense { mount: Mount::Right, dye: dye("red"), well: well.id, at, volume })
}

pub fn intends(operation: &Operation, experiment: ExperimentId) -> Entry {
    intends_for(operation, experiment, Purpose::Work, 0)
}

/// An intent with this purpose, of a worker that knows of so many acts of people.
pub fn intends_for(operation: &Operation, experiment: ExperimentId, purpose: Purpose, acts: i64) -> Entry {
    let run_id = Some("run-1".to_owned());
    let intended = Intended { operation: operation.clone(), experiment_id: Some(experiment), run_id, purpose, acts };
    Entry { intended: Some(intended), ..Entry::default() }
}

pub fn ends(operation: &Operation, event: JournalEvent) -> Entry {
    Entry {
        ended: Some(Ended { operation: operation.id, event, outcome: json!({ "by": "test" }) }),
        ..Entry::default()
    }
}

pub fn changes(changes: impl IntoIterator<Item = Change>) -> Entry {
    Entry { changes: changes.into_iter().collect(), ..Entry::default() }
}

pub fn to_status(id: WellId, to: WellStatus) -> Change {
    Change::Well { id, to, fault: None }
}

pub fn measured(well: WellId) -> Change {
    let lab = json!({ "l": 50.0, "a": 10.0, "b": -4.5 });
    Change::Result {
        id: ResultId::new(),
        well,
        measurement_data: json!({ "srgb": "#aa3344", "lab": lab, "channels": {} }),
    }
}

pub async fn events(store: &Store, experiment: ExperimentId) -> Vec<Event> {
    store.events(experiment, 0, 1_000).await.expect("events")
}

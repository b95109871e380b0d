//! What the store gives and takes: one plain type a table, independent of the database behind it.

use chrono::{DateTime, Utc};
use domain::{
    ActivityId, Attendance, Change, Control, Deck, DeckCondition, ExperimentEvent, ExperimentId, ExperimentStatus,
    Fault, JournalEvent, Needs, Operation, OperationId, PlateId, Recipe, ResultId, RobotId, RobotKind, RobotMode, Role,
    SessionId, Tool, UserId, WellId, WellName, WellStatus,
};
use serde::Serialize;
use serde_json::Value;
use std::{fmt, net::IpAddr};

/// A person's account. Its `Debug` never shows the password hash.
#[derive(Clone)]
pub struct User {
    pub id: UserId,
    /// Lower case; unique.
    pub email: String,
    /// PHC string (argon2id).
    pub hashed_password: String,
    pub role: Role,
    /// Wells that this person may still ask for.
    pub quota_remaining: i32,
    pub created_at: DateTime<Utc>,
    /// Since when they can't sign in.
    pub disabled_at: Option<DateTime<Utc>>,
}

impl User {
    pub(crate) fn is_administrator(&self) -> bool {
        self.role.administers() && self.disabled_at.is_none()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// An account to be made. Its id is made before, so that making it twice is seen.
#[derive(Clone)]
pub struct NewUser {
    pub id: UserId,
    pub email: String,
    pub hashed_password: String,
    pub role: Role,
    pub quota: i32,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What is to be another in an account; nothing stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserChanges {
    pub role: Option<Role>,
    /// Wells that may still be asked for, 0 or more.
    pub quota: Option<i32>,
    pub disabled: Option<bool>,
}

impl UserChanges {
    pub(crate) fn of(self, user: User, now: DateTime<Utc>) -> User {
        User {
            role: self.role.unwrap_or(user.role),
            quota_remaining: self.quota.unwrap_or(user.quota_remaining),
            disabled_at: match self.disabled {
                Some(true) => user.disabled_at.or(Some(now)),
                Some(false) => None,
                None => user.disabled_at,
            },
            ..user
        }
    }
}

/// A key that signs access tokens, or signed them. Its `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The `kid` in the header of its tokens.
    pub kid: String,
    /// PKCS #8.
    pub private_pem: String,
    pub created_at: DateTime<Utc>,
    /// Nothing for the one that signs.
    pub verifies_until: Option<DateTime<Utc>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A sign-in. Only a hash of its refresh token is kept; each use of the token replaces it.
#[derive(Clone)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// What became of an attempt to use a refresh token.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// The token was the session's current one; it has been replaced.
    Rotated(Session),
    /// The token was replaced before: somebody has a copy. The whole session is revoked now.
    Reused(SessionId),
    /// Unknown, expired or revoked.
    Refused,
}

/// One line of `user_activity_log`.
#[derive(Clone, Debug)]
pub struct Activity {
    pub id: ActivityId,
    pub user_id: Option<UserId>,
    /// Like `sign_in`, `sign_in_failed`, `experiment_created`.
    pub action: String,
    pub details: Value,
    pub ip_address: Option<IpAddr>,
    pub created_at: DateTime<Utc>,
}

/// An activity to be logged now.
#[derive(Clone, Debug)]
pub struct NewActivity {
    pub user_id: Option<UserId>,
    pub action: &'static str,
    pub details: Value,
    pub ip_address: Option<IpAddr>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlOutcome {
    /// Done at once: nothing physical was under way.
    Applied(ExperimentStatus),
    /// Written down for the worker, which acts after the operation in flight.
    Requested,
    /// It makes no sense in this state.
    Refused(ExperimentStatus),
}

/// A row of `experiments`.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub id: ExperimentId,
    pub user_id: UserId,
    pub name: Option<String>,
    pub status: ExperimentStatus,
    pub priority: i16,
    /// The robot that has it or had it; it keeps it, since the wells lie on that robot's plate.
    pub robot_id: Option<RobotId>,
    pub plate_id: Option<PlateId>,
    /// A wish not yet answered by the worker.
    pub control: Option<Control>,
    pub fault: Option<Fault>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub metadata: Value,
    /// What it asks of a deck; nothing for one that is older than that being written down.
    pub needs: Option<Needs>,
}

/// A row of `wells`: one well of an experiment.
#[derive(Clone, Debug)]
pub struct Well {
    pub id: WellId,
    pub experiment_id: ExperimentId,
    /// 0-based place in the request; a replacement has the place of the well it replaces.
    pub position: i32,
    /// Where it lies on the plate; nothing before the experiment starts.
    pub well_id: Option<WellName>,
    pub plate_id: Option<PlateId>,
    pub status: WellStatus,
    pub recipe: Recipe,
    /// The quarantined well which this one makes up for.
    pub replaces: Option<WellId>,
    /// The doubtful well of another experiment whose quota was given back for this one.
    pub makes_up_for: Option<WellId>,
    pub fault: Option<Fault>,
}

/// A row of `results`.
#[derive(Clone, Debug)]
pub struct Measurement {
    pub id: ResultId,
    pub experiment_id: ExperimentId,
    pub well: WellId,
    /// As in the API: `channels`, `lab`, `srgb`, settings, reference …
    pub measurement_data: Value,
    pub created_at: DateTime<Utc>,
}

/// An experiment with its wells, ordered by position and then age, each with its result.
#[derive(Clone, Debug)]
pub struct ExperimentDetail {
    pub experiment: Experiment,
    pub wells: Vec<(Well, Option<Measurement>)>,
}

/// A line of a list.
#[derive(Clone, Debug)]
pub struct ExperimentSummary {
    pub experiment: Experiment,
    /// Of the person who asked.
    pub email: String,
    /// Wells asked for (replacements not counted).
    pub wells: u32,
    pub measured: u32,
    /// Measured colours (`#rrggbb`) in well order.
    pub swatches: Vec<String>,
}

/// One page of a list; `next` is the cursor of the page after it.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    pub data: Vec<T>,
    pub next: Option<C>,
}

/// A valid request, to be accepted and charged.
#[derive(Clone, Debug)]
pub struct NewExperiment {
    pub id: ExperimentId,
    pub user_id: UserId,
    pub name: Option<String>,
    pub wells: Vec<(WellId, Recipe)>,
    pub priority: i16,
    pub metadata: Value,
    /// Measured wells of this person whose quota is given back for it, each once for ever. The last wells asked for, in
    /// this order, make up for them; cancelling one of those returns nothing more.
    pub gives_back: Vec<WellId>,
    /// The client's `Idempotency-Key` with a hash of the request body.
    pub idempotency: Option<IdempotencyKey>,
    pub ip_address: Option<IpAddr>,
    /// Who tried an older experiment again by it, as the activity log is to say it.
    pub retried: Option<NewActivity>,
}

#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// 1–200 characters.
    pub key: String,
    /// Hex SHA-256 of what was asked.
    pub request_hash: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Durable and charged.
    Accepted { quota_remaining: i32 },
    /// The same key with the same request came before; this is what it made.
    Replayed { experiment: ExperimentId, quota_remaining: i32 },
    /// The same key came with another request.
    KeyReused,
    /// Nothing was charged.
    QuotaExhausted { remaining: i32 },
    /// Nothing was charged: so many experiments wait already.
    QueueFull { limit: u32 },
    /// Nothing was charged: a well in `gives_back` isn't this person's, wasn't measured, was given back before, or no well
    /// asked for makes up for it.
    AlreadyGivenBack,
}

/// One event of an experiment's live stream. Sequences start at 1 and have no gaps, so a stream resumes anywhere.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub experiment_id: ExperimentId,
    pub sequence: i64,
    /// One of [`EventKind`](domain::EventKind), unless another release wrote it.
    pub kind: String,
    pub data: Value,
    pub at: DateTime<Utc>,
}

impl Event {
    /// What it says; nothing where another release wrote something else.
    pub fn read(&self) -> Option<ExperimentEvent> {
        ExperimentEvent::read(&self.kind, &self.data)
    }
}

/// A robot as it is added or configured.
#[derive(Clone, Debug)]
pub struct NewRobot {
    pub name: String,
    pub kind: RobotKind,
    /// `http://host:31950`
    pub url: String,
    /// `tcp://host:port`
    pub sensor_url: String,
    pub attendance: Attendance,
    pub deck: Deck,
}

/// A row of `robots`: a lane.
#[derive(Clone, Debug)]
pub struct Robot {
    pub id: RobotId,
    pub name: String,
    /// Who the machine says it is; nothing until it was asked.
    pub identity: Option<String>,
    pub kind: RobotKind,
    pub url: String,
    pub sensor_url: String,
    pub attendance: Attendance,
    pub deck: Deck,
    /// What people told it.
    pub mode: RobotMode,
    /// Who told it so (an e-mail address) and when.
    pub mode_by: Option<String>,
    pub mode_at: Option<DateTime<Utc>>,
    /// The worker's question to its operator. While it is open nothing moves.
    pub attention: Option<Fault>,
    pub attention_at: Option<DateTime<Utc>>,
    /// What the worker can't do at the moment. It holds nothing, and is taken back when it is over.
    pub notice: Option<Fault>,
    pub notice_at: Option<DateTime<Utc>>,
    /// How many acts of people it has seen: holds, answers, hands on its deck.
    pub acts: i64,
    /// Nothing is open, nothing can begin, and nothing hangs on its nozzle that will still be put down. Stays so until
    /// somebody resumes it.
    pub stands_still: bool,
    /// The newest command or run on the machine that the journal doesn't know of and that somebody was asked about.
    pub accounted: Option<String>,
    /// The run on the robot's server that the last lease holder made.
    pub run_id: Option<String>,
    /// What the journal says hangs on the nozzle.
    pub tool: Tool,
    pub plate_id: Option<PlateId>,
    /// Last white reference: basic counts by channel, and when.
    pub white_reference: Option<Value>,
    pub lease_holder: Option<String>,
    pub lease_epoch: i64,
    pub lease_expires_at: Option<DateTime<Utc>>,
}

impl Robot {
    /// Whether it moves for nobody now: a person holds it, or its operator hasn't answered.
    pub const fn is_held(&self) -> bool {
        self.mode.is_held() || self.attention.is_some()
    }

    /// Who drives it at `now`.
    pub fn driver(&self, now: DateTime<Utc>) -> Driver<'_> {
        match (&self.lease_holder, self.lease_expires_at) {
            (Some(holder), Some(end)) if end > now && self.notice.is_some() => Driver::Waits(holder),
            (Some(holder), Some(end)) if end > now => Driver::Drives(holder),
            _ => Driver::Nobody,
        }
    }

    /// Whether hands may go to it for an act with this condition, as far as its own row tells: that no experiment needs the
    /// plate isn't in it.
    pub fn lets_hands(&self, condition: DeckCondition) -> bool {
        self.stands_still && (condition < DeckCondition::HandsFree || self.tool == Tool::Nothing)
    }
}

/// The worker of a robot: it has the lease, and the lease hasn't run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver<'a> {
    Nobody,
    Drives(&'a str),
    /// It can't use the robot at the moment ([`Robot::notice`] says why) and tries again by itself.
    Waits(&'a str),
}

/// The right to drive a robot. Its epoch is the fencing token: every commit of the journal checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub robot_id: RobotId,
    pub holder: String,
    pub epoch: i64,
}

/// Whether a lease may be taken from a holder who hasn't let it run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseClaim {
    WhenFree,
    /// The caller knows that the last holder is gone (it holds the data directory's lock).
    Seize,
}

/// An operation as the journal has it.
#[derive(Clone, Debug)]
pub struct JournalledOperation {
    pub operation: Operation,
    pub robot_id: RobotId,
    pub experiment_id: Option<ExperimentId>,
    pub lease_epoch: i64,
    /// The robot run it was (to be) sent to.
    pub run_id: Option<String>,
    /// Its place in the robot's journal; grows by one.
    pub sequence: i64,
    /// The fold of its events.
    pub state: JournalEvent,
    pub intended_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// What the robot or sensor answered, or why not.
    pub outcome: Option<Value>,
}

/// One durable write of the journal: how the last operation ended, what that changes, and what is intended next.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub ended: Option<Ended>,
    pub changes: Vec<Change>,
    pub intended: Option<Intended>,
}

#[derive(Clone, Debug)]
pub struct Ended {
    pub operation: OperationId,
    pub event: JournalEvent,
    pub outcome: Value,
}

#[derive(Clone, Debug)]
pub struct Intended {
    pub operation: Operation,
    pub experiment_id: Option<ExperimentId>,
    pub run_id: Option<String>,
    pub purpose: Purpose,
    /// [`Robot::acts`] as the worker last saw it. An intent made before an act of somebody's is refused
    /// ([`StoreError::Held`](crate::StoreError::Held)): what it believes of deck and nozzle may be wrong.
    pub acts: i64,
}

/// What a step is for, and so which holds it passes. Nothing passes a stop or an open question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An experiment's work: passes no hold.
    Work,
    /// Leaves nothing on the nozzle: passes a pause.
    PutDown,
}

/// One place in the queue, in the order in which lanes will take it (fair between users).
#[derive(Clone, Debug)]
pub struct Queued {
    pub experiment: ExperimentId,
    pub user_id: UserId,
    /// Wells still to be done.
    pub wells: u32,
    pub robot_id: Option<RobotId>,
}

/// Something committed that others in this process may be waiting for. A hint, not a record: the tables are the truth,
/// and other processes learn of it by reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Queue,
    Experiment(ExperimentId),
    Robots,
}

/// What people wish of a worker, read between two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    pub control: Option<Control>,
    /// Whether the robot is held ([`Robot::is_held`]).
    pub held: bool,
    /// [`Robot::acts`]
    pub acts: i64,
    /// Whether the experiment is still in a lane's hand.
    pub running: bool,
}

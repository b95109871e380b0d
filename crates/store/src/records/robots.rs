//! Robots, and the right to drive one.

use chrono::{DateTime, Utc};
use domain::{
    Attendance, Bench, Control, Deck, DeckCondition, Fault, MountsSeen, PlateId, RobotId, RobotKind, RobotMode, Tool,
};
use serde_json::Value;

/// A robot as it is added or configured.
#[derive(Clone, Debug)]
pub struct NewRobot {
    pub name: String,
    pub kind: RobotKind,
    /// `http://host:31950`
    pub url: String,
    /// `tcp://…`, `mqtts://…`, `mqtt://…` or `serial://…`, without a password.
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
    /// The database's history in which the machine was last asked what was done on it; nothing before it first was.
    pub history: Option<String>,
    /// The database's history in which the last lease was taken.
    pub lease_history: Option<String>,
    /// What its mounts carried when it was last asked.
    pub mounts: Option<MountsSeen>,
    /// Set of one that is no more; it is in no list then.
    pub removed_at: Option<DateTime<Utc>>,
}

impl NewRobot {
    pub const fn bench(&self) -> Bench<'_> {
        self.deck.told(self.kind.grain())
    }
}

impl Robot {
    /// What it mixes with.
    pub const fn bench(&self) -> Bench<'_> {
        self.deck.told(self.kind.grain())
    }

    /// Whether the database was promoted, or put back, since the machine was last asked what was done on it: then what was
    /// written last may be lost, and done all the same.
    pub fn may_be_ahead(&self) -> bool {
        self.history.is_some() && self.history != self.lease_history
    }

    /// Whether this is its id or its name.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || word.parse() == Ok(self.id)
    }

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

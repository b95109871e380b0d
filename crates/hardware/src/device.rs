//! What the workflow knows of a robot, whatever kind it is, and how a process reaches its devices.
//!
//! [`Robot`] is the machine, [`Hold`] our hold on it, [`Attendant`] whoever serves its deck where there are no hands.
//! [`Connect`] gives them by address: a process has one, so that what devices share (a broker's connection) is made once.

use crate::{
    AddressError, ColourSensor, Identity, Lookup, Memory, Patience, PerformError, RobotError, RunTrace,
    ot2::{Ot2, VirtualAttendant},
    script::{Nobody, Script},
    sensor::connect_over,
};
use domain::{Deck, DyeName, MountsSeen, Operation, OperationId, RobotKind, Slot, Volume, WellName};
use mqtt::{Access, Brokers};
use serde_json::Value;
use std::{fmt, pin::Pin, sync::Arc};

/// An answer on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A robot that mixes. One that says nothing of itself and remembers nothing leaves out what has a default.
pub trait Robot: fmt::Debug + Send + Sync {
    /// Who answers at this address. Asks once.
    fn identify(&self) -> Pending<'_, Result<Identity, RobotError>> {
        Box::pin(async { Ok(Identity { serial: None, virtual_deck: None }) })
    }

    /// What hangs on its mounts; nothing where it can't say.
    fn mounts(&self) -> Pending<'_, Result<Option<MountsSeen>, RobotError>> {
        Box::pin(async { Ok(None) })
    }

    /// What was done on it since the newest hold that is one of `known` began, that one's among it; newest first.
    fn since<'a>(&'a self, _known: &'a [&'a str]) -> Pending<'a, Result<Vec<RunTrace>, RobotError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The newest hold on it, whoever's, that isn't one of `these`; nothing where it remembers none.
    fn newest_hold_but<'a>(&'a self, _these: &'a [String]) -> Pending<'a, Result<Option<String>, RobotError>> {
        Box::pin(async { Ok(None) })
    }

    /// The lab that marked it last, if any did and the robot remembers.
    fn marked_by(&self) -> Pending<'_, Result<Option<String>, RobotError>> {
        Box::pin(async { Ok(None) })
    }

    /// Marks it as a lab's.
    fn mark<'a>(&'a self, _lab: &'a str) -> Pending<'a, Result<(), RobotError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether [`Robot::hold`] shuts out what was sent under earlier holds. After each takeover of one that can't, a
    /// person is asked before anything is sent: it may still carry out what somebody told it before.
    fn fences(&self) -> bool {
        false
    }

    /// Takes the robot under the lease of this epoch, with this deck. If it fences, nothing that was sent under an earlier hold can be carried out from
    /// then on. Waits, within [`Patience`], while the robot boots or still carries out an earlier hold's command.
    fn hold<'a>(&'a self, deck: &'a Deck, epoch: i64) -> Pending<'a, Result<Arc<dyn Hold>, RobotError>>;

    /// What became of the command that was sent in `hold` under `key`. Take the robot first, so that
    /// [`Lookup::Absent`] can't be overtaken, if it fences.
    fn lookup<'a>(&'a self, hold: &'a str, key: OperationId) -> Pending<'a, Result<Lookup, RobotError>>;
}

/// Our hold on a robot, until another takes it.
pub trait Hold: fmt::Debug + Send + Sync {
    /// Its name on the robot, for [`Robot::lookup`] after a restart.
    fn id(&self) -> &str;

    /// Sends one step under its operation's id and waits for its end. Never sends twice.
    fn perform<'a>(&'a self, operation: &'a Operation, memory: Memory) -> Pending<'a, Result<Value, PerformError>>;

    /// Whether the robot is still ours, and was all the time.
    fn confirm(&self) -> Pending<'_, Result<(), RobotError>>;

    /// Lets go of the robot. Another may already have taken it: that is an error, and harmless.
    fn close(&self) -> Pending<'_, Result<(), RobotError>>;
}

/// Whoever serves the deck of a virtual robot. Everything may be repeated.
pub trait Attendant: fmt::Debug + Send + Sync {
    /// A clean plate.
    fn new_plate(&self, slot: Slot) -> Pending<'_, Result<(), RobotError>>;
    /// A full rack of tips.
    fn new_tips(&self, slot: Slot) -> Pending<'_, Result<(), RobotError>>;
    /// A vial with this much fresh dye in place of the one there.
    fn refill<'a>(&'a self, vial: WellName, dye: &'a DyeName, volume: Volume) -> Pending<'a, Result<(), RobotError>>;
    /// An empty waste vial.
    fn empty_waste(&self, vial: WellName) -> Pending<'_, Result<(), RobotError>>;
    /// Nothing on the nozzles.
    fn clear_nozzles(&self) -> Pending<'_, Result<(), RobotError>>;
}

/// How a process reaches its devices.
pub trait Connect: fmt::Debug + Send + Sync {
    /// The robot of this kind at `url`. Connects to nothing yet.
    fn robot(&self, kind: RobotKind, url: &str) -> Result<Arc<dyn Robot>, AddressError>;
    /// The sensor at `url`. Connects to nothing yet.
    fn sensor(&self, url: &str) -> Result<Arc<dyn ColourSensor>, AddressError>;
    /// The attendant of the virtual robot at `url`; of one on a broker nobody, who can do nothing. Connects to nothing yet.
    fn attendant(&self, url: &str) -> Result<Arc<dyn Attendant>, AddressError>;
}

/// Devices over the network: OT-2s by their HTTP API or by their script on a broker, sensors by their address's scheme. A process has one, so that it has one
/// connection to a broker, however many sensors hang there.
#[derive(Clone, Debug, Default)]
pub struct Network {
    patience: Patience,
    brokers: Brokers,
}

impl Network {
    pub fn new(patience: Patience) -> Self {
        Self::with_access(patience, Access::default())
    }

    /// Who is somebody to brokers, or trusts them by an authority of the lab's own.
    pub fn with_access(patience: Patience, access: Access) -> Self {
        Self { patience, brokers: Brokers::new(access) }
    }
}

impl Connect for Network {
    fn robot(&self, kind: RobotKind, url: &str) -> Result<Arc<dyn Robot>, AddressError> {
        match kind {
            RobotKind::Ot2 => Ok(Arc::new(Ot2::new(url, self.patience)?)),
            RobotKind::Script => Ok(Arc::new(Script::new(url, &self.brokers, self.patience)?)),
        }
    }

    fn sensor(&self, url: &str) -> Result<Arc<dyn ColourSensor>, AddressError> {
        connect_over(&self.brokers, url, self.patience)
    }

    fn attendant(&self, url: &str) -> Result<Arc<dyn Attendant>, AddressError> {
        if url.starts_with("http") {
            return Ok(Arc::new(VirtualAttendant::new(url, self.patience)?));
        }
        Ok(Arc::new(Nobody))
    }
}

//! One OT-2 behind its robot-server.
//!
//! [`Ot2`] is the robot; [`Run`] is our hold on it: a protocol-less run in which every step is one `setup` command whose
//! `key` is the operation's id. `wire` speaks HTTP and classifies what went wrong; `answer` is what the server says;
//! `command` turns steps into commands; `labware` has the lab's own definitions; `lookup` finds out what became of a key,
//! `history` what else the robot was told, and `identity` which robot it is. `preflight` finds out what it lacks, `protocol` writes steps down for a robot to run
//! by itself, `import` reads what others wrote so. `attendant` serves a virtual one's deck.

mod answer;
mod attendant;
mod command;
mod history;
mod identity;
mod import;
mod labware;
mod lookup;
mod mark;
mod mounts;
mod preflight;
mod protocol;
mod run;
mod wire;

pub use attendant::VirtualAttendant;
pub use history::MOST_RUNS;
pub use import::{
    DyeSources, LARGEST_PROTOCOL, MOST_COMMANDS, MOST_REMARKS, MOST_SOURCES, Mixing, ProtocolDocument, Remark,
    SourceError, Unreadable,
};
pub use preflight::{Finding, Lack, Preflight};
pub use protocol::{Line, Protocol};
pub use run::Run;

use crate::{
    AddressError, Hold, Identity, Lookup, Memory, Patience, Pending, PerformError, Robot, RobotError, RunTrace,
};
use domain::{Deck, MountsSeen, Operation, OperationId};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use wire::Wire;

/// One OT-2's HTTP API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ot2 {
    wire: Arc<Wire>,
}

/// What a robot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    pub name: String,
    /// Version of the robot's software.
    pub api_version: String,
    #[serde(default)]
    pub robot_model: Option<String>,
    #[serde(default)]
    pub robot_serial: Option<String>,
}

impl Ot2 {
    /// `url` is `http://host:port`. Connects to nothing yet.
    pub fn new(url: &str, patience: Patience) -> Result<Self, AddressError> {
        Ok(Self { wire: Arc::new(Wire::new(url, patience)?) })
    }

    /// Asks once: an error is the present state of affairs, booting included.
    pub async fn health(&self) -> Result<Health, RobotError> {
        self.wire.get("/health").await?.read()
    }

    /// Takes the robot: a new protocol-less run with the deck's labware and pipettes loaded.
    ///
    /// From then on the robot refuses every request to earlier runs, also those still under way. Waits, within
    /// [`Patience`], while the robot boots or still carries out an earlier run's command; a protocol that another
    /// client plays is not waited for ([`RobotError::Busy`]). The new run knows of nothing that hangs on a nozzle.
    pub async fn open_run(&self, deck: &Deck) -> Result<Run, RobotError> {
        run::open(&self.wire, deck).await
    }
}

impl Robot for Ot2 {
    fn identify(&self) -> Pending<'_, Result<Identity, RobotError>> {
        Box::pin(Self::identify(self))
    }

    fn mounts(&self) -> Pending<'_, Result<Option<MountsSeen>, RobotError>> {
        Box::pin(async move { Self::mounts(self).await.map(Some) })
    }

    fn since<'a>(&'a self, known: &'a [&'a str]) -> Pending<'a, Result<Vec<RunTrace>, RobotError>> {
        Box::pin(self.runs_since(|run| known.contains(&run)))
    }

    fn newest_hold_but<'a>(&'a self, these: &'a [String]) -> Pending<'a, Result<Option<String>, RobotError>> {
        Box::pin(async move {
            let runs = self.history(these.len().saturating_add(1)).await?;
            Ok(runs.into_iter().map(|run| run.id).find(|run| !these.contains(run)))
        })
    }

    fn marked_by(&self) -> Pending<'_, Result<Option<String>, RobotError>> {
        Box::pin(Self::marked_by(self))
    }

    fn mark<'a>(&'a self, lab: &'a str) -> Pending<'a, Result<(), RobotError>> {
        Box::pin(Self::mark(self, lab))
    }

    fn fences(&self) -> bool {
        true
    }

    fn hold<'a>(&'a self, deck: &'a Deck, _epoch: i64) -> Pending<'a, Result<Arc<dyn Hold>, RobotError>> {
        Box::pin(async move { Ok(Arc::new(self.open_run(deck).await?) as Arc<dyn Hold>) })
    }

    fn lookup<'a>(&'a self, hold: &'a str, key: OperationId) -> Pending<'a, Result<Lookup, RobotError>> {
        Box::pin(Self::lookup(self, hold, key))
    }
}

impl Hold for Run {
    fn id(&self) -> &str {
        Self::id(self)
    }

    fn perform<'a>(&'a self, operation: &'a Operation, memory: Memory) -> Pending<'a, Result<Value, PerformError>> {
        Box::pin(Self::perform(self, operation, memory))
    }

    fn confirm(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(Self::confirm(self))
    }

    fn close(&self) -> Pending<'_, Result<(), RobotError>> {
        Box::pin(Self::close(self))
    }
}

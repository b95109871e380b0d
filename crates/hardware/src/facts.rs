//! What a robot of any kind says: of itself, of what became of a command, of what it was told before.

use crate::CommandFailure;
use domain::{Mount, Slot, Volume, WellName};
use serde::Deserialize;
use serde_json::Value;

/// Who a robot says it is. All text is the robot's, cut and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Like `OT2CEP20190604A02`. Nothing where the robot tells none, as a simulation.
    pub serial: Option<String>,
    /// Only a virtual robot has one.
    pub virtual_deck: Option<VirtualDeck>,
}

/// A virtual robot's deck, which remembers what happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct VirtualDeck {
    /// Like `OT2VIRT-` and 32 hexadecimal digits.
    pub identity: String,
    /// How much has happened on it: the number of its ledger's newest entry.
    pub sequence: u64,
    /// The key of the newest command that changed it.
    pub last_key: Option<String>,
}

impl Identity {
    /// What this machine, and no other, is called; nothing when it doesn't say.
    pub fn name(&self) -> Option<&str> {
        self.virtual_deck.as_ref().map(|deck| deck.identity.as_str()).or(self.serial.as_deref())
    }
}

/// Whether the robot's server knows what hangs on the nozzle. It forgets with every new run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It knows, or nothing hangs there.
    Knows,
    /// A tip or the sensor may hang there of which this run doesn't know.
    Forgot,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// The robot hasn't got it. Final once another run is open; until then it may still be under way.
    Absent,
    /// Waiting its turn or being carried out.
    Running,
    Succeeded(Value),
    Failed(CommandFailure),
    /// The robot's server restarted and forgot, or the run is too old: nobody can say.
    HistoryLost,
}

/// A run as the robot lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    pub id: String,
    /// As the robot's clock had it, which may be wrong.
    pub created_at: String,
    pub current: bool,
    /// False when a restart of the robot's server lost what happened in it.
    pub ok: bool,
}

/// A run and what was told the robot in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTrace {
    pub run: RunEntry,
    /// Oldest first. Nothing when the run's history is lost.
    pub commands: Vec<TracedCommand>,
    /// False when there are more than were read.
    pub complete: bool,
}

/// A command somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedCommand {
    /// The operation's id, if it was ours.
    pub key: String,
    /// Like `aspirate`.
    pub command_type: String,
    /// Whether the deck may be otherwise for it. Not when it failed before it began.
    pub changes_deck: bool,
    /// It was carried out to its end.
    pub succeeded: bool,
    pub aim: Aim,
}

/// Where a command was meant to act, as far as its parameters tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aim {
    pub mount: Option<Mount>,
    /// Where the labware stood that it names.
    pub slot: Option<Slot>,
    pub well: Option<WellName>,
    pub volume: Option<Volume>,
    /// Above the brim, where there is only air.
    pub above: bool,
}

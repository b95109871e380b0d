//! Why the world can't be opened, can't remember, or won't be changed so.

use super::geometry::Slot;
use std::{io, path::PathBuf};

/// Why the world can't be opened, can't remember, or won't be changed so.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("the ledger {path} can't be {doing}: {source}")]
    Storage { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("the ledger {path} is in use by another emulator: stop that one, or choose another directory")]
    InUse { path: PathBuf },
    #[error("the ledger {path} is damaged in line {line}: move it away to start with a fresh deck")]
    Damaged { path: PathBuf, line: u64 },
    #[error("{path} names no robot: put back what stood there, or move it away to make this another robot")]
    NoIdentity { path: PathBuf },
    #[error("nothing stands in slot {0}")]
    EmptySlot(Slot),
    #[error("slot {slot} holds {load_name}, which {why}")]
    Unsuitable { slot: Slot, load_name: String, why: &'static str },
    #[error("'{well}' is no well of what stands in slot {slot}")]
    NoSuchWell { slot: Slot, well: String },
    #[error("a volume must be a positive number of µL within what the vessel holds: {0}")]
    BadVolume(f64),
    #[error("'{0}' is no name for a liquid: 1 to 40 letters, digits, '-' or '_'")]
    BadDye(String),
}

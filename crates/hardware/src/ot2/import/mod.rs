//! A protocol as others wrote it, read for what it mixes: so much of each dye in each well of the plate.
//!
//! `document` reads the file, `walk` goes through its commands with `vessels` (what stands where), `tip` (what is in the
//! nozzle) and `remarks` (what there is to say of it). It is told nothing twice and guesses nothing: a command that might
//! change a mixture and isn't understood is a problem, and one problem is enough to refuse the protocol. Pure.

mod document;
mod remarks;
mod sources;
mod tip;
mod vessels;
mod walk;

pub use document::{LARGEST_PROTOCOL, MOST_COMMANDS, ProtocolDocument, Unreadable};
pub use remarks::{MOST_REMARKS, Remark};
pub use sources::{DyeSources, MOST_SOURCES, SourceError};

use domain::{Deck, Recipe, WellName};
use std::collections::BTreeMap;

/// What a protocol mixes, as far as one deck goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mixing {
    /// By well of the protocol's plate. Not to be relied on while there are problems.
    pub wells: BTreeMap<WellName, Recipe>,
    /// What keeps it from being the same experiment here, in the order of the commands.
    pub problems: Vec<Remark>,
    /// What is left out or done otherwise and changes no mixture.
    pub notes: Vec<Remark>,
}

impl ProtocolDocument {
    /// What it mixes, with the dyes of this deck.
    pub fn mixing(&self, deck: &Deck, sources: &DyeSources) -> Mixing {
        walk::Walk::new(self, deck, sources).mixing()
    }
}

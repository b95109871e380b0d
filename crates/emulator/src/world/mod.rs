//! The physical truth of one OT-2: what is in every well, what hangs on every nozzle, what ran where.
//!
//! The real robot-server accepts almost anything; this world is what then *happens*. It knows nothing of runs,
//! loaded labware or the tip an API believes in. Everything is told in **bare nozzle positions**: an engine that
//! believes it carries a tool of effective length L (tip length minus overlap) and wants the tool's end at `p`
//! passes `p.raised(L)`. The world then works out from the tool that is really there where its end is.
//!
//! Physically impossible requests happen as they would: air is drawn, a well overflows, a tip hits the deck; each is
//! an entry in the ledger. State is a fold over the ledger's entries, so a restart replays it.
//!
//! How to call it: `duration(&action)` says what the action takes on a real OT-2; sleep half of it (over `--speed`),
//! `perform` it under the lock, sleep the other half. Never hold the lock while sleeping.
//!
//! ```text
//! Action ──physics──▶ [Event] ──ledger (durable)──▶ state.apply ──▶ Effect
//! ```

mod action;
mod config;
mod deck;
mod dock;
mod error;
mod event;
mod geometry;
mod identity;
mod ledger;
mod liquid;
mod mishap;
mod motion;
mod operator;
mod physics;
mod pipetting;
mod place;
mod sensor;
mod state;
mod truth;

pub use action::{Action, Effect, GantryAxis, Travel};
pub use config::WorldConfig;
pub use deck::{
    DOCK_SLOT, PLATE_SLOT, TIPS_20_SLOT, TIPS_300_SLOT, TIPS_1000_SLOT, TRASH_SLOT, VIALS_SLOT, default_deck,
};
pub use dock::{DOCK_WELL, SENSOR_LENGTH_MM, SENSOR_OVERLAP_MM};
pub use domain::pipetting::StatedError;
pub use error::WorldError;
pub use event::{Actor, Entry, Event, Portion, Spot, ToolName};
pub use geometry::{LabwareKind, PhysicalLabware, Point, Slot, WellGeometry, WellShape};
pub use liquid::Liquid;
pub use mishap::Mishap;
pub use operator::Placement;
pub use pipetting::stated_pipette_error;
#[cfg(test)]
pub(crate) use pipetting::{bias_of, stroke};
pub use sensor::{SensorFaults, View};
pub use state::{Placed, State, Tip, Tool};
pub use truth::{SharedWorld, World, lock};

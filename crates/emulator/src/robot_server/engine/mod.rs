//! The protocol engine: what the *API* believes about one run. It decides what a client is told.
//!
//! It believes what it is told, as the real one does: that every loaded labware stands there, every tip is new and
//! every well full. What physically happens is the [`World`](crate::world::World)'s business.

mod belief;
mod command_type;
mod deck;
mod error;
mod liquid;
mod loading;
mod location;
mod params;
mod pipettes;
mod plan;
mod planning;
mod read;
mod standing;
mod tips;
mod way;

pub use belief::{Engine, Labware, LabwareOffset, MAX_LOADED, Nozzles, Pipette};
pub use command_type::{Audience, command_type};
pub use error::{CommandError, ErrorOccurrence};
pub use location::offset_location;
pub use params::{Home, Params};
pub use pipettes::{Mounted, PipetteFacts, facts, known_pipette};
pub use plan::{Plan, Step};
pub use read::{point, read_params};

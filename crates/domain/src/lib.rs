//! The rules and the vocabulary of the lab. This crate does no I/O: it knows nothing of HTTP, SQL or files.

mod change;
pub mod colour;
mod deck;
mod document;
pub mod doubt;
pub mod dye;
mod event;
mod experiment;
mod fault;
mod ids;
mod inventory;
mod needs;
mod operation;
pub mod pipetting;
mod plate;
pub mod reading;
mod recipe;
mod robot;
pub mod spectrum;
pub mod text;
mod volume;

pub use change::*;
pub use deck::*;
pub use document::Collection;
pub use event::*;
pub use experiment::{Control, ExperimentStatus, Granted, Role, UnknownName, WellStatus};
pub use fault::*;
pub use ids::*;
pub use inventory::*;
pub use needs::*;
pub use operation::*;
pub use plate::*;
pub use recipe::*;
pub use robot::*;
pub use volume::*;

//! The rules and the vocabulary of the lab. This crate does no I/O: it knows nothing of HTTP, SQL or files.

pub mod colour;
mod deck;
pub mod doubt;
pub mod dye;
mod experiment;
mod fault;
mod ids;
mod needs;
mod operation;
pub mod pipetting;
mod plate;
pub mod reading;
mod recipe;
pub mod spectrum;
pub mod text;
mod volume;

pub use deck::*;
pub use experiment::{ExperimentStatus, Role, UnknownName, WellStatus};
pub use fault::*;
pub use ids::*;
pub use needs::*;
pub use operation::*;
pub use plate::*;
pub use recipe::*;
pub use volume::*;

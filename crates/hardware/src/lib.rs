//! Drivers: an OT-2 by its own HTTP API or by the script that training labs run on it, the AS7341 colour sensor it carries, and the virtual lab's operator.
//!
//! The rule everything here obeys: **a command is sent at most once, and what became of it is never guessed.** Every
//! failure says which of three things is true: the device certainly didn't do it, it did it and failed, or nobody
//! knows yet ([`PerformError`]). What nobody knows is looked up by the operation's id ([`Ot2::lookup`]).
//!
//! Read `device` first: what the workflow knows of a robot, whatever kind it is; then [`ot2`] and [`script`], the kinds that
//! there are.
//! This crate stores nothing and decides nothing: journal, retries and recovery are the workflow's.

pub mod ot2;
pub mod script;
pub mod sensor;

mod device;
mod error;
mod facts;
mod patience;

pub use device::{Attendant, Connect, Hold, Network, Pending, Robot};
pub use error::{CommandFailure, PerformError, RobotError};
pub use facts::{Aim, Identity, Lookup, Memory, RunEntry, RunTrace, TracedCommand, VirtualDeck};
pub use mqtt::{Access, Secret};
pub use ot2::{Finding, Health, Lack, Ot2, Preflight, Run, VirtualAttendant};
pub use patience::{AddressError, Patience};
pub use script::Script;
pub use sensor::{ColourSensor, PendingReading, ReadRequest, SensorError, connect_sensor};

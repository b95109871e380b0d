//! A virtual AS7341 colour sensor: what it measures ([`optics`]), how it is asked on a line ([`protocol`]) and on a broker
//! ([`firmware`]), and the servers that speak as its serial cable does ([`serve`]) and as the training lab's Pico W
//! ([`serve_on`]).
//!
//! It hangs on the robot's nozzle like a tip, or stands in its dock; where it looks is the world's to say.

mod broker;
mod chip;
pub mod firmware;
pub mod optics;
pub mod protocol;
mod server;

pub use broker::serve as serve_on;
pub use chip::Chip;
pub use server::serve;

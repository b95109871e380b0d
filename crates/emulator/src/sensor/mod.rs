//! A virtual AS7341 colour sensor: what it measures ([`optics`]), how it is asked ([`protocol`]), and the TCP server
//! that speaks as its serial cable does ([`serve`]).
//!
//! It hangs on the robot's nozzle like a tip, or stands in its dock; where it looks is the world's to say.

pub mod optics;
pub mod protocol;
mod server;

pub use server::serve;

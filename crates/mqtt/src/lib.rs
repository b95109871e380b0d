//! A connection to an MQTT broker that comes back by itself.
//!
//! [`Brokers`] are those that a process speaks to, one connection each, however many devices hang there. [`Broker`] is one:
//! [`Broker::listen`] says what is to be heard, [`Broker::session`] waits for a connection, [`Session`] is that one
//! connection and no later one. *Knows nothing of sensors, and sends nothing twice:* what was under way when a connection broke is
//! lost, and whoever sent it decides whether it may be sent again.
//!
//! MQTT 3.1.1, as the field's devices speak it, always with a clean session: what came while nobody was connected is old.

mod access;
mod address;
mod broker;
mod brokers;
mod tls;
mod trouble;

#[cfg(feature = "testing")]
pub mod testing;

pub use access::Access;
pub use address::{Address, AddressError, Target};
pub use broker::{Broker, Listener, Session};
pub use brokers::Brokers;
pub use secret::Secret;
pub use trouble::Trouble;

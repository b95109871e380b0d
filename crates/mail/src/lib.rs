//! Mails to people: what the store's outbox holds goes to a mail server, or into files where none is configured.
//!
//! Nobody waits for a mail: what tells of something writes it into the outbox in the same transaction
//! ([`store::Store::post_mail`] and others), and `relay` carries it on, again and again until it is taken or a day is over.
//! `letter` is what mails say, `sink` where they go. A link's secret is made when its mail is sent, and is nowhere else.

mod letter;
mod relay;
mod sink;

pub use relay::{Mailer, relay, sender};
pub use sink::{Server, Sink, SinkError};

//! The crash harness: runs the real processes, breaks them in every way a seed can think of, heals them, and then holds
//! the emulator's ledger and the database against the requests.
//!
//! Read it in this order: [`run`] is one run from start to verdict; [`fault`] is what can go wrong and when ([`failover`] when the
//! database does); [`lab`] is
//! the processes, with [`proxy`] between them and [`people`] at the robots; [`evidence`] is what is gathered at the end, and [`verdict`] the rules,
//! which know nothing of how the evidence came about.

pub mod api;
pub mod binary;
pub mod database;
pub mod document_store;
pub mod evidence;
pub mod failover;
pub mod fault;
pub mod hands;
pub mod lab;
pub mod people;
pub mod process;
pub mod proxy;
pub mod run;
pub mod timeline;
pub mod turn;
pub mod verdict;

pub use run::{Settings, run};

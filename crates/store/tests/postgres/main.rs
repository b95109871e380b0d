//! PostgreSQL as institutions run it: with certificates, behind a pooler, with roles that may do little, with a replica.
//!
//! Each test starts the servers that it needs.

mod failover;
#[allow(dead_code, reason = "the conformance tests need all of it")]
#[path = "../conformance/given.rs"]
mod given;
mod moves;
mod pooler;
mod replica;
mod roles;
mod tls;

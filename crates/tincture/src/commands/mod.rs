//! One file a command.

pub mod audit;
pub mod backup;
pub mod config;
pub mod database;
pub mod emulator;
pub mod experiment;
pub mod group;
pub mod keys;
pub mod migrate;
pub mod openapi;
mod person;
mod preflight;
pub mod protocol;
pub mod robot;
pub mod serve;
mod setup;
mod steer;
pub mod token;
pub mod up;
pub mod user;
pub mod worker;

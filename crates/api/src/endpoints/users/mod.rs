//! `/users`: accounts, for administrators.

pub mod create;
pub mod erase;
pub mod export;
pub mod factors;
pub mod list;
pub mod update;

//! `/robots`: what the lab has.

pub mod list;

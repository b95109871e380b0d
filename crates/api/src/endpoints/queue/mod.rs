//! `/queue`: who is next.

pub mod list;

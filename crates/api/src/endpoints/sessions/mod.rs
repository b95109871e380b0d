//! `/sessions`: where people are signed in.

pub mod end;
pub mod end_others;
pub mod list;

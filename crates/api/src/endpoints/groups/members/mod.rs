//! `/groups/{id}/members`: who is in a group.

pub mod add;
pub mod list;
pub mod remove;

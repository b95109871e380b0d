//! `/activity`: who did what, for administrators.

pub mod list;

//! `/protocols`: what others wrote for an OT-2.

pub mod import;

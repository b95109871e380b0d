//! `/me`: the signed-in person.

pub mod export;
pub mod read;

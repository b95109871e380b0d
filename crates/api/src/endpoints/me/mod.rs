//! `/me`: the signed-in person.

pub mod read;

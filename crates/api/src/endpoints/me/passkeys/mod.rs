//! `/me/passkeys`: what a person signs in with instead of a password, or beside it.

pub mod create;
pub mod options;
pub mod remove;

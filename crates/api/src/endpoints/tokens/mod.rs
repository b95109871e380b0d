//! `/tokens`: what a person's programs show instead of a sign-in.

pub mod create;
pub mod list;
pub mod revoke;

//! `/service-tokens`: what programs show that are nobody's.

pub mod create;
pub mod list;
pub mod revoke;

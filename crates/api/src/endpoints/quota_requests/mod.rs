//! `/quota-requests`: what people ask for beyond their quota, for teachers and administrators.

pub mod grant;
pub mod list;
pub mod refuse;

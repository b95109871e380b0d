//! `/users`: accounts, for administrators.

pub mod bulk;
pub mod create;
pub mod erase;
pub mod export;
pub mod factors;
pub mod import;
pub mod link;
pub mod list;
pub mod quota;
pub mod sign_out;
pub mod update;

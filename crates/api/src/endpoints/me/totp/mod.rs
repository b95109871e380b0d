//! `/me/totp`: the authenticator app.

pub mod confirm;
pub mod offer;
pub mod remove;

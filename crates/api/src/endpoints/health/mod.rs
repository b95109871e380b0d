//! What machines ask: is it alive, is it ready, how does it do, and with which key does it sign.

pub mod alive;
pub mod jwks;
pub mod metrics_text;
pub mod ready;

//! What machines ask: is it alive, is it ready, how does it do, and with which key does it sign.
//!
//! All but the key is answered by every process that has a listener, a worker too, and needs no [`AppState`](request::AppState).

pub mod alive;
pub mod instance_metrics;
pub mod jwks;
pub mod ready;
pub mod service_metrics;

//! What the lab says about itself: metrics and logs, named in one place.
//!
//! [`names`] lists every metric with its meaning; a label never holds an id, so the number of series is bounded.
//! Other crates record with the `metrics` macros and these names, and know nothing of who collects them.

mod logs;
pub mod names;
mod recorder;

pub use logs::{LogFormat, init_logs};
pub use recorder::{PROMETHEUS_CONTENT_TYPE, install_metrics, metrics_text, service_metrics_text};

/// Telemetry that couldn't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter '{filter}' can't be read: {reason}; write something like info,tincture=debug")]
    Filter { filter: String, reason: String },
    #[error("logging was set up before")]
    LogsTwice,
    #[error("metrics can't be collected: {0}")]
    Metrics(String),
}

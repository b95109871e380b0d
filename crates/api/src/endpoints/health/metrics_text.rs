//! `GET /metrics`

use crate::{AppState, Problem};
use axum::{
    extract::State,
    http::{HeaderName, header},
};
use store::RobotMode;
use telemetry::{PROMETHEUS_CONTENT_TYPE, names};

/// This process's metrics for Prometheus; what the database knows is read at this moment.
pub async fn metrics_text(State(state): State<AppState>) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let queued = state.store.queue_length().await?;
    let robots = state.store.robots().await?;
    let waiting = robots.iter().filter(|robot| robot.mode == RobotMode::Stopped || robot.attention.is_some()).count();
    metrics::gauge!(names::QUEUE_LENGTH).set(queued as f64);
    metrics::gauge!(names::ROBOTS_WAITING).set(waiting as f64);
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE)], telemetry::metrics_text()))
}

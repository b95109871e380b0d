//! `GET /metrics`

use crate::{AppState, Problem};
use axum::{
    extract::State,
    http::{HeaderName, header},
};
use domain::RobotMode;

use telemetry::{PROMETHEUS_CONTENT_TYPE, names};

/// The queue is counted this far.
const QUEUE_HORIZON: u32 = 1_000;

/// This process's metrics for Prometheus; what the database knows is read at this moment.
pub async fn metrics_text(State(state): State<AppState>) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let queued = state.store.queue(QUEUE_HORIZON).await?.len();
    let robots = state.store.robots().await?;
    let waiting = robots.iter().filter(|robot| robot.mode == RobotMode::Stopped || robot.attention.is_some()).count();
    metrics::gauge!(names::QUEUE_LENGTH).set(queued as f64);
    metrics::gauge!(names::ROBOTS_WAITING).set(waiting as f64);
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE)], telemetry::metrics_text()))
}

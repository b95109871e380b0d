//! `GET /readyz`

use crate::health::{Health, Readiness};
use axum::{Json, extract::State, http::StatusCode};

/// Whether this process can do its work, and what was looked at to know: 200, or 503 with the reason beside what failed.
pub async fn ready(State(health): State<Health>) -> (StatusCode, Json<Readiness>) {
    let readiness = health.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

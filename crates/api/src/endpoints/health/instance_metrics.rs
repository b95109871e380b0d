//! `GET /metrics`

use super::service_metrics::Text;
use crate::health::Health;
use axum::{extract::State, http::HeaderMap};
use request::Problem;

/// This process's figures for Prometheus, to be asked of each process. The database isn't asked for any of them: they are
/// wanted most when it is gone.
pub async fn instance_metrics(State(health): State<Health>, headers: HeaderMap) -> Result<Text, Problem> {
    health.allow(&health.tokens.instance, &headers).await?;
    health.tell_database();
    Ok(Text(telemetry::metrics_text()))
}

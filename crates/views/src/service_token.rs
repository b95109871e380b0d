//! A token of a program that is nobody's, without the secret; and what one of those programs shows.

use chrono::{DateTime, Utc};
use domain::{ExperimentId, ExperimentStatus, ServiceKind, ServiceTokenId};
use serde::Serialize;
use store::{ExperimentSummary, ServiceToken};
use utoipa::ToSchema;

use crate::{ExperimentStatusName, result::colour};

/// A token of a program that is nobody's.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServiceTokenView {
    #[schema(value_type = Uuid)]
    pub id: ServiceTokenId,
    #[schema(value_type = ServiceName)]
    pub service: ServiceKind,
    #[schema(example = "prometheus")]
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Whether its time is over. It is listed for 30 days more.
    pub expired: bool,
    /// To the minute; null while it never was.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl ServiceTokenView {
    pub fn of(token: ServiceToken, now: DateTime<Utc>) -> Self {
        let ServiceToken { id, service, name, created_at, expires_at, last_used_at } = token;
        Self { id, service, name, created_at, expires_at, expired: expires_at <= now, last_used_at }
    }
}

/// What a program is for (for the documentation; [`ServiceKind`] is the type).
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::ServiceKind to OpenAPI, which domain knows nothing of")]
pub enum ServiceName {
    Monitoring,
    Display,
}

/// An experiment on a wall: nobody's name, and nothing that its owner wrote.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DisplayLine {
    #[schema(value_type = Uuid)]
    pub id: ExperimentId,
    #[schema(value_type = ExperimentStatusName)]
    pub status: ExperimentStatus,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Wells asked for.
    pub wells: u32,
    pub measured: u32,
    /// Measured colours in the request's order.
    #[schema(example = json!(["#a0522d"]))]
    pub swatches: Vec<String>,
}

impl From<ExperimentSummary> for DisplayLine {
    fn from(summary: ExperimentSummary) -> Self {
        let experiment = summary.experiment;
        Self {
            id: experiment.id,
            status: experiment.status,
            created_at: experiment.created_at,
            started_at: experiment.started_at,
            completed_at: experiment.completed_at,
            wells: summary.wells,
            measured: summary.measured,
            swatches: summary.swatches.iter().filter_map(|text| colour(text)).collect(),
        }
    }
}

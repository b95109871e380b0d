//! `POST /experiments/{id}/pause`

use crate::{AppState, Caller, ClientIp, Problem, ProblemDocument, views::ExperimentView};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::Control;

/// Pause an experiment
///
/// Sends nothing more after the step in flight, and makes the robot safe.
#[utoipa::path(post, path = "/experiments/{id}/pause", tag = "experiments",
    operation_id = "experiments_pause", params(("id" = String, Path)), responses(
    (status = 200, body = ExperimentView, description = "Done"),
    (status = 202, body = ExperimentView, description = "The robot's worker does it after the step in flight"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "It makes no sense in this state", content_type = "application/problem+json"),
))]
pub async fn pause(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ExperimentView>), Problem> {
    super::control(&state, &identity, &id, Control::Pause, ip).await
}

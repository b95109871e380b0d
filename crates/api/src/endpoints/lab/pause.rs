//! `POST /lab/pause`

use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument, endpoints::robots::list::Robots};
use axum::{Json, extract::State};
use workflow::RobotCommand;

/// Pause the lab
///
/// Pauses every robot: each finishes the step in flight and puts everything down.
#[utoipa::path(post, path = "/lab/pause", tag = "lab", operation_id = "lab_pause", responses(
    (status = 200, body = Robots),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
))]
pub async fn pause(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
) -> Result<Json<Robots>, Problem> {
    super::command(&state, &identity, RobotCommand::Pause, ip).await
}

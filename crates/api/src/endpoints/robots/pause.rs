//! `POST /robots/{id}/pause`

use super::read::RobotDetail;
use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument};
use axum::{
    Json,
    extract::{Path, State},
};
use workflow::RobotCommand;

/// Pause a robot
///
/// Finishes the step in flight, puts everything down and sends nothing more until it is resumed. Its experiment keeps its
/// place. `stands_still` says when hands may go to the deck.
#[utoipa::path(post, path = "/robots/{id}/pause", tag = "lab",
    operation_id = "robots_pause", params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotDetail),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn pause(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<RobotDetail>, Problem> {
    super::command(&state, &identity, &id, RobotCommand::Pause, ip).await
}

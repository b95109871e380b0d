//! `POST /robots/{id}/drain`

use super::read::RobotDetail;
use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument};
use axum::{
    Json,
    extract::{Path, State},
};
use workflow::RobotCommand;

/// Drain a robot
///
/// Finishes the experiment in hand and takes no other, until it is resumed: for maintenance.
#[utoipa::path(post, path = "/robots/{id}/drain", tag = "lab",
    operation_id = "robots_drain", params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotDetail),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "It is paused or stopped, or asks something: resume it first", content_type = "application/problem+json"),
))]
pub async fn drain(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<RobotDetail>, Problem> {
    super::command(&state, &identity, &id, RobotCommand::Drain, ip).await
}

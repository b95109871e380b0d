//! `POST /robots/{id}/resume`

use super::read::RobotDetail;
use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument};
use axum::{
    Json,
    extract::{Path, State},
};
use workflow::RobotCommand;

/// Resume a robot
///
/// Goes on. Also the answer to what the robot asks in `attention`: that somebody has looked, and it is safe to go on.
#[utoipa::path(post, path = "/robots/{id}/resume", tag = "lab",
    operation_id = "robots_resume", params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotDetail),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn resume(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<RobotDetail>, Problem> {
    super::command(&state, &identity, &id, RobotCommand::Resume, ip).await
}

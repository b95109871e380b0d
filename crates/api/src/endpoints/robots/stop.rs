//! `POST /robots/{id}/stop`

use super::read::RobotDetail;
use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument};
use axum::{
    Json,
    extract::{Path, State},
};
use workflow::RobotCommand;

/// Stop a robot at once
///
/// Sends nothing more, not even to put things down. An OT-2 can't break off the command that it is carrying out: whoever is
/// in danger uses the robot's own button. Resuming it later puts down what it holds first.
#[utoipa::path(post, path = "/robots/{id}/stop", tag = "lab",
    operation_id = "robots_stop", params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotDetail),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn stop(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<RobotDetail>, Problem> {
    super::command(&state, &identity, &id, RobotCommand::Stop, ip).await
}

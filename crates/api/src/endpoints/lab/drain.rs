//! `POST /lab/drain`

use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument, endpoints::robots::list::Robots};
use axum::{Json, extract::State};
use workflow::RobotCommand;

/// Drain the lab
///
/// Every robot finishes the experiment in hand and takes no other.
#[utoipa::path(post, path = "/lab/drain", tag = "lab", operation_id = "lab_drain", responses(
    (status = 200, body = Robots),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
))]
pub async fn drain(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
) -> Result<Json<Robots>, Problem> {
    super::command(&state, &identity, RobotCommand::Drain, ip).await
}

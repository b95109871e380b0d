//! `POST /lab/stop`

use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument, endpoints::robots::list::Robots};
use axum::{Json, extract::State};
use workflow::RobotCommand;

/// Stop the lab at once
///
/// The emergency stop of every robot: nothing more is sent, not even to put things down.
#[utoipa::path(post, path = "/lab/stop", tag = "lab", operation_id = "lab_stop", responses(
    (status = 200, body = Robots),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
))]
pub async fn stop(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
) -> Result<Json<Robots>, Problem> {
    super::command(&state, &identity, RobotCommand::Stop, ip).await
}

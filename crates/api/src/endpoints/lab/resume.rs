//! `POST /lab/resume`

use crate::{AppState, ClientIp, Operator, Problem, ProblemDocument, endpoints::robots::list::Robots};
use axum::{Json, extract::State};
use workflow::RobotCommand;

/// Resume the lab
///
/// Resumes every robot, those too that wait for an answer: it says that somebody has looked at all of them.
#[utoipa::path(post, path = "/lab/resume", tag = "lab", operation_id = "lab_resume", responses(
    (status = 200, body = Robots),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
))]
pub async fn resume(
    State(state): State<AppState>,
    Operator(identity): Operator,
    ClientIp(ip): ClientIp,
) -> Result<Json<Robots>, Problem> {
    super::command(&state, &identity, RobotCommand::Resume, ip).await
}

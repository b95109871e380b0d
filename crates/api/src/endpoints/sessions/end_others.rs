//! `POST /sessions/end-others`

use axum::{extract::State, http::StatusCode};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Sign out everywhere else
///
/// All sign-ins of whoever asks end but the one with which they do. API tokens stay.
#[utoipa::path(post, path = "/sessions/end-others", tag = "account", operation_id = "sessions_end_others", responses(
    (status = 204, description = "They are no more"),
    (status = 403, body = ProblemDocument, description = "Asked with an API token", content_type = "application/problem+json"),
))]
pub async fn end_others(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
) -> Result<StatusCode, Problem> {
    state.auth.end_other_sessions(&identity, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

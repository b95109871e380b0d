//! `DELETE /sessions/{id}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::SessionId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// End a sign-in
///
/// Its browser or program is signed out at once, and streams that it opened end. Administrators end anybody's.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "account",
    operation_id = "sessions_end", params(("id" = String, Path)), responses(
    (status = 204, description = "It is no more"),
    (status = 403, body = ProblemDocument, description = "Asked with an API token, or for the sign-in that asks: sign out instead", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn end(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: SessionId = body::id(&id, "sign-in")?;
    state.auth.end_session(id, &identity, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `DELETE /me/totp`

use axum::{extract::State, http::StatusCode};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Remove the authenticator app
///
/// With the last second factor the recovery codes go.
#[utoipa::path(delete, path = "/me/totp", tag = "account", operation_id = "totp_remove", responses(
    (status = 204, description = "It is no more"),
    (status = 404, body = ProblemDocument, description = "There is none", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The role needs a second factor, and this is the last", content_type = "application/problem+json"),
))]
pub async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
) -> Result<StatusCode, Problem> {
    state.auth.remove_totp(&identity, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `POST /users/{id}/sign-out`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::UserId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Sign somebody out everywhere
///
/// Their sessions, API tokens and one-time links end. They can sign in again.
#[utoipa::path(post, path = "/users/{id}/sign-out", tag = "administration",
    operation_id = "users_sign_out", params(("id" = String, Path)), responses(
    (status = 204, description = "It is done"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn sign_out(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: UserId = body::id(&id, "account")?;
    state.auth.sign_out_everywhere(id, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

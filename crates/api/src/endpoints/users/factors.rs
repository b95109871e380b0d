//! `DELETE /users/{id}/factors`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::UserId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Reset somebody's second factors
///
/// For who lost them: app, recovery codes and passkeys go, and the person is signed out. They sign in with the password, and see
/// among their acts that it was done.
#[utoipa::path(delete, path = "/users/{id}/factors", tag = "administration",
    operation_id = "users_reset_factors", params(("id" = String, Path)), responses(
    (status = 204, description = "They are no more"),
    (status = 403, body = ProblemDocument, description = "Not an administrator, or one's own", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn reset(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: UserId = body::id(&id, "account")?;
    state.auth.reset_factors(id, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `DELETE /registrations/{id}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::RegistrationId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Forget that somebody waits for an account
///
/// They aren't told, and may ask again.
#[utoipa::path(delete, path = "/registrations/{id}", tag = "administration",
    operation_id = "registrations_refuse", params(("id" = String, Path)), responses(
    (status = 204, description = "It is done"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn refuse(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: RegistrationId = body::id(&id, "request for an account")?;
    state.auth.reject(id, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

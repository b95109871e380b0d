//! `DELETE /me/passkeys/{id}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::PasskeyId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Remove a passkey
///
/// It opens nothing from here on. With the last second factor the recovery codes go.
#[utoipa::path(delete, path = "/me/passkeys/{id}", tag = "account",
    operation_id = "passkeys_remove", params(("id" = String, Path)), responses(
    (status = 204, description = "It is no more"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The role needs a second factor, and this is the last", content_type = "application/problem+json"),
))]
pub async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: PasskeyId = body::id(&id, "passkey")?;
    state.auth.remove_passkey(&identity, id, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

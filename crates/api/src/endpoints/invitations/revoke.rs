//! `DELETE /invitations/{id}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::InvitationId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Revoke an invitation
///
/// Its links open nothing from here on. Accounts that were made with it stay.
#[utoipa::path(delete, path = "/invitations/{id}", tag = "administration",
    operation_id = "invitations_revoke", params(("id" = String, Path)), responses(
    (status = 204, description = "It is no more"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn revoke(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: InvitationId = body::id(&id, "invitation")?;
    state.auth.revoke_invitation(id, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

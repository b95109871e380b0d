//! `DELETE /service-tokens/{id}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::ServiceTokenId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Revoke a service's token
///
/// It opens nothing from here on.
#[utoipa::path(delete, path = "/service-tokens/{id}", tag = "administration",
    operation_id = "service_tokens_revoke", params(("id" = String, Path)), responses(
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
    let id: ServiceTokenId = body::id(&id, "token")?;
    state.auth.revoke_service_token(id, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

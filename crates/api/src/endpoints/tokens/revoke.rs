//! `DELETE /tokens/{id}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::ApiTokenId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Revoke an API token
///
/// It opens nothing from here on, and streams that it opened end. Administrators revoke anybody's.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "account",
    operation_id = "tokens_revoke", params(("id" = String, Path)), responses(
    (status = 204, description = "It is no more"),
    (status = 403, body = ProblemDocument, description = "Asked with an API token", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn revoke(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: ApiTokenId = body::id(&id, "token")?;
    state.auth.revoke_api_token(id, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

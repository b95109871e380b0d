//! `POST /quota-requests/{id}/refuse`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Refuse a request for more quota
///
/// Whoever asked is shown it, and may ask again.
#[utoipa::path(post, path = "/quota-requests/{id}/refuse", tag = "groups", operation_id = "quota_requests_refuse",
    params(("id" = String, Path)), responses(
    (status = 204, description = "It is refused"),
    (status = 403, body = ProblemDocument, description = "Asked with an API token, or without a fresh proof", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "There is none, or it isn't asked of the caller", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "It was decided before", content_type = "application/problem+json"),
))]
pub async fn refuse(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    state.auth.refuse_quota(body::id(&id, "request")?, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

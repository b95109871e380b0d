//! `POST /quota-requests/{id}/grant`

use crate::body;
use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;

/// What was granted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Granted {
    wells: i32,
}

/// Grant a request for more quota
///
/// All that was asked for, once: of the group's reserve, to be used until its next refill; for good where the lab's
/// administrators were asked.
#[utoipa::path(post, path = "/quota-requests/{id}/grant", tag = "groups", operation_id = "quota_requests_grant",
    params(("id" = String, Path)), responses(
    (status = 200, body = Granted),
    (status = 403, body = ProblemDocument, description = "Asked with an API token, or without a fresh proof", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "There is none, or it isn't asked of the caller", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "It was decided before, or the reserve is spent", content_type = "application/problem+json"),
))]
pub async fn grant(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<Granted>, Problem> {
    let wells = state.auth.grant_quota(body::id(&id, "request")?, None, Some(&identity), ip).await?;
    Ok(Json(Granted { wells }))
}

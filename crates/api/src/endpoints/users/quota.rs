//! `GET /users/{id}/quota`

use crate::{body, endpoints::me::quota::quota_of};
use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::QuotaView;

/// Where somebody's quota comes from
///
/// With every change of it that was no experiment's.
#[utoipa::path(get, path = "/users/{id}/quota", tag = "administration", operation_id = "users_quota", params(("id" = String, Path)), responses(
    (status = 200, body = QuotaView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn quota(
    State(state): State<AppState>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<QuotaView>, Problem> {
    quota_of(&state, body::id(&id, "account")?).await.map(Json)
}

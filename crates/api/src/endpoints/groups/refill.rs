//! `POST /groups/{id}/refill`

use crate::body;
use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use views::GroupView;

/// Refill a group now
///
/// Each member's allowance and the reserve are whole again. The calendar goes on as it would have.
#[utoipa::path(post, path = "/groups/{id}/refill", tag = "groups", operation_id = "groups_refill", params(("id" = String, Path)), responses(
    (status = 200, body = GroupView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn refill(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<GroupView>, Problem> {
    let id = body::id(&id, "group")?;
    state.auth.refill_group(id, Some(&identity), ip).await?;
    Ok(Json(state.auth.group(Some(&identity), id).await?.into()))
}

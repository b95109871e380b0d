//! `GET /groups/{id}`

use crate::body;
use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::GroupView;

/// Read a group
#[utoipa::path(get, path = "/groups/{id}", tag = "groups", operation_id = "groups_read", params(("id" = String, Path)), responses(
    (status = 200, body = GroupView),
    (status = 404, body = ProblemDocument, description = "There is none, or the caller doesn't teach it", content_type = "application/problem+json"),
))]
pub async fn read(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Result<Json<GroupView>, Problem> {
    let group = state.auth.group(Some(&identity), body::id(&id, "group")?).await?;
    Ok(Json(group.into()))
}

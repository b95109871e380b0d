//! `PATCH /groups/{id}`

use super::GroupTermsBody;
use crate::{JsonBody, body};
use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use views::GroupView;

/// Change a group
#[utoipa::path(patch, path = "/groups/{id}", tag = "groups", operation_id = "groups_update", request_body = GroupTermsBody,
    params(("id" = String, Path)), responses(
    (status = 200, body = GroupView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "There is one of this name", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn update(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<GroupTermsBody>,
) -> Result<Json<GroupView>, Problem> {
    let id = body::id(&id, "group")?;
    let group = state.auth.update_group(id, request.into(), Some(&identity), ip).await?;
    Ok(Json(group.into()))
}

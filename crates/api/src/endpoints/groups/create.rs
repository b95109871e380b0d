//! `POST /groups`

use super::GroupTermsBody;
use crate::JsonBody;
use axum::{Json, extract::State, http::StatusCode};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use views::GroupView;

/// Make a group
#[utoipa::path(post, path = "/groups", tag = "groups", operation_id = "groups_create", request_body = GroupTermsBody, responses(
    (status = 201, body = GroupView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "There is one of this name", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<GroupTermsBody>,
) -> Result<(StatusCode, Json<GroupView>), Problem> {
    let group = state.auth.create_group(request.into(), Some(&identity), ip).await?;
    Ok((StatusCode::CREATED, Json(group.into())))
}

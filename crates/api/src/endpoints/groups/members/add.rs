//! `POST /groups/{id}/members`

use crate::{JsonBody, body};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::Standing;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;
use views::StandingName;

/// Who comes in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddMembers {
    /// Of people who have an account.
    #[schema(min_items = 1, max_items = 200, example = json!(["ada@example.org"]))]
    emails: Vec<String>,
    /// `member` unless given.
    #[schema(value_type = Option<StandingName>)]
    standing: Option<Standing>,
}

/// Put people into a group
///
/// All of them or nobody. A new member has the whole allowance; who is in it already stays as they are.
#[utoipa::path(post, path = "/groups/{id}/members", tag = "groups", operation_id = "group_members_add", request_body = AddMembers,
    params(("id" = String, Path)), responses(
    (status = 204, description = "They are in it"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The group is full, or one of them is in as many as may be", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "Somebody has no account", content_type = "application/problem+json"),
))]
pub async fn add(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<AddMembers>,
) -> Result<StatusCode, Problem> {
    let group = state.auth.group(Some(&identity), body::id(&id, "group")?).await?;
    let standing = request.standing.unwrap_or(Standing::Member);
    state.auth.add_to_group(group.id, &request.emails, standing, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

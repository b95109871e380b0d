//! `DELETE /groups/{id}/members/{user}`

use crate::body;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Take somebody out of a group
///
/// What is left of its allowance stays with it; what they asked for goes on, and is theirs alone to see.
#[utoipa::path(delete, path = "/groups/{id}/members/{user}", tag = "groups", operation_id = "group_members_remove",
    params(("id" = uuid::Uuid, Path), ("user" = uuid::Uuid, Path)), responses(
    (status = 204, description = "They are not in it any more"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path((id, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (id, user) = (body::id(&id, "group")?, body::id(&user, "account")?);
    state.auth.remove_from_group(id, user, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `PATCH /users/{id}`

use crate::{
    Administrator, AppState, ClientIp, JsonBody, Problem, ProblemDocument, body,
    views::{RoleName, UserView},
};
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{Role, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

/// What to change; what isn't given stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Wells that may still be asked for.
    #[schema(minimum = 0, maximum = 1_000_000)]
    quota: Option<i32>,
}

/// Change a role or a quota
///
/// Counts at once, for sessions that are open too.
#[utoipa::path(patch, path = "/users/{id}", tag = "administration",
    operation_id = "users_update", request_body = UpdateUser, params(("id" = String, Path)), responses(
    (status = 200, body = UserView),
    (status = 403, body = ProblemDocument, description = "Not an administrator, or one's own role", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn update(
    State(state): State<AppState>,
    Administrator(identity): Administrator,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UpdateUser>,
) -> Result<Json<UserView>, Problem> {
    let id: UserId = body::id(&id, "account")?;
    if let Some(quota) = request.quota {
        state.auth.set_quota(&identity, id, quota, ip).await?;
    }
    if let Some(role) = request.role {
        state.auth.set_role(&identity, id, role, ip).await?;
    }
    let user = state.store.user(id).await?.ok_or_else(|| Problem::not_found("account"))?;
    Ok(Json(user.into()))
}

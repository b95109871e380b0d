//! `PATCH /users/{id}`

use crate::{JsonBody, body};
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{Role, UserId};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use store::UserChanges;
use utoipa::ToSchema;
use views::{RoleName, UserView};

/// What to change; what isn't given stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Wells that may still be asked for.
    #[schema(minimum = 0, maximum = 1_000_000)]
    quota: Option<i32>,
    /// Whoever is disabled is signed out and can't sign in; what they asked for goes on.
    disabled: Option<bool>,
}

/// Change an account
///
/// All of it or nothing. Counts at once, for sessions that are open too. The lab's last administrator stays one.
#[utoipa::path(patch, path = "/users/{id}", tag = "administration",
    operation_id = "users_update", request_body = UpdateUser, params(("id" = String, Path)), responses(
    (status = 200, body = UserView),
    (status = 403, body = ProblemDocument, description = "Not an administrator, one's own role, or the last administrator's", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn update(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UpdateUser>,
) -> Result<Json<UserView>, Problem> {
    let id: UserId = body::id(&id, "account")?;
    let UpdateUser { role, quota, disabled } = request;
    let user = state.auth.update_user(Some(&identity), id, UserChanges { role, quota, disabled }, ip).await?;
    Ok(Json(user.into()))
}

//! `POST /users/bulk`

use crate::JsonBody;
use axum::{extract::State, http::StatusCode};
use domain::{Role, UserId};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use store::UserChanges;
use utoipa::ToSchema;
use views::RoleName;

/// Whom to change, and how; what isn't given stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUsers {
    #[schema(value_type = Vec<uuid::Uuid>, min_items = 1, max_items = 200)]
    ids: Vec<UserId>,
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Wells that each may still ask for.
    #[schema(minimum = 0, maximum = 1_000_000)]
    quota: Option<i32>,
    /// Whoever is disabled is signed out and can't sign in; what they asked for goes on.
    disabled: Option<bool>,
}

/// Change many accounts
///
/// All of them or none. The lab's last administrator stays one.
#[utoipa::path(post, path = "/users/bulk", tag = "administration",
    operation_id = "users_bulk", request_body = ChangeUsers, responses(
    (status = 204, description = "It is done"),
    (status = 403, body = ProblemDocument, description = "Not an administrator, one's own role, or the last administrator's", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "One of them isn't there", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn bulk(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<ChangeUsers>,
) -> Result<StatusCode, Problem> {
    let ChangeUsers { ids, role, quota, disabled } = request;
    state.auth.update_users(Some(&identity), &ids, UserChanges { role, quota, disabled }, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

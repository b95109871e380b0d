//! `POST /registrations/{id}/approve`

use crate::{JsonBody, body};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use domain::{RegistrationId, Role};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;
use views::{RoleName, UserView};

/// What they become; what isn't given is as the lab's configuration says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Wells.
    #[schema(minimum = 0, maximum = 1_000_000)]
    quota: Option<i32>,
}

/// Give an account to somebody who waits
///
/// They sign in with the password that they chose; a mail tells them.
#[utoipa::path(post, path = "/registrations/{id}/approve", tag = "administration",
    operation_id = "registrations_approve", request_body = Approval, params(("id" = String, Path)), responses(
    (status = 201, body = UserView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The address has an account", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn approve(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<Approval>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let id: RegistrationId = body::id(&id, "request for an account")?;
    let user = state.auth.approve(id, request.role, request.quota, Some(&identity), ip).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

//! `POST /users`

use crate::JsonBody;
use auth::{NewAccount, Password};
use axum::{Json, extract::State, http::StatusCode};
use domain::Role;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;
use views::{RoleName, UserView};

/// Wells that a new account gets when the administrator doesn't say: a plate.
const USUAL_QUOTA: i32 = 96;

/// The account to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 200, example = "a phrase that nobody guesses")]
    password: Password,
    /// `student` unless given.
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    /// Wells; 96 unless given.
    #[schema(minimum = 0, maximum = 1_000_000)]
    quota: Option<i32>,
}

/// Make an account
#[utoipa::path(post, path = "/users", tag = "administration",
    operation_id = "users_create", request_body = CreateUser, responses(
    (status = 201, body = UserView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The address has an account", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<CreateUser>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let account = NewAccount {
        email: request.email,
        password: request.password,
        role: request.role.unwrap_or(Role::Student),
        quota: request.quota.unwrap_or(USUAL_QUOTA),
    };
    let user = state.auth.create_user(account, Some(&identity), ip).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

//! `POST /auth/login`

use crate::{JsonBody, views::TokensView};
use auth::Password;
use axum::{Json, extract::State};
use request::{AppState, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;

/// Who signs in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    #[schema(example = "admin@localhost")]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// Sign in
///
/// Trades an e-mail address and a password for an access token (15 minutes) and a refresh token (30 days, one use). Whoever
/// has a second factor is answered with the problem `second-factor-needed`, whose `pending_token` goes to
/// `/auth/second-factor`.
#[utoipa::path(post, path = "/auth/login", tag = "auth",
    operation_id = "auth_login", request_body = LoginRequest, security(()), responses(
    (status = 200, body = TokensView),
    (status = 401, body = ProblemDocument, description = "The address or the password is wrong, or a second factor is needed", content_type = "application/problem+json"),
    (status = 403, body = ProblemDocument, description = "The account is disabled", content_type = "application/problem+json"),
    (status = 429, body = ProblemDocument, description = "Too many failed attempts; see Retry-After", content_type = "application/problem+json"),
))]
pub async fn login(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Json<TokensView>, Problem> {
    let signed_in = state.auth.sign_in(&request.email, request.password, ip).await;
    request::count_sign_in(&signed_in);
    Ok(Json(signed_in?.into()))
}

//! `POST /auth/second-factor`

use crate::{
    JsonBody,
    factors::{PasskeyShown, shown},
    views::TokensView,
};
use axum::{Json, extract::State};
use request::{AppState, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use std::fmt;
use utoipa::ToSchema;

/// The second step of a sign-in: a code or a passkey's answer.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondStep {
    /// Of the problem `second-factor-needed`.
    #[schema(max_length = 4_000)]
    pending_token: String,
    /// Of an authenticator app, or a recovery code.
    #[schema(example = "123456", max_length = 64)]
    code: Option<String>,
    passkey: Option<PasskeyShown>,
}

impl fmt::Debug for SecondStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecondStep(…)")
    }
}

/// Show a second factor
///
/// The second step of a sign-in that `/auth/login` began. A code and a challenge are each good once; after five wrong codes
/// the sign-in is over, and whoever goes on waits longer each time.
#[utoipa::path(post, path = "/auth/second-factor", tag = "auth",
    operation_id = "auth_second_factor", request_body = SecondStep, security(()), responses(
    (status = 200, body = TokensView),
    (status = 401, body = ProblemDocument, description = "Wrong, used before, or the sign-in is over", content_type = "application/problem+json"),
    (status = 429, body = ProblemDocument, description = "Too many wrong codes; see Retry-After", content_type = "application/problem+json"),
))]
pub async fn second_factor(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<SecondStep>,
) -> Result<Json<TokensView>, Problem> {
    let SecondStep { pending_token, code, passkey } = request;
    let signed_in = state.auth.finish_sign_in(&pending_token, shown(code, passkey)?, ip).await;
    request::count_sign_in(&signed_in);
    Ok(Json(signed_in?.into()))
}

//! `POST /auth/forgot`

use crate::JsonBody;
use axum::{extract::State, http::StatusCode};
use request::{AppState, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;

/// Whose account it is about.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Addressee {
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    pub email: String,
}

/// Ask for a new password
///
/// If the address has an account, a mail with a one-time link goes there; the answer is the same if it hasn't. A lab without
/// a mail server writes it into a file, which its operator sees.
#[utoipa::path(post, path = "/auth/forgot", tag = "auth",
    operation_id = "auth_forgot", request_body = Addressee, security(()), responses(
    (status = 202, description = "Heard"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 429, body = ProblemDocument, description = "Too often for this address, or from here; see Retry-After", content_type = "application/problem+json"),
))]
pub async fn forgot(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<Addressee>,
) -> Result<StatusCode, Problem> {
    state.auth.forgot_password(&request.email, ip).await?;
    Ok(StatusCode::ACCEPTED)
}

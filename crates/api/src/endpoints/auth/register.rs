//! `POST /auth/register`

use super::forgot::Addressee;
use crate::JsonBody;
use axum::{extract::State, http::StatusCode};
use request::{AppState, ClientIp, Problem, ProblemDocument};

/// Ask for an account
///
/// Where the lab lets people make an account for themselves: a mail with a one-time link goes to the address, which
/// `/auth/link` takes with a password. The answer is the same if the address has an account.
#[utoipa::path(post, path = "/auth/register", tag = "auth",
    operation_id = "auth_register", request_body = Addressee, security(()), responses(
    (status = 202, description = "Heard"),
    (status = 403, body = ProblemDocument, description = "Accounts are made by administrators here, or for other addresses", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 429, body = ProblemDocument, description = "Too often for this address, or from here; see Retry-After", content_type = "application/problem+json"),
))]
pub async fn register(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<Addressee>,
) -> Result<StatusCode, Problem> {
    state.auth.ask_to_register(&request.email, ip).await?;
    Ok(StatusCode::ACCEPTED)
}

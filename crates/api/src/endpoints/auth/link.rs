//! `POST /auth/link`

use crate::JsonBody;
use auth::{Password, Used};
use axum::{Json, extract::State};
use request::{AppState, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A one-time link and what it takes. Its `Debug` doesn't show the secret.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseLink {
    /// The last part of the link's path.
    secret: String,
    /// The password to sign in with from now on.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 200)]
    password: Password,
    /// Whose account it is to be; only for an invitation that isn't bound to an address.
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
}

impl std::fmt::Debug for UseLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UseLink(…)")
    }
}

/// What the link did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkUsed {
    outcome: Outcome,
}

/// What a link did.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Sign in with it. Every session and API token of before has ended.
    PasswordSet,
    /// Sign in.
    AccountMade,
    /// An administrator decides; a mail will tell.
    Waits,
}

/// Use a one-time link
///
/// Sets the password of the account that it is for, or makes the account. It signs nobody in.
#[utoipa::path(post, path = "/auth/link", tag = "auth",
    operation_id = "auth_link", request_body = UseLink, security(()), responses(
    (status = 200, body = LinkUsed),
    (status = 403, body = ProblemDocument, description = "People make no accounts here any more", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "The link was used, has run out, or is none", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "The address has an account", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "The password would be guessed, or the address is none", content_type = "application/problem+json"),
))]
pub async fn link(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<UseLink>,
) -> Result<Json<LinkUsed>, Problem> {
    let UseLink { secret, password, email } = request;
    let outcome = match state.auth.use_link(&secret, email.as_deref(), password, ip).await? {
        Used::PasswordSet => Outcome::PasswordSet,
        Used::AccountMade => Outcome::AccountMade,
        Used::Waits => Outcome::Waits,
    };
    Ok(Json(LinkUsed { outcome }))
}

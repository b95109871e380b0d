//! `POST /users/{id}/link`

use crate::body;
use auth::HANDED_LINK_LIFE;
use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use domain::UserId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;

/// The way in again.
#[derive(Clone, Serialize, ToSchema)]
pub struct PasswordLink {
    /// Whether it was sent to the account's address. Then it isn't in this answer.
    mailed: bool,
    /// To be handed to its owner: good once, and shown this once.
    #[schema(required = true, example = "https://lab.example.org/link/…")]
    url: Option<String>,
    #[schema(required = true)]
    expires_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for PasswordLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordLink").field("mailed", &self.mailed).finish_non_exhaustive()
    }
}

/// Give somebody a way in again
///
/// A one-time link by which they choose a password: by mail, or in the answer where the lab has no mail server.
#[utoipa::path(post, path = "/users/{id}/link", tag = "administration",
    operation_id = "users_link", params(("id" = String, Path)), responses(
    (status = 200, body = PasswordLink),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "No such account, or it is disabled", content_type = "application/problem+json"),
))]
pub async fn link(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Json<PasswordLink>, Problem> {
    let id: UserId = body::id(&id, "account")?;
    let user = state.store.user(id).await?.filter(|user| user.disabled_at.is_none());
    let user = user.ok_or_else(|| Problem::not_found("account"))?;
    if state.auth.account_policy().mails {
        state.auth.mail_password_link(&user, Some(&identity), ip).await?;
        return Ok(Json(PasswordLink { mailed: true, url: None, expires_at: None }));
    }
    let made = state.auth.create_password_link(id, HANDED_LINK_LIFE, Some(&identity), ip).await?;
    Ok(Json(PasswordLink { mailed: false, url: Some(state.link(&made.0)), expires_at: Some(made.1) }))
}

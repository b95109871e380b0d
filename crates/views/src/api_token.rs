//! An API token, without the secret.

use chrono::{DateTime, Utc};
use domain::{ApiTokenId, Scope, UserId};
use serde::Serialize;
use store::ApiToken;
use utoipa::ToSchema;

/// A token that a person made for a program.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApiTokenView {
    #[schema(value_type = Uuid)]
    pub id: ApiTokenId,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    #[schema(example = "notebook on the lab's laptop")]
    pub name: String,
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Vec<Scope>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Whether its time is over. It is listed for 30 days more.
    pub expired: bool,
    /// To the minute; null while it never was.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl ApiTokenView {
    pub fn of(token: ApiToken, now: DateTime<Utc>) -> Self {
        let ApiToken { id, user_id, name, scopes, created_at, expires_at, last_used_at } = token;
        let (scopes, expired) = (scopes.iter().collect(), expires_at <= now);
        Self { id, user_id, name, scopes, created_at, expires_at, expired, last_used_at }
    }
}

/// What a token may do, never more than its owner at that moment (for the documentation; [`Scope`] is the type).
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::Scope to OpenAPI, which domain knows nothing of")]
pub enum ScopeName {
    Read,
    Experiments,
    Operate,
}

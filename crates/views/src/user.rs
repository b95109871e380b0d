//! An account.

use chrono::{DateTime, Utc};
use domain::{Role, UserId};
use serde::Serialize;
use store::User;
use utoipa::ToSchema;

/// An account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserView {
    #[schema(value_type = Uuid)]
    pub id: UserId,
    #[schema(example = "ada@example.org")]
    pub email: String,
    #[schema(value_type = RoleName)]
    pub role: Role,
    /// Wells that may still be asked for.
    pub quota_remaining: i32,
    pub created_at: DateTime<Utc>,
    /// Whether an administrator has shut the account.
    pub disabled: bool,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            role: user.role,
            quota_remaining: user.quota_remaining,
            created_at: user.created_at,
            disabled: user.disabled_at.is_some(),
        }
    }
}

/// The values of a role, from least to most (for the documentation; [`Role`] is the type).
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes domain::Role to OpenAPI, which domain knows nothing of")]
pub enum RoleName {
    Student,
    Researcher,
    Operator,
    Admin,
}

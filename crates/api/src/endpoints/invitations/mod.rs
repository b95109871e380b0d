//! `/invitations`: to make an account, for administrators.

pub mod create;
pub mod list;
pub mod revoke;

use chrono::{DateTime, Utc};
use domain::{GroupId, InvitationId, Role};
use serde::Serialize;
use store::Invitation;
use utoipa::ToSchema;
use views::RoleName;

/// An invitation, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InvitationView {
    #[schema(value_type = uuid::Uuid)]
    id: InvitationId,
    /// The one address that may use it; null for whoever has the link.
    #[schema(required = true)]
    email: Option<String>,
    #[schema(value_type = RoleName)]
    role: Role,
    /// Wells.
    quota: i32,
    /// Accounts that it is for.
    uses: i32,
    /// Accounts that can still be made with it.
    uses_left: i32,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// The group that they join.
    #[schema(value_type = Option<uuid::Uuid>, required = true)]
    group_id: Option<GroupId>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, email, role, quota, uses, uses_left, created_at, expires_at, group_id } = invitation;
        Self { id, email, role, quota, uses, uses_left, created_at, expires_at, group_id }
    }
}

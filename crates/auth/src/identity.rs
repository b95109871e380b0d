//! A signed-in person, as every request sees them.

use domain::{Role, SessionId, UserId};
use store::User;

/// Who asks. The account is read from the database at each request, so a changed role counts at once.
#[derive(Clone, Debug)]
pub struct Identity {
    pub user: User,
    pub session: SessionId,
}

impl Identity {
    pub const fn user_id(&self) -> UserId {
        self.user.id
    }

    pub const fn role(&self) -> Role {
        self.user.role
    }

    /// Whether this person may see and steer what `owner` made.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.user.may_see(owner)
    }
}

//! Accounts, sessions, keys and what people did.

use chrono::{DateTime, Utc};
use domain::{ActivityId, ApiTokenId, Permission, Role, Scopes, SessionId, UserId};
use serde_json::Value;
use std::{fmt, net::IpAddr};

/// A person's account. Its `Debug` never shows the password hash.
#[derive(Clone)]
pub struct User {
    pub id: UserId,
    /// Lower case; unique.
    pub email: String,
    /// PHC string (argon2id).
    pub hashed_password: String,
    pub role: Role,
    /// Wells that this person may still ask for.
    pub quota_remaining: i32,
    pub created_at: DateTime<Utc>,
    /// Since when they can't sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Whether they teach a group.
    pub teaches: bool,
}

/// No hash of any password: whoever has it comes in by a link or by somebody else's word.
pub const NO_PASSWORD: &str = "!";

impl User {
    /// Whether they may see and steer what `owner` made whatever groups there are. `workflow::Lab::may_see` is the whole
    /// rule.
    pub fn owns_or_runs_the_lab(&self, owner: UserId) -> bool {
        self.id == owner || Permission::SeeExperiments.reaches_others(self.role)
    }

    /// Whether there is a password that lets them in.
    pub fn has_password(&self) -> bool {
        self.hashed_password != NO_PASSWORD
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.role.administers() && self.disabled_at.is_none()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// An account to be made. Its id is made before, so that making it twice is seen.
#[derive(Clone)]
pub struct NewUser {
    pub id: UserId,
    pub email: String,
    pub hashed_password: String,
    pub role: Role,
    pub quota: i32,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What is to be another in an account; nothing stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserChanges {
    pub role: Option<Role>,
    /// Wells that may still be asked for, 0 or more.
    pub quota: Option<i32>,
    pub disabled: Option<bool>,
}

impl UserChanges {
    pub(crate) fn of(self, user: User, now: DateTime<Utc>) -> User {
        User {
            role: self.role.unwrap_or(user.role),
            quota_remaining: self.quota.unwrap_or(user.quota_remaining),
            disabled_at: match self.disabled {
                Some(true) => user.disabled_at.or(Some(now)),
                Some(false) => None,
                None => user.disabled_at,
            },
            ..user
        }
    }
}

/// A key that signs access tokens, or signed them. Its `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The `kid` in the header of its tokens.
    pub kid: String,
    /// PKCS #8.
    pub private_pem: String,
    pub created_at: DateTime<Utc>,
    /// Nothing for the one that signs.
    pub verifies_until: Option<DateTime<Utc>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A sign-in. Only a hash of its refresh token is kept; each use of the token replaces it.
#[derive(Clone)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub proof: super::Proof,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// A sign-in that is open, as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    pub id: SessionId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// To the minute; nothing in the moments before it is first used, and of sessions of older releases.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From where, and with what.
    pub ip_address: Option<IpAddr>,
    pub client: Option<String>,
}

/// That a session was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUse {
    pub at: DateTime<Utc>,
    pub ip_address: Option<IpAddr>,
    /// Like `Firefox on Linux`.
    pub client: Option<String>,
}

/// What a person's program shows instead of a sign-in. Only a hash of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub id: ApiTokenId,
    pub user_id: UserId,
    /// As its owner calls it.
    pub name: String,
    pub scopes: Scopes,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// To the minute; nothing while it never was.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token to be made. Its `Debug` never shows the hash.
#[derive(Clone)]
pub struct NewApiToken {
    pub id: ApiTokenId,
    pub name: String,
    pub hash: String,
    pub scopes: Scopes,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for NewApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiToken").field("id", &self.id).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// What became of an attempt to use a refresh token.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// The token was the session's current one; it has been replaced.
    Rotated(Session),
    /// The token was replaced before: somebody has a copy. The whole session is revoked now.
    Reused(SessionId),
    /// Unknown, expired or revoked.
    Refused,
}

/// One line of `user_activity_log`.
#[derive(Clone, Debug)]
pub struct Activity {
    pub id: ActivityId,
    pub user_id: Option<UserId>,
    /// Like `sign_in`, `sign_in_failed`, `experiment_created`.
    pub action: String,
    pub details: Value,
    pub ip_address: Option<IpAddr>,
    pub created_at: DateTime<Utc>,
    /// Its place in the chain of seals; nothing in the moments before it is sealed.
    pub seal_number: Option<i64>,
}

/// An activity to be logged now.
#[derive(Clone, Debug)]
pub struct NewActivity {
    pub user_id: Option<UserId>,
    pub action: &'static str,
    pub details: Value,
    pub ip_address: Option<IpAddr>,
}

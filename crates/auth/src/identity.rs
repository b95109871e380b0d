//! A signed-in person, as every request sees them.

use crate::PROOF_LIFE;
use chrono::{DateTime, Utc};
use domain::{ApiTokenId, Permission, Role, Scope, Scopes, ServiceKind, ServiceTokenId, SessionId, UserId};
use store::{Proof, User};

/// By what somebody was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// They signed in.
    Session(SessionId),
    /// A program of theirs showed this.
    ApiToken { id: ApiTokenId, scopes: Scopes },
    /// A program that is nobody's.
    Service { id: ServiceTokenId, kind: ServiceKind },
}

/// Who asks. The account is read from the database at each request, so a changed role counts at once.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its role is what they are with what they showed: to an API token less than the account's, unless it is for all of
    /// it. So whatever is decided by a role, wherever it is, needn't know of tokens.
    pub user: User,
    pub shown: Credential,
    /// When and how they last proved who they are; nothing for a program with an API token.
    pub proof: Option<Proof>,
    /// Their role needs a second factor, and they signed in without one.
    pub lacks_factor: bool,
}

/// Why somebody may not do something at all, whoever's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("this needs {}; your role is {role}", .permission.for_whom())]
    Role { permission: Permission, role: Role },
    /// The token isn't for that.
    #[error("this needs an API token with the scope {needed}; this one's are: {scopes}")]
    Scope { needed: Scope, scopes: Scopes },
    /// No token is for that.
    #[error("no API token may do this: sign in")]
    NeedsSignIn,
    #[error("your role needs a second factor: set one up, or sign in with yours")]
    NeedsSecondFactor,
    #[error("this is grave enough to ask again who you are: prove it with your password, a code or a passkey")]
    NeedsFreshProof,
    /// It isn't what this program is for.
    #[error("a service for {0} may not do this")]
    Service(ServiceKind),
}

impl Identity {
    pub const fn user_id(&self) -> UserId {
        self.user.id
    }

    /// The session in which they ask; nothing for a program with a token.
    pub const fn session(&self) -> Option<SessionId> {
        match self.shown {
            Credential::Session(session) => Some(session),
            Credential::ApiToken { .. } | Credential::Service { .. } => None,
        }
    }

    pub const fn role(&self) -> Role {
        self.user.role
    }

    /// Whether they have this permission for what is their own or nobody's.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, permission: Permission) -> Result<(), Forbidden> {
        if let Credential::Service { kind, .. } = self.shown {
            return if kind.has(permission) { Ok(()) } else { Err(Forbidden::Service(kind)) };
        }
        if let Credential::ApiToken { scopes, .. } = self.shown {
            match permission.rule().scope {
                None => return Err(Forbidden::NeedsSignIn),
                Some(needed) if !scopes.has(needed) => return Err(Forbidden::Scope { needed, scopes }),
                Some(_) => {}
            }
        }
        if permission.is_given_to(self.role()) {
            return Ok(());
        }
        Err(Forbidden::Role { permission, role: self.role() })
    }

    /// Whether what they have shown is enough for this permission: the second factor that their role needs, and for a change
    /// that is grave a proof of the last minutes.
    ///
    /// # Errors
    /// What is missing.
    pub fn check_proof(&self, permission: Permission, changes: bool, now: DateTime<Utc>) -> Result<(), Forbidden> {
        if self.lacks_factor && !permission.leads_to_second_factor() {
            return Err(Forbidden::NeedsSecondFactor);
        }
        let is_old = self.proof.as_ref().is_some_and(|proof| proof.at + PROOF_LIFE < now);
        if changes && permission.is_grave() && is_old {
            return Err(Forbidden::NeedsFreshProof);
        }
        Ok(())
    }
}

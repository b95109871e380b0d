//! Signing in by the word of a provider of identity, and who may still use a password beside it.
//!
//! What the provider says is checked elsewhere (the crate `oidc`); here it becomes an account and a session.

use crate::{
    AuthError, CookieSession, Secret, Service,
    second_step::Waiting,
    secret::{Purpose, stored_hash},
    service::{SESSION_LIFE, checked_hash},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{Placement, Role, SessionId};
use serde_json::json;
use std::{fmt, net::IpAddr};
use store::{Admission, ExternalEnd, ExternalSignIn, ProviderSessions, Unknown, User};

/// Who may sign in with a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passwords {
    #[default]
    Everybody,
    /// The way in while the provider of identity is away.
    Administrators,
}

impl Passwords {
    /// After the password was found right, so that nobody else learns of it.
    pub(crate) const fn check(self, user: &User) -> Result<(), AuthError> {
        match self {
            Self::Everybody => Ok(()),
            Self::Administrators if user.role.administers() => Ok(()),
            Self::Administrators => Err(AuthError::PasswordsOff),
        }
    }
}

/// Whom a provider vouches for. Its `Debug` shows nothing of them.
#[derive(Clone)]
pub struct ExternalPerson {
    pub issuer: String,
    /// The provider's own name of them.
    pub subject: String,
    /// Lower case; one that the provider has verified, and that may be somebody's here.
    pub email: Option<String>,
    pub unknown: Unknown,
    pub role: Role,
    /// Wells.
    pub quota: i32,
    /// Where they are to be in each group that its claims decide about.
    pub groups: Vec<Placement>,
    /// The provider's own name of its session.
    pub session: Option<String>,
    /// When they proved there who they are: what is grave goes by that, not by when they came from there.
    pub proved_at: DateTime<Utc>,
    /// What this sign-in showed that may be shown once, and until when it would be believed.
    pub once: (String, DateTime<Utc>),
}

impl fmt::Debug for ExternalPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalPerson").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Why somebody whom the provider vouches for isn't let in.
#[derive(Debug, thiserror::Error)]
pub enum ExternalRefusal {
    #[error("this sign-in was used before")]
    Replayed,
    #[error("this lab has no account for them")]
    NoAccount,
    #[error("somebody has an account with this address, which this lab doesn't hand over")]
    AddressTaken,
    #[error("the account is disabled")]
    Disabled,
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl Service {
    /// For a lab where not everybody may use a password.
    #[must_use]
    pub const fn with_passwords(mut self, passwords: Passwords) -> Self {
        self.passwords = passwords;
        self
    }

    /// Who may sign in with a password.
    pub const fn passwords(&self) -> Passwords {
        self.passwords
    }

    /// Signs a browser in as whom the provider vouches for; makes, links or changes the account as it must.
    ///
    /// # Errors
    /// Why not: `SecondFactorNeeded` where they have a factor of this lab. What was refused is in the activity log.
    #[boxed]
    pub async fn sign_in_external(
        &self,
        person: ExternalPerson,
        ip: Option<IpAddr>,
    ) -> Result<CookieSession, ExternalRefusal> {
        let (token, waiting) = (Secret::random(), Waiting::begin());
        let ExternalPerson { issuer, subject, email, unknown, role, quota, groups, session, proved_at, once } = person;
        let sign_in = ExternalSignIn {
            issuer,
            subject,
            email,
            unknown,
            role,
            quota,
            groups,
            once: (stored_hash(Purpose::Once, &once.0), once.1),
            session: SessionId::new(),
            refresh_hash: stored_hash(Purpose::Cookie, token.expose()),
            expires_at: Utc::now() + SESSION_LIFE,
            pending: (stored_hash(Purpose::Pending, waiting.token.expose()), waiting.expires_at),
            provider_session: session,
            proved_at,
            ip,
        };
        let refusal = match self.store.sign_in_external(&sign_in).await.map_err(AuthError::from)? {
            Admission::SignedIn(user, session) => {
                return Ok(self.cookie_session(token, session, user));
            }
            Admission::SecondStep(user) => {
                let pending = waiting.of(self.ways(user.id).await?);
                return Err(AuthError::SecondFactorNeeded(Box::new(pending)).into());
            }
            Admission::Replayed => ExternalRefusal::Replayed,
            Admission::NoAccount => ExternalRefusal::NoAccount,
            Admission::AddressTaken => ExternalRefusal::AddressTaken,
            Admission::Disabled(_) => ExternalRefusal::Disabled,
        };
        self.note_external_refusal(&refusal.to_string(), ip).await?;
        Err(refusal)
    }

    /// Writes down that a sign-in by the provider came to nothing; bounded, as failed passwords are.
    ///
    /// # Errors
    /// Those of the database.
    #[boxed]
    pub async fn note_external_refusal(&self, reason: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        tracing::info!(reason, "a sign-in by the provider of identity is refused");
        Ok(self.failures.note("sign_in_failed", json!({ "via": "provider", "reason": reason }), ip).await?)
    }

    /// Ends what came from a provider's session, or from all of a person's there. `once` is what this was told with, and until
    /// when that would be believed. Told again, nothing happens: gives how many sessions ended.
    ///
    /// # Errors
    /// Those of the database.
    #[boxed]
    pub async fn end_external(
        &self,
        issuer: &str,
        which: ProviderSessions,
        once: (&str, DateTime<Utc>),
        ip: Option<IpAddr>,
    ) -> Result<usize, AuthError> {
        let once = (stored_hash(Purpose::Once, &format!("{issuer} {}", once.0)), once.1);
        let end = ExternalEnd { issuer: issuer.to_owned(), which, once, ip };
        Ok(self.store.end_external_sessions(&end).await?.unwrap_or_default())
    }

    /// Whether a cookie's live session came from the provider.
    ///
    /// # Errors
    /// Those of the database.
    #[boxed]
    pub async fn came_from_provider(&self, cookie: &str) -> Result<bool, AuthError> {
        let Ok(hash) = checked_hash(Purpose::Cookie, cookie) else { return Ok(false) };
        Ok(self.store.is_external_session(&hash).await?)
    }
}

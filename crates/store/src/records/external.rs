//! Sign-ins by the word of a provider of identity, and programs that are nobody's.

use super::{Session, User};
use chrono::{DateTime, Utc};
use domain::{Placement, Role, ServiceKind, ServiceTokenId, SessionId, UserId};
use std::{fmt, net::IpAddr};

/// Somebody whom a provider of identity vouches for, and the session to begin. Its `Debug` shows neither address nor hash.
#[derive(Clone)]
pub struct ExternalSignIn {
    pub issuer: String,
    /// The provider's own name of the person, for good.
    pub subject: String,
    /// Lower case; only one that the provider has verified.
    pub email: Option<String>,
    pub unknown: Unknown,
    /// What the provider's claims come to.
    pub role: Role,
    /// Wells, 0 or more.
    pub quota: i32,
    /// Where they are to be in each group that the provider's claims decide about.
    pub groups: Vec<Placement>,
    /// Hash of what may be shown once, and until when it would be believed.
    pub once: (String, DateTime<Utc>),
    pub session: SessionId,
    pub refresh_hash: String,
    pub expires_at: DateTime<Utc>,
    /// Hash of the token by which the sign-in goes on where they have a second factor, and until when.
    pub pending: (String, DateTime<Utc>),
    /// The provider's own name of its session.
    pub provider_session: Option<String>,
    /// When they proved there who they are.
    pub proved_at: DateTime<Utc>,
    pub ip: Option<IpAddr>,
}

impl fmt::Debug for ExternalSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalSignIn")
            .field("session", &self.session)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What becomes of somebody who comes for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// An account is made, where nobody has the address.
    pub is_welcome: bool,
    /// The account that has the address becomes theirs.
    pub takes_over: bool,
}

/// What became of it. Nothing but what it says was written.
#[derive(Clone, Debug)]
pub enum Admission {
    SignedIn(User, Session),
    /// They have a second factor of this lab: the sign-in waits for it.
    SecondStep(User),
    /// It was shown before.
    Replayed,
    /// They come for the first time, and no account is made or there is no address to make one with.
    NoAccount,
    /// They come for the first time, and somebody has the address.
    AddressTaken,
    /// The account is disabled.
    Disabled(UserId),
}

/// Which sign-ins a provider of identity ends.
#[derive(Clone, Debug)]
pub struct ExternalEnd {
    pub issuer: String,
    pub which: ProviderSessions,
    /// Hash of what may be shown once, and until when it would be believed.
    pub once: (String, DateTime<Utc>),
    pub ip: Option<IpAddr>,
}

/// Which of a provider's sessions.
#[derive(Clone, Debug)]
pub enum ProviderSessions {
    One(String),
    /// Of this subject.
    All(String),
}

/// What a program shows that is nobody's. Only a hash of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceToken {
    pub id: ServiceTokenId,
    pub service: ServiceKind,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// To the minute; nothing while it never was.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// One to be made. Its `Debug` never shows the hash.
#[derive(Clone)]
pub struct NewServiceToken {
    pub id: ServiceTokenId,
    pub service: ServiceKind,
    pub name: String,
    pub hash: String,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for NewServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewServiceToken").field("id", &self.id).field("service", &self.service).finish_non_exhaustive()
    }
}

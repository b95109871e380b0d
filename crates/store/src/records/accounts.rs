//! How people come to an account: invitations, one-time links, requests that wait, and mails.

use super::User;
use chrono::{DateTime, Utc};
use domain::{GroupId, InvitationId, LinkPurpose, MailId, MailKind, RegistrationId, Role, UserId};
use std::fmt;

/// A one-time link to be made. Its `Debug` doesn't show the hash.
#[derive(Clone)]
pub struct NewLink {
    /// SHA-256 of its secret.
    pub hash: String,
    pub to: LinkTo,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for NewLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLink").field("to", &self.to).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What a link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTo {
    /// The account whose password it sets.
    Password(UserId),
    Invitation(InvitationId),
    /// The address that it proves.
    Registration(String),
}

impl LinkTo {
    pub const fn purpose(&self) -> LinkPurpose {
        match self {
            Self::Password(_) => LinkPurpose::Password,
            Self::Invitation(_) => LinkPurpose::Invitation,
            Self::Registration(_) => LinkPurpose::Registration,
        }
    }
}

/// What a link that is still good opens.
#[derive(Clone, Debug)]
pub enum Opened {
    Password(User),
    Invitation(Invitation),
    Registration(String),
}

/// An invitation to make an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    /// The one address that may use it, lower case; nothing for whoever has the link.
    pub email: Option<String>,
    pub role: Role,
    /// Wells.
    pub quota: i32,
    /// Accounts that it is for, and those that can still be made with it.
    pub uses: i32,
    pub uses_left: i32,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The group that they join.
    pub group_id: Option<GroupId>,
}

/// Somebody whose address is proven, and who waits for an administrator. Its `Debug` doesn't show the password's hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Registration {
    pub id: RegistrationId,
    pub email: String,
    pub hashed_password: String,
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("id", &self.id).field("email", &self.email).finish_non_exhaustive()
    }
}

/// A mail to be sent. What it says follows from its kind; a link in it is made when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    pub kind: MailKind,
    /// Whom to, lower case.
    pub email: String,
    /// Of an invitation's.
    pub invitation_id: Option<InvitationId>,
}

/// A mail that waits, or was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub id: MailId,
    pub kind: MailKind,
    pub email: String,
    pub invitation_id: Option<InvitationId>,
    pub created_at: DateTime<Utc>,
    /// When it is tried next; nothing once it is given up.
    pub due_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed last.
    pub failure: Option<String>,
}

//! Why somebody isn't let in, or an account can't be made.

use crate::{PendingSignIn, Standing};
use domain::{FaultCode, Role, Scope, text::TextError};
use store::StoreError;

/// What can go wrong. No text carries a password, a token or a hash.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Wrong password or no such account: deliberately not told apart.
    #[error("the e-mail address or the password is wrong")]
    SignInFailed,
    #[error("too many attempts; try again in {} s", .0.wait.as_secs().max(1))]
    Throttled(Standing),
    /// No token or cookie came with the request.
    #[error("this needs a signed-in person")]
    Missing,
    /// A token that this lab didn't sign, that was replaced or revoked, or whose account is gone.
    #[error("the token isn't valid here; sign in again")]
    Forged,
    #[error("the token has run out; renew it, make a new one, or sign in again")]
    Expired,
    #[error("'{0}' is no e-mail address")]
    InvalidEmail(String),
    #[error("a password has {} to {} characters", crate::PASSWORD_LENGTH.start(), crate::PASSWORD_LENGTH.end())]
    InvalidPassword,
    /// Long enough, and among the first that are tried.
    #[error("this password would be guessed: {0}")]
    WeakPassword(&'static str),
    #[error("this link isn't good any more: it was used, has run out, or was replaced by a newer one")]
    NoSuchLink,
    #[error("nobody can make an account here by themselves; ask an administrator")]
    RegistrationClosed,
    #[error("accounts here are for addresses at {0}; use that address, or ask an administrator")]
    OtherDomain(String),
    #[error("an invitation is for 1 to {most} accounts; one that is bound to an address is for one", most = crate::MOST_USES)]
    InvalidUses,
    #[error("an invitation lives for 1 to {most} days", most = crate::LONGEST_INVITATION_DAYS)]
    InvalidInvitationLife,
    #[error("there is no such invitation")]
    NoSuchInvitation,
    #[error("there is nobody of this id who waits for an account")]
    NoSuchRegistration,
    #[error("choose 1 to {most} accounts, and what is to be another in them", most = crate::MOST_AT_ONCE)]
    NothingToChange,
    #[error(transparent)]
    Group(#[from] crate::GroupError),
    /// Nothing was done.
    #[error("{0}")]
    Import(#[from] crate::ImportError),
    #[error("so many mails wait to be sent that no more are taken; try again in a while")]
    TooManyMails,
    #[error("a quota is 0 to {} wells", crate::account::MOST_QUOTA)]
    InvalidQuota,
    #[error("there is an account with this e-mail address already")]
    EmailTaken,
    #[error("there is no such account")]
    NoSuchUser,
    #[error("an administrator can't take the role from themselves; ask another administrator")]
    OwnRole,
    /// Nobody could administer the lab any more.
    #[error("this is the lab's last administrator; make another one first")]
    LastAdministrator,
    #[error("the address doesn't match the account's: nothing was erased")]
    NotConfirmed,
    #[error("an experiment of this person's waits or is under way; cancel it, or wait for its end")]
    Unfinished,
    /// The password is right.
    #[error("this account is disabled; ask an administrator")]
    Disabled,
    #[error("there is no such key, or it is the one that signs; `tincture keys list` shows them")]
    NoSuchKey,
    #[error("the token's name can't be kept: {0}")]
    InvalidTokenName(TextError),
    #[error("say what the token may do: read, experiments, operate")]
    NoScope,
    #[error(
        "a token can't do more than its owner: {scope} is for operators and administrators, and the role is {role}"
    )]
    ScopeBeyondRole { scope: Scope, role: Role },
    #[error("a token lives for 1 to {most} days")]
    InvalidTokenLife { most: u16 },
    #[error("there are {most} tokens already, which is as many as there may be; revoke one first")]
    TooManyTokens { most: u32 },
    #[error("there is no such token, or it isn't yours")]
    NoSuchToken,
    #[error("there is no such sign-in, or it has ended")]
    NoSuchSession,
    /// The password is right, and the person has a second factor: the sign-in goes on with the token.
    #[error("the password is right; now show the second factor")]
    SecondFactorNeeded(Box<PendingSignIn>),
    /// Also one that was used before.
    #[error("this code or passkey is wrong, or was used before")]
    FactorRefused,
    #[error("this sign-in is over: begin it again with the password")]
    SignInOver,
    #[error("there is no such second factor")]
    NoSuchFactor,
    #[error("there is such a second factor already: remove it first")]
    FactorExists,
    #[error("your role needs a second factor, and this is the last: set up another one first")]
    LastFactor,
    #[error("your own second factors are on your account's page; another administrator can reset them")]
    OwnFactors,
    #[error("this is for others' sessions: a new password on your own account's page ends yours")]
    OwnSessions,
    #[error("this is the sign-in that you are in: sign out instead")]
    OwnSession,
    #[error("there are {most} passkeys already, which is as many as one person may have; remove one first")]
    TooManyPasskeys { most: u32 },
    #[error("the passkey's name can't be kept: {0}")]
    InvalidPasskeyName(TextError),
    /// The password is right, and isn't what they may sign in with.
    #[error("passwords are for administrators only in this lab: sign in with your institution's account")]
    PasswordsOff,
    /// More sign-ins at once than this machine can hash in time.
    #[error("too many people sign in at this moment; try again in a few seconds")]
    Busy,
    #[error(transparent)]
    Store(StoreError),
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl AuthError {
    /// The help page that explains it.
    pub fn code(&self) -> FaultCode {
        match self {
            Self::SignInFailed | Self::FactorRefused | Self::SignInOver => FaultCode::SignInFailed,
            Self::SecondFactorNeeded(_) => FaultCode::SecondFactorNeeded,
            Self::Throttled(_) => FaultCode::TooManyRequests,
            Self::Missing | Self::Forged => FaultCode::NotSignedIn,
            Self::Expired => FaultCode::TokenExpired,
            Self::InvalidEmail(_)
            | Self::InvalidPassword
            | Self::InvalidQuota
            | Self::NotConfirmed
            | Self::InvalidTokenName(_)
            | Self::NoScope
            | Self::ScopeBeyondRole { .. }
            | Self::InvalidPasskeyName(_)
            | Self::WeakPassword(_)
            | Self::InvalidUses
            | Self::InvalidInvitationLife
            | Self::NothingToChange
            | Self::Import(_)
            | Self::InvalidTokenLife { .. } => FaultCode::InvalidRequest,
            Self::Group(error) => error.code(),
            Self::Unfinished
            | Self::TooManyTokens { .. }
            | Self::TooManyPasskeys { .. }
            | Self::FactorExists
            | Self::LastFactor => FaultCode::IllegalTransition,
            Self::EmailTaken => FaultCode::EmailTaken,
            Self::NoSuchUser
            | Self::NoSuchKey
            | Self::NoSuchToken
            | Self::NoSuchSession
            | Self::NoSuchFactor
            | Self::NoSuchLink
            | Self::NoSuchInvitation
            | Self::NoSuchRegistration => FaultCode::NotFound,
            Self::OwnRole
            | Self::OwnFactors
            | Self::OwnSessions
            | Self::OwnSession
            | Self::LastAdministrator
            | Self::PasswordsOff
            | Self::Disabled
            | Self::RegistrationClosed
            | Self::OtherDomain(_) => FaultCode::NotAllowed,
            Self::Busy | Self::TooManyMails => FaultCode::Unavailable,
            Self::Store(error) if error.is_passing() => FaultCode::Unavailable,
            Self::Store(_) | Self::Internal(_) => FaultCode::Internal,
        }
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        if let Some(error) = crate::GroupError::of(&error) {
            return Self::Group(error);
        }
        match error {
            StoreError::EmailTaken => Self::EmailTaken,
            StoreError::LastAdministrator => Self::LastAdministrator,
            StoreError::Unfinished => Self::Unfinished,
            StoreError::TooManyMails { .. } => Self::TooManyMails,
            StoreError::NotFound("link") => Self::NoSuchLink,
            StoreError::NotFound("invitation") => Self::NoSuchInvitation,
            StoreError::NotFound("registration") => Self::NoSuchRegistration,
            StoreError::NotFound("token") => Self::NoSuchToken,
            StoreError::TooManyTokens { most } => Self::TooManyTokens { most },
            StoreError::TooManyPasskeys { most } => Self::TooManyPasskeys { most },
            StoreError::FactorExists => Self::FactorExists,
            StoreError::FactorRefused => Self::FactorRefused,
            StoreError::LastFactor => Self::LastFactor,
            StoreError::NotFound(_) => Self::NoSuchUser,
            other => Self::Store(other),
        }
    }
}

//! What a person has beside a password, and how a session was proved.

use chrono::{DateTime, Utc};
use domain::{PasskeyId, SessionId, UserId};
use std::fmt;
use uuid::Uuid;

/// The words of `amr` (RFC 8176) that this lab uses, with spaces between.
#[derive(Clone, Copy, Debug)]
pub struct Amr;

impl Amr {
    pub const PASSWORD: &str = "pwd";
    /// The word of a provider of identity, whatever was shown to it: the registry has none for that.
    pub const PROVIDER: &str = "provider";
    /// A password, then a code of an app or a recovery code.
    pub const PASSWORD_AND_CODE: &str = "pwd otp mfa";
    /// A password, then a passkey.
    pub const PASSWORD_AND_PASSKEY: &str = "pwd pop mfa";
    /// A passkey that has itself asked for a finger, a face or a PIN.
    pub const PASSKEY: &str = "pop user mfa";

    /// Of two steps.
    pub const fn of(first: FirstStep, second: SecondFactor) -> &'static str {
        match (first, second) {
            (FirstStep::Password, SecondFactor::Code) => Self::PASSWORD_AND_CODE,
            (FirstStep::Password, SecondFactor::Passkey) => Self::PASSWORD_AND_PASSKEY,
            (FirstStep::Provider, SecondFactor::Code) => "provider otp mfa",
            (FirstStep::Provider, SecondFactor::Passkey) => "provider pop mfa",
        }
    }
}

/// What somebody was believed for before a second factor was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStep {
    Password,
    /// The word of a provider of identity.
    Provider,
}

/// What was shown beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// Of an app, or a recovery code.
    Code,
    Passkey,
}

/// When and how whoever signed in last proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub at: DateTime<Utc>,
    /// As [`Amr`] has it.
    pub amr: String,
}

impl Proof {
    /// Whether two things were shown, not the password alone.
    pub fn has_second_factor(&self) -> bool {
        self.amr.split(' ').any(|word| word == "mfa")
    }

    /// What the session began with.
    pub fn first(&self) -> FirstStep {
        match self.amr.split(' ').next() {
            Some(Amr::PROVIDER) => FirstStep::Provider,
            _ => FirstStep::Password,
        }
    }
}

/// What a person has beside a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// Since when they have an authenticator app.
    pub totp_since: Option<DateTime<Utc>>,
    pub recovery_codes: u32,
    /// By age.
    pub passkeys: Vec<Passkey>,
}

impl Factors {
    pub fn is_none(&self) -> bool {
        self.totp_since.is_none() && self.passkeys.is_empty()
    }
}

/// A passkey. All of it may be seen by its owner: the private half never leaves their device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    pub user_id: UserId,
    /// As its owner calls it.
    pub name: String,
    /// base64url, as the next two.
    pub credential_id: String,
    pub public_key: String,
    /// What changes when it is used, its counter among it.
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// An authenticator app's secret. Its `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    /// base32.
    pub secret: String,
    /// Nothing while no code of it has come.
    pub since: Option<DateTime<Utc>>,
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A try with a code, counted as a wrong one until it is said to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Try {
    /// It may be looked at.
    Open(Option<Totp>),
    /// There is nothing that it could be a code of.
    NoFactor,
    /// There were too many: not before this time.
    BlockedUntil(DateTime<Utc>),
    /// The sign-in that it was for is over.
    Over,
}

/// What was shown, and is used up by it.
#[derive(Clone)]
pub enum FactorUse {
    /// A code of the app, of this time step.
    Totp {
        step: i64,
    },
    RecoveryCode {
        hash: String,
    },
    Passkey(PasskeyUse),
}

impl fmt::Debug for FactorUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Totp { .. } => "Totp",
            Self::RecoveryCode { .. } => "RecoveryCode",
            Self::Passkey(_) => "Passkey",
        })
    }
}

/// An answer of a passkey to a challenge.
#[derive(Clone, Debug)]
pub struct PasskeyUse {
    pub id: PasskeyId,
    /// Its state before, as it was read.
    pub was: String,
    pub state: String,
    pub challenge: SpentChallenge,
}

/// A challenge that was answered.
#[derive(Clone, Copy, Debug)]
pub struct SpentChallenge {
    pub id: Uuid,
    pub expires_at: DateTime<Utc>,
}

/// A session to be begun.
#[derive(Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub user_id: UserId,
    /// Of its refresh token or cookie.
    pub hash: String,
    pub expires_at: DateTime<Utc>,
    /// As [`Amr`] has it.
    pub amr: &'static str,
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession").field("id", &self.id).field("amr", &self.amr).finish_non_exhaustive()
    }
}

/// A factor that was just shown to work. Its `Debug` never shows a secret.
#[derive(Clone)]
pub enum NewFactor {
    /// The offered secret, by a code of this time step.
    Totp {
        secret: String,
        step: i64,
    },
    Passkey {
        passkey: Passkey,
        challenge: SpentChallenge,
        most: u32,
    },
}

impl fmt::Debug for NewFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Totp { .. } => "Totp",
            Self::Passkey { .. } => "Passkey",
        })
    }
}

/// Whether a person may be left without a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastFactor {
    MayGo,
    /// Their role needs one.
    Stays,
}

//! The shapes of second factors: what is sent to show one, and what is told of them.

use auth::{Challenge, PasskeyAnswer, Secret, Shown};
use chrono::{DateTime, Utc};
use domain::PasskeyId;
use request::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use store::{Factors, Passkey};
use utoipa::ToSchema;

/// A passkey's answer to a challenge.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyShown {
    /// Of the options that were answered.
    #[schema(max_length = 4_000)]
    challenge: String,
    /// The JSON form (`toJSON()`) of what `navigator.credentials` gave.
    #[schema(value_type = Object)]
    credential: Value,
}

impl fmt::Debug for PasskeyShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasskeyShown(…)")
    }
}

impl From<PasskeyShown> for PasskeyAnswer {
    fn from(shown: PasskeyShown) -> Self {
        Self { challenge: shown.challenge, credential: shown.credential.to_string() }
    }
}

/// What is shown of the two.
///
/// # Errors
/// Where it is neither, or both.
pub fn shown(code: Option<String>, passkey: Option<PasskeyShown>) -> Result<Shown, Problem> {
    match (code, passkey) {
        (Some(code), None) => Ok(Shown::Code(code)),
        (None, Some(passkey)) => Ok(Shown::Passkey(passkey.into())),
        _ => Err(Problem::bad_parameter("/code", "send a code or a passkey's answer, one of the two")),
    }
}

/// What a browser is to be asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PasskeyOptions {
    /// Send it along with the answer.
    challenge: String,
    /// For `PublicKeyCredential.parseRequestOptionsFromJSON` or `parseCreationOptionsFromJSON`.
    #[schema(value_type = Object)]
    options: Value,
    /// Of the page that may ask it; browsers don't on another.
    #[schema(example = "https://lab.example.org")]
    origin: String,
    expires_at: DateTime<Utc>,
}

impl From<Challenge> for PasskeyOptions {
    fn from(challenge: Challenge) -> Self {
        let Challenge { token, options, origin, expires_at } = challenge;
        Self { challenge: token.expose().to_owned(), options, origin, expires_at }
    }
}

/// What a person has beside a password.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactorsView {
    /// Since when there is an authenticator app.
    totp_since: Option<DateTime<Utc>>,
    passkeys: Vec<PasskeyView>,
    /// Each is good for one sign-in.
    #[schema(example = 10)]
    recovery_codes_left: u32,
    /// Whether the role may do nothing without a second factor.
    required: bool,
    /// Where browsers can use a passkey.
    #[schema(example = "https://lab.example.org")]
    passkeys_work_at: String,
}

impl FactorsView {
    pub fn of(factors: Factors, required: bool, origin: &str) -> Self {
        Self {
            totp_since: factors.totp_since,
            passkeys: factors.passkeys.into_iter().map(PasskeyView::from).collect(),
            recovery_codes_left: factors.recovery_codes,
            required,
            passkeys_work_at: origin.to_owned(),
        }
    }
}

/// A passkey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PasskeyView {
    #[schema(value_type = Uuid)]
    id: PasskeyId,
    #[schema(example = "phone")]
    name: String,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        let Passkey { id, name, created_at, last_used_at, .. } = passkey;
        Self { id, name, created_at, last_used_at }
    }
}

/// Recovery codes, shown this once.
#[derive(Clone, Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Each is good for one sign-in, where the other factors are lost. Empty where the person has some already.
    #[schema(example = json!(["k5xw-2zlm-7hqa-pdtr"]))]
    recovery_codes: Vec<String>,
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodes(…)")
    }
}

impl From<Vec<Secret>> for RecoveryCodes {
    fn from(codes: Vec<Secret>) -> Self {
        Self { recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect() }
    }
}

//! Who a person is and what they may do: accounts, passwords, tokens, cookie sessions, roles and quota.
//!
//! This crate knows nothing of HTTP. Start at [`Service`]; [`token`] is the signed access token, [`password`] the
//! argon2id work, [`factors`] what people have beside it, [`second_step`] what uses that, [`passkeys`] one kind of it,
//! [`api_token`] what programs show instead of a password, [`throttle`] what slows a guesser down,
//! [`rate`] how often anybody may do anything.

mod account;
mod api_token;
mod callers;
mod error;
mod external;
mod factors;
mod failure;
mod failures;
mod identity;
mod keys;
mod network;
mod passkeys;
mod password;
mod rate;
mod second_step;
mod secret;
mod service;
mod service_tokens;
#[cfg(feature = "testing")]
pub mod testing;
mod throttle;
mod token;
mod tokens;
mod totp;

pub use account::{EmailAddress, NewAccount};
pub use api_token::{API_TOKEN_PREFIX, SERVICE_TOKEN_PREFIX};
pub use error::AuthError;
pub use external::{ExternalPerson, ExternalRefusal, Passwords};
pub use factors::OfferedTotp;
pub use identity::{Credential, Forbidden, Identity};
pub use keys::{KeyInfo, Keys};
pub use network::client_network;
pub use passkeys::{Challenge, MOST_PASSKEYS, PasskeyAnswer, RelyingParty};
pub use password::{PASSWORD_LENGTH, Password};
pub use rate::{Limiter, Policy, Standing};
pub use second_step::{Anew, PENDING_COOKIE, PROOF_LIFE, PendingSignIn, SECOND_STEP_LIFE, Shown, Ways};
pub use secret::{OneTimePassword, Secret};
pub use service::{CookieSession, FIRST_ADMIN_EMAIL, FIRST_ADMIN_QUOTA, SESSION_COOKIE, Service, Tokens};
pub use service_tokens::{MOST_SERVICE_TOKENS, ServiceTokenWish};
pub use token::{ACCESS_TOKEN_LIFE, AUDIENCE, ISSUER};
pub use tokens::{LONGEST_TOKEN_DAYS, MOST_API_TOKENS, TokenWish, USUAL_TOKEN_DAYS};
pub use totp::{FEW_RECOVERY_CODES, RECOVERY_CODES};

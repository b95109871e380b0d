//! Who a person is and what they may do: accounts, passwords, tokens, cookie sessions, roles and quota.
//!
//! This crate knows nothing of HTTP. Start at [`Service`]; [`token`] is the signed access token, [`password`] the
//! argon2id work, [`factors`] what people have beside it, [`second_step`] what uses that, [`passkeys`] one kind of it,
//! [`api_token`] what programs show instead of a password, [`links`] the way in without one, [`policy`] who may make an
//! account, [`throttle`] what slows a guesser down,
//! [`rate`] how often anybody may do anything.

mod account;
mod api_token;
mod callers;
mod error;
mod external;
mod factors;
mod failed_sign_ins;
mod failure;
mod failures;
mod groups;
mod hashing_memory;
mod identity;
mod import;
mod invitations;
mod keys;
mod links;
mod network;
mod passkeys;
mod password;
mod people;
mod policy;
mod rate;
mod second_step;
mod secret;
mod service;
mod service_tokens;
mod sessions;
#[cfg(feature = "testing")]
pub mod testing;
mod throttle;
mod token;
mod tokens;
mod totp;
mod weak;

pub use account::{EmailAddress, NewAccount};
pub use api_token::{API_TOKEN_PREFIX, SERVICE_TOKEN_PREFIX};
pub use error::AuthError;
pub use external::{ExternalPerson, ExternalRefusal, Passwords};
pub use factors::OfferedTotp;
pub use groups::{GroupError, GroupWish, MOST_ADDED, MOST_ASKED, USUAL_ALLOWANCE, USUAL_REFILL, USUAL_RESERVE};
pub use identity::{Credential, Forbidden, Identity};
pub use import::{Fate, ImportDone, ImportError, ImportLine, LARGEST_SHEET, MOST_IMPORTED, WayIn, ways_in_csv};
pub use invitations::{InvitationWish, Invited, LONGEST_INVITATION_DAYS, MOST_USES, USUAL_INVITATION_DAYS};
pub use keys::{KeyInfo, Keys};
pub use links::{HANDED_LINK_LIFE, Letter, Says, Used, WELCOME_LIFE, link_address};
pub use network::client_network;
pub use passkeys::{Challenge, MOST_PASSKEYS, PasskeyAnswer, RelyingParty};
pub use password::{PASSWORD_LENGTH, Password};
pub use people::MOST_AT_ONCE;
pub use policy::{AccountPolicy, Registration, USUAL_QUOTA};
pub use rate::{Limiter, Policy, Standing};
pub use second_step::{Anew, PENDING_COOKIE, PROOF_LIFE, PendingSignIn, SECOND_STEP_LIFE, Shown, Ways};
pub use secret::{OneTimePassword, Secret};
pub use service::{CookieSession, FIRST_ADMIN_EMAIL, FIRST_ADMIN_QUOTA, SESSION_COOKIE, SESSION_LIFE, Service, Tokens};
pub use service_tokens::{MOST_SERVICE_TOKENS, ServiceTokenWish};
pub use token::{ACCESS_TOKEN_LIFE, AUDIENCE, ISSUER};
pub use tokens::{LONGEST_TOKEN_DAYS, MOST_API_TOKENS, TokenWish, USUAL_TOKEN_DAYS};
pub use totp::{FEW_RECOVERY_CODES, RECOVERY_CODES};

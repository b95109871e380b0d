//! Who a person is and what they may do: accounts, passwords, tokens, cookie sessions, roles and quota.
//!
//! This crate knows nothing of HTTP. Start at [`Service`]; [`token`] is the signed access token, [`password`] the
//! argon2id work, [`api_token`] what programs show instead of it, [`links`] the way in
//! without a password, [`policy`] who may make an account, [`throttle`] what slows a guesser down,
//! [`rate`] how often anybody may do anything.

mod account;
mod api_token;
mod callers;
mod error;
mod failure;
mod failures;
mod identity;
mod import;
mod invitations;
mod keys;
mod links;
mod network;
mod password;
mod people;
mod policy;
mod rate;
mod secret;
mod service;
mod throttle;
mod token;
mod tokens;
mod weak;

pub use account::{EmailAddress, NewAccount};
pub use api_token::API_TOKEN_PREFIX;
pub use error::AuthError;
pub use identity::{Credential, Forbidden, Identity};
pub use import::{Fate, ImportDone, ImportError, ImportLine, LARGEST_SHEET, MOST_IMPORTED, WayIn, ways_in_csv};
pub use invitations::{InvitationWish, Invited, LONGEST_INVITATION_DAYS, MOST_USES, USUAL_INVITATION_DAYS};
pub use keys::{KeyInfo, Keys};
pub use links::{HANDED_LINK_LIFE, Letter, Says, Used, WELCOME_LIFE};
pub use network::client_network;
pub use password::{PASSWORD_LENGTH, Password};
pub use people::MOST_AT_ONCE;
pub use policy::{AccountPolicy, Registration, USUAL_QUOTA};
pub use rate::{Limiter, Policy, Standing};
pub use secret::{OneTimePassword, Secret};
pub use service::{CookieSession, FIRST_ADMIN_EMAIL, FIRST_ADMIN_QUOTA, SESSION_COOKIE, Service, Tokens};
pub use token::{ACCESS_TOKEN_LIFE, AUDIENCE, ISSUER};
pub use tokens::{LONGEST_TOKEN_DAYS, MOST_API_TOKENS, TokenWish, USUAL_TOKEN_DAYS};

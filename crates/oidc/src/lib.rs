//! Signing in by OpenID Connect: the lab asks a provider of identity who somebody is, and believes nothing that isn't signed.
//!
//! Knows nothing of accounts: what comes out is whom the provider vouches for ([`Person`]), with the role, quota and groups that the
//! lab's rules give to its claims. Start at [`RelyingParty`]; `handshake` ties a sign-in to one browser, `provider` is what is
//! known of the other side, `token` what of its tokens is believed, `rules` what its claims come to.

mod config;
mod error;
mod fetch;
mod handshake;
mod party;
mod provider;
mod rules;
#[cfg(feature = "testing")]
#[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "a test that can't begin fails")]
pub mod testing;
mod token;

pub use config::Config;
pub use error::OidcError;
pub use handshake::{HANDSHAKE_LIFE, SignIn};
pub use party::{Answer, LoggedOut, Person, RelyingParty, Start};
pub use rules::{GroupRules, Rules};

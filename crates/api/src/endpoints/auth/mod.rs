//! `/auth`: signing in, in one step or two, staying signed in, proving anew who one is, signing out, and the ways to an account.

pub mod forgot;
pub mod link;
pub mod login;
pub mod logout;
pub mod passkey;
pub mod passkey_options;
pub mod proof;
pub mod refresh;
pub mod register;
pub mod second_factor;
pub mod verify;

use serde::Deserialize;
use utoipa::ToSchema;

/// A body that carries a refresh token. Its `Debug` doesn't show it.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    pub refresh_token: String,
}

impl std::fmt::Debug for RefreshRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshRequest(…)")
    }
}

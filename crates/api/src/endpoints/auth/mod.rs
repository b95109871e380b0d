//! `/auth`: signing in, staying signed in, signing out, and the ways to an account.

pub mod forgot;
pub mod link;
pub mod login;
pub mod logout;
pub mod refresh;
pub mod register;

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

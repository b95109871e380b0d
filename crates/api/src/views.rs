//! The shapes of the contract that only a program meets. What the pages show too is in [`views`].

use auth::Tokens;
use serde::Serialize;
use store::Page;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PageView<T> {
    pub data: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> PageView<T> {
    pub fn of<R, C: ToString>(page: Page<R, C>, view: impl FnMut(R) -> T) -> Self {
        Self {
            data: page.data.into_iter().map(view).collect(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// What a program gets when it signs in.
#[derive(Clone, Serialize, ToSchema)]
pub struct TokensView {
    /// A JWT for the `Authorization: Bearer` header.
    pub access_token: String,
    /// Good for one use at `/auth/refresh`.
    pub refresh_token: String,
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token runs out.
    #[schema(example = 900)]
    pub expires_in: i64,
}

impl std::fmt::Debug for TokensView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokensView").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            refresh_token: tokens.refresh_token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: tokens.expires_in,
        }
    }
}

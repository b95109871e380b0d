//! API tokens of people: made, listed, revoked, and who a program is that shows one.

use crate::{
    AuthError, Credential, Identity, Secret, Service, api_token,
    secret::{Purpose, stored_hash},
    service::activity,
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::{ApiTokenId, Permission, Scope, Scopes, UserId, text};
use serde_json::json;
use std::net::IpAddr;
use store::{ApiToken, NewApiToken, User};

/// Tokens of one person that haven't run out.
pub const MOST_API_TOKENS: u32 = 50;
/// Days that a token lives unless its owner says otherwise.
pub const USUAL_TOKEN_DAYS: u16 = 90;
/// The most days that one may live, unless the configuration says otherwise.
pub const LONGEST_TOKEN_DAYS: u16 = 365;

/// A token that somebody wants made.
#[derive(Clone, Debug)]
pub struct TokenWish {
    /// 1–60 characters, by which its owner knows it again; trimmed here.
    pub name: String,
    /// One or more.
    pub scopes: Vec<Scope>,
    /// Until it runs out; nothing for the usual time.
    pub days: Option<u16>,
}

impl Service {
    /// For a lab whose API tokens live at most so many days, 1 or more.
    #[must_use]
    pub fn with_longest_token_days(mut self, days: u16) -> Self {
        self.longest_token_days = days.max(1);
        self
    }

    /// Days that an API token may live at most.
    pub const fn longest_token_days(&self) -> u16 {
        self.longest_token_days
    }

    /// Days that an API token lives unless its owner says otherwise.
    pub fn usual_token_days(&self) -> u16 {
        USUAL_TOKEN_DAYS.min(self.longest_token_days)
    }

    /// Makes a token of `owner`, as they were read when it was asked for. `by` is who made it, nothing for the command line.
    /// The secret is nowhere else and can't be shown again.
    ///
    /// # Errors
    /// `InvalidTokenName`, `NoScope`, `ScopeBeyondRole`, `InvalidTokenLife`, `TooManyTokens`; `NoSuchUser` where the account
    /// has been disabled or got another password meanwhile.
    #[boxed]
    pub async fn create_api_token(
        &self,
        owner: &User,
        wish: TokenWish,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(ApiToken, Secret), AuthError> {
        let name = checked_name(&wish.name)?;
        if let Some(beyond) = wish.scopes.iter().find(|scope| !scope.is_for(owner.role)) {
            return Err(AuthError::ScopeBeyondRole { scope: *beyond, role: owner.role });
        }
        let scopes = Scopes::of(wish.scopes).ok_or(AuthError::NoScope)?;
        let days = wish.days.unwrap_or_else(|| self.usual_token_days());
        let expires_at = self.end_of_token(days)?;
        let secret = api_token::make();
        let new = NewApiToken {
            id: ApiTokenId::new(),
            name,
            hash: stored_hash(Purpose::Api, secret.expose()),
            scopes,
            expires_at,
        };
        // Its name is its owner's own words, which the log keeps for longer than they may.
        let details = json!({ "token": new.id, "user": owner.id, "scopes": scopes.to_string(), "days": days });
        let by = activity(by.map(Identity::user_id), "api_token_made", details, ip);
        let token = self.store.create_api_token(owner, &new, MOST_API_TOKENS, &by).await?;
        Ok((token, secret))
    }

    /// A person's tokens, those that live longest first; of those that have run out only the newest.
    ///
    /// # Errors
    /// Those of any read.
    #[boxed]
    pub async fn api_tokens(&self, of: UserId) -> Result<Vec<ApiToken>, AuthError> {
        Ok(self.store.api_tokens(of).await?)
    }

    /// Ends a token at once. `by` is who does it, nothing for the command line.
    ///
    /// # Errors
    /// `NoSuchToken` where there is none, or it is somebody else's and `by` doesn't look after others' tokens.
    #[boxed]
    pub async fn revoke_api_token(
        &self,
        id: ApiTokenId,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<ApiToken, AuthError> {
        let token = self.store.api_token(id).await?.ok_or(AuthError::NoSuchToken)?;
        let may = |by: &Identity| by.user_id() == token.user_id || Permission::ManageTokens.reaches_others(by.role());
        if !by.is_none_or(may) {
            return Err(AuthError::NoSuchToken);
        }
        let details = json!({ "token": id, "user": token.user_id });
        let act = activity(by.map(Identity::user_id), "api_token_revoked", details, ip);
        self.store.revoke_api_token(id, &act).await?;
        Ok(token)
    }

    /// When a token runs out that is made now for so many days.
    pub(crate) fn end_of_token(&self, days: u16) -> Result<DateTime<Utc>, AuthError> {
        if !(1..=self.longest_token_days).contains(&days) {
            return Err(AuthError::InvalidTokenLife { most: self.longest_token_days });
        }
        Ok(Utc::now().trunc_subsecs(0) + TimeDelta::days(days.into()))
    }

    /// Who a program is that shows an API token, and until when (seconds since 1970).
    pub(crate) async fn by_api_token(&self, token: &str) -> Result<(Identity, i64), AuthError> {
        if !api_token::is_whole(token) {
            return Err(AuthError::Forged);
        }
        let found = self.store.user_by_api_token(&stored_hash(Purpose::Api, token)).await?;
        let (token, mut user) = found.ok_or(AuthError::Forged)?;
        let now = Utc::now();
        if token.expires_at <= now {
            return Err(AuthError::Expired);
        }
        self.uses.note(&token, now);
        user.role = token.scopes.within(user.role);
        let shown = Credential::ApiToken { id: token.id, scopes: token.scopes };
        Ok((Identity { user, shown, proof: None, lacks_factor: false }, token.expires_at.timestamp()))
    }
}

/// By which people know a token again.
pub(crate) fn checked_name(typed: &str) -> Result<String, AuthError> {
    let name = typed.trim().to_owned();
    text::name(&name, text::LONGEST_TOKEN_NAME).map_err(AuthError::InvalidTokenName)?;
    Ok(name)
}

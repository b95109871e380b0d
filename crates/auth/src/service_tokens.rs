//! Tokens of programs that are nobody's: made and revoked by administrators, and who a program is that shows one.

use crate::{
    AuthError, Credential, Identity, Secret, Service,
    api_token::{self, SERVICE_TOKEN_PREFIX},
    secret::{Purpose, stored_hash},
    service::activity,
};
use async_recursion::async_recursion as boxed;
use chrono::{SubsecRound, TimeDelta, Utc};
use domain::{Role, ServiceKind, ServiceTokenId, UserId, text};
use serde_json::json;
use std::net::IpAddr;
use store::{NewServiceToken, ServiceToken, StoreError, User};

/// Of one lab.
pub const MOST_SERVICE_TOKENS: u32 = 100;
/// A use is written down unless one of the last minute is.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// A token to be made.
#[derive(Clone, Debug)]
pub struct ServiceTokenWish {
    pub service: ServiceKind,
    /// 1–60 characters, by which administrators know it again; trimmed here.
    pub name: String,
    /// Until it runs out; nothing for as long as a token may live.
    pub days: Option<u16>,
}

impl Service {
    /// Makes a token for a program that is nobody's. `by` is who made it, nothing for the command line. The secret is
    /// nowhere else and can't be shown again.
    ///
    /// # Errors
    /// `InvalidTokenName`, `InvalidTokenLife`, `TooManyTokens`.
    #[boxed]
    pub async fn create_service_token(
        &self,
        wish: ServiceTokenWish,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(ServiceToken, Secret), AuthError> {
        let name = wish.name.trim().to_owned();
        text::name(&name, text::LONGEST_TOKEN_NAME).map_err(AuthError::InvalidTokenName)?;
        let days = wish.days.unwrap_or(self.longest_token_days);
        if !(1..=self.longest_token_days).contains(&days) {
            return Err(AuthError::InvalidTokenLife { most: self.longest_token_days });
        }
        let secret = api_token::make_with(SERVICE_TOKEN_PREFIX);
        let new = NewServiceToken {
            id: ServiceTokenId::new(),
            service: wish.service,
            name,
            hash: stored_hash(Purpose::Service, secret.expose()),
            expires_at: Utc::now().trunc_subsecs(0) + TimeDelta::days(days.into()),
        };
        let details = json!({ "token": new.id, "service": new.service, "days": days });
        let by = activity(by.map(Identity::user_id), "service_token_made", details, ip);
        let token = self.store.create_service_token(&new, MOST_SERVICE_TOKENS, &by).await?;
        Ok((token, secret))
    }

    /// All of them, newest first.
    ///
    /// # Errors
    /// Those of any read.
    #[boxed]
    pub async fn service_tokens(&self) -> Result<Vec<ServiceToken>, AuthError> {
        Ok(self.store.service_tokens().await?)
    }

    /// Ends a token at once. `by` is who does it, nothing for the command line.
    ///
    /// # Errors
    /// `NoSuchToken`.
    #[boxed]
    pub async fn revoke_service_token(
        &self,
        id: ServiceTokenId,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let by = activity(by.map(Identity::user_id), "service_token_revoked", json!({ "token": id }), ip);
        self.store.revoke_service_token(id, &by).await.map_err(|error| match error {
            StoreError::NotFound(_) => AuthError::NoSuchToken,
            other => other.into(),
        })
    }

    /// What a program is that shows such a token, and until when (seconds since 1970).
    pub(crate) async fn by_service_token(&self, token: &str) -> Result<(Identity, i64), AuthError> {
        if !api_token::is_whole(token) {
            return Err(AuthError::Forged);
        }
        let found = self.store.service_token_by_hash(&stored_hash(Purpose::Service, token)).await?;
        let token = found.ok_or(AuthError::Forged)?;
        let now = Utc::now();
        if token.expires_at <= now {
            return Err(AuthError::Expired);
        }
        self.note_use(&token);
        let shown = Credential::Service { id: token.id, kind: token.service };
        Ok((Identity { user: nobody(&token), shown, proof: None, lacks_factor: false }, token.expires_at.timestamp()))
    }

    /// Beside the request: it says how a token is used, and nothing depends on it.
    fn note_use(&self, token: &ServiceToken) {
        let (id, now, store) = (token.id, Utc::now(), self.store.clone());
        if token.last_used_at.is_some_and(|last| now < last + MINUTE) {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = store.note_service_token_used(id, now).await {
                tracing::warn!(%error, "when a service's token was last used could not be written");
            }
        });
    }
}

/// Stands where a person would, and is none: nothing is theirs, and nothing may be asked for.
fn nobody(token: &ServiceToken) -> User {
    User {
        id: UserId::from(token.id.as_uuid()),
        email: String::new(),
        hashed_password: String::new(),
        role: Role::Student,
        quota_remaining: 0,
        created_at: token.created_at,
        disabled_at: None,
    }
}

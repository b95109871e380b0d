//! Tokens of programs that are nobody's: made and revoked by administrators, and who a program is that shows one.

use crate::{
    AuthError, Credential, Identity, Secret, Service,
    api_token::{self, SERVICE_TOKEN_PREFIX},
    secret::{Purpose, stored_hash},
    service::activity,
    tokens::checked_name,
};
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use domain::{Role, ServiceKind, ServiceTokenId, UserId};
use serde_json::json;
use std::net::IpAddr;
use store::{NewServiceToken, ServiceToken, User};

/// Of one lab.
pub const MOST_SERVICE_TOKENS: u32 = 100;

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
        let name = checked_name(&wish.name)?;
        let days = wish.days.unwrap_or(self.longest_token_days);
        let expires_at = self.end_of_token(days)?;
        let secret = api_token::make_with(SERVICE_TOKEN_PREFIX);
        let new = NewServiceToken {
            id: ServiceTokenId::new(),
            service: wish.service,
            name,
            hash: stored_hash(Purpose::Service, secret.expose()),
            expires_at,
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
        Ok(self.store.revoke_service_token(id, &by).await?)
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
        self.uses.note_service(&token, now);
        let shown = Credential::Service { id: token.id, kind: token.service };
        Ok((Identity { user: nobody(&token), shown, proof: None, lacks_factor: false }, token.expires_at.timestamp()))
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
        teaches: false,
    }
}

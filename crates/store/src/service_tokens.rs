//! Tokens of programs that are nobody's. What makes or ends one and its line in the activity log are one transaction.
//!
//! One that is revoked is deleted, so each row is one that opens something or has run out; [`Store::purge`] forgets the latter
//! after a while.

use crate::{
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{NewActivity, NewServiceToken, ServiceToken, Signal},
    sql::{Row, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::ServiceTokenId;

const TOKENS: &str = "SELECT id, service, name, created_at, expires_at, last_used_at FROM service_tokens";

impl Store {
    /// Makes a token. Durable when it returns.
    ///
    /// # Errors
    /// `TooManyTokens` where the lab has `most`, those that have run out among them. Nothing was written then.
    #[boxed]
    pub async fn create_service_token(
        &self,
        new: &NewServiceToken,
        most: u32,
        by: &NewActivity,
    ) -> Result<ServiceToken> {
        let created_at = now();
        transact!(self, |tx| {
            // Two who make one at once may make one too many, which harms nobody.
            let count = sql!("SELECT COUNT(*) AS count FROM service_tokens").one(tx).await?;
            let count: i64 = count.map_or(Ok(0), |row| row.get("count"))?;
            if count >= i64::from(most) {
                return Err(StoreError::TooManyTokens { most });
            }
            let text = "INSERT INTO service_tokens (id, service, name, hash, created_at, expires_at)
                VALUES ($1, $2, $3, $4, $5, $6)";
            let (name, hash) = (new.name.as_str(), new.hash.as_str());
            sql!(text, new.id, new.service, name, hash, created_at, new.expires_at).execute(tx).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        let NewServiceToken { id, service, name, expires_at, .. } = new.clone();
        Ok(ServiceToken { id, service, name, created_at, expires_at, last_used_at: None })
    }

    /// All of them, newest first; who makes them bounds how many there are.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn service_tokens(&self) -> Result<Vec<ServiceToken>> {
        let text = format!("{TOKENS} ORDER BY id DESC");
        sql!(text).all(self.reader()).await?.iter().map(read_token).collect()
    }

    /// The token with this hash, also one that has run out.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn service_token_by_hash(&self, hash: &str) -> Result<Option<ServiceToken>> {
        let row = sql!(format!("{TOKENS} WHERE hash = $1"), hash).one(self.reader()).await?;
        row.map(|row| read_token(&row)).transpose()
    }

    /// Notes when tokens were last used; of one that is gone, nothing.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn note_service_tokens_used(&self, uses: &[(ServiceTokenId, DateTime<Utc>)]) -> Result<()> {
        self.note_used("service_tokens", uses.iter().map(|(id, at)| (id.as_uuid(), *at))).await
    }

    /// Ends a token.
    ///
    /// # Errors
    /// `NotFound` where there is none such.
    #[boxed]
    pub async fn revoke_service_token(&self, id: ServiceTokenId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            if sql!("DELETE FROM service_tokens WHERE id = $1", id).execute(tx).await? == 0 {
                return Err(StoreError::NotFound("token"));
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// The columns are those of [`TOKENS`].
fn read_token(row: &Row) -> Result<ServiceToken> {
    Ok(ServiceToken {
        id: row.get("id")?,
        service: row.get("service")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

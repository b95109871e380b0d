//! The keys that sign access tokens: one signs, those before it verify until the last token of theirs has run out.

use crate::{
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{NewActivity, Signal, SigningKey},
    sql::{Row, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};

/// More than a key that is replaced every minute would leave behind.
const MOST_KEYS: i64 = 100;

impl Store {
    /// The keys whose tokens are good now: first the one that signs, if there is one, then the others from the newest.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        let text = "SELECT kid, private_pem, created_at, verifies_until FROM signing_keys
            WHERE purpose = 'sign' OR verifies_until > $1 ORDER BY purpose, created_at DESC LIMIT $2";
        // From the writer: what another process has just committed is seen.
        let rows = sql!(text, now(), MOST_KEYS).all(self.writer()).await?;
        rows.iter().map(read_key).collect()
    }

    /// Stores the first key, unless there is one that signs: the same for every process of this database, even when two
    /// make one at once.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn first_signing_key(&self, kid: &str, private_pem: &str) -> Result<()> {
        let text = "INSERT INTO signing_keys (kid, private_pem, purpose, created_at) VALUES ($1, $2, 'sign', $3)
            ON CONFLICT DO NOTHING";
        sql!(text, kid, private_pem, now()).execute(self.writer()).await.map(drop)
    }

    /// A new key signs from now on; the one before verifies until `old_verifies_until`.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn rotate_signing_key(
        &self,
        kid: &str,
        private_pem: &str,
        old_verifies_until: DateTime<Utc>,
        by: &NewActivity,
    ) -> Result<()> {
        // Of two who rotate at once the second replaces the first one's key.
        self.replace_signing_key(None, kid, private_pem, old_verifies_until, by).await.map(drop)
    }

    /// The same, if the key that signs was made before `made_before`; gives whether it was. Of several who do it at once
    /// one does.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn rotate_old_signing_key(
        &self,
        made_before: DateTime<Utc>,
        kid: &str,
        private_pem: &str,
        old_verifies_until: DateTime<Utc>,
        by: &NewActivity,
    ) -> Result<bool> {
        self.replace_signing_key(Some(made_before), kid, private_pem, old_verifies_until, by).await
    }

    async fn replace_signing_key(
        &self,
        made_before: Option<DateTime<Utc>>,
        kid: &str,
        private_pem: &str,
        old_verifies_until: DateTime<Utc>,
        by: &NewActivity,
    ) -> Result<bool> {
        let signing =
            format!("SELECT created_at FROM signing_keys WHERE purpose = 'sign'{}", self.backend().for_update());
        let rotated = transact!(self, |tx| {
            // Of two at once the second waits here. On PostgreSQL it doesn't see the first one's key then, but no row.
            let made: Option<DateTime<Utc>> =
                sql!(signing.clone()).one(tx).await?.map(|row| row.get("created_at")).transpose()?;
            if made_before.is_some_and(|before| made.is_none_or(|made| made >= before)) {
                return Ok(false);
            }
            sql!(
                "UPDATE signing_keys SET purpose = 'verify', verifies_until = $1 WHERE purpose = 'sign'",
                old_verifies_until
            )
            .execute(tx)
            .await?;
            let text = "INSERT INTO signing_keys (kid, private_pem, purpose, created_at) VALUES ($1, $2, 'sign', $3)";
            sql!(text, kid, private_pem, now()).execute(tx).await?;
            activity::insert(self.backend(), by).execute(tx).await?;
            Ok(true)
        });
        Ok(rotated)
    }

    /// Forgets a key that doesn't sign any more: tokens of it are good no longer.
    ///
    /// # Errors
    /// `NotFound` where there is none, or it is the one that signs.
    #[boxed]
    pub async fn retire_signing_key(&self, kid: &str, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            let gone = sql!("DELETE FROM signing_keys WHERE kid = $1 AND purpose = 'verify'", kid).execute(tx).await?;
            if gone == 0 {
                return Err(StoreError::NotFound("key that only verifies"));
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

fn read_key(row: &Row) -> Result<SigningKey> {
    Ok(SigningKey {
        kid: row.get("kid")?,
        private_pem: row.get("private_pem")?,
        created_at: row.get("created_at")?,
        verifies_until: row.get("verifies_until")?,
    })
}

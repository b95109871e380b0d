//! The keys that sign access tokens: one signs, those before it verify until the last token of theirs has run out.

use crate::{
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{NewActivity, Signal, SigningKey},
    sql::{Row, now, sql},
};
use chrono::{DateTime, Utc};

/// More than a key that is replaced every minute would leave behind.
const MOST_KEYS: i64 = 100;

impl Store {
    /// The keys whose tokens are good now: first the one that signs, if there is one, then the others from the newest.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        let text = "SELECT kid, private_pem, created_at, verifies_until FROM signing_keys
            WHERE purpose = 'sign' OR verifies_until > $1 ORDER BY purpose, created_at DESC LIMIT $2";
        // From the writer: what another process has just committed is seen.
        let rows = sql!(text, now(), MOST_KEYS).all(self.writer()).await?;
        rows.iter().map(read_key).collect()
    }

    /// Stores the first key, unless there is one that signs: the same for every process of this database, even when two
    /// make one at once.
    pub async fn first_signing_key(&self, kid: &str, private_pem: &str) -> Result<()> {
        let text = "INSERT INTO signing_keys (kid, private_pem, purpose, created_at) VALUES ($1, $2, 'sign', $3)
            ON CONFLICT DO NOTHING";
        sql!(text, kid, private_pem, now()).execute(self.writer()).await.map(drop)
    }

    /// A new key signs from now on; the one before verifies until `old_verifies_until`.
    pub async fn rotate_signing_key(
        &self,
        kid: &str,
        private_pem: &str,
        old_verifies_until: DateTime<Utc>,
        by: &NewActivity,
    ) -> Result<()> {
        let signing = format!("SELECT kid FROM signing_keys WHERE purpose = 'sign'{}", self.backend().for_update());
        transact!(self, |tx| {
            // Of two who rotate at once the second waits here, and replaces the first one's key.
            sql!(signing.clone()).all(tx).await?;
            sql!(
                "UPDATE signing_keys SET purpose = 'verify', verifies_until = $1 WHERE purpose = 'sign'",
                old_verifies_until
            )
            .execute(tx)
            .await?;
            let text = "INSERT INTO signing_keys (kid, private_pem, purpose, created_at) VALUES ($1, $2, 'sign', $3)";
            sql!(text, kid, private_pem, now()).execute(tx).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// Forgets a key that doesn't sign any more: tokens of it are good no longer.
    ///
    /// # Errors
    /// `NotFound` where there is none, or it is the one that signs.
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

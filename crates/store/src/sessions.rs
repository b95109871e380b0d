//! Sign-ins with their rotating refresh tokens, and the key that signs access tokens.

use crate::{
    accounts::read_user,
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{Rotation, Session, User},
    sql::{Row, now, sql},
};
use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};
use sea_orm::DatabaseTransaction;

impl Store {
    pub async fn create_session(&self, user: UserId, refresh_hash: &str, expires_at: DateTime<Utc>) -> Result<Session> {
        let session = Session { id: SessionId::new(), user_id: user, created_at: now(), expires_at, revoked_at: None };
        sql!(
            "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
            session.id,
            user,
            refresh_hash,
            session.created_at,
            expires_at,
        )
        .execute(self.writer())
        .await?;
        Ok(session)
    }

    /// Replaces a refresh token's hash in one transaction; a token used twice revokes its session.
    pub async fn rotate_session(
        &self,
        refresh_hash: &str,
        next_hash: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<Rotation> {
        let current = format!("SELECT * FROM sessions WHERE refresh_hash = $1{}", self.backend().for_update());
        Ok(transact!(self, |tx| {
            let Some(row) = sql!(current.clone(), refresh_hash).one(tx).await? else {
                return revoke_if_spent(tx, refresh_hash).await;
            };
            let session = read_session(&row)?;
            if session.revoked_at.is_some() || session.expires_at <= now() {
                return Ok(Rotation::Refused);
            }
            replace_token(tx, session.id, refresh_hash, next_hash, expires_at).await?;
            Ok(Rotation::Rotated(Session { expires_at, ..session }))
        }))
    }

    /// The live session with this (current) token hash, without rotating it: for cookie sessions.
    pub async fn session_by_hash(&self, refresh_hash: &str) -> Result<Option<(Session, User)>> {
        let row = sql!(
            "SELECT * FROM sessions WHERE refresh_hash = $1 AND revoked_at IS NULL AND expires_at > $2",
            refresh_hash,
            now(),
        )
        .one(self.reader())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let session = read_session(&row)?;
        let user = sql!("SELECT * FROM users WHERE id = $1", session.user_id).one(self.reader()).await?;
        user.map(|row| Ok((session, read_user(&row)?))).transpose()
    }

    /// Ends a sign-in; ending it twice is fine.
    pub async fn revoke_session(&self, id: SessionId) -> Result<()> {
        revoke(id).execute(self.writer()).await?;
        Ok(())
    }

    /// The token-signing key (PEM: private, public), made by `make` on first use; the same for every process of this
    /// database, even when two make one at once.
    pub async fn signing_key(&self, make: impl FnOnce() -> (String, String) + Send) -> Result<(String, String)> {
        if let Some(key) = self.stored_key().await? {
            return Ok(key);
        }
        let (private, public) = make();
        sql!(
            "INSERT INTO signing_keys (id, private_pem, public_pem, created_at) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO NOTHING",
            private,
            public,
            now(),
        )
        .execute(self.writer())
        .await?;
        self.stored_key().await?.ok_or(StoreError::NotFound("signing key"))
    }

    async fn stored_key(&self) -> Result<Option<(String, String)>> {
        let row = sql!("SELECT private_pem, public_pem FROM signing_keys WHERE id = 1").one(self.writer()).await?;
        row.map(|row| Ok((row.get("private_pem")?, row.get("public_pem")?))).transpose()
    }
}

async fn revoke_if_spent(tx: &DatabaseTransaction, refresh_hash: &str) -> Result<Rotation> {
    let spent =
        sql!("SELECT session_id FROM spent_refresh_tokens WHERE refresh_hash = $1", refresh_hash).one(tx).await?;
    let Some(row) = spent else { return Ok(Rotation::Refused) };
    let session = row.get("session_id")?;
    revoke(session).execute(tx).await?;
    Ok(Rotation::Reused(session))
}

async fn replace_token(
    tx: &DatabaseTransaction,
    session: SessionId,
    spent_hash: &str,
    next_hash: &str,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    sql!("UPDATE sessions SET refresh_hash = $2, expires_at = $3 WHERE id = $1", session, next_hash, expires_at)
        .execute(tx)
        .await?;
    sql!(
        "INSERT INTO spent_refresh_tokens (refresh_hash, session_id, spent_at) VALUES ($1, $2, $3)",
        spent_hash,
        session,
        now(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn revoke(id: SessionId) -> crate::sql::Sql {
    sql!("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", id, now())
}

fn read_session(row: &Row) -> Result<Session> {
    Ok(Session {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

//! API tokens: what a person's programs show instead of a sign-in. What makes or ends one and its line in the activity log
//! are one transaction.
//!
//! A token that is revoked is deleted, so each row is one that opens something or has run out; [`Store::purge`] forgets the
//! latter after a while.

use crate::{
    accounts::{MOST_ROWS, read_user},
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{ApiToken, NewActivity, NewApiToken, Signal, User},
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{ApiTokenId, Role, UserId};
use sea_orm::DatabaseTransaction;
use std::collections::HashMap;
use uuid::Uuid;

const TOKENS: &str =
    "SELECT t.id, t.user_id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at FROM api_tokens t";

/// A token with its owner, who can still sign in.
const WITH_OWNER: &str = concat!(
    "
    SELECT ",
    crate::accounts::user_columns!(),
    ",
        t.id AS token_id, t.name, t.scopes, t.created_at AS token_created_at, t.expires_at, t.last_used_at
    FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE t.hash = $1 AND u.disabled_at IS NULL"
);

const USES: Columns = &[("id", Kind::Id), ("last_used_at", Kind::Time)];

impl Store {
    /// Makes a token of `owner` as they were read when it was asked for. Durable when it returns.
    ///
    /// # Errors
    /// `NotFound` where their password has been changed or their account disabled since; `TooManyTokens` where they have
    /// `most` that haven't run out. Nothing was written then.
    #[boxed]
    pub async fn create_api_token(
        &self,
        owner: &User,
        new: &NewApiToken,
        most: u32,
        by: &NewActivity,
    ) -> Result<ApiToken> {
        let unchanged = format!(
            "SELECT id FROM users WHERE id = $1 AND hashed_password = $2 AND disabled_at IS NULL{}",
            self.backend().for_update()
        );
        let created_at = now();
        transact!(self, |tx| {
            // Who makes two at once waits here, so that neither is left out of the other's count.
            let row = sql!(unchanged.clone(), owner.id, owner.hashed_password.as_str()).one(tx).await?;
            row.ok_or(StoreError::NotFound("account"))?;
            let count = "SELECT COUNT(*) AS live FROM api_tokens WHERE user_id = $1 AND expires_at > $2";
            let live = sql!(count, owner.id, created_at).one(tx).await?;
            let live: i64 = live.map_or(Ok(0), |row| row.get("live"))?;
            if live >= i64::from(most) {
                return Err(StoreError::TooManyTokens { most });
            }
            let text = "INSERT INTO api_tokens (id, user_id, name, hash, scopes, created_at, expires_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let (name, hash) = (new.name.as_str(), new.hash.as_str());
            sql!(text, new.id, owner.id, name, hash, new.scopes, created_at, new.expires_at).execute(tx).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        let NewApiToken { id, name, scopes, expires_at, .. } = new.clone();
        Ok(ApiToken { id, user_id: owner.id, name, scopes, created_at, expires_at, last_used_at: None })
    }

    /// A person's tokens, those that have longest to live first: all that are good (who makes them bounds those), and of
    /// those that have run out the newest. At most 200.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn api_tokens(&self, of: UserId) -> Result<Vec<ApiToken>> {
        let text = format!("{TOKENS} WHERE t.user_id = $1 ORDER BY t.expires_at DESC, t.id DESC LIMIT $2");
        sql!(text, of, i64::from(MOST_ROWS)).all(self.reader()).await?.iter().map(read_token).collect()
    }

    /// The token of this id.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn api_token(&self, id: ApiTokenId) -> Result<Option<ApiToken>> {
        let row = sql!(format!("{TOKENS} WHERE t.id = $1"), id).one(self.reader()).await?;
        row.map(|row| read_token(&row)).transpose()
    }

    /// The token with this hash and its owner, also one that has run out. Nobody whose account is disabled.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn user_by_api_token(&self, hash: &str) -> Result<Option<(ApiToken, User)>> {
        let Some(row) = sql!(WITH_OWNER, hash).one(self.reader()).await? else { return Ok(None) };
        let user = read_user(&row)?;
        let token = ApiToken {
            id: row.get("token_id")?,
            user_id: user.id,
            name: row.get("name")?,
            scopes: row.get("scopes")?,
            created_at: row.get("token_created_at")?,
            expires_at: row.get("expires_at")?,
            last_used_at: row.get("last_used_at")?,
        };
        Ok(Some((token, user)))
    }

    /// Those of these tokens that are good, with the role of each one's owner.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn live_api_tokens(&self, tokens: &[ApiTokenId]) -> Result<HashMap<ApiTokenId, Role>> {
        self.live(
            "SELECT t.id, u.role FROM api_tokens t JOIN users u ON u.id = t.user_id
             WHERE u.disabled_at IS NULL AND t.expires_at > $1 AND t.id IN (VALUES",
            tokens,
        )
        .await
    }

    /// Notes when tokens were last used; of one that is gone, nothing.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn note_api_tokens_used(&self, uses: &[(ApiTokenId, DateTime<Utc>)]) -> Result<()> {
        self.note_used("api_tokens", uses.iter().map(|(id, at)| (id.as_uuid(), *at))).await
    }

    /// The same of any table of tokens.
    pub(crate) async fn note_used(
        &self,
        table: &'static str,
        uses: impl Iterator<Item = (Uuid, DateTime<Utc>)>,
    ) -> Result<()> {
        let text = format!(
            "UPDATE {table} SET last_used_at = given.last_used_at FROM {given} WHERE {table}.id = given.id
                AND ({table}.last_used_at IS NULL OR {table}.last_used_at < given.last_used_at)",
            given = self.backend().rows(1, USES),
        );
        let uses = uses.map(|(id, at)| GivenRow::default().id("id", id).time("last_used_at", at));
        let update = Sql::new(text, vec![given(uses)]);
        transact!(self, |tx| { update.clone().execute(tx).await });
        Ok(())
    }

    /// Ends a token. Streams that it opened end with it.
    ///
    /// # Errors
    /// `NotFound` where there is none such.
    #[boxed]
    pub async fn revoke_api_token(&self, id: ApiTokenId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            if sql!("DELETE FROM api_tokens WHERE id = $1", id).execute(tx).await? == 0 {
                return Err(StoreError::NotFound("token"));
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// Ends every token of a person.
pub(crate) async fn end_all(tx: &DatabaseTransaction, user: UserId) -> Result<()> {
    sql!("DELETE FROM api_tokens WHERE user_id = $1", user).execute(tx).await.map(drop)
}

/// The columns are those of [`TOKENS`].
fn read_token(row: &Row) -> Result<ApiToken> {
    Ok(ApiToken {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        scopes: row.get("scopes")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

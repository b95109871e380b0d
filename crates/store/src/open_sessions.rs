//! A person's own look at their sign-ins: which are open, from where they are used, how one is ended, and that a token of one
//! was copied.

use crate::{
    accounts::MOST_ROWS,
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    records::{NewActivity, OpenSession, SessionUse, Signal},
    rows::{Columns, GivenRow, Kind, given},
    sessions,
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};

const USES: Columns =
    &[("id", Kind::Id), ("last_used_at", Kind::Time), ("ip_address", Kind::Address), ("client", Kind::Text)];

impl Store {
    /// The sessions of a person that live, at most 200, the newest first.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn open_sessions(&self, of: UserId) -> Result<Vec<OpenSession>> {
        let text = format!(
            "SELECT id, created_at, expires_at, last_used_at, {address} AS address, client FROM sessions
             WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY created_at DESC, id DESC LIMIT $3",
            address = self.backend().inet_as_text("ip_address"),
        );
        sql!(text, of, now(), i64::from(MOST_ROWS)).all(self.reader()).await?.iter().map(read_open).collect()
    }

    /// Notes when, from where and with what sessions were last used.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn note_sessions_used(&self, uses: &[(SessionId, SessionUse)]) -> Result<()> {
        let text = format!(
            "UPDATE sessions SET last_used_at = given.last_used_at, ip_address = given.ip_address, client = given.client
             FROM {given} WHERE sessions.id = given.id
                 AND (sessions.last_used_at IS NULL OR sessions.last_used_at < given.last_used_at)",
            given = self.backend().rows(1, USES),
        );
        let rows = uses.iter().map(|(id, used)| {
            let row = GivenRow::default().id("id", id.as_uuid()).time("last_used_at", used.at);
            let row = row.address("ip_address", used.ip_address);
            used.client.iter().fold(row, |row, client| row.text("client", client))
        });
        let update = Sql::new(text, vec![given(rows)]);
        transact!(self, |tx| { update.clone().execute(tx).await });
        Ok(())
    }

    /// Whose session this is, while it lives.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn owner_of_session(&self, id: SessionId) -> Result<Option<UserId>> {
        let text = "SELECT user_id FROM sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2";
        let row = sql!(text, id, now()).one(self.reader()).await?;
        row.map(|row| row.get("user_id")).transpose()
    }

    /// Ends a person's sessions but this one, and what was to become one.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn end_other_sessions(&self, of: UserId, but: SessionId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            sessions::end_others(tx, of, but).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// When a token of one of a person's sessions was last shown that had been replaced, unless they have read that.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn unseen_reuse(&self, of: UserId) -> Result<Option<DateTime<Utc>>> {
        let text = "SELECT MAX(reused_at) AS at FROM sessions
            WHERE user_id = $1 AND reused_at IS NOT NULL AND reuse_seen_at IS NULL";
        sql!(text, of).one(self.reader()).await?.map_or(Ok(None), |row| row.get("at"))
    }

    /// A person has read it.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn see_reuse(&self, of: UserId) -> Result<()> {
        let text = "UPDATE sessions SET reuse_seen_at = $2
            WHERE user_id = $1 AND reused_at IS NOT NULL AND reuse_seen_at IS NULL";
        sql!(text, of, now()).execute(self.writer()).await.map(drop)
    }
}

fn read_open(row: &Row) -> Result<OpenSession> {
    let address: Option<String> = row.get("address")?;
    let ip_address = address.map(|text| text.parse()).transpose();
    Ok(OpenSession {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        ip_address: ip_address.map_err(|error| StoreError::Corrupt(format!("column ip_address: {error}")))?,
        client: row.get("client")?,
    })
}

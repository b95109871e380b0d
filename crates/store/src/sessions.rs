//! Sign-ins with their rotating refresh tokens. What begins or ends one and its line in the activity log are one
//! transaction.

use crate::{
    accounts::read_user,
    activity,
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    factors, mails,
    records::{Amr, NewActivity, NewMail, Proof, Rotation, Session, Signal, User},
    sql::{Bind, Column, Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{MailKind, Role, SessionId, UserId};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use std::{collections::HashMap, hash::Hash, net::IpAddr};

/// A sign-in that is renewed ends so long after it began, and its person shows again who they are.
const LONGEST: TimeDelta = TimeDelta::days(90);
/// Sessions in one statement.
const ASKED_AT_ONCE: usize = 1_000;

/// A live session's person with the session; `{which}` says which.
const LIVE: &str = concat!(
    "
    SELECT ",
    crate::accounts::user_columns!(),
    ",
        s.id AS session_id, s.created_at AS session_created_at, s.expires_at, s.auth_time, s.amr
    FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.revoked_at IS NULL AND u.disabled_at IS NULL AND s.expires_at > $1 AND "
);

impl Store {
    /// Begins a sign-in of `user` as they were read when their password was verified, which is all that they have shown.
    ///
    /// # Errors
    /// `NotFound` where the password has been changed or the account disabled since; `SecondFactorNeeded` where they have
    /// a second factor.
    #[boxed]
    pub async fn create_session(
        &self,
        id: SessionId,
        user: &User,
        refresh_hash: &str,
        expires_at: DateTime<Utc>,
        by: &NewActivity,
    ) -> Result<Session> {
        let begun = now();
        let proof = Proof { at: begun, amr: Amr::PASSWORD.to_owned() };
        let session = Session { id, user_id: user.id, created_at: begun, expires_at, revoked_at: None, proof };
        transact!(self, |tx| {
            if factors::lock_unchanged(tx, self.backend(), user).await? {
                return Err(StoreError::SecondFactorNeeded);
            }
            insert(tx, &session, refresh_hash, None).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(session)
    }

    /// Replaces a refresh token's hash in one transaction, at most until 90 days after the sign-in began; a token used twice ends its session, which is logged with
    /// where it came from.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`]. A token that isn't good is no error.
    #[boxed]
    pub async fn rotate_session(
        &self,
        refresh_hash: &str,
        next_hash: &str,
        expires_at: DateTime<Utc>,
        from: Option<IpAddr>,
    ) -> Result<Rotation> {
        let current = format!(
            "SELECT id, user_id, created_at, expires_at, revoked_at, auth_time, amr FROM sessions WHERE refresh_hash = $1{}",
            self.backend().for_update()
        );
        let rotation = transact!(self, |tx| {
            let Some(row) = sql!(current.clone(), refresh_hash).one(tx).await? else {
                return end_if_spent(tx, self.backend(), refresh_hash, from).await;
            };
            let session = read_session(&row)?;
            let end = session.created_at + LONGEST;
            if session.revoked_at.is_some() || session.expires_at.min(end) <= now() {
                return Ok(Rotation::Refused);
            }
            let expires_at = expires_at.min(end);
            replace_token(tx, session.id, refresh_hash, next_hash, expires_at).await?;
            Ok(Rotation::Rotated(Session { expires_at, ..session }))
        });
        if matches!(rotation, Rotation::Reused(_)) {
            self.signal([Signal::Accounts]);
        }
        Ok(rotation)
    }

    /// The live session with this (current) token hash, without rotating it: for cookie sessions.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn session_by_hash(&self, refresh_hash: &str) -> Result<Option<(Session, User)>> {
        let row = sql!(format!("{LIVE} s.refresh_hash = $2"), now(), refresh_hash).one(self.reader()).await?;
        row.map(|row| read_live(&row)).transpose()
    }

    /// The person of a session, while it lives: for access tokens, which end with their session.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn user_in_session(&self, session: SessionId, user: UserId) -> Result<Option<(Session, User)>> {
        let row = sql!(format!("{LIVE} s.id = $2 AND s.user_id = $3"), now(), session, user).one(self.reader()).await?;
        row.map(|row| read_live(&row)).transpose()
    }

    /// Those of these sessions that live, with the role of each one's person.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn live_sessions(&self, sessions: &[SessionId]) -> Result<HashMap<SessionId, Role>> {
        self.live(
            "SELECT s.id, u.role FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.revoked_at IS NULL AND u.disabled_at IS NULL AND s.expires_at > $1 AND s.id IN (VALUES",
            sessions,
        )
        .await
    }

    /// Those of these ids that a text finds, with the role of each one's owner. `$1` in it is now, and it ends where the ids
    /// are listed.
    pub(crate) async fn live<Id>(&self, text: &'static str, ids: &[Id]) -> Result<HashMap<Id, Role>>
    where
        Id: Bind + Column + Copy + Eq + Hash,
    {
        let mut live = HashMap::new();
        for asked in ids.chunks(ASKED_AT_ONCE) {
            let ids = asked.iter().map(|&id| row_values![id]).collect();
            for row in Sql::with_rows(text, row_values![now()], ids, ")").all(self.reader()).await? {
                live.insert(row.get("id")?, row.get("role")?);
            }
        }
        Ok(live)
    }

    /// Ends a sign-in; ending it twice is fine, and logged once.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn revoke_session(&self, id: SessionId, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            if end(id).execute(tx).await? == 1 {
                activity::insert(self.backend(), by).execute(tx).await?;
            }
            Ok(())
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// The sign-in elsewhere that a session comes from.
pub(crate) struct Origin {
    pub issuer: String,
    pub subject: String,
    /// The provider's own name of its session.
    pub session: Option<String>,
}

/// Begins a session.
pub(crate) async fn insert(
    tx: &DatabaseTransaction,
    session: &Session,
    hash: &str,
    from: Option<Origin>,
) -> Result<()> {
    let Session { id, user_id, created_at, expires_at, proof, .. } = session;
    // A password alone is what is meant where nothing stands, as in all sessions of older releases.
    let amr = (proof.amr != Amr::PASSWORD).then(|| proof.amr.clone());
    // Likewise its beginning, but by the word of a provider that asked who it was before.
    let auth_time = (proof.at != *created_at).then_some(proof.at);
    let (issuer, subject, theirs) = columns(from);
    let text = "INSERT INTO sessions
        (id, user_id, refresh_hash, created_at, expires_at, auth_time, amr, issuer, subject, provider_session)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let begin = sql!(text, *id, *user_id, hash, *created_at, *expires_at, auth_time, amr, issuer, subject, theirs);
    begin.execute(tx).await.map(drop)
}

/// `issuer`, `subject` and `provider_session`.
pub(crate) fn columns(from: Option<Origin>) -> (Option<String>, Option<String>, Option<String>) {
    match from {
        Some(Origin { issuer, subject, session }) => (Some(issuer), Some(subject), session),
        None => (None, None, None),
    }
}

/// Ends every session of a person, and what was to become one.
pub(crate) async fn end_all(tx: &DatabaseTransaction, user: UserId) -> Result<()> {
    sql!("DELETE FROM pending_sign_ins WHERE user_id = $1", user).execute(tx).await?;
    sql!("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user, now())
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends every session of a person but this one, and what was to become one.
pub(crate) async fn end_others(tx: &DatabaseTransaction, user: UserId, session: SessionId) -> Result<()> {
    sql!("DELETE FROM pending_sign_ins WHERE user_id = $1", user).execute(tx).await?;
    let text = "UPDATE sessions SET revoked_at = $3 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL";
    sql!(text, user, session, now()).execute(tx).await.map(drop)
}

/// Notes that a live session's person has just proved who they are; `amr` as [`crate::Proof`] has it, nothing where that stays.
pub(crate) async fn prove(tx: &DatabaseTransaction, session: SessionId, user: UserId, amr: Option<&str>) -> Result<()> {
    let text = "UPDATE sessions SET auth_time = $3, amr = COALESCE($4, amr)
        WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";
    match sql!(text, session, user, now(), amr.map(str::to_owned)).execute(tx).await? {
        0 => Err(StoreError::NotFound("session")),
        _ => Ok(()),
    }
}

async fn end_if_spent(
    tx: &DatabaseTransaction,
    backend: Backend,
    refresh_hash: &str,
    from: Option<IpAddr>,
) -> Result<Rotation> {
    let spent =
        sql!("SELECT session_id FROM spent_refresh_tokens WHERE refresh_hash = $1", refresh_hash).one(tx).await?;
    let Some(row) = spent else { return Ok(Rotation::Refused) };
    let session: SessionId = row.get("session_id")?;
    // Whoever goes on showing it writes no more lines and mails.
    let mark = "UPDATE sessions SET revoked_at = COALESCE(revoked_at, $2), reused_at = $2
        WHERE id = $1 AND reused_at IS NULL RETURNING user_id";
    if let Some(row) = sql!(mark, session, now()).one(tx).await? {
        let user: UserId = row.get("user_id")?;
        let details = json!({ "session": session, "user": user });
        let seen = NewActivity { user_id: None, action: "refresh_token_reused", details, ip_address: from };
        activity::insert(backend, &seen).execute(tx).await?;
        warn(tx, backend, user).await?;
    }
    Ok(Rotation::Reused(session))
}

/// Writes to whoever's sign-in it was.
async fn warn(tx: &DatabaseTransaction, backend: Backend, user: UserId) -> Result<()> {
    let Some(row) = sql!("SELECT email FROM users WHERE id = $1", user).one(tx).await? else { return Ok(()) };
    let mail = NewMail { kind: MailKind::TokenReused, email: row.get("email")?, invitation_id: None };
    match mails::post(backend, tx, &[mail]).await {
        // The session ends all the same.
        Err(StoreError::TooManyMails { .. }) => {
            tracing::warn!(%user, "nobody is written to that a token of theirs was used twice: too many mails wait");
            Ok(())
        }
        posted => posted,
    }
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

fn end(id: SessionId) -> Sql {
    sql!("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", id, now())
}

fn read_session(row: &Row) -> Result<Session> {
    let created_at = row.get("created_at")?;
    Ok(Session {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        created_at,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        proof: read_proof(row, created_at)?,
    })
}

fn read_live(row: &Row) -> Result<(Session, User)> {
    let (user, created_at) = (read_user(row)?, row.get("session_created_at")?);
    let session = Session {
        id: row.get("session_id")?,
        user_id: user.id,
        created_at,
        expires_at: row.get("expires_at")?,
        revoked_at: None,
        proof: read_proof(row, created_at)?,
    };
    Ok((session, user))
}

fn read_proof(row: &Row, created_at: DateTime<Utc>) -> Result<Proof> {
    let (at, amr): (Option<DateTime<Utc>>, Option<String>) = (row.get("auth_time")?, row.get("amr")?);
    Ok(Proof { at: at.unwrap_or(created_at), amr: amr.unwrap_or_else(|| Amr::PASSWORD.to_owned()) })
}

//! Forgetting what has served its time, so that the tables of sign-ins and keys don't grow for ever.

use crate::{
    connection::{Store, transact},
    error::Result,
    sql::{now, sql},
};
use chrono::TimeDelta;

/// How long a replaced refresh token and an idempotency key are remembered: as long as a refresh token lives, so that a
/// copy that could still have been good is always seen.
const REMEMBERED: TimeDelta = TimeDelta::days(30);

/// What was forgotten, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub sessions: u64,
    pub spent_tokens: u64,
    pub idempotency_keys: u64,
    pub signing_keys: u64,
}

impl Store {
    /// Deletes sessions that have run out with their replaced tokens, tokens and idempotency keys of more than 30
    /// days ago, and signing keys of which no token is good any more. Nothing that happened is forgotten: experiments, the journal and the activity log stay.
    pub async fn purge_expired(&self) -> Result<Purged> {
        let at = now();
        let forgotten = at - REMEMBERED;
        Ok(transact!(self, |tx| {
            let spent_tokens = sql!(
                "DELETE FROM spent_refresh_tokens
                 WHERE spent_at <= $1 OR session_id IN (SELECT id FROM sessions WHERE expires_at <= $2)",
                forgotten,
                at,
            )
            .execute(tx)
            .await?;
            let sessions = sql!("DELETE FROM sessions WHERE expires_at <= $1", at).execute(tx).await?;
            let idempotency_keys =
                sql!("DELETE FROM idempotency_keys WHERE created_at <= $1", forgotten).execute(tx).await?;
            let signing_keys = sql!("DELETE FROM signing_keys WHERE verifies_until <= $1", at).execute(tx).await?;
            Ok(Purged { sessions, spent_tokens, idempotency_keys, signing_keys })
        }))
    }
}

//! Forgetting what has served its time, so that no table but those of people, experiments, wells and results grows for
//! ever.
//!
//! It goes in steps: each kind's is a transaction of its own over a bounded number of rows, so that lanes get their turn in
//! between. Ids are UUIDv7, so what is oldest lies first in the tables' keys. What an experiment that hasn't ended may
//! still need is never forgotten, however old it is, nor what tells a robot's deck from a strange one.

use crate::{
    connection::{Store, transact},
    error::Result,
    sql::{Sql, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::OperationId;
use uuid::Uuid;

/// How long a replaced refresh token and an idempotency key are remembered: as long as a refresh token lives, so that a
/// copy that could still have been good is always seen. And an API token that has run out, so that its owner sees why a
/// program is let in no more.
const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// Rows of each kind that one step forgets at most.
pub(crate) const STEP: i64 = 500;
/// Of each robot's journal its newest operations stay, whatever their age: what a robot itself remembers of its runs is
/// held against them when its lane is taken over.
const NEWEST_OPERATIONS: i64 = 2_000;

/// How long after it was written a thing is kept, and after the end of its experiment; nothing is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of an experiment's live stream.
    pub events: Option<TimeDelta>,
    /// Of the journal.
    pub operations: Option<TimeDelta>,
    /// Raw readings and command records. What was measured stays in `results`.
    pub documents: Option<TimeDelta>,
    /// Of the activity log, once sealed, and of the history of quotas.
    pub activity: Option<TimeDelta>,
}

impl Retention {
    /// All of it stays.
    pub const FOR_EVER: Self = Self { events: None, operations: None, documents: None, activity: None };
}

impl Default for Retention {
    fn default() -> Self {
        let year = Some(TimeDelta::days(365));
        Self { events: Some(TimeDelta::days(90)), operations: year, documents: year, activity: year }
    }
}

/// What was forgotten, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub sessions: u64,
    pub spent_tokens: u64,
    pub api_tokens: u64,
    pub pending_sign_ins: u64,
    pub challenges: u64,
    pub service_tokens: u64,
    /// What may be shown once, and would be refused for its age.
    pub used_once: u64,
    pub sign_in_failures: u64,
    /// One-time links, used-up or expired invitations, mails that were given up.
    pub account_links: u64,
    pub idempotency_keys: u64,
    pub signing_keys: u64,
    pub events: u64,
    pub operations: u64,
    pub documents: u64,
    pub activity: u64,
    /// Changes of quota, and answered wishes for more.
    pub quota_history: u64,
}

impl Purged {
    /// Whether there was nothing left to forget.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Purged {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.spent_tokens += other.spent_tokens;
        self.api_tokens += other.api_tokens;
        self.pending_sign_ins += other.pending_sign_ins;
        self.challenges += other.challenges;
        self.service_tokens += other.service_tokens;
        self.used_once += other.used_once;
        self.sign_in_failures += other.sign_in_failures;
        self.account_links += other.account_links;
        self.idempotency_keys += other.idempotency_keys;
        self.signing_keys += other.signing_keys;
        self.events += other.events;
        self.operations += other.operations;
        self.documents += other.documents;
        self.activity += other.activity;
        self.quota_history += other.quota_history;
    }
}

impl Store {
    /// One step: forgets at most 1,000 rows of each kind of those that are out of date at this time. Sessions that have run
    /// out, replaced tokens and idempotency keys of more than 30 days, API tokens that ran out so long ago, signing keys of which
    /// no token is good any more, sign-ins and challenges that nobody can answer any more, and failed sign-ins that nobody has to wait
    /// for go in any case.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`]. What it forgot until then is forgotten.
    #[boxed]
    pub async fn purge(&self, keep: &Retention, at: DateTime<Utc>) -> Result<Purged> {
        let (spent_tokens, sessions) = self.purge_sessions(at).await?;
        let keys = "DELETE FROM idempotency_keys WHERE (user_id, key) IN (
            SELECT user_id, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";
        let api_tokens = "DELETE FROM api_tokens WHERE id IN (
            SELECT id FROM api_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let pending = "DELETE FROM pending_sign_ins WHERE hash IN (
            SELECT hash FROM pending_sign_ins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let challenges = "DELETE FROM spent_challenges WHERE id IN (
            SELECT id FROM spent_challenges WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let service_tokens = "DELETE FROM service_tokens WHERE id IN (
            SELECT id FROM service_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let used_once = "DELETE FROM used_once WHERE hash IN (
            SELECT hash FROM used_once WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        Ok(Purged {
            sessions,
            spent_tokens,
            api_tokens: self.forget(sql!(api_tokens, at - REMEMBERED, STEP)).await?,
            pending_sign_ins: self.forget(sql!(pending, at, STEP)).await?,
            challenges: self.forget(sql!(challenges, at, STEP)).await?,
            service_tokens: self.forget(sql!(service_tokens, at - REMEMBERED, STEP)).await?,
            used_once: self.forget(sql!(used_once, at, STEP)).await?,
            sign_in_failures: self.purge_sign_in_failures(at).await?,
            account_links: self.purge_links(at).await?,
            idempotency_keys: self.forget(sql!(keys, at - REMEMBERED, STEP)).await?,
            signing_keys: self.forget(sql!("DELETE FROM signing_keys WHERE verifies_until <= $1", at)).await?,
            events: self.forget_before(keep.events, at, EVENTS).await?,
            documents: self.purge_documents(keep.documents, at).await?,
            operations: self.purge_operations(keep.operations, at).await?,
            activity: self.purge_activity(keep.activity, at).await?,
            quota_history: self.forget_before(keep.activity, at, QUOTA_CHANGES).await?
                + self.forget_before(keep.activity, at, QUOTA_REQUESTS).await?,
        })
    }

    /// Links that have run out; invitations and mails that were given up, 30 days later, and requests for an account that
    /// nobody answered for so long.
    async fn purge_links(&self, at: DateTime<Utc>) -> Result<u64> {
        let (old, first) = (at - REMEMBERED, first_id(at - REMEMBERED));
        let links = "DELETE FROM account_links WHERE hash IN (
            SELECT hash FROM account_links WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let mails = "DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE id < $1 ORDER BY id LIMIT $2)";
        let invitations = "DELETE FROM invitations WHERE id IN (
            SELECT i.id FROM (SELECT id FROM invitations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) AS i
            WHERE NOT EXISTS (SELECT 1 FROM account_links l WHERE l.invitation_id = i.id)
                AND NOT EXISTS (SELECT 1 FROM mails m WHERE m.invitation_id = i.id))";
        let asked =
            "DELETE FROM registrations WHERE id IN (SELECT id FROM registrations WHERE id < $1 ORDER BY id LIMIT $2)";
        let mut forgotten = self.forget(sql!(links, at, STEP)).await?;
        forgotten += self.forget(sql!(mails, first, STEP)).await?;
        forgotten += self.forget(sql!(invitations, old, STEP)).await?;
        forgotten += self.forget(sql!(asked, first, STEP)).await?;
        Ok(forgotten)
    }

    async fn purge_sessions(&self, at: DateTime<Utc>) -> Result<(u64, u64)> {
        // Tokens of a session that has run out go before it; so many at most that the next steps see to the rest.
        let spent = "DELETE FROM spent_refresh_tokens WHERE refresh_hash IN (
            SELECT refresh_hash FROM (
                SELECT refresh_hash FROM spent_refresh_tokens WHERE spent_at <= $1 ORDER BY spent_at LIMIT $3
            ) AS old
            UNION SELECT refresh_hash FROM (
                SELECT t.refresh_hash FROM spent_refresh_tokens t WHERE t.session_id IN (
                    SELECT id FROM sessions WHERE expires_at <= $2 ORDER BY expires_at LIMIT $3
                ) LIMIT $3
            ) AS useless)";
        let sessions = "DELETE FROM sessions WHERE id IN (
            SELECT s.id FROM (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) AS s
            WHERE NOT EXISTS (SELECT 1 FROM spent_refresh_tokens t WHERE t.session_id = s.id))";
        let spent = self.forget(sql!(spent, at - REMEMBERED, at, STEP)).await?;
        Ok((spent, self.forget(sql!(sessions, at, STEP)).await?))
    }

    /// `text` has the least id and the time of what stays, and how many rows it may delete.
    async fn forget_before(&self, age: Option<TimeDelta>, at: DateTime<Utc>, text: &'static str) -> Result<u64> {
        let Some(end) = ended(age, at) else { return Ok(0) };
        self.forget(sql!(text, first_id(end), end, STEP)).await
    }

    async fn purge_activity(&self, age: Option<TimeDelta>, at: DateTime<Utc>) -> Result<u64> {
        let Some(end) = ended(age, at) else { return Ok(0) };
        self.forget_activity(end).await
    }

    async fn purge_documents(&self, age: Option<TimeDelta>, at: DateTime<Utc>) -> Result<u64> {
        let Some(end) = ended(age, at) else { return Ok(0) };
        self.forget(sql!(DOCUMENTS, end, STEP)).await
    }

    async fn purge_operations(&self, age: Option<TimeDelta>, at: DateTime<Utc>) -> Result<u64> {
        let Some(end) = ended(age, at) else { return Ok(0) };
        let old = sql!(OPERATIONS, first_id(end), end, STEP, NEWEST_OPERATIONS).all(self.reader()).await?;
        let old = old.iter().map(|row| Ok(row_values![row.get::<OperationId>("id")?])).collect::<Result<Vec<_>>>()?;
        if old.is_empty() {
            return Ok(0);
        }
        let of_events = "DELETE FROM operation_events WHERE operation_id IN (VALUES";
        let of_events = Sql::with_rows(of_events, Vec::new(), old.clone(), ")");
        let operations = Sql::with_rows("DELETE FROM operations WHERE id IN (VALUES", Vec::new(), old, ")");
        Ok(transact!(self, |tx| {
            of_events.clone().execute(tx).await?;
            operations.clone().execute(tx).await
        }))
    }

    pub(crate) async fn forget(&self, statement: Sql) -> Result<u64> {
        Ok(transact!(self, |tx| { statement.clone().execute(tx).await }))
    }
}

/// Those of experiments that have ended so long ago.
const EVENTS: &str = "DELETE FROM events WHERE (experiment_id, sequence) IN (
    SELECT v.experiment_id, v.sequence FROM events v JOIN experiments e ON e.id = v.experiment_id
    WHERE v.experiment_id < $1 AND e.completed_at <= $2 ORDER BY v.experiment_id, v.sequence LIMIT $3)";

const QUOTA_CHANGES: &str = "DELETE FROM quota_changes WHERE id IN (
    SELECT id FROM quota_changes WHERE id < $1 AND created_at <= $2 ORDER BY id LIMIT $3)";

const QUOTA_REQUESTS: &str = "DELETE FROM quota_requests WHERE id IN (
    SELECT id FROM quota_requests WHERE id < $1 AND decided_at <= $2 ORDER BY id LIMIT $3)";

/// A release before the column `experiment_id` left it out: a reading has the id of its operation, which is there at least as
/// long as its experiment is under way.
const DOCUMENTS: &str = "DELETE FROM documents WHERE (collection, id) IN (
    SELECT d.collection, d.id FROM documents d WHERE d.created_at <= $1 AND NOT EXISTS (
        SELECT 1 FROM experiments e
        WHERE e.id = COALESCE(d.experiment_id, (SELECT o.experiment_id FROM operations o WHERE o.id = d.id))
            AND (e.completed_at IS NULL OR e.completed_at > $1)
    ) ORDER BY d.created_at LIMIT $2)";

/// Neither open ones nor those in doubt, none of the run that is open on its robot, and none of its robot's newest. Nothing
/// writes to one that is none of these, so it is still none when it is deleted.
const OPERATIONS: &str = "
    SELECT o.id FROM operations o JOIN robots r ON r.id = o.robot_id
    WHERE o.id < $1 AND o.intended_at <= $2 AND o.state NOT IN ('intended', 'in_doubt')
        AND o.sequence <= r.last_sequence - $4
        AND (o.run_id IS NULL OR r.run_id IS NULL OR o.run_id <> r.run_id)
        AND NOT EXISTS (
            SELECT 1 FROM experiments e
            WHERE e.id = o.experiment_id AND (e.completed_at IS NULL OR e.completed_at > $2)
        )
    ORDER BY o.id LIMIT $3";

/// What was written until then is out of date. An age that reaches back beyond all calendars keeps everything.
fn ended(age: Option<TimeDelta>, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    at.checked_sub_signed(age?)
}

/// The least id that can be made at this time.
pub(crate) fn first_id(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

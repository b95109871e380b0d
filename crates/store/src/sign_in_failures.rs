//! Failed sign-ins, counted for all processes and over a restart: read before each try, written after those that failed, many
//! at once ([decision 35](../../../docs/decisions/0035-sign-ins-counted-together.md)).
//!
//! What the numbers mean is `auth`'s to know. Here they are added up, by statements that two processes may send at once.
//! Rows are few: [`Store::trim_sign_in_failures`] leaves the newest, and the daily purge takes what is a day old.

use crate::{
    connection::{Store, transact},
    error::Result,
    purge::STEP,
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use std::{collections::BTreeMap, net::IpAddr};
use uuid::Uuid;

/// So long after the last failure they are forgotten.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1_000;
/// By so much the clocks of processes may differ, and what is owed may reach ahead; what is later was written by a clock that was
/// wrong, and counts for nothing.
const AHEAD_MS: i64 = 60 * 60 * 1_000;
/// Rows that one look at who has signed in from where reads at most.
const MOST_SIGNED_IN: i64 = 2_000;

const COUNTS: Columns = &[("key", Kind::Id), ("failures", Kind::Number), ("at_ms", Kind::Number)];

/// What is on record of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedSignIns {
    pub key: Uuid,
    /// In a row, 1 or more.
    pub failures: u32,
    /// Milliseconds since 1970: when the last one was, or what is owed is paid.
    pub at_ms: i64,
}

/// What failed since the last time that it was written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInFailures {
    pub failures: u32,
    /// Milliseconds that are owed for them.
    pub owed_ms: i64,
}

/// What is to be written down: a right password forgives first, then what failed is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInCounts {
    pub forgiven: Vec<Uuid>,
    pub failed: BTreeMap<Uuid, SignInFailures>,
}

impl Store {
    /// What is on record of these keys, and still counts at this time.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn sign_in_failures(&self, of: [Uuid; 3], at: DateTime<Utc>) -> Result<Vec<FailedSignIns>> {
        let text = "SELECT key, failures, at_ms FROM sign_in_failures
            WHERE key IN ($1, $2, $3) AND at_ms > $4 AND at_ms <= $5";
        let [one, two, three] = of;
        let at = at.timestamp_millis();
        let rows = sql!(text, one, two, three, at - REMEMBERED_MS, at + AHEAD_MS).all(self.reader()).await?;
        rows.iter().map(read).collect()
    }

    /// Adds to what is on record, in one transaction. Durable when it returns.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError). Nothing was written then.
    #[boxed]
    pub async fn count_sign_ins(&self, counts: &SignInCounts, at: DateTime<Utc>) -> Result<()> {
        let at = at.timestamp_millis();
        // What is there counts on only if it is recent and no wrong clock's.
        let add = format!(
            "{insert} WHERE true ON CONFLICT (key) DO UPDATE SET
                 failures = excluded.failures + CASE
                     WHEN sign_in_failures.at_ms > $2 AND sign_in_failures.at_ms <= $4 THEN sign_in_failures.failures
                     ELSE 0 END,
                 at_ms = excluded.at_ms - $3 + CASE
                     WHEN sign_in_failures.at_ms > $3 AND sign_in_failures.at_ms <= $4 THEN sign_in_failures.at_ms
                     ELSE $3 END",
            insert = self.backend().insert_rows("sign_in_failures", COUNTS),
        );
        let failed = given(counts.failed.iter().map(|(&key, failed)| {
            let row = GivenRow::default().id("key", key).number("failures", failed.failures);
            row.number("at_ms", at.saturating_add(failed.owed_ms))
        }));
        let mut values = vec![failed];
        values.extend(row_values![at - REMEMBERED_MS, at, at + AHEAD_MS]);
        let add = Sql::new(add, values);
        let forgiven = counts.forgiven.iter().map(|&key| row_values![key]).collect();
        let forgive = Sql::with_rows("DELETE FROM sign_in_failures WHERE key IN (VALUES", Vec::new(), forgiven, ")");
        transact!(self, |tx| {
            if !counts.forgiven.is_empty() {
                forgive.clone().execute(tx).await?;
            }
            if !counts.failed.is_empty() {
                add.clone().execute(tx).await?;
            }
            Ok(())
        });
        Ok(())
    }

    /// Leaves the newest rows, so many at most, but for a thousand at a time. Gives how many went.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn trim_sign_in_failures(&self, most: u32) -> Result<u64> {
        let text = "DELETE FROM sign_in_failures WHERE key IN (
            SELECT key FROM sign_in_failures ORDER BY at_ms DESC LIMIT $1 OFFSET $2)";
        self.forget(sql!(text, 2 * STEP, i64::from(most))).await
    }

    /// Those of too long ago, and those that a wrong clock wrote.
    pub(crate) async fn purge_sign_in_failures(&self, at: DateTime<Utc>) -> Result<u64> {
        let old = "DELETE FROM sign_in_failures WHERE key IN (
            SELECT key FROM sign_in_failures WHERE at_ms <= $1 ORDER BY at_ms LIMIT $2)";
        let ahead = "DELETE FROM sign_in_failures WHERE key IN (
            SELECT key FROM sign_in_failures WHERE at_ms > $1 ORDER BY at_ms LIMIT $2)";
        let at = at.timestamp_millis();
        let forgotten = self.forget(sql!(old, at - REMEMBERED_MS, STEP)).await?;
        Ok(forgotten + self.forget(sql!(ahead, at + AHEAD_MS, STEP)).await?)
    }

    /// Whose sign-ins since then were last used from where, the oldest first: of the newest 2,000.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    #[boxed]
    pub async fn signed_in_from(&self, since: DateTime<Utc>) -> Result<Vec<(String, IpAddr)>> {
        let text = format!(
            "SELECT u.email, {address} AS address FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id >= $1 AND s.ip_address IS NOT NULL ORDER BY s.id DESC LIMIT $2",
            address = self.backend().inet_as_text("s.ip_address"),
        );
        let rows = sql!(text, crate::purge::first_id(since), MOST_SIGNED_IN).all(self.reader()).await?;
        let mut from = Vec::with_capacity(rows.len());
        for row in rows.iter().rev() {
            let address: String = row.get("address")?;
            // Of an address that nobody can read nobody is known.
            if let Ok(address) = address.parse() {
                from.push((row.get("email")?, address));
            }
        }
        Ok(from)
    }
}

fn read(row: &Row) -> Result<FailedSignIns> {
    let failures: i64 = row.get("failures")?;
    Ok(FailedSignIns {
        key: row.get("key")?,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        at_ms: row.get("at_ms")?,
    })
}

//! The activity log's chain: each line is sealed, moments after it was committed, with a hash over itself and the seal before
//! it, so that whatever is done to the log afterwards shows (`docs/decisions/0025-activity-log.md`).
//!
//! Lines are written unsealed, in their acts' own transactions, which wait for nobody. [`Store::seal_activity`] seals them in
//! the order of their ids, a bounded number at a time; whichever process has the chain's row locked does, and the others have
//! nothing to do. `verify` reads all of it and names the first line that isn't what it was.

mod verify;

pub use verify::{AuditFault, DatedAnchor, Undone, Verification, Wrong};

use crate::{
    activity,
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    moving::canonical,
    records::NewActivity,
    rows::{Columns, GivenRow, Kind, given},
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use domain::{ActivityId, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// Lines that one transaction seals.
const BATCH: i64 = 500;
/// Lines that one step of the purge forgets.
const FORGOTTEN_AT_ONCE: i64 = 500;
/// The table that says how far the log is sealed.
pub(crate) const CHAIN: &str = "activity_chain";
/// What a line of the log says that the purge has written.
pub(crate) const FORGOTTEN: &str = "activity_forgotten";

/// How far the log was sealed at some time: whoever keeps it elsewhere sees later that nothing up to there was touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// Of the last line that was sealed; the first has 1.
    pub number: i64,
    /// Hex SHA-256.
    pub seal: String,
}

/// Like `1234:5f70…`, 64 hexadecimal digits.
impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.seal)
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (number, seal) = text.trim().split_once(':')?;
            let number = number.parse().ok().filter(|number| *number > 0)?;
            let is_seal = seal.len() == 64 && seal.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_seal.then(|| Self { number, seal: seal.to_owned() })
        };
        read().ok_or_else(|| "an anchor is like 1234:5f70…, a line's number and its seal of 64 digits".to_owned())
    }
}

/// What one call has sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    pub lines: usize,
    /// The newest seal, where this call has made one.
    pub anchor: Option<Anchor>,
}

impl Sealed {
    /// Whether more may be waiting.
    pub const fn is_full(&self) -> bool {
        self.lines as i64 >= BATCH
    }
}

/// What of a line stands in its seal as it is.
struct Line {
    id: ActivityId,
    user_id: Option<UserId>,
    action: String,
    created_at: DateTime<Utc>,
}

impl Line {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            action: row.get("action")?,
            created_at: row.get("created_at")?,
        })
    }

    /// Hex SHA-256 of the seal before and this line.
    fn seal(&self, before: &str, number: i64, details_hash: &str, address_hash: Option<&str>) -> String {
        let user = self.user_id.map(|user| user.as_uuid().simple().to_string());
        hash(
            "line",
            &[
                Some(before),
                Some(&number.to_string()),
                Some(&self.id.as_uuid().simple().to_string()),
                user.as_deref(),
                Some(&self.action),
                Some(&self.created_at.to_rfc3339_opts(SecondsFormat::Micros, true)),
                Some(details_hash),
                address_hash,
            ],
        )
    }
}

/// Hex SHA-256 of these texts, each with its length before it, so that no two lists are one.
fn hash(what: &str, parts: &[Option<&str>]) -> String {
    let mut hash = Sha256::new();
    hash.update("tincture activity log 1 ");
    hash.update(what);
    for part in parts {
        match part {
            None => hash.update([0]),
            Some(part) => {
                hash.update([1]);
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
    }
    HEXLOWER.encode(&hash.finalize())
}

/// The same for whatever form the database keeps its JSON in.
fn details_hash(salt: &str, details: &Value) -> Result<String> {
    let text = canonical(Kind::Json, &details.to_string()).map_err(StoreError::Corrupt)?.into_owned();
    Ok(hash("details", &[Some(salt), Some(&text)]))
}

fn address_hash(salt: &str, address: &str) -> Result<String> {
    let text = canonical(Kind::Address, address).map_err(StoreError::Corrupt)?.into_owned();
    Ok(hash("address", &[Some(salt), Some(&text)]))
}

/// 128 bits, so that nobody finds an address by trying all.
fn salt() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 16]>())
}

const SEALS: Columns = &[
    ("id", Kind::Id),
    ("seal_number", Kind::Number),
    ("seal", Kind::Text),
    ("details_hash", Kind::Text),
    ("details_salt", Kind::Text),
    ("address_hash", Kind::Text),
    ("address_salt", Kind::Text),
];

impl Store {
    /// Seals at most 500 lines that aren't sealed yet, oldest first, in one transaction. Nothing while another process
    /// does.
    ///
    /// # Errors
    /// Those of any write; `Corrupt` where lines are sealed and nobody knows any more how far.
    #[boxed]
    pub async fn seal_activity(&self) -> Result<Sealed> {
        let waits = sql!("SELECT 1 AS one FROM user_activity_log WHERE seal_number IS NULL LIMIT 1");
        if waits.one(self.reader()).await?.is_none() {
            return Ok(Sealed::default());
        }
        Ok(transact!(self, |tx| { seal_next(tx, self.backend()).await }))
    }

    /// How far the log is sealed; nothing where nothing is.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn activity_anchor(&self) -> Result<Option<Anchor>> {
        end(self.reader()).await
    }

    /// Forgets at most 500 of the oldest lines that were written until `end`: a whole beginning of the chain, which is
    /// written down in the chain itself. Gives how many.
    pub(crate) async fn forget_activity(&self, end: DateTime<Utc>) -> Result<u64> {
        let oldest =
            "SELECT l.id FROM activity_chain c JOIN user_activity_log l ON l.seal_number = c.forgotten_number + 1
            WHERE c.one = 1 AND l.created_at <= $1";
        if sql!(oldest, end).one(self.reader()).await?.is_none() {
            return Ok(0);
        }
        Ok(transact!(self, |tx| { forget_next(tx, self.backend(), end).await }))
    }
}

/// How far it is sealed.
pub(crate) async fn end(on: &impl ConnectionTrait) -> Result<Option<Anchor>> {
    let text = "SELECT sealed_number, seal FROM activity_chain WHERE one = 1 AND sealed_number > 0";
    sql!(text).one(on).await?.map(|row| read_end(&row)).transpose()
}

fn read_end(row: &Row) -> Result<Anchor> {
    Ok(Anchor { number: row.get("sealed_number")?, seal: row.get("seal")? })
}

/// Where the chain ends, with its row locked; nothing while another transaction has it.
async fn lock_end(tx: &DatabaseTransaction, backend: Backend) -> Result<Option<Anchor>> {
    let lock = format!(
        "SELECT sealed_number, seal FROM activity_chain WHERE one = 1{}",
        match backend {
            Backend::Sqlite => "",
            Backend::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    );
    if let Some(row) = sql!(lock.clone()).one(tx).await? {
        return read_end(&row).map(Some);
    }
    // Where something is sealed there was one: a chain that begins anew would hide what was before.
    let begin = "INSERT INTO activity_chain (one, sealed_number, seal, sealed_at, forgotten_number, forgotten_seal)
        SELECT 1, 0, '', $1, 0, '' WHERE NOT EXISTS (SELECT 1 FROM user_activity_log WHERE seal_number IS NOT NULL)
        ON CONFLICT (one) DO NOTHING";
    sql!(begin, now()).execute(tx).await?;
    if sql!("SELECT 1 AS one FROM activity_chain WHERE one = 1").one(tx).await?.is_none() {
        let why = "the activity log has sealed lines and no row in activity_chain: see `tincture audit verify`";
        return Err(StoreError::Corrupt(why.to_owned()));
    }
    sql!(lock).one(tx).await?.map(|row| read_end(&row)).transpose()
}

async fn seal_next(tx: &DatabaseTransaction, backend: Backend) -> Result<Sealed> {
    let Some(mut end) = lock_end(tx, backend).await? else { return Ok(Sealed::default()) };
    // Locked: a person may be erased at this moment, and what is hashed is what stays.
    let text = format!(
        "SELECT id, user_id, action, details, {address} AS address, created_at FROM user_activity_log
         WHERE seal_number IS NULL ORDER BY id LIMIT $1{lock}",
        address = backend.inet_as_text("ip_address"),
        lock = backend.for_update(),
    );
    let mut seals = Vec::new();
    for row in sql!(text, BATCH).all(tx).await? {
        let (line, details, address) =
            (Line::read(&row)?, row.get::<Value>("details")?, row.get::<Option<String>>("address")?);
        let details_salt = salt();
        let details_hash = details_hash(&details_salt, &details)?;
        let address = address.map(|address| {
            let salt = salt();
            Ok::<_, StoreError>((address_hash(&salt, &address)?, salt))
        });
        let address = address.transpose()?;
        end.number += 1;
        end.seal = line.seal(&end.seal, end.number, &details_hash, address.as_ref().map(|(hash, _)| hash.as_str()));
        let row = GivenRow::default()
            .id("id", line.id.as_uuid())
            .number("seal_number", end.number)
            .text("seal", &end.seal)
            .text("details_hash", details_hash)
            .text("details_salt", details_salt);
        seals.push(match address {
            Some((hash, salt)) => row.text("address_hash", hash).text("address_salt", salt),
            None => row,
        });
    }
    let lines = seals.len();
    if lines == 0 {
        return Ok(Sealed::default());
    }
    let text = format!(
        "UPDATE user_activity_log SET seal_number = given.seal_number, seal = given.seal,
             details_hash = given.details_hash, details_salt = given.details_salt,
             address_hash = given.address_hash, address_salt = given.address_salt
         FROM {given} WHERE user_activity_log.id = given.id",
        given = backend.rows(1, SEALS),
    );
    let sealed = Sql::new(text, vec![given(seals)]).execute(tx).await?;
    if sealed != lines as u64 {
        return Err(StoreError::Corrupt(format!("{lines} lines of the activity log were to be sealed, {sealed} were")));
    }
    sql!(
        "UPDATE activity_chain SET sealed_number = $1, seal = $2, sealed_at = $3 WHERE one = 1",
        end.number,
        end.seal.as_str(),
        now(),
    )
    .execute(tx)
    .await?;
    Ok(Sealed { lines, anchor: Some(end) })
}

async fn forget_next(tx: &DatabaseTransaction, backend: Backend, end: DateTime<Utc>) -> Result<u64> {
    if lock_end(tx, backend).await?.is_none() {
        return Ok(0);
    }
    let oldest = "SELECT l.seal_number, l.seal, l.created_at FROM user_activity_log l
        WHERE l.seal_number > (SELECT c.forgotten_number FROM activity_chain c WHERE c.one = 1)
        ORDER BY l.seal_number LIMIT $1";
    let rows = sql!(oldest, FORGOTTEN_AT_ONCE).all(tx).await?;
    let mut last: Option<Anchor> = None;
    for row in &rows {
        if row.get::<DateTime<Utc>>("created_at")? > end {
            break;
        }
        last = Some(Anchor { number: row.get("seal_number")?, seal: row.get("seal")? });
    }
    let Some(Anchor { number, seal }) = last else { return Ok(0) };
    sql!("UPDATE activity_chain SET forgotten_number = $1, forgotten_seal = $2 WHERE one = 1", number, seal.as_str())
        .execute(tx)
        .await?;
    let gone = sql!("DELETE FROM user_activity_log WHERE seal_number <= $1", number).execute(tx).await?;
    let details = json!({ "through": number, "seal": seal, "lines": gone });
    let line = NewActivity { user_id: None, action: FORGOTTEN, details, ip_address: None };
    activity::insert(backend, &line).execute(tx).await?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_reads_back_and_nothing_else_is_one() {
        let anchor = Anchor { number: 1_234, seal: "5f".repeat(32) };
        assert_eq!(anchor.to_string().parse(), Ok(anchor.clone()));
        let seal = &anchor.seal;
        for wrong in [
            String::new(),
            seal.clone(),
            format!("0:{seal}"),
            format!("-1:{seal}"),
            format!("1:{seal}0"),
            "1:x".to_owned(),
        ] {
            wrong.parse::<Anchor>().expect_err(&wrong);
        }
    }

    #[test]
    fn no_two_lines_have_one_seal() {
        let line = Line { id: ActivityId::new(), user_id: None, action: "ab".to_owned(), created_at: now() };
        let seal = line.seal("", 1, "c", None);
        let other = Line {
            user_id: Some(UserId::new()),
            action: line.action.clone(),
            id: line.id,
            created_at: line.created_at,
        };
        for another in [
            line.seal("x", 1, "c", None),
            line.seal("", 2, "c", None),
            line.seal("", 1, "d", None),
            line.seal("", 1, "c", Some("")),
            other.seal("", 1, "c", None),
        ] {
            assert_ne!(seal, another);
        }
        assert_ne!(hash("line", &[Some("a"), Some("bc")]), hash("line", &[Some("ab"), Some("c")]));
    }

    #[test]
    fn details_have_one_hash_however_they_are_written() {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let (one, other) = (read(r#"{"b":1.0,"a":[1]}"#), read(r#"{"a": [1], "b": 1}"#));
        assert_eq!(details_hash("salt", &one).ok(), details_hash("salt", &other).ok());
        assert_ne!(details_hash("salt", &one).ok(), details_hash("sand", &one).ok());
    }
}

//! The schema's history: one file a step, forward only, each in a transaction of its own.
//!
//! A step is SQL that both databases read, with the few type names they don't share written `{uuid}`, `{json}`,
//! `{time}`, `{inet}`, `{bigint}` and `{smallint}`; what only one of them understands stands after a line `-- {sqlite}` or
//! `-- {postgres}`, up to the next such line or `-- {both}`. A step that has been released is never edited; the next one amends
//! it. How a step is written so that the release before it can still run is in the README beside them. `marks` are what makes
//! a database unusable for a reason other than its schema.

pub(crate) mod marks;

use crate::{
    connection::{Backend, Store, transact},
    error::{Result, SchemaError},
    sql::{now, sql},
};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use sha2::{Digest, Sha256};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// Kept in the table `migrations`.
    pub name: &'static str,
    pub text: &'static str,
    /// The step that a program must know of to run on the schema after this one. Nothing for a step that only expands:
    /// whoever could run before can run after.
    least: Option<&'static str>,
}

const fn expand(name: &'static str, text: &'static str) -> Migration {
    Migration { name, text, least: None }
}

/// A step that takes something away which programs use that don't know of the step `least` (often itself).
const fn contract(name: &'static str, text: &'static str, least: &'static str) -> Migration {
    Migration { name, text, least: Some(least) }
}

/// In the order in which they run.
pub(crate) const MIGRATIONS: &[Migration] = &[
    expand("0001_accounts", include_str!("0001_accounts.sql")),
    expand("0002_robots", include_str!("0002_robots.sql")),
    expand("0003_experiments", include_str!("0003_experiments.sql")),
    expand("0004_journal", include_str!("0004_journal.sql")),
    contract("0005_hold", include_str!("0005_hold.sql"), "0005_hold"),
    contract("0006_keys", include_str!("0006_keys.sql"), SEALED_SINCE),
    expand("0007_queue", include_str!("0007_queue.sql")),
    expand("0008_kind", include_str!("0008_kind.sql")),
    expand("0009_tallies", include_str!("0009_tallies.sql")),
    expand("0010_documents", include_str!("0010_documents.sql")),
    expand("0012_history", include_str!("0012_history.sql")),
    expand("0013_backups", include_str!("0013_backups.sql")),
    expand("0014_api_tokens", include_str!("0014_api_tokens.sql")),
    expand("0015_accounts", include_str!("0015_accounts.sql")),
    expand("0016_factors", include_str!("0016_factors.sql")),
    expand("0017_identities", include_str!("0017_identities.sql")),
    expand("0018_groups", include_str!("0018_groups.sql")),
    expand("0019_activity", include_str!("0019_activity.sql")),
    expand("0021_second_step", include_str!("0021_second_step.sql")),
    expand("0023_robot_records", include_str!("0023_robot_records.sql")),
    expand("0026_wells", include_str!("0026_wells.sql")),
    expand("0027_sign_in", include_str!("0027_sign_in.sql")),
    expand("0028_prefect", include_str!("0028_prefect.sql")),
];

/// Remembers which steps ran, and is no step's.
pub(crate) const TABLE: &str = "migrations";

/// The step that gave the table `migrations` its checksums.
const SEALED_SINCE: &str = "0006_keys";

/// The key of PostgreSQL's advisory lock: "tincture" in ASCII.
const LOCK_KEY: i64 = 0x7469_6e63_7475_7265;

impl Migration {
    /// Hex SHA-256 of its text.
    fn checksum(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.text))
    }
}

fn known(name: &str) -> Option<&'static Migration> {
    MIGRATIONS.iter().find(|migration| migration.name == name)
}

/// The newest step that a program must know of to run on this release's schema.
#[cfg(feature = "testing")]
pub(crate) fn least() -> Option<&'static str> {
    MIGRATIONS.iter().filter_map(|step| step.least).max()
}

/// A step as the database remembers it.
struct Applied {
    name: String,
    checksum: Option<String>,
    least: Option<String>,
}

impl Store {
    /// Runs the migrations that haven't run; forward only. Returns their names. Processes that start together wait
    /// for each other.
    ///
    /// # Errors
    /// `Schema` where a newer release has left what this one can't run on, or a step was applied with another text.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        check_steps(&applied(self.writer(), self.backend()).await?)?;
        self.run_migrations().await
    }

    /// The same on a database that is known to be one to work on.
    pub(crate) async fn run_migrations(&self) -> Result<Vec<String>> {
        let mut ran = Vec::new();
        for migration in MIGRATIONS {
            if self.migrate_with(migration).await? {
                tracing::debug!(migration = migration.name, "a step of the schema was applied");
                ran.push(migration.name.to_owned());
            }
        }
        if let Some(last) = ran.last() {
            tracing::info!(steps = ran.len(), migration = last, "the database's schema is brought up to date");
        }
        Ok(ran)
    }

    /// Whether this release can run on the schema as it is; changes nothing.
    ///
    /// A newer schema is fine as long as its steps say so: in a rolling upgrade the release before runs on it.
    ///
    /// # Errors
    /// `Schema`, whose text says what to do.
    pub async fn check_schema(&self) -> Result<()> {
        check_current(&applied(self.writer(), self.backend()).await?)
    }

    /// When a database that had been used before came to this step; nothing of one that began with it.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`](crate::StoreError).
    pub async fn upgraded_to(&self, step: &str) -> Result<Option<DateTime<Utc>>> {
        let text =
            "SELECT applied_at, (SELECT MIN(applied_at) FROM migrations) AS began FROM migrations WHERE name = $1";
        let Some(row) = sql!(text, step).one(self.reader()).await? else { return Ok(None) };
        let (at, began): (DateTime<Utc>, DateTime<Utc>) = (row.get("applied_at")?, row.get("began")?);
        Ok((at - began > TimeDelta::hours(1)).then_some(at))
    }

    /// Whether it had to run.
    pub(crate) async fn migrate_with(&self, migration: &Migration) -> Result<bool> {
        Ok(transact!(self, |tx| { migrate_one(tx, self.backend(), migration).await }))
    }
}

fn check_current(applied: &[Applied]) -> Result<()> {
    check_steps(applied)?;
    let missing = MIGRATIONS.iter().find(|step| !applied.iter().any(|applied| applied.name == step.name));
    if let Some(missing) = missing {
        return Err(SchemaError::Older { missing: missing.name }.into());
    }
    if let Some(newer) = applied.iter().rev().find(|step| known(&step.name).is_none()) {
        tracing::info!(schema = newer.name, "the database's schema is a newer release's, which this one can run on");
    }
    Ok(())
}

/// The same of an embedded database that a lab is moved from. Gives where it was moved to before, if it was.
///
/// # Errors
/// `Schema`
pub(crate) async fn check_source(on: &impl ConnectionTrait) -> Result<Option<String>> {
    let mut applied = applied(on, Backend::Sqlite).await?;
    let mark = applied.iter().position(|step| step.name == marks::MOVED_AWAY).map(|at| applied.remove(at));
    check_current(&applied)?;
    Ok(mark.map(|mark| mark.checksum.unwrap_or_default()))
}

/// In the order of their names. None in a new database.
async fn applied(on: &impl ConnectionTrait, backend: Backend) -> Result<Vec<Applied>> {
    if sql!(backend.has_migrations()).one(on).await?.is_none() {
        return Ok(Vec::new());
    }
    let names = sql!("SELECT name FROM migrations ORDER BY name").all(on).await?;
    let names = names.iter().map(|row| row.get("name")).collect::<Result<Vec<String>>>()?;
    if !names.iter().any(|name| name == SEALED_SINCE) {
        return Ok(names.into_iter().map(|name| Applied { name, checksum: None, least: None }).collect());
    }
    let rows = sql!("SELECT name, checksum, least FROM migrations ORDER BY name").all(on).await?;
    let read = |row: &crate::sql::Row| {
        Ok(Applied { name: row.get("name")?, checksum: row.get("checksum")?, least: row.get("least")? })
    };
    rows.iter().map(read).collect()
}

/// The newest step of a database that this release can bring up to date, or run on. Nothing where there is no schema.
///
/// # Errors
/// `Schema`
pub(crate) async fn newest_known(on: &impl ConnectionTrait, backend: Backend) -> Result<Option<String>> {
    let applied = applied(on, backend).await?;
    check_steps(&applied)?;
    Ok(applied.into_iter().next_back().map(|step| step.name))
}

/// What each of the applied steps must be, whichever of them this release knows.
fn check_steps(applied: &[Applied]) -> Result<()> {
    for step in applied {
        marks::check(step)?;
        match known(&step.name) {
            Some(ours) if step.checksum.as_ref().is_some_and(|checksum| *checksum != ours.checksum()) => {
                return Err(SchemaError::Changed { step: step.name.clone() }.into());
            }
            None if step.least.as_ref().is_some_and(|least| known(least).is_none()) => {
                return Err(SchemaError::Newer { step: step.name.clone() }.into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether it had to run.
async fn migrate_one(tx: &DatabaseTransaction, backend: Backend, migration: &Migration) -> Result<bool> {
    if backend == Backend::Postgres {
        wait_for_others(tx).await?;
    }
    make_table(tx, backend).await?;
    let claim = "INSERT INTO migrations (name, applied_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    if sql!(claim, migration.name, now()).execute(tx).await? == 0 {
        return Ok(false);
    }
    tx.execute_unprepared(&in_dialect(migration.text, backend)).await?;
    seal(tx, migration).await?;
    Ok(true)
}

/// Only one process at a time changes what a PostgreSQL database is, until the transaction ends.
pub(crate) async fn wait_for_others(tx: &DatabaseTransaction) -> Result<()> {
    tx.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    sql!("SELECT pg_advisory_xact_lock($1)", LOCK_KEY).execute(tx).await.map(drop)
}

/// The table that remembers the steps, where there is none.
pub(crate) async fn make_table(tx: &DatabaseTransaction, backend: Backend) -> Result<()> {
    let table =
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, applied_at {time} NOT NULL) {strict}";
    Ok(tx.execute_unprepared(&in_dialect(table, backend)).await.map(drop)?)
}

/// Remembers the step's text, and that of those before it which were applied before texts were remembered.
async fn seal(tx: &DatabaseTransaction, migration: &Migration) -> Result<()> {
    // Their names begin with their places.
    if migration.name < SEALED_SINCE {
        return Ok(());
    }
    for step in MIGRATIONS.iter().filter(|step| step.name <= migration.name) {
        let set = "UPDATE migrations SET checksum = $2, least = $3 WHERE name = $1 AND checksum IS NULL";
        sql!(set, step.name, step.checksum(), step.least.map(str::to_owned)).execute(tx).await?;
    }
    Ok(())
}

/// SQLite keeps ids as 16 bytes (which sort as UUIDv7 do), JSON and RFC 3339 times as text.
fn in_dialect(text: &str, backend: Backend) -> String {
    let names = match backend {
        Backend::Sqlite => [
            ("{uuid}", "BLOB"),
            ("{json}", "TEXT"),
            ("{time}", "TEXT"),
            ("{inet}", "TEXT"),
            ("{bigint}", "INTEGER"),
            ("{smallint}", "INTEGER"),
            ("{strict}", "STRICT"),
        ],
        Backend::Postgres => [
            ("{uuid}", "UUID"),
            ("{json}", "JSONB"),
            ("{time}", "TIMESTAMPTZ"),
            ("{inet}", "INET"),
            ("{bigint}", "BIGINT"),
            ("{smallint}", "SMALLINT"),
            ("{strict}", ""),
        ],
    };
    names.into_iter().fold(for_whom(text, backend), |text, (name, spelled)| text.replace(name, spelled))
}

/// Without what is for the other database.
fn for_whom(text: &str, backend: Backend) -> String {
    let mut is_ours = true;
    let mut ours = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            "-- {sqlite}" => is_ours = backend == Backend::Sqlite,
            "-- {postgres}" => is_ours = backend == Backend::Postgres,
            "-- {both}" => is_ours = true,
            _ if is_ours => ours.push_str(line),
            _ => {}
        }
    }
    ours
}

//! Taking a copy of the database while it is in use, and looking through one that nobody uses.

use super::error::{BackupError, Result};
use crate::{Anchor, Backend, audit, connection::not_opened, migrations};
use sea_orm::{
    SqlxError, SqlxSqliteConnector,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions as _, Connection as _, SqlitePool,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
};
use std::{collections::BTreeMap, fs::File, io, path::Path};

/// `SQLITE_FULL`
const FULL: u32 = 13;

/// What was found in a copy.
#[derive(Debug)]
pub(super) struct Examined {
    /// The newest step of its schema.
    pub migration: String,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// How far the activity log was sealed.
    pub activity: Option<Anchor>,
}

/// Copies the database as it is at this moment into a new file, and waits until that is on the disk. One read
/// transaction: writers go on, only their log grows until it ends.
pub(super) async fn take(database: &Path, to: &Path) -> Result<()> {
    let failed = |error: SqlxError| not_taken(database, to, error);
    // SQLite would make it as everybody's to read; it takes an empty one.
    super::pack::new_private(to).map_err(|error| BackupError::at(to.parent().unwrap_or(to), error))?;
    let name = to.to_str().ok_or_else(|| BackupError::at(to, io::Error::other("its name isn't UTF-8")))?;
    let options = SqliteConnectOptions::new().filename(database).read_only(true).disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await;
    let _ = connection.close().await;
    copied.map_err(failed)?;
    let to = to.to_owned();
    super::blocking(move || File::open(&to)?.sync_all().map_err(|error| BackupError::at(&to, error))).await
}

fn not_taken(database: &Path, to: &Path, error: SqlxError) -> BackupError {
    if code(&error) == Some(FULL) {
        let directory = to.parent().unwrap_or(to).parent().unwrap_or(to).display().to_string();
        return BackupError::NoRoom { directory, why: error.to_string() };
    }
    match not_opened(database, &error) {
        damaged @ crate::StoreError::Damaged { .. } => damaged.into(),
        _ => BackupError::at(database, io::Error::other(format!("can't be copied ({error})"))),
    }
}

fn code(error: &SqlxError) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Looks all through a file that nobody writes to: its structure, its schema, how many rows each table has.
///
/// # Errors
/// `Damaged`; `Schema` where this release doesn't know what it finds.
pub(super) async fn examine(file: &Path) -> Result<Examined> {
    let options =
        SqliteConnectOptions::new().filename(file).read_only(true).immutable(true).disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(unreadable)?;
    let found = look_through(&pool).await;
    pool.close().await;
    found
}

async fn look_through(pool: &SqlitePool) -> Result<Examined> {
    let said: String = sqlx::query_scalar(AssertSqlSafe("PRAGMA quick_check(1)".to_owned()))
        .fetch_one(pool)
        .await
        .map_err(unreadable)?;
    if said != "ok" {
        return Err(BackupError::damaged(format!("its database isn't whole ({said})")));
    }
    let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone());
    let migration = migrations::newest_known(&connection, Backend::Sqlite).await?;
    let migration = migration.ok_or_else(|| BackupError::damaged("there is no lab's database in it"))?;
    let rows = count(pool).await.map_err(unreadable)?;
    // A backup of an older release has no chain.
    let activity = if rows.contains_key(audit::CHAIN) { audit::end(&connection).await? } else { None };
    Ok(Examined { migration, rows, activity })
}

async fn count(pool: &SqlitePool) -> Result<BTreeMap<String, u64>, SqlxError> {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await?;
    let mut rows = BTreeMap::new();
    for table in tables {
        let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(pool).await?;
        rows.insert(table, count.unsigned_abs());
    }
    Ok(rows)
}

fn unreadable(error: SqlxError) -> BackupError {
    BackupError::damaged(format!("its database can't be read ({error})"))
}

//! The embedded database that a lab is moved from: nobody else's meanwhile, and only read until all of it has arrived.

use super::{
    STEP,
    error::{MoveError, Result},
    sum::Sum,
    table::{self, Described, Table, ask, texts},
};
use crate::{
    Backend, SchemaError, StoreError,
    connection::{not_opened, sqlite_path},
    migrations::{self, marks},
    sql::sql,
    usage::Alone,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, SqlxSqliteConnector, TransactionTrait,
    sqlx::{
        ConnectOptions as _,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
    },
};
use std::path::{Path, PathBuf};
use uuid::Uuid;

#[derive(Debug)]
pub(super) struct Source {
    file: PathBuf,
    connection: DatabaseConnection,
    moved_to: Option<String>,
    _alone: Alone,
}

/// Rows that are copied at once.
pub(super) struct Step {
    pub rows: Vec<Vec<Option<String>>>,
    /// The place of the last of them.
    pub last: i64,
}

impl Source {
    pub async fn open(url: &str) -> Result<Self> {
        let file = sqlite_path(url).ok_or(MoveError::Direction)?;
        let alone = claim(&file).await?;
        let options = SqliteConnectOptions::new().filename(&file).read_only(true).foreign_keys(true);
        let connection = open(&file, options).await?;
        check_whole(&file, &connection).await?;
        let moved_to = match migrations::check_source(&connection).await {
            Err(StoreError::Schema(SchemaError::Older { missing })) => {
                return Err(MoveError::Older { file: file.display().to_string(), missing });
            }
            other => other?,
        };
        Ok(Self { file, connection, moved_to, _alone: alone })
    }

    /// Where an earlier move brought it.
    pub fn moved_to(&self) -> Option<&str> {
        self.moved_to.as_deref()
    }

    /// Nothing in a lab that no worker or page has ever asked for it.
    pub async fn lab(&self) -> Result<Option<Uuid>> {
        let row = sql!("SELECT id FROM lab").one(&self.connection).await?;
        Ok(row.map(|row| row.get("id")).transpose()?)
    }

    pub async fn columns(&self) -> Result<Described> {
        let text = "SELECT t.name AS table_name, c.name AS column_name, c.type AS type_name
            FROM sqlite_schema t JOIN pragma_table_info(t.name) c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid";
        table::described(&sql!(text).all(&self.connection).await?)
    }

    /// Which table refers to which.
    pub async fn references(&self) -> Result<Vec<(String, String)>> {
        let text = "SELECT t.name AS table_name, f.\"table\" AS refers_to
            FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";
        let rows = sql!(text).all(&self.connection).await?;
        let read = |row: &crate::sql::Row| Ok((row.get("table_name")?, row.get("refers_to")?));
        Ok(rows.iter().map(read).collect::<crate::Result<_>>()?)
    }

    pub async fn sums(&self, tables: &[Table]) -> Result<Vec<Sum>> {
        let mut sums = Vec::with_capacity(tables.len());
        for table in tables {
            let (mut sum, mut place) = (Sum::default(), i64::MIN);
            while let Some(step) = self.step(table, place).await? {
                place = step.last;
                for row in &step.rows {
                    let added = sum.add(&table.columns, row);
                    added.map_err(|why| MoveError::Unreadable { table: table.name.clone(), why })?;
                }
            }
            sums.push(sum);
        }
        Ok(sums)
    }

    /// The place of the row of this number, counted from 1.
    pub async fn place_after(&self, table: &Table, rows: u64) -> Result<i64> {
        let Some(before) = rows.checked_sub(1) else { return Ok(i64::MIN) };
        let text = format!("SELECT rowid FROM {} ORDER BY rowid LIMIT 1 OFFSET {before}", table.quoted());
        let found = ask(&self.connection, text, Vec::new()).await?;
        // More there than here: nothing is left to copy, and the comparison will tell.
        Ok(found.first().map_or(Ok(i64::MAX), |row| row.try_get_by_index(0))?)
    }

    /// The next rows after a place. Nothing after the last.
    pub async fn step(&self, table: &Table, after: i64) -> Result<Option<Step>> {
        let text = format!(
            "SELECT rowid, {} FROM {} WHERE rowid > $1 ORDER BY rowid LIMIT {STEP}",
            table.as_texts(Backend::Sqlite),
            table.quoted()
        );
        let found = ask(&self.connection, text, vec![after.into()]).await?;
        let Some(last) = found.last() else { return Ok(None) };
        let last = last.try_get_by_index(0)?;
        let rows = found.iter().map(|row| texts(row, 1, table)).collect::<Result<_>>()?;
        Ok(Some(Step { rows, last }))
    }

    /// From now on it is refused by everything that would use it.
    pub async fn mark_moved(&self, place: &str) -> Result<()> {
        let options = SqliteConnectOptions::new().filename(&self.file).synchronous(SqliteSynchronous::Full);
        let connection = open(&self.file, options).await?;
        let transaction = connection.begin().await?;
        let marked = marks::set(&transaction, marks::MOVED_AWAY, place).await;
        let outcome = match marked {
            Ok(()) => transaction.commit().await.map_err(MoveError::from),
            Err(error) => Err(error.into()),
        };
        let _ = connection.close().await;
        outcome
    }

    pub async fn close(self) {
        let _ = self.connection.close().await;
    }
}

async fn claim(file: &Path) -> Result<Alone> {
    let (place, shown) = (file.to_owned(), file.display().to_string());
    let claimed =
        tokio::task::spawn_blocking(
            move || {
                if place.try_exists()? { Alone::claim(&place).map(Some) } else { Ok(None) }
            },
        );
    let failed = |error: std::io::Error| StoreError::Unreachable(format!("can't open {shown}: {error}"));
    let claimed = claimed.await.map_err(std::io::Error::other).and_then(|claimed| claimed).map_err(failed)?;
    claimed.ok_or_else(|| StoreError::Missing(shown.clone()))?.ok_or(MoveError::InUse(shown))
}

async fn open(file: &Path, options: SqliteConnectOptions) -> Result<DatabaseConnection> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.disable_statement_logging())
        .await
        .map_err(|error| not_opened(file, &error))?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

async fn check_whole(file: &Path, connection: &impl ConnectionTrait) -> Result<()> {
    let found = ask(connection, "PRAGMA quick_check(1)".to_owned(), Vec::new()).await?;
    let said: String = found.first().map_or(Ok("nothing".to_owned()), |row| row.try_get_by_index(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Damaged { file: file.display().to_string(), said }.into()) }
}

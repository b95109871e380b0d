//! The schema's history: one file a step, forward only, each in a transaction of its own.
//!
//! A step is SQL that both databases read, with the few type names they don't share written `{uuid}`, `{json}`,
//! `{time}`, `{inet}`, `{bigint}` and `{smallint}`. A step that has been released is never edited; the next one amends it.

use crate::{
    connection::{Backend, Store, transact},
    error::Result,
    sql::{now, sql},
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

/// In the order in which they run. Their names are kept in the table `migrations`.
pub(crate) const MIGRATIONS: [(&str, &str); 6] = [
    ("0001_accounts", include_str!("0001_accounts.sql")),
    ("0002_robots", include_str!("0002_robots.sql")),
    ("0003_experiments", include_str!("0003_experiments.sql")),
    ("0004_journal", include_str!("0004_journal.sql")),
    ("0005_hold", include_str!("0005_hold.sql")),
    ("0007_queue", include_str!("0007_queue.sql")),
];

/// The key of PostgreSQL's advisory lock: "tincture" in ASCII.
const LOCK_KEY: i64 = 0x7469_6e63_7475_7265;

impl Store {
    /// Runs the migrations that haven't run; forward only. Returns their names. Processes that start together wait
    /// for each other.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        let mut ran = Vec::new();
        for (name, text) in MIGRATIONS {
            if self.migrate_with(name, text).await? {
                tracing::info!(migration = name, "the database's schema is brought up to date");
                ran.push(name.to_owned());
            }
        }
        Ok(ran)
    }

    /// Whether it had to run.
    pub(crate) async fn migrate_with(&self, name: &'static str, text: &str) -> Result<bool> {
        Ok(transact!(self, |tx| { migrate_one(tx, self.backend(), name, text).await }))
    }
}

/// Whether it had to run.
async fn migrate_one(tx: &DatabaseTransaction, backend: Backend, name: &'static str, text: &str) -> Result<bool> {
    if backend == Backend::Postgres {
        tx.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        sql!("SELECT pg_advisory_xact_lock($1)", LOCK_KEY).execute(tx).await?;
    }
    let table =
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, applied_at {time} NOT NULL) {strict}";
    tx.execute_unprepared(&in_dialect(table, backend)).await?;
    let claimed =
        sql!("INSERT INTO migrations (name, applied_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, now());
    if claimed.execute(tx).await? == 0 {
        return Ok(false);
    }
    tx.execute_unprepared(&in_dialect(text, backend)).await?;
    Ok(true)
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
    names.into_iter().fold(text.to_owned(), |text, (name, spelled)| text.replace(name, spelled))
}

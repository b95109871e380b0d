//! Whether the database could take what comes next: it can be written to, and there is room where it lies.

use crate::{
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    sql::sql,
};
use async_recursion::async_recursion as boxed;
use sea_orm::ConnectionTrait;
use std::path::PathBuf;
use uuid::Uuid;

impl Store {
    /// A commit that changes nothing anybody reads, durable as any other: what a full or read-only disk, a standby and a
    /// database that is gone can't do. PostgreSQL rewrites the row that says which lab it is. SQLite leaves out a write that
    /// changes no byte, but not that of `user_version`, the number in its header that is the application's and isn't used here.
    ///
    /// # Errors
    /// Whatever a commit would meet now.
    #[boxed]
    pub async fn check_writable(&self) -> Result<()> {
        let backend = self.backend();
        transact!(self, |tx| {
            match backend {
                Backend::Sqlite => tx.execute_unprepared("PRAGMA user_version = 0").await.map(drop)?,
                Backend::Postgres => {
                    let text = "INSERT INTO lab (one, id) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET id = lab.id";
                    sql!(text, Uuid::now_v7()).execute(tx).await.map(drop)?;
                }
            }
            Ok(())
        });
        Ok(())
    }

    /// Bytes that this process may still write where SQLite's file lies. Nothing for PostgreSQL, whose disk is elsewhere.
    ///
    /// # Errors
    /// The file's directory can't be asked.
    #[boxed]
    pub async fn free_space(&self) -> Result<Option<u64>> {
        if self.backend() == Backend::Postgres {
            return Ok(None);
        }
        let main = sql!("SELECT file FROM pragma_database_list WHERE name = 'main'");
        let row = main.one(self.reader()).await?.ok_or(StoreError::NotFound("database file"))?;
        let file = PathBuf::from(row.get::<String>("file")?);
        let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&file)).await;
        let unknown =
            |error: &dyn std::fmt::Display| StoreError::Unreachable(format!("its disk can't be asked: {error}"));
        let disk = asked.map_err(|error| unknown(&error))?.map_err(|error| unknown(&error))?;
        Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }
}

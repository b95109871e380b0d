//! Whether the embedded database's file is whole. PostgreSQL looks after its own.

use crate::{
    connection::{Store, not_opened},
    error::{Result, StoreError},
};
use async_recursion::async_recursion as boxed;
use sea_orm::{
    SqlxError,
    sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions},
};
use std::time::{Duration, Instant};

/// Steps of SQLite's, each a page or less, between two looks at the clock: well under a millisecond.
const STEPS: i32 = 100;

/// What a look at the file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// All of it was read, and is as it should be.
    Whole,
    /// It is larger than can be read in the time given; what was read is as it should be.
    Unfinished,
    /// It is PostgreSQL's.
    NotOurs,
}

impl Store {
    /// Reads the embedded database's file once (`PRAGMA quick_check`: its structure, not that indices agree with tables),
    /// for at most `patience`. The cost is that of reading the file, about 2 s/GB; writers aren't held up.
    ///
    /// # Errors
    /// `Damaged`, whose text says what to do.
    #[boxed]
    pub async fn check_integrity(&self, patience: Duration) -> Result<Integrity> {
        let Some(path) = self.file() else { return Ok(Integrity::NotOurs) };
        let failed = |error: SqlxError| not_opened(path, &error);
        let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed)?;
        let deadline = Instant::now() + patience;
        connection.lock_handle().await.map_err(failed)?.set_progress_handler(STEPS, move || Instant::now() < deadline);
        let said = sqlx::query_scalar::<_, String>(AssertSqlSafe("PRAGMA quick_check(1)".to_owned()))
            .fetch_one(&mut connection)
            .await;
        let _ = connection.close().await;
        match said {
            Ok(said) if said == "ok" => Ok(Integrity::Whole),
            Ok(said) => Err(StoreError::Damaged { file: path.display().to_string(), said }),
            Err(error) if is_interrupt(&error) => Ok(Integrity::Unfinished),
            Err(error) => Err(failed(error)),
        }
    }
}

/// `SQLITE_INTERRUPT`: the clock ran out.
fn is_interrupt(error: &SqlxError) -> bool {
    error.as_database_error().and_then(|said| said.code()).is_some_and(|code| code == "9")
}

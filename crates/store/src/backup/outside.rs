//! What is known of PostgreSQL's backups, which are made beside it and not by us: told by whoever makes them, kept in the
//! database, so that every process of the lab knows how old they are without seeing where they lie.

use crate::{
    Backend, Result, Store, StoreError,
    sql::{Sql, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};

/// What is new of them. What is nothing stays as it was told before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupNews {
    /// When the newest ended.
    pub newest: Option<DateTime<Utc>>,
    /// The earliest moment that can be restored to.
    pub earliest: Option<DateTime<Utc>>,
    /// When the next is to be made.
    pub due: Option<DateTime<Utc>>,
    /// When one was tried in vain.
    pub failed: Option<DateTime<Utc>>,
    /// When all of them were read back and found sound.
    pub verified: Option<DateTime<Utc>>,
    /// When something of them was found damaged.
    pub damaged: Option<DateTime<Utc>>,
}

/// How the backups of a lab on PostgreSQL stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupState {
    /// The newest of all that was told.
    pub told: BackupNews,
    /// Whether the server archives its write-ahead log, without which no moment can be restored to.
    pub archives: bool,
    /// When the server last archived a piece of it.
    pub archived: Option<DateTime<Utc>>,
    /// When it last failed to.
    pub archive_failed: Option<DateTime<Utc>>,
}

impl BackupState {
    /// Whether the last attempt to make one failed.
    pub fn is_failing(&self) -> bool {
        self.told.failed > self.told.newest
    }

    /// Whether something was damaged when they were last read back.
    pub fn is_damaged(&self) -> bool {
        self.told.damaged > self.told.verified
    }

    /// Whether the server's last attempt to archive failed.
    pub fn archiving_fails(&self) -> bool {
        self.archives && self.archive_failed > self.archived
    }
}

impl Store {
    /// Keeps what is new of the backups that are made beside the database.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn tell_backups(&self, news: &BackupNews) -> Result<()> {
        let BackupNews { newest, earliest, due, failed, verified, damaged } = *news;
        let told = sql!(
            "INSERT INTO backup_state (one, newest_at, earliest_at, due_at, failed_at, verified_at, damaged_at)
             VALUES (1, $1, $2, $3, $4, $5, $6)
             ON CONFLICT (one) DO UPDATE SET
                 newest_at = COALESCE(excluded.newest_at, backup_state.newest_at),
                 earliest_at = COALESCE(excluded.earliest_at, backup_state.earliest_at),
                 due_at = COALESCE(excluded.due_at, backup_state.due_at),
                 failed_at = COALESCE(excluded.failed_at, backup_state.failed_at),
                 verified_at = COALESCE(excluded.verified_at, backup_state.verified_at),
                 damaged_at = COALESCE(excluded.damaged_at, backup_state.damaged_at)",
            newest,
            earliest,
            due,
            failed,
            verified,
            damaged,
        );
        told.execute(self.writer()).await.map(drop)
    }

    /// How they stand, by what was told and by what the server says of its archive: one query, of the primary. Nothing on
    /// the embedded database, whose backups lie in a directory.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn backup_state(&self) -> Result<Option<BackupState>> {
        if self.backend() == Backend::Sqlite {
            return Ok(None);
        }
        let row = state().one(self.reader()).await?.ok_or(StoreError::NotFound("archiver"))?;
        let told = BackupNews {
            newest: row.get("newest_at")?,
            earliest: row.get("earliest_at")?,
            due: row.get("due_at")?,
            failed: row.get("failed_at")?,
            verified: row.get("verified_at")?,
            damaged: row.get("damaged_at")?,
        };
        Ok(Some(BackupState {
            told,
            archives: row.get("archives")?,
            archived: row.get("last_archived_time")?,
            archive_failed: row.get("last_failed_time")?,
        }))
    }

    /// PostgreSQL's own number, which its backups have too: by it a backup is known to be of this server and not of another.
    ///
    /// # Errors
    /// Those of any read; `Database` on the embedded database, which has none.
    #[boxed]
    pub async fn system_identifier(&self) -> Result<i64> {
        if self.backend() == Backend::Sqlite {
            return Err(StoreError::Database("the embedded database has no system identifier".to_owned()));
        }
        let asked = sql!("SELECT system_identifier FROM pg_control_system()");
        asked.one(self.reader()).await?.ok_or(StoreError::NotFound("system identifier"))?.get("system_identifier")
    }

    /// Where PostgreSQL keeps its data, on its own host. Nothing where our role mayn't know.
    ///
    /// # Errors
    /// Those of any read; `Database` on the embedded database.
    #[boxed]
    pub async fn data_directory(&self) -> Result<Option<String>> {
        if self.backend() == Backend::Sqlite {
            return Err(StoreError::Database("the embedded database is a file".to_owned()));
        }
        let asked = sql!(
            "SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS place"
        );
        asked.one(self.reader()).await?.ok_or(StoreError::NotFound("setting"))?.get("place")
    }
}

fn state() -> Sql {
    sql!(
        "SELECT s.newest_at, s.earliest_at, s.due_at, s.failed_at, s.verified_at, s.damaged_at,
             current_setting('archive_mode') <> 'off' AS archives, a.last_archived_time, a.last_failed_time
         FROM pg_stat_archiver a LEFT JOIN backup_state s ON s.one = 1"
    )
}

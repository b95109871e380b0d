//! What can go wrong with a backup, each with what to do.

use super::Listed;
use crate::{SchemaError, StoreError};
use std::{io, path::Path};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// PostgreSQL's backups are made beside it.
    #[error("this lab's database is PostgreSQL, which is backed up by pgBackRest on its own host: see docs/backup.md")]
    NotEmbedded,
    /// Nothing was left behind.
    #[error(
        "there is no room for it in {directory} ({why}): make some, or choose another directory; nothing was left there"
    )]
    NoRoom { directory: String, why: String },
    #[error("there is no backup {name} in {directory}{others}")]
    Unknown { name: String, directory: String, others: String },
    /// What isn't as its manifest says.
    #[error("the backup {name} is damaged: {why}; use another one")]
    Damaged { name: String, why: String },
    /// Nothing was changed.
    #[error("the database {0} is in use: stop every tincture that uses it (up, serve, worker), then restore")]
    InUse(String),
    /// Nothing was changed.
    #[error(
        "there is a database at {0} already: with --yes it is put aside, not deleted, and the backup takes its place"
    )]
    WouldReplace(String),
    #[error("the backup can't be used by this tincture: {0}")]
    Schema(#[from] SchemaError),
    #[error("{place}: {source}")]
    Place { place: String, source: io::Error },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(StoreError),
}

pub(super) type Result<T, E = BackupError> = std::result::Result<T, E>;

impl BackupError {
    pub(super) fn at(place: &Path, source: io::Error) -> Self {
        let place = place.display().to_string();
        if is_full(&source) {
            return Self::NoRoom { directory: place, why: source.to_string() };
        }
        Self::Place { place, source }
    }

    /// Of a backup whose name isn't known yet.
    pub(super) fn damaged(why: impl Into<String>) -> Self {
        Self::Damaged { name: String::new(), why: why.into() }
    }

    pub(super) fn of(self, name: &str) -> Self {
        match self {
            Self::Damaged { why, .. } => Self::Damaged { name: name.to_owned(), why },
            other => other,
        }
    }

    pub(super) fn unknown(name: &str, directory: &Path, listed: &Listed) -> Self {
        let others = match listed.backups.first() {
            Some(newest) => format!("; the newest is {}, `tincture backup list` shows them all", newest.name),
            None => "; there is none at all".to_owned(),
        };
        Self::Unknown { name: name.to_owned(), directory: directory.display().to_string(), others }
    }
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Schema(error) => Self::Schema(error),
            other => Self::Store(other),
        }
    }
}

/// No space, no quota, or a limit on the size of files.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

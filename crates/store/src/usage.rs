//! Who uses the embedded database. Each process that has it open holds a shared lock on a file beside it, so that whoever
//! puts another file in its place sees them, and they see that somebody does.
//!
//! The kernel frees the lock of a process that was killed. SQLite's own locks, which older releases and other programs
//! have, are seen as well, but only by a process that hasn't the database open itself: closing a file gives up all of the
//! process's locks on it.

use crate::error::{Result, StoreError};
use rustix::fs::FlockOperation;
use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The database is in use, until this is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    _lock: File,
}

impl InUse {
    /// Nothing where the file can't be made, as on a full disk: no reason to stop a lab.
    ///
    /// # Errors
    /// `Unreachable` while somebody replaces the database.
    pub fn note(database: &Path) -> Result<Option<Self>> {
        let lock = match open_lock(database) {
            Ok(lock) => lock,
            Err(error) => {
                tracing::warn!(%error, "that the database is in use can't be noted beside it: restore no backup meanwhile");
                return Ok(None);
            }
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unreachable(format!(
                "{} is being moved, or replaced by a backup: try again when that has ended",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "the lock beside the database can't be taken: restore no backup meanwhile");
                Ok(None)
            }
        }
    }
}

/// Nobody else uses the database, nor can until this is dropped.
#[derive(Debug)]
pub(crate) struct Alone {
    _lock: File,
}

impl Alone {
    /// Nothing where somebody uses it.
    ///
    /// # Errors
    /// It can't be found out.
    pub fn claim(database: &Path) -> io::Result<Option<Self>> {
        let lock = open_lock(database)?;
        match lock.try_lock() {
            Ok(()) => Ok(is_unlocked(database)?.then_some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Whether no other process has a lock of SQLite's on it. For a process that hasn't opened it.
pub(crate) fn is_unlocked(database: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().read(true).write(true).open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open_lock(database: &Path) -> io::Result<File> {
    let path = beside(database, "-lock");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The file whose name is the database's and this.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

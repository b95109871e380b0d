//! The data directory of `tincture up`: the database, the virtual lab's state, and a lock so that one process owns both.

use anyhow::{anyhow, bail};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
};

/// A data directory that this process alone uses, until it is dropped or the process dies: the kernel frees the lock
/// of a process that was killed, so nothing has to be cleaned up by hand.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing and locks it.
    ///
    /// # Errors
    /// It can't be made or written, or another process has it; the message says which and what to do.
    pub fn claim(path: &Path) -> anyhow::Result<Self> {
        let unwritable = |error: io::Error| {
            let shown = path.display();
            anyhow!("the data directory {shown} can't be written ({error}): choose another with --data-dir")
        };
        // It holds password hashes and the key that signs tokens: nobody else's to read.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unwritable)?;
        let full = fs::canonicalize(path).map_err(unwritable)?;
        let mut lock = open_lock(&full).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(taken(path, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        write_owner(&mut lock).map_err(unwritable)?;
        Ok(Self { path: full, _lock: lock })
    }

    /// Where the virtual robot keeps what is in its wells.
    pub fn emulator(&self) -> PathBuf {
        self.path.join("emulator")
    }

    /// Where a Prometheus beside the lab keeps all of its own.
    pub fn monitoring(&self) -> PathBuf {
        self.path.join("monitoring")
    }
}

fn open_lock(directory: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join("lock"))
}

fn write_owner(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}

fn taken(path: &Path, lock: &mut File) -> String {
    let mut owner = String::new();
    let read = lock.take(20).read_to_string(&mut owner);
    let owner = match (read, owner.trim()) {
        (Ok(_), id) if !id.is_empty() => format!(" (process {id})"),
        _ => String::new(),
    };
    let shown = path.display();
    format!(
        "another tincture{owner} uses the data directory {shown}: stop it, or give this one its own with --data-dir"
    )
}

//! Backups of the embedded database: made while it is in use, compressed, checksummed, and put back.
//!
//! A backup is a directory: `database.sqlite.gz`, `manifest.json` (what must be in it), and `verified.json` once it was read
//! back. It gets its name when it is complete, so what has a name is whole. `copy` takes a consistent copy and looks
//! through one, `pack` compresses and hashes, `manifest` is what is written beside it, `keep` which ones stay, `restore`
//! puts one in the database's place, and `declare` has that say it is older than its decks. PostgreSQL's are made beside it
//! (the crate `pgbackrest`); `outside` is what the lab knows of them.

mod copy;
mod declare;
mod error;
mod keep;
mod manifest;
mod outside;
mod pack;
mod restore;

pub use error::BackupError;
pub use keep::Keep;
pub use manifest::{Manifest, Origin, Verified};
pub use outside::{BackupNews, BackupState};
pub use restore::Restored;

use crate::{Store, usage::beside};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use error::Result;
use pack::Scratch;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::task::spawn_blocking;

const DATABASE: &str = "database.sqlite.gz";
/// What isn't a backup yet, or no longer, begins with this.
const SCRATCH: &str = ".partial-";
/// What a process that died has left is older than this; a copy of a very large database may take hours.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);
/// More than this many are a mistake of whoever chose the directory.
const MOST: usize = 10_000;
/// Kept free for the lab, which writes to the same disk.
const SPARE: u64 = 64 * 1024 * 1024;

/// A directory with backups.
#[derive(Clone, Debug)]
pub struct Backups {
    directory: PathBuf,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Backup {
    pub name: String,
    pub manifest: Manifest,
    /// When it was last read back, and what came of it. Nothing where nobody did, as after a copy from elsewhere.
    pub verified: Option<Verified>,
}

/// What lies in the directory, newest first.
#[derive(Debug, Default)]
pub struct Listed {
    pub backups: Vec<Backup>,
    /// Names of directories whose manifest can't be read, and why.
    pub unreadable: Vec<(String, String)>,
}

impl Listed {
    /// When the newest was made that isn't known to be damaged.
    pub fn newest(&self) -> Option<DateTime<Utc>> {
        self.backups.iter().find(|backup| backup.is_sound()).map(|backup| backup.manifest.created_at)
    }
}

impl Backup {
    /// Whether nothing is known against it.
    pub fn is_sound(&self) -> bool {
        self.verified.as_ref().is_none_or(|verified| verified.fault.is_none())
    }
}

impl Backups {
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes one of the embedded database as it is at one moment, and reads it back. Readers and writers go on meanwhile.
    ///
    /// # Errors
    /// `NotEmbedded` on PostgreSQL; `NoRoom` where it doesn't fit. Whatever fails leaves nothing behind.
    #[boxed]
    pub async fn create(&self, store: &Store, origin: Origin) -> Result<Backup> {
        let database_file = store.file().ok_or(BackupError::NotEmbedded)?.to_owned();
        let (directory, database) = (self.directory.clone(), database_file.clone());
        let scratch = blocking(move || {
            pack::make_directory(&directory)?;
            sweep(&directory);
            // The copy and its compressed form lie side by side for a moment.
            check_room(&directory, size(&database).saturating_mul(2))?;
            Scratch::directory(&directory)
        })
        .await?;
        let created_at = Utc::now();
        let plain = scratch.path().join("database.sqlite");
        copy::take(&database_file, &plain).await?;
        let examined = copy::examine(&plain).await?;
        let packed = {
            let (plain, to) = (plain.clone(), scratch.path().join(DATABASE));
            blocking(move || {
                let packed = pack::pack(&plain, &to)?;
                fs::remove_file(&plain)?;
                Ok(packed)
            })
            .await?
        };
        let manifest = Manifest::new(created_at, origin, examined, packed);
        let verified = check(scratch.path(), &manifest, &self.directory).await?;
        let directory = self.directory.clone();
        blocking(move || {
            manifest::write(scratch.path(), &manifest)?;
            manifest::write_verified(scratch.path(), &verified)?;
            let name = scratch.become_named(&directory, &manifest.usual_name())?;
            Ok(Backup { name, manifest, verified: Some(verified) })
        })
        .await
    }

    /// Those that are here; none where there is no such directory.
    ///
    /// # Errors
    /// The directory can't be read.
    #[boxed]
    pub async fn list(&self) -> Result<Listed> {
        let directory = self.directory.clone();
        blocking(move || list(&directory)).await
    }

    /// # Errors
    /// `Unknown` names those that there are.
    #[boxed]
    pub async fn find(&self, name: &str) -> Result<Backup> {
        let listed = self.list().await?;
        if let Some((_, why)) = listed.unreadable.iter().find(|(unreadable, _)| unreadable == name) {
            return Err(BackupError::Damaged { name: name.to_owned(), why: why.clone() });
        }
        let found = listed.backups.iter().find(|backup| backup.name == name).cloned();
        found.ok_or_else(|| BackupError::unknown(name, &self.directory, &listed))
    }

    /// Reads one back: checksums, structure, schema and the rows of each table, against its manifest. What came of it is
    /// written beside it.
    ///
    /// # Errors
    /// `Damaged`, saying what isn't as it should be.
    #[boxed]
    pub async fn verify(&self, name: &str) -> Result<Backup> {
        let backup = self.find(name).await?;
        let place = self.directory.join(name);
        let outcome = check(&place, &backup.manifest, &self.directory).await;
        let verified = match &outcome {
            Ok(verified) => verified.clone(),
            Err(BackupError::Damaged { why, .. }) => Verified { at: Utc::now(), fault: Some(why.clone()) },
            Err(_) => return outcome.map(|_| backup),
        };
        let noted = verified.clone();
        // Where backups can't be written to they can still be read.
        let note = blocking(move || Ok(manifest::write_verified(&place, &noted)?)).await;
        if let Err(error) = note {
            tracing::warn!(%error, backup = name, "what was found can't be noted beside the backup");
        }
        outcome.map_err(|error| error.of(name)).map(|_| Backup { verified: Some(verified), ..backup })
    }

    /// Removes it. It is no backup any more from the first moment on.
    ///
    /// # Errors
    /// It can't be removed.
    #[boxed]
    pub async fn remove(&self, backup: &Backup) -> Result<()> {
        let (directory, name) = (self.directory.clone(), backup.name.clone());
        blocking(move || {
            let going = directory.join(format!("{SCRATCH}{name}"));
            fs::rename(directory.join(&name), &going)?;
            fs::remove_dir_all(going)?;
            Ok(pack::sync_directory(&directory)?)
        })
        .await
    }
}

/// Whether what lies at `place` is what the manifest says. Its contents are unpacked beside the other backups, whose
/// directory is nobody else's to read.
async fn check(place: &Path, manifest: &Manifest, directory: &Path) -> Result<Verified> {
    let (packed, directory, wanted) = (place.join(DATABASE), directory.to_owned(), manifest.clone());
    let scratch = blocking(move || {
        check_room(&directory, wanted.plain_size)?;
        let scratch = Scratch::directory(&directory)?;
        pack::unpack(&packed, &scratch.path().join("database.sqlite"), &wanted)?;
        Ok(scratch)
    })
    .await?;
    let found = copy::examine(&scratch.path().join("database.sqlite")).await?;
    manifest.compare(&found)?;
    blocking(move || {
        drop(scratch);
        Ok(())
    })
    .await?;
    Ok(Verified { at: Utc::now(), fault: None })
}

fn list(directory: &Path) -> Result<Listed> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listed::default()),
        Err(error) => return Err(BackupError::at(directory, error)),
    };
    let mut listed = Listed::default();
    for entry in entries.take(MOST) {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if name.starts_with('.') || !entry.path().is_dir() {
            continue;
        }
        match manifest::read(&entry.path()) {
            Ok(manifest) => {
                let verified = manifest::read_verified(&entry.path());
                listed.backups.push(Backup { name, manifest, verified });
            }
            Err(why) => listed.unreadable.push((name, why)),
        }
    }
    listed.backups.sort_by(|a, b| (b.manifest.created_at, &b.name).cmp(&(a.manifest.created_at, &a.name)));
    listed.unreadable.sort();
    Ok(listed)
}

/// Removes what processes that died have left.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().take(MOST) {
        let is_scratch = entry.file_name().to_str().is_some_and(|name| name.starts_with(SCRATCH));
        let age = entry.metadata().and_then(|found| found.modified()).map(|at| SystemTime::now().duration_since(at));
        if is_scratch && matches!(age, Ok(Ok(age)) if age > LEFT_BEHIND) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Of the database and what its log will add to it.
fn size(database: &Path) -> u64 {
    let size = |path: &Path| fs::metadata(path).map(|found| found.len()).unwrap_or_default();
    size(database).saturating_add(size(&beside(database, "-wal")))
}

/// Whether so much may be written there: a full disk would stop the lab.
fn check_room(directory: &Path, bytes: u64) -> Result<()> {
    let needed = bytes.saturating_add(SPARE);
    let disk = rustix::fs::statvfs(directory).map_err(|error| BackupError::at(directory, error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(BackupError::NoRoom {
            directory: directory.display().to_string(),
            why: format!("{} MiB are free, {} MiB are needed", free >> 20, needed.div_ceil(1 << 20)),
        });
    }
    Ok(())
}

/// Runs what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| BackupError::Io(io::Error::other(error)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_for_the_lab() {
        let here = tempfile::tempdir().expect("a directory");
        let disk = rustix::fs::statvfs(here.path()).expect("a disk");
        let free = disk.f_bavail * disk.f_frsize;
        assert!(free > 4 * SPARE, "the test needs a disk with some room");
        assert!(check_room(here.path(), free - 4 * SPARE).is_ok());
        for much in [free - SPARE / 2, u64::MAX] {
            let error = check_room(here.path(), much).expect_err("no room").to_string();
            assert!(error.contains("there is no room for it") && error.contains("MiB are free"), "{error}");
        }
    }
}

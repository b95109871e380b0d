//! Putting a backup in the database's place: all of it or nothing, and nothing of what was there is lost.

use super::{
    Backup, Backups, blocking, copy,
    error::{BackupError, Result},
    pack::{self, Scratch},
    sweep,
};
use crate::{
    NewActivity, Options, Store,
    usage::{self, Alone, beside},
};
use async_recursion::async_recursion as boxed;
use chrono::Utc;
use domain::Fault;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use serde_json::json;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// SQLite's own, which belong to the file that they lie beside.
const LOGS: [&str; 2] = ["-wal", "-shm"];

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// Where the database that was there lies now.
    pub kept: Option<PathBuf>,
    /// Steps that its schema lacked.
    pub migrations: Vec<String>,
    /// The robots whose decks count as unknown.
    pub robots: Vec<String>,
}

impl Backups {
    /// Puts a backup in the place of `database`, a file, which needn't be there. The backup is read through first, brought
    /// to this release's schema, and made to say that it is older than every deck; `question` is what operators are asked.
    /// What was there is kept under a dated name.
    ///
    /// # Errors
    /// `InUse`; `WouldReplace` unless `replace`; `Damaged`. Nothing was changed then.
    #[boxed]
    pub async fn restore(&self, backup: &Backup, database: &Path, replace: bool, question: &Fault) -> Result<Restored> {
        let (target, place) = (database.to_owned(), parent(database));
        let (alone, scratch) = blocking(move || {
            pack::make_directory(&place)?;
            let alone = claim(&target)?;
            if target.try_exists()? && !replace {
                return Err(BackupError::WouldReplace(target.display().to_string()));
            }
            sweep(&place);
            Ok((alone, Scratch::directory(&place)?))
        })
        .await?;
        let fresh = scratch.path().join("database.sqlite");
        self.unpack(backup, &fresh).await?;
        let (migrations, robots) = prepare(&fresh, backup, question).await?;
        // What the log holds goes into the file, so that one rename replaces all. A damaged one keeps its log.
        let folded = fold(database).await;
        if let Err(error) = folded {
            tracing::warn!(%error, "the database that is put aside is kept as it is, with its log");
        }
        let target = database.to_owned();
        blocking(move || {
            File::open(&fresh)?.sync_all()?;
            if !usage::is_unlocked(&target)? {
                return Err(BackupError::InUse(target.display().to_string()));
            }
            let kept = swap(&fresh, &target)?;
            drop(scratch);
            drop(alone);
            Ok(Restored { kept, migrations, robots })
        })
        .await
    }

    async fn unpack(&self, backup: &Backup, to: &Path) -> Result<()> {
        let (packed, manifest, place) =
            (self.directory().join(&backup.name).join(super::DATABASE), backup.manifest.clone(), to.to_owned());
        let unpacked = blocking(move || pack::unpack(&packed, &place, &manifest)).await;
        unpacked.map_err(|error| error.of(&backup.name))?;
        let found = copy::examine(to).await.map_err(|error| error.of(&backup.name))?;
        backup.manifest.compare(&found).map_err(|error| error.of(&backup.name))
    }
}

fn claim(database: &Path) -> Result<Alone> {
    let claimed = Alone::claim(database).map_err(|error| BackupError::at(database, error))?;
    claimed.ok_or_else(|| BackupError::InUse(database.display().to_string()))
}

/// Gives the steps that ran and the robots whose decks are unknown.
async fn prepare(fresh: &Path, backup: &Backup, question: &Fault) -> Result<(Vec<String>, Vec<String>)> {
    let url = format!("sqlite://{}", fresh.display());
    let store = Store::connect_existing(&url, Options { max_connections: 1, ..Options::default() }).await?;
    let migrations = store.migrate().await?;
    let activity = NewActivity {
        user_id: None,
        action: "database_restored",
        details: json!({ "backup": backup.name, "made_at": backup.manifest.created_at }),
        ip_address: None,
    };
    let robots = store.declare_decks_unknown(question, &activity).await?;
    store.close().await?;
    if beside(fresh, LOGS[0]).try_exists()? {
        return Err(BackupError::Io(io::Error::other("what was restored could not be brought into one file")));
    }
    Ok((migrations, robots))
}

/// Brings what lies in the log into the file. The last to close it removes the log.
async fn fold(database: &Path) -> Result<(), sqlx::Error> {
    if !database.is_file() {
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(database).disable_statement_logging();
    let mut connection = options.connect().await?;
    let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
    connection.close().await?;
    folded.map(drop)
}

/// Gives what was there another name and the fresh file its. Between the two the database is there in full, unless it was
/// damaged.
fn swap(fresh: &Path, database: &Path) -> Result<Option<PathBuf>> {
    let there: Vec<&str> = [""].into_iter().chain(LOGS).filter(|part| beside(database, part).exists()).collect();
    let kept = (!there.is_empty()).then(|| free_name(database));
    if let Some(kept) = &kept {
        for part in there {
            let (from, to) = (beside(database, part), beside(kept, part));
            // A second name for the file itself, so that it has one all the time. A log must be gone: it would be read as
            // the fresh file's.
            if part.is_empty() && fs::hard_link(&from, &to).is_ok() {
                continue;
            }
            fs::rename(&from, &to).map_err(|error| BackupError::at(&from, error))?;
        }
    }
    fs::rename(fresh, database).map_err(|error| BackupError::at(database, error))?;
    pack::sync_directory(&parent(database))?;
    Ok(kept)
}

fn free_name(database: &Path) -> PathBuf {
    let dated = format!(".before-{}", Utc::now().format("%Y%m%dT%H%M%SZ"));
    let names = (1..).map(|number| match number {
        1 => beside(database, &dated),
        number => beside(database, &format!("{dated}-{number}")),
    });
    let is_free = |name: &PathBuf| [""].into_iter().chain(LOGS).all(|part| !beside(name, part).exists());
    names.take(1_000).find(is_free).unwrap_or_else(|| beside(database, &dated))
}

/// The directory that a file lies in.
fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

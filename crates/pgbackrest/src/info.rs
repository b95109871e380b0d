//! What is in a repository, as `pgbackrest info --output=json` tells it.

use crate::{
    archive::Segment,
    error::{Error, Result},
    history::Lsn,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

const COMMAND: &str = "info";
/// There is no stanza, or nothing of it.
const NO_STANZA: [u16; 2] = [1, 3];
/// There is no backup in it yet.
const NO_BACKUP: u16 = 2;

/// How much of the database a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// All of it.
    Full,
    /// What has changed since the last full one.
    Diff,
    /// What has changed since the last of any kind.
    Incr,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diff => "diff",
            Self::Incr => "incr",
        }
    }
}

/// A stanza's repository: the first, where there are several.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its number in pgBackRest's configuration.
    pub(crate) key: u32,
    /// The directory of the archive of the server as it is now.
    pub(crate) archive: String,
    /// PostgreSQL's major version.
    pub(crate) version: String,
    /// Of the server that is backed up.
    pub system_identifier: i64,
    /// Newest first; of the server as it is now, not of one before an upgrade.
    pub backups: Vec<Backup>,
}

/// One backup.
#[derive(Clone, Debug)]
pub struct Backup {
    pub name: String,
    pub kind: Kind,
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// Bytes of the database.
    pub size: u64,
    /// Bytes that it added to the repository.
    pub stored: u64,
    /// Whether no page of the database had a wrong checksum.
    pub sound: bool,
    /// The first piece of the log that it needs.
    pub(crate) start: Segment,
    /// Where in the log it ended.
    pub(crate) stop: Lsn,
}

impl Backup {
    /// The earliest moment that can be restored to with it: its end is known to the second.
    pub fn restores_from(&self) -> DateTime<Utc> {
        self.ended + TimeDelta::seconds(1)
    }
}

impl Repository {
    /// The newest, of whatever kind.
    pub fn newest(&self) -> Option<&Backup> {
        self.backups.first()
    }

    /// The newest of all of the database.
    pub fn newest_full(&self) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.kind == Kind::Full)
    }
}

/// Nothing where there is no such stanza yet.
///
/// # Errors
/// `NotUnderstood`; `Repository` where pgBackRest can't use it.
pub(crate) fn read(text: &[u8], stanza: &str) -> Result<Option<Repository>> {
    let wrong = |why: String| Error::NotUnderstood { command: COMMAND, why };
    let stanzas: Vec<Stanza> = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    let Some(found) = stanzas.into_iter().find(|found| found.name == stanza) else { return Ok(None) };
    let first =
        found.repo.iter().min_by_key(|repo| repo.key).ok_or_else(|| wrong("it has no repository".to_owned()))?;
    match first.status.code {
        0 | NO_BACKUP => {}
        code if NO_STANZA.contains(&code) => return Ok(None),
        _ => return Err(Error::Repository(first.status.message.trim().replace('\n', "; "))),
    }
    let key = first.key;
    let server = found.db.iter().filter(|server| server.repo_key == key).max_by_key(|server| server.id);
    let Some(server) = server else { return Ok(None) };
    let of_server = |backup: &&Raw| backup.database.repo_key == key && backup.database.id == server.id;
    let mut backups = found.backup.iter().filter(of_server).map(backup).collect::<Result<Vec<_>>>()?;
    backups.sort_by(|a, b| (b.ended, &b.name).cmp(&(a.ended, &a.name)));
    Ok(Some(Repository {
        key,
        archive: format!("archive/{stanza}/{}-{}", server.version, server.id),
        version: server.version.clone(),
        system_identifier: server.system_id,
        backups,
    }))
}

fn backup(raw: &Raw) -> Result<Backup> {
    let wrong = |why: String| Error::NotUnderstood { command: COMMAND, why: format!("of {}: {why}", raw.label) };
    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or_else(|| wrong(format!("the time {seconds}")));
    let start = raw.archive.start.as_deref().and_then(Segment::named);
    let stop = raw.lsn.as_ref().and_then(|lsn| lsn.stop.parse().ok());
    Ok(Backup {
        name: raw.label.clone(),
        kind: raw.kind,
        began: time(raw.timestamp.start)?,
        ended: time(raw.timestamp.stop)?,
        size: raw.info.size,
        stored: raw.info.repository.delta,
        sound: !raw.error.unwrap_or_default(),
        start: start.ok_or_else(|| wrong("the beginning of its log".to_owned()))?,
        stop: stop.ok_or_else(|| wrong("the position of its end".to_owned()))?,
    })
}

#[derive(Deserialize)]
struct Stanza {
    name: String,
    backup: Vec<Raw>,
    db: Vec<Server>,
    repo: Vec<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    key: u32,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    code: u16,
    message: String,
}

#[derive(Deserialize)]
struct Server {
    id: u32,
    #[serde(rename = "repo-key")]
    repo_key: u32,
    #[serde(rename = "system-id")]
    system_id: i64,
    version: String,
}

#[derive(Deserialize)]
struct Raw {
    label: String,
    #[serde(rename = "type")]
    kind: Kind,
    archive: Archive,
    database: Of,
    error: Option<bool>,
    info: Sizes,
    lsn: Option<Positions>,
    timestamp: Times,
}

#[derive(Deserialize)]
struct Archive {
    start: Option<String>,
}

#[derive(Deserialize)]
struct Of {
    id: u32,
    #[serde(rename = "repo-key")]
    repo_key: u32,
}

#[derive(Deserialize)]
struct Sizes {
    size: u64,
    repository: Stored,
}

#[derive(Deserialize)]
struct Stored {
    delta: u64,
}

#[derive(Deserialize)]
struct Positions {
    stop: String,
}

#[derive(Deserialize)]
struct Times {
    start: i64,
    stop: i64,
}

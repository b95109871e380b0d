//! What can go wrong, each with what to do.

use chrono::{DateTime, SecondsFormat, Utc};
use std::{io, path::PathBuf, time::Duration};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "there is no program {program} here: on the database's host install the package `pgbackrest` (2.45 or newer), and \
         run this there"
    )]
    NotInstalled { program: String },
    #[error("{program} doesn't start: {source}")]
    NotStarted { program: String, source: io::Error },
    /// It was ended, and what it had started.
    #[error("{program} was ended: it took longer than {} s", .limit.as_secs())]
    TooLong { program: String, limit: Duration },
    #[error("{program} was stopped")]
    Stopped { program: String },
    /// pgBackRest itself says why.
    #[error("pgbackrest {command} failed: {said}{}", advice(.code))]
    Failed { command: &'static str, code: Option<u16>, said: String },
    #[error("pgbackrest {command} says what isn't understood ({why}): is it 2.45 or newer?")]
    NotUnderstood { command: &'static str, why: String },
    /// It was looked through, and something isn't as it should be.
    #[error(
        "the repository is damaged: {0}; make a full backup now (`tincture backup create --type full`), and look at its disk"
    )]
    Damaged(String),
    #[error("the repository can't be used: {0}")]
    Repository(String),
    #[error("there is no backup of the stanza {0} yet: `tincture backup create` makes the first")]
    NoBackup(String),
    /// Right after a backup, or where nobody has written anything for long.
    #[error(
        "no commit is in the last {pieces} pieces of the archived log of timeline {timeline}, so no moment is known that can be \
         restored to: restore a backup by its name, or wait until the lab has written and archived something"
    )]
    NoCommit { pieces: usize, timeline: u32 },
    #[error("there is no backup {name}; the newest is {newest}, `tincture backup list` shows them all")]
    Unknown { name: String, newest: String },
    #[error("{moment} can't be restored to: {why}")]
    OutOfSpan { moment: Moment, why: String },
    /// Nothing was changed.
    #[error("{place}: {why}")]
    Place { place: PathBuf, why: String },
    /// Nothing was changed.
    #[error(
        "the server that has its data in {place} runs ({how}): stop it and every tincture that uses it, then restore"
    )]
    Running { place: PathBuf, how: String },
    /// Nothing was changed.
    #[error(
        "{place} has postmaster.pid, which a server that didn't end well leaves, or one that runs where this process can't \
         see it: start the server and stop it well, or, if surely none uses that directory, remove the file"
    )]
    MayRun { place: PathBuf },
    /// Nothing was changed.
    #[error(
        "there is a database in {place}: with --yes it is replaced by {what}, and what isn't in the archive is lost"
    )]
    WouldReplace { place: PathBuf, what: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A moment as people write it and the command line takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Error {
    pub(crate) fn not_started(program: &str, source: io::Error) -> Self {
        let program = program.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotInstalled { program },
            _ => Self::NotStarted { program, source },
        }
    }
}

/// What to do about an error that pgBackRest numbers, in words that end its own.
fn advice(code: &Option<u16>) -> &'static str {
    match *code {
        Some(37 | 55) => {
            " (this host isn't the database's, or pgBackRest isn't set up here: run it there, as postgres; `tincture backup \
             configure` prints what has to be put where)"
        }
        Some(41 | 42 | 47) => " (run it as the account that PostgreSQL runs as: `sudo -u postgres tincture backup …`)",
        Some(56) => " (run it on the host of the primary, with the server at work)",
        Some(82) => {
            " (PostgreSQL doesn't bring its log into the archive: see its own log for what archive_command says)"
        }
        Some(87) => {
            " (put what `tincture backup configure` prints for PostgreSQL into its configuration, and restart the server)"
        }
        _ => "",
    }
}

//! What can be asked about backups.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tincture backup create                         … while the lab is at work
  tincture backup create --to /mnt/nas/tincture
  tincture backup verify --all
  tincture backup prune --keep-last 3 --keep-daily 14 --keep-weekly 8 --yes
  tincture backup restore tincture-20261124T093000000Z --yes

A backup holds everything that the database does: accounts, experiments, results, raw readings, the journal and what the lab
knows of its decks; password hashes and signing keys too. A restored lab knows that it is older than its decks, and asks for
a new plate before the first drop. docs/backup.md has it step by step.

The embedded database is backed up by `up` and `serve` once a day (backup_every, backup_keep, backup_dir).

PostgreSQL is backed up by pgBackRest, on its own host and as the account it runs as (pgbackrest_stanza, pgbackrest_config):
  tincture backup configure                      what has to be configured there
  sudo -u postgres tincture backup create --type full
  sudo -u postgres tincture backup schedule      as a service: backs up, verifies, and tells the lab's metrics
  sudo -u postgres tincture backup list          … and to which moments it can be put back
  sudo -u postgres tincture backup restore --to-moment 2026-11-24T09:30:00Z --yes")]
pub struct Backup {
    #[command(subcommand)]
    pub act: BackupAct,
    /// Where the backups of the embedded database lie [default: backups in the data directory]
    #[arg(long, value_name = "DIR", global = true)]
    pub from: Option<PathBuf>,
    /// Where the embedded database is [default: ./tincture-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum BackupAct {
    /// Make one, while the lab is at work or while it isn't, and read it back
    Create {
        /// Where to put it, of the embedded database [default: backups in the data directory]
        #[arg(long, value_name = "DIR", conflicts_with = "from")]
        to: Option<PathBuf>,
        /// How much of PostgreSQL [default: diff, and full where there is none]
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<BackupKind>,
    },
    /// List them, newest first; of PostgreSQL also the moments that can be restored to
    List,
    /// Read one back, or all: checksums, structure, schema, and the rows of each table; of PostgreSQL all, file by file
    Verify {
        /// As `tincture backup list` shows it [default: the newest]
        name: Option<String>,
        /// Every one of them
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Put one in the database's place, which nobody may be using
    Restore(Restore),
    /// Remove those that no rule keeps; never the newest. Without --yes it only shows them
    Prune {
        /// Keep the newest N; of PostgreSQL the newest N full ones and what needs them [default there: its retention]
        #[arg(long, value_name = "N")]
        keep_last: Option<usize>,
        /// Keep the last of each of the newest D days that have one
        #[arg(long, value_name = "D")]
        keep_daily: Option<usize>,
        /// Keep the last of each of the newest W weeks that have one
        #[arg(long, value_name = "W")]
        keep_weekly: Option<usize>,
        /// Remove them
        #[arg(long)]
        yes: bool,
    },
    /// Back PostgreSQL up again and again, beside it, until it is stopped (backup_every, backup_full_every)
    Schedule,
    /// Print what has to be configured to back PostgreSQL up; changes nothing
    Configure(Configure),
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["name", "to_moment", "to_latest"])))]
pub struct Restore {
    /// As `tincture backup list` shows it
    pub name: Option<String>,
    /// PostgreSQL as it was at a moment, like 2026-11-24T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to_moment: Option<DateTime<Utc>>,
    /// PostgreSQL with all that its archive has
    #[arg(long)]
    pub to_latest: bool,
    /// The data directory to restore to, when it isn't the lab's own; of PostgreSQL a new one, to look at what was
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Replace the database that is there: the embedded one is put aside, PostgreSQL's isn't
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub struct Configure {
    /// Where the backups go: another disk, or better another machine
    #[arg(long, value_name = "DIR", default_value = "/var/lib/pgbackrest")]
    pub repository: PathBuf,
    /// PostgreSQL's data directory [default: what the server says; Debian's where it doesn't]
    #[arg(long, value_name = "DIR")]
    pub pg_data: Option<PathBuf>,
    /// PostgreSQL's port on its own host
    #[arg(long, value_name = "PORT", default_value_t = 5432)]
    pub pg_port: u16,
    /// The directory of its socket, when it isn't the usual one
    #[arg(long, value_name = "DIR")]
    pub pg_socket: Option<PathBuf>,
    /// A superuser of PostgreSQL, when none is called as the account that it runs as
    #[arg(long, value_name = "ROLE")]
    pub pg_role: Option<String>,
    /// Seconds that may be lost with the server and its disk, 10-3600
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(10..=3600))]
    pub archive_every: u16,
    /// Write the files into this directory instead of printing them; none that is there is replaced
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

/// How much of PostgreSQL a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackupKind {
    /// All of it
    Full,
    /// What has changed since the last full one
    Diff,
    /// What has changed since the last of any kind
    Incr,
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|moment| moment.to_utc()).map_err(|_| "it must be a moment like 2026-11-24T09:30:00Z".to_owned())
}

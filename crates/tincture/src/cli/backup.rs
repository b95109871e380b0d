//! What can be asked about backups.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tincture backup create                         … while the lab is at work
  tincture backup create --to /mnt/nas/tincture
  tincture backup verify --all
  tincture backup prune --keep-last 3 --keep-daily 14 --keep-weekly 8 --yes
  tincture backup restore tincture-20261124T093000000Z --yes

A backup holds everything that the embedded database does: accounts, experiments, results, raw readings, the journal and
what the lab knows of its decks; password hashes and signing keys too. `up` and `serve` make one a day by themselves
(backup_every, backup_keep, backup_dir). A restored lab knows that it is older than its decks, and asks for a new plate
before the first drop. docs/backup.md has it step by step.")]
pub struct Backup {
    #[command(subcommand)]
    pub act: BackupAct,
    /// Where the backups lie [default: backups in the data directory]
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
        /// Where to put it [default: backups in the data directory]
        #[arg(long, value_name = "DIR", conflicts_with = "from")]
        to: Option<PathBuf>,
    },
    /// List them, newest first, and whether each was read back
    List,
    /// Read one back, or all: checksums, structure, schema, and the rows of each table
    Verify {
        /// As `tincture backup list` shows it [default: the newest]
        name: Option<String>,
        /// Every one of them
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Put one in the database's place, which nobody may be using; what was there is put aside
    Restore {
        /// As `tincture backup list` shows it
        name: String,
        /// The data directory to restore to, when it isn't the lab's own
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Replace the database that is there
        #[arg(long)]
        yes: bool,
    },
    /// Remove those that no rule keeps; never the newest. Without --yes it only shows them
    #[command(group(clap::ArgGroup::new("rule").required(true).multiple(true)
        .args(["keep_last", "keep_daily", "keep_weekly"])))]
    Prune {
        /// Keep the newest N
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
}

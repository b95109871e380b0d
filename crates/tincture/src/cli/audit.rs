//! What can be asked of the activity log.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use views::ActivityFormat;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture audit verify
  tincture audit verify --anchor 1234:5f70…        with one that was kept elsewhere
  tincture audit list --who olga@example.org --since 2026-11-01
  tincture audit export --format csv --output november.csv --since 2026-11-01 --until 2026-12-01

docs/people.md says what stands in the log, and what its seals can tell and what not.")]
pub enum Audit {
    /// Read the whole log and say whether any line was changed, taken out or put in; names the first
    Verify {
        /// How far it was sealed at some time, kept elsewhere: NUMBER:SEAL, or the signed form; may be given more than once
        #[arg(long = "anchor", value_name = "ANCHOR")]
        anchors: Vec<String>,
        /// Don't look at the anchors in the manifests of the embedded database's backups
        #[arg(long)]
        without_backups: bool,
    },
    /// Print how far the log is sealed, signed: to be kept elsewhere
    Anchor,
    /// Print lines of the log, newest first
    List {
        #[command(flatten)]
        which: WhichLines,
        /// Lines at most
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Write lines of the log into a file, or to standard output, newest first
    Export {
        #[command(flatten)]
        which: WhichLines,
        /// csv (safe to open in a spreadsheet) or jsonl
        #[arg(long, default_value = "jsonl")]
        format: ActivityFormat,
        /// A new file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub struct WhichLines {
    /// Who did it: an e-mail address or an id
    #[arg(long, value_name = "PERSON")]
    pub who: Option<String>,
    /// To whose account it was done
    #[arg(long, value_name = "PERSON")]
    pub whom: Option<String>,
    /// What, as the log calls it, like role_changed
    #[arg(long, value_name = "ACTION")]
    pub what: Option<String>,
    /// Not before: a day (2026-11-01, UTC) or a time (2026-11-01T09:30:00Z)
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Before
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<DateTime<Utc>>,
    /// What its details or its network address have in them
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let time = text.parse::<DateTime<Utc>>().ok();
    time.or_else(day).ok_or_else(|| "it must be a day like 2026-11-01 or a time like 2026-11-01T09:30:00Z".to_owned())
}

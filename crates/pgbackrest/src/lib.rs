//! Drives pgBackRest (2.45 or newer), which backs PostgreSQL up, on the database's own host.
//!
//! *Knows nothing of the lab, and of PostgreSQL no more than where its data lies.* `run` runs a program with a deadline and ends it
//! with its children, `info` is what lies in the repository, `history` which of that belongs to the database as it is now,
//! `archive` up to when its log reaches, `place` where the data is and whether somebody uses it, `restore` what is put in its
//! place, `setup` what has to be configured. Each of pgBackRest's lines is told as it comes; it masks secrets itself.

#![warn(clippy::missing_errors_doc)]

mod archive;
mod error;
mod history;
mod info;
mod place;
mod restore;
mod run;
mod setup;

pub use error::{Error, Moment, Result};
pub use info::{Backup, Kind, Repository};
pub use place::Place;
pub use restore::{Plan, Span, Target};
pub use setup::Setup;

use run::{Line, Out, run};
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = "pgbackrest";
/// To look into the repository, which may be another machine's.
const LOOKING: Duration = Duration::from_secs(120);
/// To make a stanza, and to remove what is old.
const TENDING: Duration = Duration::from_secs(60 * 60);
/// To copy or read a whole database.
const COPYING: Duration = Duration::from_secs(24 * 60 * 60);
/// Until pieces of the log have come that were on their way.
const SETTLING: Duration = Duration::from_secs(5);
/// Of what it said last, where it doesn't say what is wrong.
const LAST_LINES: usize = 3;

/// pgBackRest, and the stanza that is the lab's database.
#[derive(Clone, Debug)]
pub struct PgBackRest {
    stanza: String,
    configuration: Option<PathBuf>,
}

/// Hears each line that pgBackRest says.
pub type Hearer<'a> = &'a mut (dyn FnMut(&str) + Send);

impl PgBackRest {
    /// `configuration` is the file where pgBackRest is not to look at its usual places.
    pub fn new(stanza: impl Into<String>, configuration: Option<PathBuf>) -> Self {
        Self { stanza: stanza.into(), configuration }
    }

    pub fn stanza(&self) -> &str {
        &self.stanza
    }

    pub fn configuration(&self) -> Option<&Path> {
        self.configuration.as_deref()
    }

    /// Where its database is; nothing where that is on another host.
    ///
    /// # Errors
    /// The configuration can't be read, or names none.
    pub fn place(&self) -> Result<Option<Place>> {
        Place::of(&self.stanza, self.configuration.as_deref())
    }

    /// Whether this host and account are those that back the database up.
    ///
    /// # Errors
    /// They aren't, and what to do.
    pub fn check_place(&self) -> Result<()> {
        self.place()?.map_or(Ok(()), |place| place.check_account())
    }

    /// What is in the repository; nothing where the stanza isn't made yet.
    ///
    /// # Errors
    /// It can't be looked at.
    pub async fn repository(&self, stop: &CancellationToken) -> Result<Option<Repository>> {
        let mut command = self.command("info");
        command.arg("--output=json");
        let text = self.told("info", command, LOOKING, stop).await?;
        info::read(&text, &self.stanza)
    }

    /// Prepares the repository for its first backup; does nothing where it is prepared.
    ///
    /// # Errors
    /// The server doesn't run, or its repository is another's.
    pub async fn create_stanza(&self, stop: &CancellationToken, hear: Hearer<'_>) -> Result<()> {
        self.drive("stanza-create", self.loud("stanza-create"), Out::Lines, TENDING, stop, hear).await
    }

    /// Makes one, while the server is at work; then removes what retention says is old. A full one where there is none yet.
    ///
    /// # Errors
    /// Whatever fails leaves the repository as it was.
    pub async fn back_up(&self, kind: Kind, stop: &CancellationToken, hear: Hearer<'_>) -> Result<()> {
        let mut command = self.loud("backup");
        command.arg(format!("--type={}", kind.name()));
        self.drive("backup", command, Out::Lines, COPYING, stop, hear).await
    }

    /// Reads all of the repository back: every file of every backup and of the archive, against its checksum. Then whether
    /// the log goes on from the newest full backup to its end.
    ///
    /// # Errors
    /// `Damaged`.
    pub async fn verify(&self, repository: &Repository, stop: &CancellationToken, hear: Hearer<'_>) -> Result<()> {
        self.verify_files(stop, hear).await?;
        if self.gap(repository, stop).await?.is_none() {
            return Ok(());
        }
        // Pieces that are archived side by side may come in another order.
        sleep(SETTLING).await;
        self.gap(repository, stop).await?.map_or(Ok(()), |gap| Err(Error::Damaged(gap)))
    }

    /// What the log lacks from the newest full backup on, of those that the newest timeline's history has.
    async fn gap(&self, repository: &Repository, stop: &CancellationToken) -> Result<Option<String>> {
        let log = self.log(repository, stop).await?;
        let mut full = repository.backups.iter().filter(|backup| backup.kind == Kind::Full && log.history.has(backup));
        let Some(full) = full.next() else { return Ok(None) };
        let gap = log.gap_since(full.start);
        Ok(gap.map(|missing| format!("the archived log lacks {missing}, which {} needs", full.name)))
    }

    async fn verify_files(&self, stop: &CancellationToken, hear: Hearer<'_>) -> Result<()> {
        let mut wrong = Vec::new();
        let mut tell = |line: &str| {
            wrong.extend(fault(line));
            hear(line);
        };
        let outcome = self.drive("verify", self.loud("verify"), Out::Lines, COPYING, stop, &mut tell).await;
        match outcome {
            // Version 2.45 says what is wrong and ends well all the same.
            Ok(()) | Err(Error::Failed { code: None | Some(FAULTS), .. }) if !wrong.is_empty() => {
                let more = wrong.len().saturating_sub(LAST_LINES);
                wrong.truncate(LAST_LINES);
                let more = if more > 0 { format!("; and {more} more") } else { String::new() };
                Err(Error::Damaged(wrong.join("; ") + &more))
            }
            outcome => outcome,
        }
    }

    /// Removes what is older than is kept: by the configured retention, or all but the newest full backups and what needs
    /// them.
    ///
    /// # Errors
    /// The repository can't be written.
    pub async fn expire(&self, expiry: Expiry, stop: &CancellationToken, hear: Hearer<'_>) -> Result<()> {
        let mut command = self.loud("expire");
        if let Some(full) = expiry.keep_full {
            command.args(["--repo1-retention-full-type=count".to_owned(), format!("--repo1-retention-full={full}")]);
        }
        if expiry.only_shown {
            command.arg("--dry-run");
        }
        self.drive("expire", command, Out::Lines, TENDING, stop, hear).await
    }

    /// One of its commands, which says nothing but what it is asked.
    fn command(&self, name: &str) -> Command {
        self.command_with(name, ["--log-level-console=off", "--log-level-stderr=warn"])
    }

    /// One that tells how it goes.
    fn loud(&self, name: &str) -> Command {
        self.command_with(name, ["--log-level-console=info", "--log-level-stderr=off"])
    }

    fn command_with(&self, name: &str, options: [&str; 2]) -> Command {
        let mut command = Command::new(PROGRAM);
        // Ours may hold a password.
        for (variable, _) in env::vars_os().filter(|(variable, _)| is_ours(variable)) {
            command.env_remove(variable);
        }
        if let Some(file) = &self.configuration {
            command.arg(format!("--config={}", file.display()));
        }
        command.arg(format!("--stanza={}", self.stanza)).args(options).arg(name).current_dir("/");
        command
    }

    /// What it says on its standard output.
    async fn told(
        &self,
        name: &'static str,
        command: Command,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut report = Report::default();
        let tell = |line| match line {
            Line::Out(line) => {
                text.extend_from_slice(&line);
                text.push(b'\n');
            }
            Line::Err(line) => report.hear(&String::from_utf8_lossy(&line)),
        };
        let status = run(command, Out::Lines, limit, stop, tell).await?;
        if status.success() { Ok(text) } else { Err(report.failure(name)) }
    }

    async fn drive(
        &self,
        name: &'static str,
        command: Command,
        out: Out,
        limit: Duration,
        stop: &CancellationToken,
        hear: Hearer<'_>,
    ) -> Result<()> {
        let mut report = Report::default();
        let tell = |line| {
            let (Line::Out(line) | Line::Err(line)) = line;
            let line = String::from_utf8_lossy(&line);
            report.hear(&line);
            hear(&line);
        };
        let status = run(command, out, limit, stop, tell).await?;
        if status.success() { Ok(()) } else { Err(report.failure(name)) }
    }
}

/// What of a repository goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expiry {
    /// The newest full backups that stay; as many as the configuration says when it isn't given.
    pub keep_full: Option<u32>,
    /// Nothing goes, it is only told what would.
    pub only_shown: bool,
}

/// `verify` found something.
const FAULTS: u16 = 104;

fn is_ours(variable: &OsStr) -> bool {
    variable.to_string_lossy().starts_with("TINCTURE_")
}

/// What a line of `verify` says is wrong.
fn fault(line: &str) -> Option<String> {
    const WRONG: [&str; 4] = ["invalid checksum", "invalid size", "invalid result", "file missing"];
    if line.trim() == "status: error" {
        return Some("its status is error".to_owned());
    }
    let (level, said) = line.split_once(": ")?;
    let is_wrong = level.ends_with("ERROR") || WRONG.iter().any(|wrong| said.starts_with(wrong));
    is_wrong.then(|| said.trim().to_owned())
}

/// What it said that tells why it failed.
#[derive(Debug, Default)]
struct Report {
    /// From its first error on.
    error: Vec<String>,
    code: Option<u16>,
    last: Vec<String>,
}

impl Report {
    fn hear(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if let Some((_, error)) = line.split_once("ERROR: [")
            && let Some((code, said)) = error.split_once("]: ")
        {
            self.code = self.code.or_else(|| code.parse().ok());
            self.error.push(said.to_owned());
        } else if !self.error.is_empty() && !line.contains(" INFO: ") && self.error.len() < 2 * LAST_LINES {
            self.error.push(line.to_owned());
        }
        if self.last.len() == LAST_LINES {
            self.last.remove(0);
        }
        self.last.push(line.to_owned());
    }

    fn failure(self, command: &'static str) -> Error {
        let said = if self.error.is_empty() { self.last } else { self.error };
        let said = if said.is_empty() { "it doesn't say why".to_owned() } else { said.join("; ") };
        Error::Failed { command, code: self.code, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_verify_finds_is_heard() {
        for (line, wrong) in [
            (
                "2026-11-29 22:57:21.298 P01   INFO: invalid checksum '20261129-225714F/pg_data/global/2964.gz'",
                Some("invalid checksum '20261129-225714F/pg_data/global/2964.gz'"),
            ),
            ("2026-11-29 22:57:21.298 P00  ERROR: [028]: no usable backup.info", Some("[028]: no usable backup.info")),
            ("                                    status: error", Some("its status is error")),
            ("2026-11-29 22:57:21.304 P00   INFO: stanza: lab", None),
            ("                                      checksum invalid: 1", None),
        ] {
            assert_eq!(fault(line).as_deref(), wrong, "{line}");
        }
    }

    #[test]
    fn a_failure_is_told_in_pgbackrest_s_words_and_with_what_to_do() {
        let mut report = Report::default();
        for line in [
            "2026-11-24 09:30:00.000 P00   INFO: backup command begin 2.45: --stanza=lab",
            "2026-11-24 09:30:00.000 P00  ERROR: [087]: archive_mode must be enabled",
            "                                    HINT: do it",
            "2026-11-24 09:30:00.000 P00   INFO: backup command end: aborted with exception [087]",
        ] {
            report.hear(line);
        }
        let said = report.failure("backup").to_string();
        assert!(said.starts_with("pgbackrest backup failed: archive_mode must be enabled; HINT: do it ("), "{said}");
        assert!(said.contains("tincture backup configure"), "{said}");
        let mut report = Report::default();
        report.hear("Segmentation fault");
        assert_eq!(report.failure("info").to_string(), "pgbackrest info failed: Segmentation fault");
        assert!(Report::default().failure("info").to_string().contains("doesn't say why"));
    }
}

//! Putting the database back: what it can be put back to, what is in the way, and doing it.

use crate::{
    Hearer, PgBackRest,
    archive::Log,
    error::{Error, Moment, Result},
    info::{Backup, Repository},
    place::Place,
    run::Out,
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::{fs, os::unix::fs::DirBuilderExt, path::PathBuf};
use tokio_util::sync::CancellationToken;

/// What the database is to be again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// As it was at a moment, with all that was committed up to it.
    Moment(DateTime<Utc>),
    /// As it was when a backup ended.
    Backup(String),
    /// With all that the archive has.
    Latest,
}

/// The moments that can be restored to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub earliest: DateTime<Utc>,
    /// The last commit in the archive is a little later.
    pub latest: DateTime<Utc>,
}

/// A restore that was found to be possible.
#[derive(Clone, Debug)]
pub struct Plan {
    /// With which backup it begins.
    pub backup: Backup,
    target: Target,
    key: u32,
    place: Place,
    /// Somewhere else than the lab's database.
    elsewhere: bool,
}

impl PgBackRest {
    /// The moments that can be restored to, along the newest timeline.
    ///
    /// # Errors
    /// `NoBackup`; the archive can't be read.
    pub async fn span(&self, repository: &Repository, stop: &CancellationToken) -> Result<Span> {
        let log = self.log(repository, stop).await?;
        self.span_along(repository, &log, stop).await
    }

    /// The earliest of them. Nothing where the log goes on from no backup to its end.
    ///
    /// # Errors
    /// The archive can't be read.
    pub async fn earliest(&self, repository: &Repository, stop: &CancellationToken) -> Result<Option<DateTime<Utc>>> {
        Ok(earliest_along(repository, &self.log(repository, stop).await?))
    }

    async fn span_along(&self, repository: &Repository, log: &Log, stop: &CancellationToken) -> Result<Span> {
        let earliest = earliest_along(repository, log).ok_or_else(|| Error::NoBackup(self.stanza.clone()))?;
        let last_commit = self.last_commit(repository, log, stop).await?;
        // PostgreSQL stops at the first commit after the moment, and doesn't start where it finds none.
        Ok(Span { earliest, latest: last_commit - TimeDelta::microseconds(1) })
    }

    /// Finds out what a restore begins with, into `to` or the stanza's own data directory, and that nothing is in its way.
    /// What is there is replaced only where `replace` says so.
    ///
    /// # Errors
    /// `OutOfSpan`, which names the earliest and the latest moment; `Unknown`; `Running`, `MayRun`; `WouldReplace`. Nothing
    /// is changed.
    pub async fn plan(
        &self,
        target: Target,
        to: Option<PathBuf>,
        replace: bool,
        stop: &CancellationToken,
    ) -> Result<Plan> {
        let elsewhere = to.is_some();
        let place = match to {
            Some(to) => Place::at(to),
            None => self.place()?.ok_or_else(|| Error::Place {
                place: self.configuration.clone().unwrap_or_default(),
                why: "the database is on another host, and can be restored only there: run this there".to_owned(),
            })?,
        };
        place.check_account_if_there()?;
        place.check_unused()?;
        if !place.is_empty()? {
            let there = place.directory().to_owned();
            if elsewhere {
                return Err(Error::Place { place: there, why: "it isn't empty: choose a new directory".to_owned() });
            }
            if !replace {
                return Err(Error::WouldReplace { place: there, what: target.describe() });
            }
        }
        let repository = self.repository(stop).await?;
        let repository = repository.filter(|repository| !repository.backups.is_empty());
        let repository = repository.ok_or_else(|| Error::NoBackup(self.stanza.clone()))?;
        let backup = self.begins_with(&target, &repository, stop).await?;
        Ok(Plan { backup, target, key: repository.key, place, elsewhere })
    }

    async fn begins_with(&self, target: &Target, repository: &Repository, stop: &CancellationToken) -> Result<Backup> {
        let unknown = |name: &str| Error::Unknown {
            name: name.to_owned(),
            newest: repository.newest().map(|newest| newest.name.clone()).unwrap_or_default(),
        };
        if let Target::Backup(name) = target {
            return repository.backups.iter().find(|backup| backup.name == *name).cloned().ok_or_else(|| unknown(name));
        }
        let log = self.log(repository, stop).await?;
        let mut usable = repository.backups.iter().filter(|backup| log.goes_on_from(backup));
        let Target::Moment(moment) = target else {
            return usable.next().cloned().ok_or_else(|| Error::NoBackup(self.stanza.clone()));
        };
        let span = self.span_along(repository, &log, stop).await?;
        let found = usable.find(|backup| backup.restores_from() <= *moment).cloned();
        match found {
            Some(backup) if *moment <= span.latest => Ok(backup),
            _ => Err(Error::OutOfSpan { moment: Moment(*moment), why: span.describe() }),
        }
    }

    /// Does what was planned. The server isn't started.
    ///
    /// # Errors
    /// What is there then is no database that would start; the same restore can be tried again.
    pub async fn restore(&self, plan: &Plan, stop: &CancellationToken, hear: Hearer<'_>) -> Result<()> {
        let directory = plan.place.directory();
        if !directory.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut command = self.loud("restore");
        command.args([format!("--repo={}", plan.key), format!("--set={}", plan.backup.name)]);
        command.arg(format!("--pg1-path={}", directory.display()));
        match &plan.target {
            Target::Moment(moment) => {
                let moment = moment.format("%Y-%m-%d %H:%M:%S%.6f+00");
                command.args(["--type=time", &format!("--target={moment}"), "--target-action=promote"]);
            }
            Target::Backup(_) => {
                command.args(["--type=immediate", "--target-action=promote"]);
            }
            Target::Latest => {
                command.arg("--type=default");
            }
        }
        if !plan.place.is_empty()? {
            command.arg("--delta");
        }
        if plan.elsewhere {
            // It would write into the archive of the lab's own database.
            command.arg("--archive-mode=off");
        }
        self.drive("restore", command, Out::Lines, crate::COPYING, stop, hear).await
    }
}

fn earliest_along(repository: &Repository, log: &Log) -> Option<DateTime<Utc>> {
    repository.backups.iter().filter(|backup| log.goes_on_from(backup)).map(Backup::restores_from).min()
}

impl Plan {
    /// Where the database is put.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What it is there then.
    pub fn describe(&self) -> String {
        match &self.target {
            Target::Backup(_) => format!("the lab as it was at {}", Moment(self.backup.ended)),
            target => target.describe(),
        }
    }
}

impl Target {
    fn describe(&self) -> String {
        match self {
            Self::Moment(moment) => format!("the lab as it was at {}", Moment(*moment)),
            Self::Backup(name) => format!("the backup {name}"),
            Self::Latest => "the lab with all that the archive has".to_owned(),
        }
    }
}

impl Span {
    fn describe(&self) -> String {
        let Self { earliest, latest } = self;
        if earliest > latest {
            return format!(
                "nothing was committed and archived since the first backup, which ended before {}",
                Moment(*earliest)
            );
        }
        format!(
            "the earliest moment is {}, the latest {}",
            Moment(*earliest),
            Moment(latest.trunc_subsecs(0).max(*earliest))
        )
    }
}

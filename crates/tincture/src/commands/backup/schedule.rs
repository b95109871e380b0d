//! `tincture backup schedule`: beside PostgreSQL, backs it up when that is due, has what was made read back, and tells the lab.
//!
//! It may run on every host that a server of the lab's is on: only the primary's makes them, and when the newest was made is
//! asked of the repository, so that another host goes on with the same schedule after a failover.

use super::postgres::{configured, make, news_of, news_of_verify, tell};
use crate::{
    database,
    settings::{Every, Settings},
    shutdown,
};
use anyhow::bail;
use chrono::{DateTime, TimeDelta, Utc};
use pgbackrest::{Kind, PgBackRest, Repository};
use std::time::Duration;
use store::{Store, backup::BackupNews};
use tasks::{Pauses, Task, Tasks, Turn};
use tokio_util::sync::CancellationToken;

/// Between two looks whether one is due: somebody may have made one, or removed it, or another server may be the primary.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10 * 60);
/// After a failure. At the end pgBackRest has time to leave its repository in order.
const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60), farewell: Duration::from_secs(15) };

pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let pgbackrest = configured(settings)?;
    let Every::Period(every) = settings.backup_every else {
        bail!("backup_every is `never`: set it to how often PostgreSQL is to be backed up")
    };
    let full_every = match settings.backup_full_every {
        Every::Period(every) => Some(TimeDelta::from_std(every)?),
        Every::Never => None,
    };
    pgbackrest.check_place()?;
    let shutdown = shutdown::on_signal()?;
    let store = database::open(settings).await?;
    let tasks = Tasks::new(shutdown);
    store.join(&tasks);
    tracing::info!(stanza = pgbackrest.stanza(), every = every.as_secs(), "PostgreSQL is backed up when it is due");
    let schedule = Schedule { pgbackrest, store: store.clone(), every: TimeDelta::from_std(every)?, full_every };
    tasks.run("backup", PAUSES, schedule);
    tasks.ended().await;
    store.close().await?;
    Ok(())
}

struct Schedule {
    pgbackrest: PgBackRest,
    store: Store,
    every: TimeDelta,
    full_every: Option<TimeDelta>,
}

impl Task for Schedule {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        match self.back_up_when_due(stop).await {
            Ok(wait) => Ok(Turn::After(wait.min(BETWEEN_LOOKS))),
            Err(_) if stop.is_cancelled() => Ok(Turn::Done),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "PostgreSQL could not be backed up; trying again");
                tell(&self.store, &BackupNews { failed: Some(Utc::now()), ..BackupNews::default() }).await;
                Err(error)
            }
        }
    }
}

impl Schedule {
    /// Gives when the next is due.
    async fn back_up_when_due(&self, stop: &CancellationToken) -> anyhow::Result<Duration> {
        if self.pgbackrest.place()?.is_some_and(|place| place.is_standby()) {
            tracing::debug!("this server is a standby: its primary's host makes the backups");
            return Ok(BETWEEN_LOOKS);
        }
        let repository = self.pgbackrest.repository(stop).await?;
        let due = self.due(repository.as_ref());
        let (repository, made) = match repository {
            Some(repository) if due > Utc::now() => (repository, None),
            before => {
                let kind = self.kind(before.as_ref());
                (make(&self.pgbackrest, &self.store, kind, stop, &mut quietly).await?, Some(kind))
            }
        };
        let due = self.due(Some(&repository));
        let news = news_of(&self.pgbackrest, &repository, stop).await?;
        tell(&self.store, &BackupNews { due: Some(due), ..news }).await;
        if let Some((backup, kind)) = repository.newest().zip(made) {
            tracing::info!(backup = backup.name, bytes = backup.stored, "PostgreSQL is backed up");
            if kind == Kind::Full {
                self.verify(&repository, stop).await?;
            }
        }
        Ok((due - Utc::now()).to_std().unwrap_or_default())
    }

    fn due(&self, repository: Option<&Repository>) -> DateTime<Utc> {
        let newest = repository.and_then(Repository::newest);
        newest.map_or_else(Utc::now, |newest| newest.ended + self.every)
    }

    fn kind(&self, repository: Option<&Repository>) -> Kind {
        let Some(full) = repository.and_then(Repository::newest_full) else { return Kind::Full };
        let is_old = self.full_every.is_some_and(|every| full.ended + every <= Utc::now());
        if is_old { Kind::Full } else { Kind::Diff }
    }

    /// What is damaged doesn't come to be whole by being looked at again: it is told, and looked at after the next full one.
    async fn verify(&self, repository: &Repository, stop: &CancellationToken) -> anyhow::Result<()> {
        let verified = self.pgbackrest.verify(repository, stop, &mut quietly).await;
        if let Some(news) = news_of_verify(&verified) {
            tell(&self.store, &news).await;
        }
        match verified {
            Err(error @ pgbackrest::Error::Damaged(_)) => tracing::error!(%error, "PostgreSQL's backups are damaged"),
            verified => verified?,
        }
        Ok(())
    }
}

fn quietly(line: &str) {
    tracing::debug!(line, "pgbackrest");
}

//! What has to be done now and then, by whoever serves the lab.

use crate::{
    database,
    settings::{Every, Settings},
};
use auth::Keys;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};
use store::{
    Purged, Retention, Store, StoreError,
    backup::{Backup, BackupError, Backups, Keep, Origin},
};
use tasks::{Pauses, Task, Tasks, Turn};
use tokio::time;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two steps, so that whoever waits for the database gets it.
const PAUSE: Duration = Duration::from_millis(100);
/// After a failure: the database may be away for a minute or for the night.
const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60), farewell: Duration::from_secs(5) };

/// Forgets what is out of date, once a day. Several processes may do it at once.
pub fn purge_daily(store: Store, keep: Retention, tasks: &Tasks) {
    tasks.run("purge", PAUSES, Purge { store, keep });
}

struct Purge {
    store: Store,
    keep: Retention,
}

impl Task for Purge {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        match stop.run_until_cancelled(self.purge()).await {
            None => return Ok(Turn::Done),
            Some(Ok(purged)) if purged.is_nothing() => {}
            Some(Ok(purged)) => tracing::info!(?purged, "what is out of date is forgotten"),
            Some(Err(error)) => {
                tracing::warn!(%error, "what is out of date could not be forgotten; trying again");
                return Err(error.to_string());
            }
        }
        Ok(Turn::After(DAY))
    }
}

impl Purge {
    async fn purge(&self) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        loop {
            let step = self.store.purge(&self.keep, Utc::now()).await?;
            if step.is_nothing() {
                return Ok(purged);
            }
            purged += step;
            time::sleep(PAUSE).await;
        }
    }
}

/// Between two looks whether a group's calendar says that it is time: so late a refill may be.
const BETWEEN_REFILLS: Duration = Duration::from_secs(20);

/// Makes allowances whole when their time has come, also where it came while no process ran. Several may do it at once: each
/// time is one process's.
pub fn refill_groups(store: Store, tasks: &Tasks) {
    tasks.run("group refills", PAUSES, RefillGroups { store, looked_ahead: None });
}

/// Between two looks for calendars that a wrong clock has moved on: that one reads all groups.
const BETWEEN_LOOKS_AHEAD: Duration = Duration::from_secs(60 * 60);

struct RefillGroups {
    store: Store,
    /// When it looked for those last.
    looked_ahead: Option<Instant>,
}

impl Task for RefillGroups {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        match stop.run_until_cancelled(self.refill_all_due()).await {
            None => return Ok(Turn::Done),
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "a group's allowances could not be made whole; trying again");
                return Err(error.to_string());
            }
        }
        Ok(Turn::After(BETWEEN_REFILLS))
    }
}

impl RefillGroups {
    /// A group at a time, so that whoever waits for the database gets it.
    async fn refill_all_due(&mut self) -> Result<(), StoreError> {
        if self.looked_ahead.is_none_or(|looked| looked.elapsed() >= BETWEEN_LOOKS_AHEAD) {
            self.set_calendars_right().await?;
            self.looked_ahead = Some(Instant::now());
        }
        while let Some(group) = self.store.refill_due(Utc::now()).await? {
            tracing::info!(group = %group.id, "a group's allowances are whole again");
            time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn set_calendars_right(&self) -> Result<(), StoreError> {
        while let Some(group) = self.store.set_calendar_right(Utc::now()).await? {
            tracing::warn!(group = %group.id, "the clock was ahead when a group was refilled last: its calendar is set right");
            time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// Between two looks whether the key that signs is old: as fine as its age is set.
const BETWEEN_KEYS: Duration = Duration::from_secs(60 * 60);

/// Has a new key sign when the one that does is older than `age`. Several processes may do it at once.
pub fn rotate_keys(keys: Keys, age: Duration, tasks: &Tasks) {
    tasks.run("signing keys", PAUSES, RotateKeys { keys, age });
}

struct RotateKeys {
    keys: Keys,
    age: Duration,
}

impl Task for RotateKeys {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let age = TimeDelta::from_std(self.age).map_err(|error| error.to_string())?;
        match stop.run_until_cancelled(self.keys.rotate_when_older(age)).await {
            None => return Ok(Turn::Done),
            Some(Ok(None)) => {}
            Some(Ok(Some(kid))) => tracing::info!(kid, "a new key signs access tokens; the one before verifies on"),
            Some(Err(error)) => {
                tracing::warn!(%error, "the key that signs access tokens could not be looked at; trying again");
                return Err(error.to_string());
            }
        }
        Ok(Turn::After(BETWEEN_KEYS))
    }
}

/// After the start, so that a lab which is started again and again isn't backed up each time.
const FIRST_BACKUP: Duration = Duration::from_secs(5 * 60);
/// Between two looks whether a backup is due: somebody may have made one, or removed it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60 * 60);

/// When this lab backs itself up, where to, and what it keeps.
#[derive(Clone, Debug)]
pub struct Schedule {
    every: Duration,
    backups: Backups,
    keep: Keep,
}

impl Schedule {
    /// Nothing where it isn't wanted, or the database isn't ours to back up.
    pub fn of(settings: &Settings) -> Option<Self> {
        let Every::Period(every) = settings.backup_every else { return None };
        database::file(settings)?;
        // The last two whenever they were made: of two a day the second may be the bad one.
        let keep = Keep { last: 2, daily: settings.backup_keep.into(), weekly: 0 };
        Some(Self { every, backups: Backups::at(settings.backups()), keep })
    }

    /// Of several processes that do it whichever comes first makes the backup.
    pub fn run(self, store: Store, tasks: &Tasks) {
        tasks.run("backup", PAUSES, BackUp { schedule: self, store, started: false });
    }
}

struct BackUp {
    schedule: Schedule,
    store: Store,
    started: bool,
}

impl Task for BackUp {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let every = self.schedule.every;
        let Some(outcome) = stop.run_until_cancelled(self.back_up_when_due()).await else { return Ok(Turn::Done) };
        match outcome {
            Ok(due) => Ok(Turn::After(due.min(BETWEEN_LOOKS).min(every))),
            Err(error) => {
                metrics::counter!(telemetry::names::BACKUPS, "outcome" => "failed").increment(1);
                tracing::warn!(%error, "the lab could not be backed up; trying again");
                Err(error.to_string())
            }
        }
    }
}

impl BackUp {
    /// Gives when the next is due.
    async fn back_up_when_due(&mut self) -> Result<Duration, BackupError> {
        let newest = self.schedule.backups.list().await?.newest();
        newest.iter().for_each(tell_newest);
        if !std::mem::replace(&mut self.started, true) {
            return Ok(FIRST_BACKUP);
        }
        let age = newest.map(|made| (Utc::now() - made).to_std().unwrap_or_default());
        if let Some(wait) = age.and_then(|age| self.schedule.every.checked_sub(age)).filter(|wait| !wait.is_zero()) {
            return Ok(wait);
        }
        let backup = self.schedule.backups.create(&self.store, Origin::Schedule).await?;
        metrics::counter!(telemetry::names::BACKUPS, "outcome" => "made").increment(1);
        tell_newest(&backup.manifest.created_at);
        tracing::info!(backup = backup.name, bytes = backup.manifest.packed_size, "the lab is backed up");
        if let Err(error) = self.prune().await {
            tracing::warn!(%error, "old backups could not be removed");
        }
        Ok(self.schedule.every)
    }

    /// Those that somebody asked for are theirs to remove.
    async fn prune(&self) -> Result<(), BackupError> {
        let Schedule { backups, keep, .. } = &self.schedule;
        let mut own: Vec<Backup> = backups.list().await?.backups;
        own.retain(|backup| backup.manifest.origin == Origin::Schedule);
        for backup in keep.superfluous(&own) {
            backups.remove(backup).await?;
            tracing::info!(backup = backup.name, "an old backup is removed");
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact until the year 287 million")]
fn tell_newest(made: &DateTime<Utc>) {
    metrics::gauge!(telemetry::names::NEWEST_BACKUP).set(made.timestamp() as f64);
}

//! `tincture backup`: the embedded database's backups, made, looked through, put back and removed.

use crate::{
    cli::{Backup as Command, BackupAct},
    database,
    settings::Settings,
};
use anyhow::{Context, bail};
use chrono::{TimeDelta, Utc};
use std::{
    io::{self, Write},
    path::Path,
};
use store::backup::{Backup, BackupError, Backups, Keep, Origin};

pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<()> {
    let database = database::file(settings).ok_or(BackupError::NotEmbedded)?;
    let usual = || settings.backups();
    let backups = Backups::at(command.from.clone().unwrap_or_else(usual));
    match &command.act {
        BackupAct::Create { to } => {
            let backups = to.as_ref().map_or(backups, Backups::at);
            create(settings, &backups).await
        }
        BackupAct::List => list(&backups).await,
        BackupAct::Verify { name, all } => verify(&backups, name.as_deref(), *all).await,
        BackupAct::Restore { name, to, yes } => {
            let database = to.as_deref().map_or(database, database::embedded);
            restore(&backups, name, &database, *yes).await
        }
        BackupAct::Prune { keep_last, keep_daily, keep_weekly, yes } => {
            let [last, daily, weekly] = [keep_last, keep_daily, keep_weekly].map(|rule| rule.unwrap_or_default());
            prune(&backups, Keep { last, daily, weekly }, *yes).await
        }
    }
}

async fn create(settings: &Settings, backups: &Backups) -> anyhow::Result<()> {
    let store = database::open_any(settings).await?;
    let made = backups.create(&store, Origin::Asked).await;
    store.close().await?;
    let backup = made.context("no backup was made")?;
    let place = backups.directory().join(&backup.name);
    say(&format!("{} ({}), read back and sound: {}", backup.name, size(&backup), place.display()))
}

async fn list(backups: &Backups) -> anyhow::Result<()> {
    let listed = backups.list().await?;
    let mut out = io::stdout().lock();
    if listed.backups.is_empty() && listed.unreadable.is_empty() {
        return Ok(writeln!(out, "There is no backup in {}.", backups.directory().display())?);
    }
    for backup in &listed.backups {
        let old = age(Utc::now() - backup.manifest.created_at);
        let why = if backup.manifest.origin == Origin::Schedule { "daily" } else { "asked for" };
        writeln!(out, "{:<34} {old:>12} {:>10}  {why:<9}  {}", backup.name, size(backup), state(backup))?;
    }
    for (name, why) in &listed.unreadable {
        writeln!(out, "{name:<34} isn't a backup: {why}")?;
    }
    Ok(())
}

async fn verify(backups: &Backups, name: Option<&str>, all: bool) -> anyhow::Result<()> {
    let listed = backups.list().await?;
    let mut names: Vec<String> = match (name, all) {
        (Some(name), _) => vec![name.to_owned()],
        (None, true) => listed.backups.iter().map(|backup| backup.name.clone()).collect(),
        (None, false) => listed.backups.first().map(|newest| newest.name.clone()).into_iter().collect(),
    };
    if all {
        names.extend(listed.unreadable.iter().map(|(name, _)| name.clone()));
    }
    if names.is_empty() {
        bail!("there is no backup in {}", backups.directory().display());
    }
    let mut wrong = Vec::new();
    for name in &names {
        match backups.verify(name).await {
            Ok(backup) => {
                let rows: u64 = backup.manifest.rows.values().sum();
                say(&format!("{name}: sound, {rows} rows in {} tables", backup.manifest.rows.len()))?;
            }
            Err(error) if names.len() == 1 => return Err(error.into()),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("{} of {}: {}", wrong.len(), names.len(), wrong.join("; ")) }
}

async fn restore(backups: &Backups, name: &str, database: &Path, replace: bool) -> anyhow::Result<()> {
    let backup = backups.find(name).await?;
    let question = workflow::restored(backup.manifest.created_at);
    let restored = backups.restore(&backup, database, replace, &question).await.context("nothing was restored")?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} is the lab again as it was at {}.", database.display(), backup.manifest.created_at)?;
    if let Some(kept) = &restored.kept {
        writeln!(out, "What was there before lies at {}; remove it when you are sure.", kept.display())?;
    }
    if !restored.migrations.is_empty() {
        writeln!(out, "Its schema was brought up to date ({}).", restored.migrations.join(", "))?;
    }
    if !restored.robots.is_empty() {
        let robots = restored.robots.join(", ");
        writeln!(
            out,
            "Nothing on the decks of {robots} is believed: virtual ones renew theirs, the others ask their operators \
             before the first drop."
        )?;
    }
    Ok(())
}

async fn prune(backups: &Backups, keep: Keep, yes: bool) -> anyhow::Result<()> {
    let listed = backups.list().await?;
    let going = keep.superfluous(&listed.backups);
    if going.is_empty() {
        return say(&format!("All of {} are kept.", listed.backups.len()));
    }
    for backup in &going {
        if yes {
            backups.remove(backup).await.with_context(|| format!("{} can't be removed", backup.name))?;
        }
        let what = if yes { "removed" } else { "would be removed" };
        say(&format!("{} {what} ({} old)", backup.name, age(Utc::now() - backup.manifest.created_at)))?;
    }
    let left = listed.backups.len() - going.len();
    say(&if yes { format!("{left} are kept.") } else { format!("{left} would be kept; --yes does it.") })
}

fn say(sentence: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{sentence}")?)
}

fn state(backup: &Backup) -> String {
    match &backup.verified {
        None => "not read back".to_owned(),
        Some(verified) => match &verified.fault {
            None => format!("read back {} ago", age(Utc::now() - verified.at)),
            Some(fault) => format!("DAMAGED: {fault}"),
        },
    }
}

/// The largest unit that there is at least two of.
fn age(age: TimeDelta) -> String {
    let minutes = age.num_minutes().max(0);
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn size(backup: &Backup) -> String {
    let mib = backup.manifest.packed_size as f64 / f64::from(1 << 20);
    if mib < 10.0 { format!("{mib:.1} MiB") } else { format!("{mib:.0} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_people_do() {
        for (minutes, told) in [(-5, "0 min"), (119, "119 min"), (120, "2 h"), (2_879, "47 h"), (2_880, "2 days")] {
            assert_eq!(age(TimeDelta::minutes(minutes)), told);
        }
    }
}

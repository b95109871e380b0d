//! The embedded database's backups, made, looked through, put back and removed.

use super::{age, say, size};
use crate::{
    cli::{Backup as Command, BackupAct, Restore},
    database,
    settings::Settings,
};
use anyhow::{Context, bail};
use chrono::Utc;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};
use store::backup::{Backup, Backups, Keep, Origin};

pub async fn run(settings: &Settings, command: &Command, database: PathBuf) -> anyhow::Result<()> {
    let usual = || settings.backups();
    let backups = Backups::at(command.from.clone().unwrap_or_else(usual));
    match &command.act {
        BackupAct::Create { kind: Some(_), .. } => only_postgres("--type"),
        BackupAct::Create { to, kind: None } => {
            let backups = to.as_ref().map_or(backups, Backups::at);
            create(settings, &backups).await
        }
        BackupAct::List => list(&backups).await,
        BackupAct::Verify { name, all } => verify(&backups, name.as_deref(), *all).await,
        BackupAct::Restore(Restore { name: Some(name), to, yes, .. }) => {
            let database = to.as_deref().map_or(database, database::embedded);
            restore(&backups, name, &database, *yes).await
        }
        BackupAct::Restore(_) => only_postgres("a moment to restore to"),
        BackupAct::Prune { keep_last: None, keep_daily: None, keep_weekly: None, .. } => {
            bail!("say what to keep: --keep-last N, --keep-daily D, --keep-weekly W, or several of them")
        }
        BackupAct::Prune { keep_last, keep_daily, keep_weekly, yes } => {
            let [last, daily, weekly] = [keep_last, keep_daily, keep_weekly].map(|rule| rule.unwrap_or_default());
            prune(&backups, Keep { last, daily, weekly }, *yes).await
        }
        BackupAct::Schedule | BackupAct::Configure(_) => {
            bail!("`up` and `serve` back the embedded database up by themselves (backup_every)")
        }
    }
}

fn only_postgres(what: &str) -> anyhow::Result<()> {
    bail!("only a lab on PostgreSQL has {what}: this one's database is embedded")
}

async fn create(settings: &Settings, backups: &Backups) -> anyhow::Result<()> {
    let store = database::open_any(settings).await?;
    let made = backups.create(&store, Origin::Asked).await;
    store.close().await?;
    let backup = made.context("no backup was made")?;
    let place = backups.directory().join(&backup.name);
    say(&format!("{} ({}), read back and sound: {}", backup.name, packed(&backup), place.display()))
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
        writeln!(out, "{:<34} {old:>12} {:>10}  {why:<9}  {}", backup.name, packed(backup), state(backup))?;
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

fn packed(backup: &Backup) -> String {
    size(backup.manifest.packed_size)
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

//! PostgreSQL's backups: pgBackRest beside it does the work, what it says goes to the person, and the lab's database is told
//! how old the newest is.

use super::{age, say, size};
use crate::{
    cli::{Backup as Command, BackupAct, BackupKind, Restore},
    database,
    settings::Settings,
    shutdown,
};
use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use pgbackrest::{Backup, Expiry, Kind, PgBackRest, Plan, Repository, Target};
use std::{
    io::{self, Write},
    time::Duration,
};
use store::{Store, StoreError, backup::BackupNews};
use tokio_util::sync::CancellationToken;

/// A server that is at work answers within this.
const ANSWER: Duration = Duration::from_secs(2);
const UNTOLD: &str = "the lab's database can't be told of its backups; its metrics tell what they did before";

pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<()> {
    let pgbackrest = configured(settings)?;
    if command.from.is_some() {
        bail!(
            "--from is for backups of the embedded database: where PostgreSQL's lie is said in pgBackRest's configuration"
        );
    }
    let stop = shutdown::on_signal()?;
    match &command.act {
        BackupAct::Create { to: Some(_), .. } => {
            bail!(
                "--to is for backups of the embedded database: where PostgreSQL's go is said in pgBackRest's configuration"
            )
        }
        BackupAct::Create { to: None, kind } => create(settings, &pgbackrest, *kind, &stop).await,
        BackupAct::List => list(&pgbackrest, &stop).await,
        BackupAct::Verify { name: Some(_), .. } => {
            bail!("of PostgreSQL's backups all are verified at once, since they share files: leave the name out")
        }
        BackupAct::Verify { name: None, .. } => verify(settings, &pgbackrest, &stop).await,
        BackupAct::Restore(wanted) => restore(settings, &pgbackrest, wanted, &stop).await,
        BackupAct::Prune { keep_daily: None, keep_weekly: None, keep_last, yes } => {
            prune(&pgbackrest, *keep_last, *yes, &stop).await
        }
        BackupAct::Prune { .. } => bail!(
            "of PostgreSQL's backups what is kept is said in pgBackRest's configuration (repo1-retention-full, in days), or by \
             --keep-last with the number of full ones"
        ),
        BackupAct::Schedule | BackupAct::Configure(_) => Ok(()),
    }
}

/// pgBackRest as the settings name it.
pub fn configured(settings: &Settings) -> anyhow::Result<PgBackRest> {
    let Some(stanza) = &settings.pgbackrest_stanza else {
        bail!(
            "this lab's database is PostgreSQL, which pgBackRest backs up on its own host: set pgbackrest_stanza there \
             (TINCTURE_PGBACKREST_STANZA); `tincture backup configure` prints what has to be configured (docs/backup.md)"
        )
    };
    Ok(PgBackRest::new(stanza, settings.pgbackrest_config.clone()))
}

impl From<BackupKind> for Kind {
    fn from(kind: BackupKind) -> Self {
        match kind {
            BackupKind::Full => Self::Full,
            BackupKind::Diff => Self::Diff,
            BackupKind::Incr => Self::Incr,
        }
    }
}

async fn create(
    settings: &Settings,
    pgbackrest: &PgBackRest,
    kind: Option<BackupKind>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    pgbackrest.check_place()?;
    let store = database::open_any(settings).await?;
    let kind = kind.map_or(Kind::Diff, Kind::from);
    let made = make(pgbackrest, &store, kind, stop, &mut aloud).await;
    let news = match &made {
        Ok(repository) => news_of(pgbackrest, repository, stop).await,
        Err(_) => Ok(BackupNews { failed: Some(Utc::now()), ..BackupNews::default() }),
    };
    match news {
        Ok(news) => tell(&store, &news).await,
        Err(error) => tracing::warn!(%error, "{UNTOLD}"),
    }
    store.close().await?;
    let repository = made.context("no backup was made")?;
    let backup = repository.newest().context("pgBackRest doesn't list the backup that it made")?;
    say(&format!(
        "{} ({}): {}, of which {} are new in the repository",
        backup.name,
        backup.kind.name(),
        size(backup.size),
        size(backup.stored)
    ))
}

/// Makes one, after the repository was prepared where it wasn't. Gives what is there then.
pub async fn make(
    pgbackrest: &PgBackRest,
    store: &Store,
    kind: Kind,
    stop: &CancellationToken,
    hear: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<Repository> {
    let before = match pgbackrest.repository(stop).await? {
        Some(repository) => repository,
        None => {
            pgbackrest.create_stanza(stop, hear).await?;
            looked_at(pgbackrest, stop).await?
        }
    };
    check_server(pgbackrest, &before, store).await?;
    pgbackrest.back_up(kind, stop, hear).await?;
    looked_at(pgbackrest, stop).await
}

async fn looked_at(pgbackrest: &PgBackRest, stop: &CancellationToken) -> anyhow::Result<Repository> {
    let repository = pgbackrest.repository(stop).await?;
    repository
        .with_context(|| format!("pgBackRest doesn't know the stanza {} that it has just used", pgbackrest.stanza()))
}

/// That what is backed up is the lab's database and not another one on the same host.
async fn check_server(pgbackrest: &PgBackRest, repository: &Repository, store: &Store) -> anyhow::Result<()> {
    let (ours, backed_up) = (store.system_identifier().await?, repository.system_identifier);
    if ours != backed_up {
        bail!(
            "the stanza {} is of another server (system identifier {backed_up}) than database_url names ({ours}): correct one \
             of them, or pg1-path in pgBackRest's configuration",
            pgbackrest.stanza()
        );
    }
    Ok(())
}

/// What the lab should know of a repository.
pub async fn news_of(
    pgbackrest: &PgBackRest,
    repository: &Repository,
    stop: &CancellationToken,
) -> pgbackrest::Result<BackupNews> {
    let earliest = pgbackrest.earliest(repository, stop).await?;
    Ok(BackupNews { newest: repository.newest().map(|newest| newest.ended), earliest, ..BackupNews::default() })
}

/// What was done is done, whether or not the lab can be told: its metrics will show that it wasn't.
pub async fn tell(store: &Store, news: &BackupNews) {
    if let Err(error) = store.tell_backups(news).await {
        tracing::warn!(%error, "{UNTOLD}");
    }
}

async fn list(pgbackrest: &PgBackRest, stop: &CancellationToken) -> anyhow::Result<()> {
    let repository = pgbackrest.repository(stop).await?.filter(|repository| !repository.backups.is_empty());
    let Some(repository) = repository else {
        return say(&format!("There is no backup of the stanza {} yet.", pgbackrest.stanza()));
    };
    for backup in &repository.backups {
        say(&line(backup))?;
    }
    match pgbackrest.span(&repository, stop).await {
        Ok(span) if span.earliest <= span.latest => say(&format!(
            "Can be put back to any moment from {} to {}.",
            moment(span.earliest),
            moment(span.latest.max(span.earliest))
        )),
        Ok(_) => say("Nothing was committed and archived since the first backup that the database's history has."),
        Err(error @ pgbackrest::Error::NoCommit { .. }) => say(&format!("To moments not yet: {error}.")),
        Err(error) => {
            say("The moments that it can be put back to aren't known: see below.")?;
            Err(error.into())
        }
    }
}

fn line(backup: &Backup) -> String {
    let old = age(Utc::now() - backup.ended);
    let state = if backup.sound { "" } else { "  DAMAGED: pages with wrong checksums" };
    format!(
        "{:<33}  {:<4}  {} – {}  {:>9} ({} stored)  {old:>8} old{state}",
        backup.name,
        backup.kind.name(),
        moment(backup.began),
        moment(backup.ended),
        size(backup.size),
        size(backup.stored),
    )
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn verify(settings: &Settings, pgbackrest: &PgBackRest, stop: &CancellationToken) -> anyhow::Result<()> {
    pgbackrest.check_place()?;
    let repository = pgbackrest.repository(stop).await?.filter(|repository| !repository.backups.is_empty());
    let Some(repository) = repository else { bail!("there is no backup of the stanza {} yet", pgbackrest.stanza()) };
    let verified = pgbackrest.verify(&repository, stop, &mut aloud).await;
    if let Some(news) = news_of_verify(&verified) {
        // Where the server is down, backups can be looked through all the same.
        match database::open_any(settings).await {
            Ok(store) => {
                tell(&store, &news).await;
                store.close().await?;
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the lab's database can't be told of it"),
        }
    }
    verified?;
    say(&format!("All {} backups and their archive are sound.", repository.backups.len()))
}

/// Nothing where it isn't known whether something is damaged.
pub fn news_of_verify(verified: &pgbackrest::Result<()>) -> Option<BackupNews> {
    let now = Some(Utc::now());
    match verified {
        Ok(()) => Some(BackupNews { verified: now, ..BackupNews::default() }),
        Err(pgbackrest::Error::Damaged(_)) => Some(BackupNews { damaged: now, ..BackupNews::default() }),
        Err(_) => None,
    }
}

async fn prune(
    pgbackrest: &PgBackRest,
    keep_full: Option<usize>,
    yes: bool,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    pgbackrest.check_place()?;
    let keep_full = match keep_full {
        Some(0) => bail!("--keep-last must be at least 1: the newest full backup is never removed"),
        keep => keep.map(u32::try_from).transpose().context("--keep-last is too large")?,
    };
    let Some(before) = pgbackrest.repository(stop).await? else {
        bail!("there is no backup of the stanza {} yet", pgbackrest.stanza())
    };
    pgbackrest.expire(Expiry { keep_full, only_shown: !yes }, stop, &mut aloud).await?;
    if !yes {
        return say("Nothing was removed; --yes does what is told above.");
    }
    let left: Vec<_> = looked_at(pgbackrest, stop).await?.backups.into_iter().map(|backup| backup.name).collect();
    for backup in before.backups.iter().filter(|backup| !left.contains(&backup.name)) {
        say(&format!("{} removed ({} old)", backup.name, age(Utc::now() - backup.ended)))?;
    }
    say(&format!("{} are kept.", left.len()))
}

async fn restore(
    settings: &Settings,
    pgbackrest: &PgBackRest,
    wanted: &Restore,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let target = match (&wanted.name, wanted.to_moment) {
        (Some(name), _) => Target::Backup(name.clone()),
        (None, Some(moment)) => Target::Moment(moment),
        (None, None) => Target::Latest,
    };
    let elsewhere = wanted.to.is_some();
    let plan = pgbackrest.plan(target, wanted.to.clone(), wanted.yes, stop).await?;
    if !elsewhere && answers(settings).await {
        bail!(
            "a server is at work where database_url leads: stop it (and under Patroni every other) and every tincture that uses it \
             (up, serve, worker), then restore; or look at what was in a new directory, with --to"
        );
    }
    pgbackrest
        .restore(&plan, stop, &mut aloud)
        .await
        .context("it isn't put back; the same command can be tried again")?;
    say(&next_steps(&plan, elsewhere))
}

/// Whether a server takes writes where the lab looks for its database, also if it's on another host.
async fn answers(settings: &Settings) -> bool {
    match database::open_at_once(settings, ANSWER).await {
        Ok(store) => {
            let _ = store.close().await;
            true
        }
        Err(error) => !matches!(error, StoreError::Unreachable(_)),
    }
}

fn next_steps(plan: &Plan, elsewhere: bool) -> String {
    let place = plan.place().directory().display();
    let what = plan.describe();
    if elsewhere {
        return format!(
            "In {place} lies {what}. It archives nothing. To look at it start a server there on another port, with the configuration \
             of the lab's own (its max_connections mustn't be lower). On Debian:\n\
             \x20 /usr/lib/postgresql/15/bin/postgres -c config_file=/etc/postgresql/15/main/postgresql.conf \
             -c data_directory={place} -c port=5433 -c external_pid_file= -c archive_mode=off\n\
             Let no worker use it: it would drive the lab's robots."
        );
    }
    format!(
        "In {place} lies {what}; no server runs on it yet.\n\
         1. Start the server, and wait until it takes writes: psql -c 'SELECT pg_is_in_recovery()' says f.\n\
         \x20  Under Patroni: patronictl resume or start it on this node first; then have the others copied anew (patronictl reinit).\n\
         2. Start the lab. It knows that its decks are ahead: each robot is asked what it was told since, and each operator to look.\n\
         3. Have a full backup made: tincture backup create --type full\n\
         Accounts, keys and sessions are as they were then, too (docs/backup.md)."
    )
}

/// What pgBackRest says goes to the person.
fn aloud(line: &str) {
    // Nobody has to listen.
    let _ = writeln!(io::stderr(), "{line}");
}

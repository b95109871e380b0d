//! `tincture audit`: the activity log, for whoever has the database at hand.

use super::person::find;
use crate::{
    cli::{Audit, WhichLines},
    database,
    settings::Settings,
};
use anyhow::{Context, bail};
use auth::Service;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::UserId;
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use store::{ActivityFilter, Anchor, Store, Verification, backup::Backups};
use views::{ActivityExport, ActivityFormat, ActivityView, people};

/// An anchor, when it was made where that is known, and where it comes from.
type Known = (Anchor, Option<DateTime<Utc>>, String);

const PAGE: u32 = 200;

pub async fn run(settings: &Settings, command: &Audit) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let done = carry_out(settings, &store, command).await;
    store.close().await?;
    done
}

async fn carry_out(settings: &Settings, store: &Store, command: &Audit) -> anyhow::Result<()> {
    match command {
        Audit::Verify { anchors, without_backups } => {
            let mut known = given(store, anchors).await?;
            if !without_backups {
                known.extend(of_backups(settings).await?);
            }
            verify(store, &known).await
        }
        Audit::Anchor => {
            let anchor =
                store.activity_anchor().await?.context("nothing is sealed yet: a lab that serves seals its log")?;
            let signed = Service::new(store.clone()).await?.keys().sign_anchor(&anchor).await?;
            let mut out = io::stdout().lock();
            writeln!(out, "{anchor}")?;
            Ok(writeln!(out, "{}", signed.expose())?)
        }
        Audit::List { which, limit } => list(store, &filter(store, which).await?, *limit).await,
        Audit::Export { which, format, output } => {
            export(store, filter(store, which).await?, *format, output.as_deref()).await
        }
    }
}

async fn given(store: &Store, anchors: &[String]) -> anyhow::Result<Vec<Known>> {
    let mut known = Vec::new();
    for text in anchors {
        let (anchor, at) = if text.contains(':') {
            (text.parse().map_err(anyhow::Error::msg)?, None)
        } else {
            let keys = Service::new(store.clone()).await?;
            let read = keys.keys().read_anchor(text.trim()).await;
            let (anchor, at) = read.context("that isn't an anchor which a key of this lab has signed")?;
            (anchor, Some(at))
        };
        known.push((anchor, at, "as given".to_owned()));
    }
    Ok(known)
}

/// Those that the embedded database's backups have in their manifests.
async fn of_backups(settings: &Settings) -> anyhow::Result<Vec<Known>> {
    if database::file(settings).is_none() {
        return Ok(Vec::new());
    }
    let listed = Backups::at(settings.backups()).list().await?;
    let known = listed.backups.into_iter().filter_map(|backup| {
        let anchor = backup.manifest.activity.as_deref()?.parse().ok()?;
        Some((anchor, Some(backup.manifest.created_at), format!("of the backup {}", backup.name)))
    });
    Ok(known.collect())
}

async fn verify(store: &Store, known: &[Known]) -> anyhow::Result<()> {
    let anchors: Vec<_> = known.iter().map(|(anchor, at, _)| (anchor.clone(), *at)).collect();
    let found = store.verify_activity(&anchors).await?;
    tell(&found, known)?;
    match found.fault {
        Some(fault) => bail!("the activity log isn't what it was: {fault}"),
        None => Ok(()),
    }
}

fn tell(found: &Verification, known: &[Known]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let from = |anchor: &Anchor| {
        let of = known.iter().find(|(known, ..)| known == anchor);
        of.map_or_else(String::new, |(.., from)| format!(" ({from})"))
    };
    writeln!(
        out,
        "{} sealed lines read, {} of them with something of an erased person taken out",
        found.lines, found.erased
    )?;
    if let Some(forgotten) = &found.forgotten {
        writeln!(out, "lines up to {} were forgotten by their age (keep_activity)", forgotten.number)?;
    }
    if let Some(since) = found.unsealed_since {
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        writeln!(out, "{} lines aren't sealed yet, the oldest since {since}: nothing tells of these", found.unsealed)?;
    }
    if let Some(first) = found.first_late {
        writeln!(
            out,
            "{} lines were sealed more than 5 minutes after later ones, the first is {first}: a clock that was wrong, or a line put in",
            found.late
        )?;
    }
    for undone in &found.undone {
        let (anchor, by) = (&undone.anchor, undone.by);
        writeln!(
            out,
            "anchor {}{} is of what a restore took back; line {by} tells of it",
            anchor.number,
            from(anchor)
        )?;
    }
    for anchor in &found.unchecked {
        writeln!(
            out,
            "anchor {}{} is of lines that were forgotten since: it can't be checked",
            anchor.number,
            from(anchor)
        )?;
    }
    let checked = known.len() - found.undone.len() - found.unchecked.len();
    if let (Some(end), None) = (&found.end, &found.fault) {
        writeln!(out, "all is as it was sealed; {checked} anchors hold")?;
        writeln!(out, "anchor: {end}")?;
    }
    Ok(())
}

async fn filter(store: &Store, which: &WhichLines) -> anyhow::Result<ActivityFilter> {
    let WhichLines { who, whom, what, since, until, text } = which;
    Ok(ActivityFilter {
        by: person(store, who.as_deref()).await?,
        about: person(store, whom.as_deref()).await?,
        action: what.clone(),
        from: *since,
        until: *until,
        text: text.clone(),
    })
}

/// An id is taken as it is: an erased person's account is still one.
async fn person(store: &Store, text: Option<&str>) -> anyhow::Result<Option<UserId>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Ok(Some(find(store, text).await?.id)),
    }
}

async fn list(store: &Store, filter: &ActivityFilter, limit: u32) -> anyhow::Result<()> {
    let (mut after, mut left) = (None, limit);
    loop {
        let page = store.search_activity(filter, after, left.min(PAGE)).await?;
        let lines: Vec<_> = page.data.into_iter().map(ActivityView::from).collect();
        let emails = store.emails_of(&people(&lines)).await?;
        left -= u32::try_from(lines.len()).unwrap_or(left).min(left);
        let mut out = io::stdout().lock();
        for line in &lines {
            let name = |user: UserId| emails.get(&user).cloned().unwrap_or_else(|| user.to_string());
            let at = line.created_at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let number = line.number.map_or_else(|| "–".to_owned(), |number| number.to_string());
            let (who, from) = (line.user_id.map_or_else(|| "–".to_owned(), name), line.ip_address);
            let from = from.map_or_else(|| "–".to_owned(), |address| address.to_string());
            let details = line.details.to_string();
            writeln!(out, "{number:>8}  {at}  {who:<32} {:<24} {from:<16} {details}", line.action)?;
        }
        after = page.next;
        if after.is_none() || left == 0 {
            return Ok(());
        }
    }
}

/// A file that is there already isn't overwritten.
async fn export(
    store: &Store,
    filter: ActivityFilter,
    format: ActivityFormat,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    let mut out: Box<dyn Write> = match output {
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(file.with_context(|| format!("{} can't be made", path.display()))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    let mut pieces = ActivityExport::new(store.clone(), filter, format);
    while let Some(piece) = pieces.next().await.context("not all of it could be read")? {
        out.write_all(piece.as_bytes())?;
    }
    Ok(out.flush()?)
}

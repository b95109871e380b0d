//! `tincture group`: classes and courses, for whoever has the database at hand.

use super::person;
use crate::{cli::Group as Command, database, settings::Settings};
use anyhow::{Context, bail};
use auth::{GroupWish, Service};
use domain::{QuotaRequestId, Standing};
use std::io::{self, Write};
use store::{Group, Store};

const PAGE: u32 = 200;

pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let done = carry_out(&store, command).await;
    // Which tells the processes that serve.
    store.close().await?;
    done
}

async fn carry_out(store: &Store, command: &Command) -> anyhow::Result<()> {
    let auth = Service::new(store.clone()).await?;
    match command {
        Command::Create { name, terms } => {
            let wish = GroupWish { name: Some(name.clone()), ..terms.wish() };
            let group = auth.create_group(wish, None, None).await?;
            say(&format!("The group {} is there: {}.", group.name, described(&group)))
        }
        Command::List => list(store).await,
        Command::Show { name } => show(store, &find(store, name).await?).await,
        Command::Add { name, emails } => {
            let group = find(store, name).await?;
            auth.add_to_group(group.id, emails, Standing::Member, None, None).await?;
            say(&format!("In {} they have {} wells.", group.name, group.allowance))
        }
        Command::Teacher { name, emails } => {
            let group = find(store, name).await?;
            auth.add_to_group(group.id, emails, Standing::Teacher, None, None).await?;
            say(&format!("They see and steer what members of {} do.", group.name))
        }
        Command::Remove { name, email } => {
            let (group, user) = (find(store, name).await?, person::find(store, email).await?);
            auth.remove_from_group(group.id, user.id, None, None).await?;
            say(&format!("{} is out of {}; what they asked for goes on.", user.email, group.name))
        }
        Command::Quota { name, terms } => {
            let group = find(store, name).await?;
            let group = auth.update_group(group.id, terms.wish(), None, None).await?;
            say(&format!("{}: {}.", group.name, described(&group)))
        }
        Command::Refill { name } => {
            let group = find(store, name).await?;
            auth.refill_group(group.id, None, None).await?;
            say(&format!("Each member of {} has {} wells again.", group.name, group.allowance))
        }
        Command::Requests => requests(store).await,
        Command::Grant { id, wells } => {
            let wells = auth.grant_quota(request_id(id)?, *wells, None, None).await?;
            say(&format!("{wells} wells are granted."))
        }
        Command::Refuse { id } => {
            auth.refuse_quota(request_id(id)?, None, None).await?;
            say("It is refused.")
        }
        Command::Delete { name, with_members } => {
            let group = find(store, name).await?;
            let deleted = auth.delete_group(group.id, *with_members, None, None).await;
            if matches!(deleted, Err(auth::AuthError::Group(auth::GroupError::InUse))) {
                bail!("people are in {}: say --with-members if it is to go with them", group.name);
            }
            deleted?;
            say(&format!("{} is no more; experiments stay.", group.name))
        }
    }
}

async fn find(store: &Store, name: &str) -> anyhow::Result<Group> {
    let group = store.group_by_name(name).await?;
    group.with_context(|| format!("there is no group '{name}'; `tincture group list` shows them"))
}

fn request_id(text: &str) -> anyhow::Result<QuotaRequestId> {
    text.parse().ok().with_context(|| format!("'{text}' is no request's id; `tincture group requests` shows them"))
}

fn say(sentence: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{sentence}")?)
}

fn described(group: &Group) -> String {
    let next = group.next_refill_at.map_or_else(
        || "no refill to come".to_owned(),
        |at| format!("next refill {}", at.with_timezone(&group.time_zone).format("%a %Y-%m-%d %H:%M")),
    );
    format!(
        "{} wells each, {} of {} in reserve, refill {} ({}), {next}",
        group.allowance, group.reserve_left, group.reserve, group.refill, group.time_zone
    )
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.groups(None, after, PAGE).await?;
        let mut out = io::stdout().lock();
        for line in page.data {
            let (members, teachers) = (line.members, line.teachers);
            writeln!(
                out,
                "{:<30} {members:>4} members {teachers:>2} teachers  {}",
                line.group.name,
                described(&line.group)
            )?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

async fn show(store: &Store, group: &Group) -> anyhow::Result<()> {
    say(&format!("{}: {}", group.name, described(group)))?;
    let mut after = None;
    loop {
        let page = store.members(group.id, after, PAGE).await?;
        let mut out = io::stdout().lock();
        for member in page.data {
            let disabled = if member.disabled { ", disabled" } else { "" };
            writeln!(
                out,
                "  {:<40} {:<8} {:>7} wells left{disabled}",
                member.email, member.standing, member.quota_remaining
            )?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

async fn requests(store: &Store) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.quota_requests(None, None, after, PAGE).await?;
        let mut out = io::stdout().lock();
        for asked in page.data {
            let whom = asked.group_name.unwrap_or_else(|| "administrators".to_owned());
            writeln!(out, "{}  {:<30} {:>4} wells of {whom}: {}", asked.id, asked.email, asked.wells, asked.reason)?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

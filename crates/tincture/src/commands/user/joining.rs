//! `tincture user link`, `import`, `invite`, …: how people come to an account. What is for scripts to read is alone on standard
//! output; what else there is to say goes to standard error.

use super::find;
use crate::{cli::User, settings::Settings};
use anyhow::{Context, bail};
use auth::{
    Fate, HANDED_LINK_LIFE, ImportLine, InvitationWish, LARGEST_SHEET, Secret, Service, link_address, ways_in_csv,
};
use chrono::Utc;
use domain::InvitationId;
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};
use store::{Invitation, Registration, Store};

const PAGE: u32 = 200;

pub(super) async fn carry_out(settings: &Settings, store: &Store, command: &User) -> anyhow::Result<()> {
    let auth = Service::new(store.clone()).await?.with_account_policy(settings.account_policy())?;
    let site = settings.site();
    let link = |secret: &Secret| link_address(&site, secret);
    match command {
        User::Link { email } => {
            let user = find(store, email).await?;
            if user.disabled_at.is_some() {
                bail!("{} is disabled: `tincture user enable {}` first", user.email, user.email);
            }
            let (secret, _) = auth.create_password_link(user.id, HANDED_LINK_LIFE, None, None).await?;
            writeln!(io::stdout(), "{}", link(&secret))?;
            note(&format!("{} chooses a new password there, once, within a day. It is shown this once.", user.email))
        }
        User::Import { file, dry_run: true } => preview(&auth.preview_import(&sheet(file)?).await?),
        User::Import { file, dry_run: false } => {
            let done = auth.import(&sheet(file)?, None, None).await?;
            let count = |fate: &Fate| done.lines.iter().filter(|line| line.fate == *fate).count();
            let (made, known) = (count(&Fate::New), count(&Fate::Known));
            if !done.ways_in.is_empty() {
                write!(io::stdout(), "{}", ways_in_csv(&done.ways_in, link))?;
            }
            let how = match () {
                () if made == 0 => "",
                () if done.ways_in.is_empty() => " Each gets a mail with a one-time link.",
                () => " Hand out the links above: each is good once, for 14 days, and is shown this once.",
            };
            note(&format!("{made} accounts are made; {known} were there already and are as before.{how}"))
        }
        User::Invite { email, role, quota, group, uses, days } => {
            let wish = InvitationWish {
                email: email.clone(),
                role: Some(*role),
                quota: *quota,
                uses: Some(*uses),
                days: Some(*days),
                group: group.clone(),
            };
            let made = auth.invite(wish, None, None).await?;
            writeln!(io::stdout(), "{}", link(&made.secret))?;
            let mailed = if made.mailed { " A mail is on its way, too." } else { "" };
            note(&format!("It is for {}. The link is shown this once.{mailed}", described(&made.invitation)))
        }
        User::Invitations => invitations(store).await,
        User::Uninvite { id } => {
            let id: InvitationId = id
                .parse()
                .ok()
                .with_context(|| format!("'{id}' is no invitation's id; `tincture user invitations` shows them"))?;
            auth.revoke_invitation(id, None, None).await?;
            note("The invitation is ended.")
        }
        User::Waiting => waiting(store).await,
        User::Approve { email, role, quota } => {
            let asked = waiting_as(store, email).await?;
            let user = auth.approve(asked.id, *role, *quota, None, None).await?;
            note(&format!("{} may sign in as {} and ask for {} wells.", user.email, user.role, user.quota_remaining))
        }
        User::Refuse { email } => {
            let asked = waiting_as(store, email).await?;
            auth.reject(asked.id, None, None).await?;
            note(&format!("{} isn't waiting any more.", asked.email))
        }
        _ => Ok(()),
    }
}

fn note(sentence: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stderr(), "{sentence}")?)
}

/// One byte more than may be tells that it is too large.
fn sheet(file: &Path) -> anyhow::Result<String> {
    let most = u64::try_from(LARGEST_SHEET)? + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        let opened = File::open(file).with_context(|| format!("{} can't be read", file.display()))?;
        opened.take(most).read_to_end(&mut bytes)?;
    }
    String::from_utf8(bytes).ok().context("the sheet isn't UTF-8: save it as \"CSV UTF-8\"")
}

fn preview(lines: &[ImportLine]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        let fate = match &line.fate {
            Fate::New => format!("new: {}, {} wells", line.role, line.quota),
            Fate::Known if line.group.is_some() => "has an account, and joins the group".to_owned(),
            Fate::Known => "has an account, which is left alone".to_owned(),
            Fate::Fault(why) => format!("CAN'T BE TAKEN: {why}"),
        };
        writeln!(out, "{:>5}  {:<40} {fate}", line.line, line.email)?;
    }
    Ok(())
}

fn described(invitation: &Invitation) -> String {
    let Invitation { email, role, quota, uses, uses_left, expires_at, .. } = invitation;
    let whom = email.clone().unwrap_or_else(|| match uses {
        1 => "one person".to_owned(),
        uses => format!("{uses} people, {uses_left} left"),
    });
    format!("{whom}, as {role} with {quota} wells, until {}", expires_at.format("%Y-%m-%d"))
}

async fn invitations(store: &Store) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.invitations(after, PAGE).await?;
        let mut out = io::stdout().lock();
        for invitation in &page.data {
            let over = match invitation {
                Invitation { uses_left: 0, .. } => "  (used up)",
                Invitation { expires_at, .. } if *expires_at <= Utc::now() => "  (ran out)",
                _ => "",
            };
            writeln!(out, "{}  {}{over}", invitation.id, described(invitation))?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

async fn waiting(store: &Store) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.registrations(after, PAGE).await?;
        let mut out = io::stdout().lock();
        for asked in &page.data {
            writeln!(out, "{:<40} since {}", asked.email, asked.created_at.format("%Y-%m-%d"))?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

async fn waiting_as(store: &Store, email: &str) -> anyhow::Result<Registration> {
    let asked = store.registration_by_email(email.trim()).await?;
    asked.with_context(|| format!("{email} doesn't wait for an account; `tincture user waiting` shows who does"))
}

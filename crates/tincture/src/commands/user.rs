//! `tincture user`: accounts, for whoever has the database at hand.

mod joining;

use super::person::find;
use crate::{cli::User, database, settings::Settings};
use anyhow::{Context, bail};
use auth::{NewAccount, OneTimePassword, PASSWORD_LENGTH, Password};
use documents::Documents;
use domain::{Standing, UserId};
use std::{
    fs::OpenOptions,
    io::{self, BufRead, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use store::{Store, UserChanges};

/// A line longer than any password is no password; in bytes.
const LONGEST_LINE: u64 = 4 * *PASSWORD_LENGTH.end() as u64 + 2;
const PAGE: u32 = 200;

pub async fn run(settings: &Settings, command: &User) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let done = carry_out(settings, &store, command).await;
    // Which tells the processes that serve and drive.
    store.close().await?;
    done
}

async fn carry_out(settings: &Settings, store: &Store, command: &User) -> anyhow::Result<()> {
    match command {
        User::Create { email, role, quota, password_stdin } => {
            let (password, one_time) = password(*password_stdin)?;
            let auth = auth::Service::new(store.clone()).await?;
            let account = NewAccount { email: email.clone(), password, role: *role, quota: *quota };
            let user = auth.create_user(account, None, None).await?;
            say(&format!("{} may sign in as {} and ask for {quota} wells.", user.email, user.role), one_time)
        }
        User::List => list(store).await,
        User::SetRole { email, role } => {
            let user = change(store, email, UserChanges { role: Some(*role), ..UserChanges::default() }).await?;
            say(&format!("{} is {role} now.", user.email), None)
        }
        User::SetQuota { email, wells } => {
            let user = change(store, email, UserChanges { quota: Some(*wells), ..UserChanges::default() }).await?;
            say(&format!("{} may ask for {wells} wells now.", user.email), None)
        }
        User::Quota { email } => quota(store, find(store, email).await?.id).await,
        User::Disable { email } => {
            let user = change(store, email, UserChanges { disabled: Some(true), ..UserChanges::default() }).await?;
            say(&format!("{} is signed out everywhere, without API tokens, and can't sign in.", user.email), None)
        }
        User::Enable { email } => {
            let user = change(store, email, UserChanges { disabled: Some(false), ..UserChanges::default() }).await?;
            say(&format!("{} may sign in again.", user.email), None)
        }
        User::Export { email, output } => {
            let user = find(store, email).await?;
            export(&database::documents(settings, store)?, user.id, output.as_deref()).await
        }
        User::Erase { email, yes: false } => {
            let user = find(store, email).await?;
            bail!("{} is still there: say --yes if you mean it. It can't be taken back", user.email)
        }
        User::Erase { email, yes: true } => {
            let user = find(store, email).await?;
            auth::Service::new(store.clone()).await?.erase(None, user.id, &user.email, None).await?;
            say(&format!("{} is erased; what they measured stays under {}.", user.email, user.id), None)
        }
        User::ResetFactor { email } => {
            let user = find(store, email).await?;
            auth::Service::new(store.clone()).await?.reset_factors(user.id, None, None).await?;
            let said = "has no second factor any more, is signed out everywhere, and signs in with the password";
            say(&format!("{} {said}.", user.email), None)
        }
        User::Link { .. }
        | User::Import { .. }
        | User::Invite { .. }
        | User::Invitations
        | User::Uninvite { .. }
        | User::Waiting
        | User::Approve { .. }
        | User::Refuse { .. } => joining::carry_out(settings, store, command).await,
        User::SetPassword { email, password_stdin } => {
            let user = find(store, email).await?;
            let (password, one_time) = password(*password_stdin)?;
            auth::Service::new(store.clone()).await?.reset_password(user.id, password).await?;
            say(
                &format!(
                    "{} has a new password, is signed out everywhere, and has no API tokens any more.",
                    user.email
                ),
                one_time,
            )
        }
    }
}

/// A file that is there already isn't overwritten.
async fn export(documents: &Documents, person: UserId, output: Option<&Path>) -> anyhow::Result<()> {
    let mut out: Box<dyn Write> = match output {
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(file.with_context(|| format!("{} can't be made", path.display()))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    let mut pieces = documents.export(person);
    while let Some(piece) = pieces.recv().await {
        out.write_all(piece.context("not all of it could be read")?.as_bytes())?;
    }
    Ok(out.flush()?)
}

/// From standard input, or made: then it is to be printed once.
fn password(from_stdin: bool) -> anyhow::Result<(Password, Option<OneTimePassword>)> {
    if !from_stdin {
        let made = OneTimePassword::random();
        return Ok((made.password(), Some(made)));
    }
    let mut line = String::new();
    io::stdin().lock().take(LONGEST_LINE).read_line(&mut line).context("the password can't be read")?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        bail!("no password came on standard input");
    }
    Ok((Password::from(password), None))
}

fn say(sentence: &str, one_time: Option<OneTimePassword>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{sentence}")?;
    if let Some(password) = one_time {
        writeln!(out, "Password: {}   (shown this once)", password.expose())?;
    }
    Ok(())
}

async fn change(store: &Store, email: &str, changes: UserChanges) -> anyhow::Result<store::User> {
    let user = find(store, email).await?;
    Ok(auth::Service::new(store.clone()).await?.update_user(None, user.id, changes, None).await?)
}

/// Changes that are shown.
const CHANGES: u32 = 50;

async fn quota(store: &Store, user: UserId) -> anyhow::Result<()> {
    let parts = store.quota_parts(user).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} wells may be asked for, {} of them of their own", parts.total, parts.own)?;
    for membership in parts.memberships {
        let group = &membership.group;
        let next = group.next_refill_at.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
        match membership.standing {
            Standing::Teacher => writeln!(out, "  {:<30} they teach it", group.name)?,
            Standing::Member => {
                writeln!(
                    out,
                    "  {:<30} {} of {} left, whole again {next}",
                    group.name, membership.left, group.allowance
                )?;
            }
        }
    }
    for change in store.quota_changes(user, CHANGES).await? {
        let (at, by) = (change.created_at.to_rfc3339(), change.by_email.unwrap_or_else(|| "the lab".to_owned()));
        let note = change.note.map_or_else(String::new, |note| format!(": {note}"));
        writeln!(out, "{at:.19}  {:>7} -> {:<7} {} by {by}{note}", change.before, change.after, change.cause)?;
    }
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.users(after, PAGE).await?;
        let mut out = io::stdout().lock();
        for user in page.data {
            let role = user.role.as_str();
            writeln!(
                out,
                "{:<40} {role:<11} {:>7} wells left, since {:.10}{}",
                user.email,
                user.quota_remaining,
                user.created_at.to_rfc3339(),
                if user.disabled_at.is_some() { ", disabled" } else { "" },
            )?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

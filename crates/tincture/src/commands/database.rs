//! `tincture database roles`: who may do what in PostgreSQL, as SQL to be read first, or carried out.

use crate::{
    cli::{Database, RoleNames},
    database,
    settings::Settings,
};
use anyhow::Context;
use std::io::{self, Write};

pub async fn run(settings: &Settings, command: &Database) -> anyhow::Result<()> {
    let Database::Roles(names) = command;
    if names.apply { apply(settings, names).await } else { print(names) }
}

fn print(names: &RoleNames) -> anyhow::Result<()> {
    let RoleNames { owner, application, monitor, .. } = names;
    let statement = names.roles().statement();
    Ok(write!(
        io::stdout().lock(),
        "-- Roles of Tincture: {owner} for `tincture migrate`, {application} for everything else, {monitor} for what watches.\n\
         -- Run it as a superuser, or whoever may make roles and owns the tables, in the lab's database; again after each\n\
         -- `tincture migrate`. The roles have no password yet: \\password {application}\n\n{statement}"
    )?)
}

async fn apply(settings: &Settings, names: &RoleNames) -> anyhow::Result<()> {
    let store = database::open_any(settings).await?;
    let made = store.make_roles(&names.roles()).await;
    store.close().await?;
    made.context("the roles can't be made; run what this command prints without --apply as a superuser of PostgreSQL")?;
    let RoleNames { owner, application, monitor, .. } = names;
    Ok(writeln!(
        io::stdout(),
        "{owner}, {application} and {monitor} may do now what they should, in the database that is there. Give each a \
         password (\\password {application}), and run this again after each `tincture migrate`."
    )?)
}

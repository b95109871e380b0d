//! `tincture migrate`: brings the schema up to date, forward only; running it again changes nothing. With `--from` and `--to`
//! it moves a whole lab to PostgreSQL.

use crate::{cli::Migrate, database, settings::Settings};
use anyhow::Context;
use std::io::{self, Write};
use store::{
    Options,
    moving::{self, Moved, Outcome},
};

pub async fn run(settings: &Settings, migrate: &Migrate) -> anyhow::Result<()> {
    match (&migrate.from, &migrate.to) {
        (Some(from), Some(to)) => move_lab(from.expose(), to.expose(), &settings.database()).await,
        _ => bring_up_to_date(settings).await,
    }
}

async fn bring_up_to_date(settings: &Settings) -> anyhow::Result<()> {
    let (store, migrations) = database::prepare(settings).await?;
    store.close().await?;
    let mut out = io::stdout().lock();
    if migrations.is_empty() {
        return Ok(writeln!(out, "The database is up to date.")?);
    }
    for name in migrations {
        writeln!(out, "applied {name}")?;
    }
    Ok(())
}

async fn move_lab(from: &str, to: &str, options: &Options) -> anyhow::Result<()> {
    match moving::move_lab(from, to, options).await.context("the lab wasn't moved")? {
        Outcome::Moved(moved) => tell(&moved),
        Outcome::Before => Ok(writeln!(io::stdout(), "The lab was moved there before; nothing was left to do.")?),
    }
}

fn tell(moved: &Moved) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let rows: u64 = moved.tables.iter().map(|(_, sum)| sum.rows).sum();
    for (table, sum) in &moved.tables {
        writeln!(out, "{table:<24} {:>10} rows  {sum}, the same on both sides", sum.rows)?;
    }
    let went = if moved.resumed { "went on where it had ended" } else { "ran without a break" };
    writeln!(
        out,
        "\nThe lab lives at {} now: {rows} rows in {} tables; the move {went}.",
        moved.place,
        moved.tables.len()
    )?;
    writeln!(
        out,
        "Set TINCTURE_DATABASE_URL to it for everything that runs. The old database is refused from now on, so that no two\n\
         labs drive one robot; put it away, with your backups, until you are sure."
    )?;
    Ok(())
}

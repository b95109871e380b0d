//! `tincture migrate`: brings the schema up to date. Forward only; running it again changes nothing.

use crate::{database, settings::Settings};
use std::io::{self, Write};

pub async fn run(settings: &Settings) -> anyhow::Result<()> {
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

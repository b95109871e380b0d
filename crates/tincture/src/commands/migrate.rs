//! `tincture migrate`: brings the schema up to date. Forward only; running it again changes nothing.

use crate::{database, settings::Settings};
use std::io::{self, Write};

pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let store = database::connect(settings).await?;
    let migrations = store.migrate().await?;
    let mut out = io::stdout().lock();
    if migrations.is_empty() {
        return Ok(writeln!(out, "The database is up to date.")?);
    }
    for name in migrations {
        writeln!(out, "applied {name}")?;
    }
    Ok(())
}

//! Opening the database that the settings name.

use crate::settings::Settings;
use anyhow::Context;
use std::path::Path;
use store::{Options, Store};

/// Opens it and brings its schema up to date.
///
/// # Errors
/// It can't be reached, or a migration fails.
pub async fn open(settings: &Settings) -> anyhow::Result<Store> {
    let store = connect(settings).await?;
    store.migrate().await.context("the database can't be brought up to date")?;
    Ok(store)
}

/// Opens it as it is: the one at `database_url`, otherwise the embedded one of the data directory.
pub async fn connect(settings: &Settings) -> anyhow::Result<Store> {
    let url = match &settings.database_url {
        Some(url) => url.expose().to_owned(),
        None => embedded(&settings.data_dir),
    };
    let options = Options {
        max_connections: settings.database_connections,
        queue_limit: settings.queue_limit,
        ..Options::default()
    };
    Store::connect(&url, options).await.context("the database can't be opened")
}

fn embedded(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("tincture.sqlite").display())
}

//! Opening the database that the settings name.

use crate::settings::Settings;
use anyhow::Context;
use auth::AuthError;
use documents::{Address, Documents};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use store::{Durability, Integrity, Options, Store, StoreError, Survives};

/// How long a start may look for damage. Enough for about 2 GB; a larger file is looked at in part.
const LOOK_FOR_DAMAGE: Duration = Duration::from_secs(5);
/// How long a start waits for a database that was there and is away. A failover takes less (docs/failover.md).
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// Opens the one that is there: makes nothing and changes nothing.
///
/// # Errors
/// It isn't there, can't be reached, or its schema isn't one that this release runs on.
pub async fn open(settings: &Settings) -> anyhow::Result<Store> {
    let store = open_any(settings).await?;
    patiently(async || Ok(store.check_schema().await?)).await?;
    Ok(store)
}

/// What a start asks of a database that did answer, and asks again while it is away: a failover, or a connection that was cut, in
/// just that moment is no reason to end. Only for what may be asked twice.
///
/// # Errors
/// Those of `ask`; of an outage when it lasts.
pub async fn patiently<T>(ask: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(error) if is_outage(&error) && Instant::now() < deadline => {
                tracing::warn!(error = format!("{error:#}"), "the database is away; the start goes on when it is back");
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    let of_store = |cause: &StoreError| cause.is_passing();
    let of_auth = |cause: &AuthError| matches!(cause, AuthError::Store(cause) if cause.is_passing());
    error.chain().any(|cause| cause.downcast_ref().is_some_and(of_store) || cause.downcast_ref().is_some_and(of_auth))
}

/// Opens the one that is there, whatever its schema.
///
/// # Errors
/// It isn't there or can't be reached.
pub async fn open_any(settings: &Settings) -> anyhow::Result<Store> {
    Store::connect_existing(&url(settings), settings.database()).await.context("the database can't be opened")
}

/// The one that is there, whatever its schema, if it answers within `patience`.
///
/// # Errors
/// `Unreachable` where it doesn't.
pub async fn open_at_once(settings: &Settings, patience: Duration) -> Result<Store, StoreError> {
    let options = Options { acquire_timeout: patience, ..settings.database() };
    Store::connect_existing(&url(settings), options).await
}

/// [`open`] for what runs long: looks for damage first.
///
/// # Errors
/// Those of [`open`]; the file is damaged.
pub async fn open_to_serve(settings: &Settings) -> anyhow::Result<Store> {
    let store = open(settings).await?;
    patiently(async || look_for_damage(&store).await).await?;
    patiently(async || tell_durability(&store).await).await?;
    Ok(store)
}

/// Says in the log what the database's own settings make of what is promised.
async fn tell_durability(store: &Store) -> anyhow::Result<()> {
    let Durability { commits_survive, why } = store.durability().await?;
    match commits_survive {
        Survives::Failover => tracing::info!(?commits_survive, why, "the database's durability"),
        Survives::PowerCut | Survives::ProgramCrash | Survives::Nothing => {
            tracing::warn!(?commits_survive, why, "the database's durability");
        }
    }
    Ok(())
}

/// Makes it where it isn't there yet, and brings its schema up to date. Gives the names of the migrations that ran.
///
/// # Errors
/// It can't be reached, is damaged, or a migration fails.
pub async fn prepare(settings: &Settings) -> anyhow::Result<(Store, Vec<String>)> {
    let store = Store::connect(&url(settings), settings.database()).await.context("the database can't be opened")?;
    look_for_damage(&store).await?;
    let ran = store.migrate().await.context("the database can't be brought up to date")?;
    Ok((store, ran))
}

/// Where the lab's documents are. Nothing is asked of a document store yet: one that is down is no reason not to start.
///
/// # Errors
/// `documents_url` isn't a connection string.
pub fn documents(settings: &Settings, store: &Store) -> anyhow::Result<Documents> {
    let Some(url) = &settings.documents_url else { return Ok(Documents::embedded(store.clone())) };
    Ok(Documents::relayed(store.clone(), Address::parse(url.expose())?))
}

async fn look_for_damage(store: &Store) -> anyhow::Result<()> {
    if store.check_integrity(LOOK_FOR_DAMAGE).await? == Integrity::Unfinished {
        tracing::info!(
            seconds = LOOK_FOR_DAMAGE.as_secs(),
            "the database is too large to be looked through at the start; what was read of it is sound"
        );
    }
    Ok(())
}

/// The one at `database_url`, otherwise the embedded one of the data directory.
fn url(settings: &Settings) -> String {
    match &settings.database_url {
        Some(url) => url.expose().to_owned(),
        None => format!("sqlite://{}", embedded(&settings.data_dir).display()),
    }
}

/// The file of SQLite's; nothing where the settings name PostgreSQL.
pub fn file(settings: &Settings) -> Option<PathBuf> {
    store::sqlite_path(&url(settings))
}

/// The embedded database of a data directory.
pub fn embedded(data_dir: &Path) -> PathBuf {
    data_dir.join("tincture.sqlite")
}

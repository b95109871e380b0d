//! Labs take turns, also those of different processes: a machine that is too busy makes every wait a fault of its own.

use anyhow::{Context, Result};
use std::fs::File;

/// Nobody else's turn until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

/// Waits for it.
///
/// # Errors
/// There can't be a lock in the temporary directory.
pub async fn turn() -> Result<Turn> {
    let path = std::env::temp_dir().join("tincture-crash-turn.lock");
    let locking = tokio::task::spawn_blocking(move || {
        let file = File::options().append(true).create(true).open(path)?;
        file.lock().map(|()| file)
    });
    Ok(Turn { _lock: locking.await?.context("no lock in the temporary directory")? })
}

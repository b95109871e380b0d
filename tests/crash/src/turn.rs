//! Labs take turns, also those of different processes: a machine that is too busy makes every wait a fault of its own.
//!
//! A lab mostly waits, for its own time-outs and restarts: two at once take hardly longer than one.

use anyhow::{Context, Result};
use std::{
    fs::{File, TryLockError},
    io, thread,
    time::Duration,
};

const AT_ONCE: usize = 2;
/// How long nobody looks after all turns were somebody's.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody's turn until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

/// Waits for it.
///
/// # Errors
/// There can't be a lock in the temporary directory.
pub async fn turn() -> Result<Turn> {
    let lock = tokio::task::spawn_blocking(|| {
        loop {
            for place in 0..AT_ONCE {
                if let Some(lock) = try_lock(place)? {
                    return io::Result::Ok(lock);
                }
            }
            thread::sleep(PAUSE);
        }
    });
    Ok(Turn { _lock: lock.await?.context("no lock in the temporary directory")? })
}

fn try_lock(place: usize) -> io::Result<Option<File>> {
    let path = std::env::temp_dir().join(format!("tincture-crash-turn-{place}.lock"));
    let file = File::options().append(true).create(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

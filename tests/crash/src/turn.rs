//! Labs take turns, also those of different processes: a machine that is too busy makes every wait a fault of its own.
//!
//! Two short ones at once take hardly longer than one, for a lab mostly waits. A long one, with hundreds of faults by the clock,
//! is alone: it must have done its work by then.

use anyhow::{Context, Result};
use std::{
    fs::{File, TryLockError},
    io, thread,
    time::Duration,
};

const PLACES: usize = 2;
/// How long nobody looks after all places were somebody's.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody's turn until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _locks: Vec<File>,
}

/// Waits for a place beside another.
///
/// # Errors
/// There can't be a lock in the temporary directory.
pub async fn turn() -> Result<Turn> {
    let locking = tokio::task::spawn_blocking(|| {
        loop {
            for place in 0..PLACES {
                let file = place_file(place)?;
                match file.try_lock() {
                    Ok(()) => return io::Result::Ok(vec![file]),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            thread::sleep(PAUSE);
        }
    });
    Ok(Turn { _locks: locking.await?.context("no lock in the temporary directory")? })
}

/// Waits until nobody else is at work.
///
/// # Errors
/// There can't be a lock in the temporary directory.
pub async fn turn_alone() -> Result<Turn> {
    let locking = tokio::task::spawn_blocking(|| {
        (0..PLACES).map(|place| place_file(place).and_then(|file| file.lock().map(|()| file))).collect()
    });
    let locks: io::Result<Vec<File>> = locking.await?;
    Ok(Turn { _locks: locks.context("no lock in the temporary directory")? })
}

fn place_file(place: usize) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("tincture-crash-turn-{place}.lock"));
    File::options().append(true).create(true).open(path)
}

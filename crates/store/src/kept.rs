//! One reading for all who ask within a moment, where it may be a little old.
//!
//! What this process changed, or was heard of, is always in it; what another one changed unheard is within [`UNSEEN`].

use crate::error::Result;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long a change by another process may go unseen.
pub const UNSEEN: Duration = Duration::from_millis(250);

/// The moment of a reading: taken before it is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// How many changes this process had made or heard of.
    changes: u64,
    at: Instant,
}

impl Moment {
    /// Now, after so many changes.
    pub fn after(changes: u64) -> Self {
        Self { changes, at: Instant::now() }
    }

    /// Whether what was read then may still be given out, after so many changes.
    pub fn holds(self, changes: u64) -> bool {
        self.changes == changes && self.at.elapsed() < UNSEEN
    }
}

#[derive(Debug)]
struct Reading<T> {
    value: Arc<T>,
    read: Moment,
}

/// The newest reading, and the one who makes the next.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    newest: RwLock<Option<Reading<T>>>,
    making: Mutex<()>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { newest: RwLock::new(None), making: Mutex::new(()) }
    }
}

impl<T> Kept<T> {
    fn fresh(&self, changes: u64) -> Option<Arc<T>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|reading| reading.read.holds(changes)).map(|reading| reading.value.clone())
    }

    /// The value as it was a moment ago, or as `read` finds it. `changes` is how many this process has made so far.
    pub async fn get(&self, changes: impl Fn() -> u64, read: impl AsyncFnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some(value) = self.fresh(changes()) {
            return Ok(value);
        }
        let _maker = self.making.lock().await;
        let changes = changes();
        if let Some(value) = self.fresh(changes) {
            return Ok(value);
        }
        let moment = Moment::after(changes);
        let value = Arc::new(read().await?);
        let reading = Reading { value: value.clone(), read: moment };
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn it_is_read_again_after_a_change_and_after_a_while() {
        let (kept, reads) = (Kept::default(), AtomicU64::new(0));
        let ask = async |changes| {
            let read = async || Ok(reads.fetch_add(1, Ordering::Relaxed));
            *kept.get(|| changes, read).await.expect("a value")
        };
        assert_eq!((ask(7).await, ask(7).await), (0, 0));
        assert_eq!(ask(8).await, 1, "this process changed it");
        tokio::time::sleep(UNSEEN).await;
        assert_eq!(ask(8).await, 2, "another process may have");
    }
}

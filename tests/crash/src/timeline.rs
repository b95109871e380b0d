//! What was done to the lab and when, so that a violation can be told as a story.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Lines kept; a run that does more than this is told from its beginning.
const MOST_LINES: usize = 20_000;

/// A log of faults shared by everything that injects them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Timeline {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    lines: Mutex<Vec<(Duration, String)>>,
    faults: AtomicU64,
}

impl Default for Timeline {
    fn default() -> Self {
        let inner = Inner { began: Instant::now(), lines: Mutex::default(), faults: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }
}

impl Timeline {
    /// Something that happened and wasn't a fault.
    pub fn note(&self, what: impl Into<String>) {
        let mut lines = self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MOST_LINES {
            lines.push((self.inner.began.elapsed(), what.into()));
        }
    }

    /// A fault that took effect.
    pub fn fault(&self, what: impl Into<String>) {
        self.inner.faults.fetch_add(1, Ordering::Relaxed);
        self.note(format!("FAULT {}", what.into()));
    }

    /// Faults that took effect.
    pub fn faults(&self) -> u64 {
        self.inner.faults.load(Ordering::Relaxed)
    }

    pub fn elapsed(&self) -> Duration {
        self.inner.began.elapsed()
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().try_for_each(|(at, what)| writeln!(f, "{:>9.3} s  {what}", at.as_secs_f64()))
    }
}

//! Live event streams: bounded per person, resumable, ended with the experiment or the server.

use domain::UserId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Streams one person may have open: a few tabs and a few notebooks.
const MOST_PER_USER: usize = 20;

/// Counts open streams. Cheap to clone; clones share the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<UserId, usize>>>,
    closing: CancellationToken,
}

/// The right to one stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// A place for one more stream of this person, if they have any left.
    pub(crate) fn open(&self, user: UserId) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= MOST_PER_USER {
            return None;
        }
        *count += 1;
        metrics::gauge!(telemetry::names::EVENT_STREAMS).increment(1.0);
        Some(Place { streams: self.clone(), user })
    }

    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Cancelled when the server shuts down.
    pub(crate) const fn closing(&self) -> &CancellationToken {
        &self.closing
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.user);
            }
        }
        metrics::gauge!(telemetry::names::EVENT_STREAMS).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_so_many_places_and_gets_them_back() {
        let (streams, ada, bob) = (Streams::default(), UserId::new(), UserId::new());
        let mut places: Vec<_> = (0..MOST_PER_USER).map(|_| streams.open(ada).expect("a place")).collect();
        assert!(streams.open(ada).is_none());
        assert!(streams.open(bob).is_some(), "others aren't affected");
        places.pop();
        assert!(streams.open(ada).is_some());
        drop(places);
        assert!(streams.open.lock().expect("lock").is_empty(), "nothing is kept of people without streams");
    }
}

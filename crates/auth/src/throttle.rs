//! Slows down whoever guesses passwords, by address of the account and of the guesser, in bounded memory.

use crate::AuthError;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Attempts that may fail within [`WINDOW`] before the next has to wait.
const FREE_FAILURES: u32 = 8;

/// Failures are forgotten this long after the first.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Most pairs remembered; about 2 MB. When it is full the oldest goes.
const MOST_PAIRS: usize = 10_000;

type Pair = (String, Option<IpAddr>);

/// Counts failed attempts per (account, client). Cheap to clone; clones share the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    pairs: Arc<Mutex<HashMap<Pair, Count>>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    attempts: u32,
}

impl Throttle {
    /// Counts an attempt before it is known how it ends, so that many at once can't slip through together.
    pub(crate) fn begin(&self, email: &str, ip: Option<IpAddr>, now: Instant) -> Result<(), AuthError> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (email.to_owned(), ip);
        if !pairs.contains_key(&pair) {
            make_room(&mut pairs, now);
        }
        let count = pairs.entry(pair).or_insert(Count { since: now, attempts: 0 });
        let age = now.saturating_duration_since(count.since);
        if age >= WINDOW {
            *count = Count { since: now, attempts: 0 };
        } else if count.attempts >= FREE_FAILURES {
            return Err(AuthError::Throttled { retry_after: WINDOW.saturating_sub(age) });
        }
        count.attempts += 1;
        Ok(())
    }

    /// The attempt was good: what failed before was a person mistyping.
    pub(crate) fn succeeded(&self, email: &str, ip: Option<IpAddr>) {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).remove(&(email.to_owned(), ip));
    }
}

fn make_room(pairs: &mut HashMap<Pair, Count>, now: Instant) {
    if pairs.len() < MOST_PAIRS {
        return;
    }
    pairs.retain(|_, count| now.saturating_duration_since(count.since) < WINDOW);
    while pairs.len() >= MOST_PAIRS {
        let Some(oldest) = pairs.iter().min_by_key(|(_, count)| count.since).map(|(pair, _)| pair.clone()) else {
            return;
        };
        pairs.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn the_guesser_waits_and_nobody_else() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..FREE_FAILURES {
            throttle.begin("ada@example.org", IP, now).expect("a free attempt");
        }
        assert!(matches!(throttle.begin("ada@example.org", IP, now), Err(AuthError::Throttled { .. })));
        throttle.begin("ada@example.org", None, now).expect("another client");
        throttle.begin("bob@example.org", IP, now).expect("another account");
        throttle.begin("ada@example.org", IP, now + WINDOW).expect("after the wait");
    }

    #[test]
    fn a_success_forgives() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..3 * FREE_FAILURES {
            throttle.begin("ada@example.org", IP, now).expect("a free attempt");
            throttle.succeeded("ada@example.org", IP);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..MOST_PAIRS + 50 {
            throttle.begin(&format!("{n}@example.org"), IP, now).expect("a free attempt");
        }
        assert_eq!(throttle.pairs.lock().expect("lock").len(), MOST_PAIRS);
    }
}

//! What the activity log is told of failed sign-ins: each of the first few, then a line a minute for each address, with
//! how many there were. A flood must not become a flood of rows.

use crate::client_network;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{NewActivity, Store, StoreError};

/// How often counts become lines.
const MINUTE: Duration = Duration::from_secs(60);
/// Lines a minute of one address about single attempts, and of all together.
const SINGLE: u32 = 5;
const SINGLE_IN_ALL: u32 = 100;
/// Addresses counted apart in a minute; the attempts of others are one line without an address.
const MOST_COUNTED: usize = 100;

/// Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    store: Store,
    minute: Arc<Mutex<Minute>>,
}

/// A kind of line and whose; an IPv6 client is its /64.
type Key = (&'static str, Option<IpAddr>);

#[derive(Debug)]
struct Minute {
    began: Instant,
    singles: u32,
    of: HashMap<Key, Tally>,
    /// Somebody is going to write down what is counted.
    will_be_written: bool,
}

#[derive(Debug, Default)]
struct Tally {
    singles: u32,
    /// Attempts without a line of their own, and what the last of them was about.
    counted: u64,
    last: Value,
}

impl Failures {
    pub(crate) fn new(store: Store) -> Self {
        let minute = Minute { began: Instant::now(), singles: 0, of: HashMap::new(), will_be_written: false };
        Self { store, minute: Arc::new(Mutex::new(minute)) }
    }

    /// An attempt that failed. Written at once while there are few.
    pub(crate) async fn note(
        &self,
        action: &'static str,
        details: Value,
        ip: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        if self.minute().single((action, ip.map(client_network)), Instant::now()) {
            let line = NewActivity { user_id: None, action, details, ip_address: ip };
            return self.store.log_activity(line).await;
        }
        self.count(action, details, ip);
        Ok(())
    }

    /// An attempt that is only counted.
    pub(crate) fn count(&self, action: &'static str, details: Value, ip: Option<IpAddr>) {
        if self.minute().count((action, ip.map(client_network)), details) {
            let later = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(MINUTE).await;
                if let Err(error) = later.write().await {
                    tracing::warn!(%error, "failed sign-ins were counted, but can't be written to the activity log");
                }
            });
        }
    }

    /// Writes down what is counted so far.
    pub(crate) async fn write(&self) -> Result<(), StoreError> {
        let counted = self.minute().take();
        for ((action, ip_address), tally) in counted {
            let mut details = tally.last;
            details["attempts"] = json!(tally.counted);
            self.store.log_activity(NewActivity { user_id: None, action, details, ip_address }).await?;
        }
        Ok(())
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minute {
    /// Whether this attempt gets a line of its own.
    fn single(&mut self, key: Key, now: Instant) -> bool {
        if !self.will_be_written && now.saturating_duration_since(self.began) >= MINUTE {
            self.begin(now);
        }
        let full = self.of.len() >= MOST_COUNTED && !self.of.contains_key(&key);
        if full || self.singles >= SINGLE_IN_ALL {
            return false;
        }
        let tally = self.of.entry(key).or_default();
        if tally.singles >= SINGLE {
            return false;
        }
        tally.singles += 1;
        self.singles += 1;
        true
    }

    /// Whether nobody is going to write it down yet.
    fn count(&mut self, key: Key, last: Value) -> bool {
        let full = self.of.len() >= MOST_COUNTED && !self.of.contains_key(&key);
        let tally = self.of.entry(if full { (key.0, None) } else { key }).or_default();
        tally.counted += 1;
        tally.last = last;
        !std::mem::replace(&mut self.will_be_written, true)
    }

    fn take(&mut self) -> Vec<(Key, Tally)> {
        let counted = std::mem::take(&mut self.of);
        self.begin(Instant::now());
        counted.into_iter().filter(|(_, tally)| tally.counted > 0).collect()
    }

    fn begin(&mut self, now: Instant) {
        (self.began, self.singles, self.will_be_written) = (now, 0, false);
        self.of.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn address(network: u64) -> Key {
        ("failed", Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from(network) << 64))))
    }

    fn minute() -> Minute {
        Minute { began: Instant::now(), singles: 0, of: HashMap::new(), will_be_written: false }
    }

    #[test]
    fn lines_are_few_however_many_addresses_there_are() {
        let (mut minute, now) = (minute(), Instant::now());
        let mut lines = 0;
        for n in 0..10_000 {
            if minute.single(address(n), now) {
                lines += 1;
            } else {
                minute.count(address(n), json!({}));
            }
        }
        assert_eq!(lines, SINGLE_IN_ALL);
        let counted = minute.take();
        assert!(counted.len() <= MOST_COUNTED + 1, "{}", counted.len());
        assert_eq!(counted.iter().map(|(_, tally)| tally.counted).sum::<u64>(), 10_000 - u64::from(SINGLE_IN_ALL));
    }

    #[test]
    fn a_new_minute_begins_afresh() {
        let (mut minute, now) = (minute(), Instant::now());
        assert_eq!((0..9).filter(|_| minute.single(address(1), now)).count(), 5);
        assert!(minute.single(address(1), now + MINUTE));
    }
}

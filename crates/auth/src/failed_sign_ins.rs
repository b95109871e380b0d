//! What is on record of failed sign-ins, and what that means: who has to wait, and how long. No clock and no database here.

use crate::{
    client_network,
    rate::{Policy, Standing},
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};
use store::{FailedSignIns, SignInCounts, SignInFailures};
use uuid::Uuid;

/// Attempts of one address at one account that may fail before the next has to wait. So long after the last they are forgotten.
pub(crate) const OF_PAIR: Policy = Policy { name: "sign-in", quota: 8, window: Duration::from_secs(24 * 60 * 60) };
/// How long the next one waits then; twice as long after each further one, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// Of one address at accounts that never signed in from there: a class that mistypes, and then one a second.
pub(crate) const OF_ADDRESS: Policy = Policy { name: "sign-in-address", quota: 120, window: Duration::from_secs(120) };
/// At one account from addresses that it never signed in from.
pub(crate) const OF_ACCOUNT: Policy =
    Policy { name: "sign-in-account", quota: 100, window: Duration::from_secs(1_000) };

/// Keys of which something waits to be written, at most: only where nothing can be written are there ever so many.
const MOST_GATHERED: usize = 10_000;

/// What an attempt is counted by: hashes, so that the record names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The account from this address.
    pub pair: Uuid,
    pub account: Uuid,
    pub address: Uuid,
}

impl Keys {
    pub fn of(email: &str, ip: Option<IpAddr>) -> Self {
        let network = ip.map(client_network).map(|network| network.to_string()).unwrap_or_default();
        Self {
            pair: hash(&format!("pair {network} {email}")),
            account: hash(&format!("account {email}")),
            address: hash(&format!("address {network}")),
        }
    }
}

fn hash(text: &str) -> Uuid {
    Uuid::from_u128(Sha256::digest(text).first_chunk().map_or(0, |half| u128::from_be_bytes(*half)))
}

/// How long nobody may try after so many failures.
fn wait_after(failures: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(OF_PAIR.quota) else { return Duration::ZERO };
    2_u32.checked_pow(beyond).and_then(|times| FIRST_WAIT.checked_mul(times)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

/// What one failure costs an account or an address.
fn each(policy: Policy) -> Duration {
    policy.window / policy.quota
}

fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or_default())
}

/// What is on record of the keys of an attempt.
#[derive(Debug)]
pub(crate) struct Record {
    /// When it was read, in milliseconds since 1970.
    now: i64,
    of: HashMap<Uuid, FailedSignIns>,
}

impl Record {
    pub fn new(read: Vec<FailedSignIns>, now: i64) -> Self {
        Self { now, of: read.into_iter().map(|of| (of.key, of)).collect() }
    }

    /// With what isn't written down yet.
    pub fn with(mut self, batch: &Batch) -> Self {
        self.of.retain(|key, _| !batch.forgiven.contains(key));
        for (&key, failed) in &batch.failed {
            let record = self.of.entry(key).or_insert(FailedSignIns { key, failures: 0, at_ms: self.now });
            record.failures = record.failures.saturating_add(failed.failures);
            record.at_ms = record.at_ms.max(self.now).saturating_add(failed.owed_ms);
        }
        self
    }

    /// In a row, of this account from this address.
    pub fn failures(&self, pair: Uuid) -> u32 {
        self.of.get(&pair).map_or(0, |record| record.failures)
    }

    /// How many may be under way at once: after a wait one.
    pub fn at_once(&self, pair: Uuid) -> u32 {
        OF_PAIR.quota.saturating_sub(self.failures(pair)).max(1)
    }

    /// Whether this account from this address has to wait.
    pub fn refuses_pair(&self, pair: Uuid) -> Option<Standing> {
        let record = self.of.get(&pair)?;
        let age = milliseconds(self.now.saturating_sub(record.at_ms));
        let wait = wait_after(record.failures).saturating_sub(age);
        (!wait.is_zero()).then_some(Standing { policy: OF_PAIR, remaining: 0, wait })
    }

    /// Whether one more beside those under way would be too much for an account or an address.
    pub fn refuses(&self, policy: Policy, key: Uuid, under_way: u32) -> Option<Standing> {
        let owed = milliseconds(self.of.get(&key).map_or(0, |record| record.at_ms.saturating_sub(self.now)));
        let after = owed + each(policy) * under_way.saturating_add(1);
        let wait = after.saturating_sub(policy.window);
        (!wait.is_zero()).then_some(Standing { policy, remaining: 0, wait })
    }
}

/// What is gathered until it is written down.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    forgiven: HashSet<Uuid>,
    failed: BTreeMap<Uuid, SignInFailures>,
}

impl Batch {
    pub fn forgive(&mut self, pair: Uuid) {
        self.failed.remove(&pair);
        self.forgiven.insert(pair);
    }

    /// `is_charged` is whether it counts against the address and the account alone, too.
    pub fn fail(&mut self, keys: Keys, is_charged: bool) {
        self.add(keys.pair, SignInFailures { failures: 1, owed_ms: 0 });
        for (policy, key) in [(OF_ADDRESS, keys.address), (OF_ACCOUNT, keys.account)] {
            let owed_ms = i64::try_from(each(policy).as_millis()).unwrap_or(i64::MAX);
            if is_charged {
                self.add(key, SignInFailures { failures: 1, owed_ms });
            }
        }
    }

    fn add(&mut self, key: Uuid, more: SignInFailures) {
        if self.failed.len() >= MOST_GATHERED && !self.failed.contains_key(&key) {
            return;
        }
        let failed = self.failed.entry(key).or_default();
        failed.failures = failed.failures.saturating_add(more.failures);
        failed.owed_ms = failed.owed_ms.saturating_add(more.owed_ms);
    }

    pub fn has_failed(&self, pair: Uuid) -> bool {
        self.failed.contains_key(&pair)
    }

    pub fn is_empty(&self) -> bool {
        self.forgiven.is_empty() && self.failed.is_empty()
    }

    pub fn take(&mut self) -> SignInCounts {
        let Self { forgiven, failed } = std::mem::take(self);
        SignInCounts { forgiven: forgiven.into_iter().collect(), failed }
    }

    /// Puts back what couldn't be written, before what came since.
    pub fn put_back(&mut self, counts: SignInCounts) {
        for (key, failed) in counts.failed {
            if !self.forgiven.contains(&key) {
                self.add(key, failed);
            }
        }
        if self.forgiven.len() < MOST_GATHERED {
            self.forgiven.extend(counts.forgiven);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1_000;

    fn keys() -> Keys {
        Keys::of("ada@example.org", Some(IpAddr::from([192, 0, 2, 1])))
    }

    fn record(key: Uuid, failures: u32, at_ms: i64, now: i64) -> Record {
        Record::new(vec![FailedSignIns { key, failures, at_ms }], now)
    }

    #[test]
    fn each_further_failure_doubles_the_wait() {
        let waits: Vec<_> =
            [0, 7, 8, 9, 10, 14, 15, 40, u32::MAX].map(|failures| wait_after(failures).as_secs()).into();
        assert_eq!(waits, [0, 0, 30, 60, 120, 1_920, 3_600, 3_600, 3_600]);
        let pair = keys().pair;
        for failures in 8..12 {
            let wait = i64::try_from(wait_after(failures).as_millis()).expect("a small number");
            let early = record(pair, failures, HOUR, HOUR + wait - 1_000).refuses_pair(pair).expect("it waits");
            assert_eq!((early.policy, early.wait), (OF_PAIR, Duration::from_secs(1)));
            let after = record(pair, failures, HOUR, HOUR + wait);
            assert_eq!((after.refuses_pair(pair), after.at_once(pair)), (None, 1), "one at a time after a wait");
        }
        assert_eq!(record(pair, 3, HOUR, HOUR).at_once(pair), 5, "as many as may still fail");
    }

    #[test]
    fn a_failure_by_a_clock_that_is_ahead_waits_no_longer_than_one_of_now() {
        let pair = keys().pair;
        let wait = record(pair, 8, HOUR, 0).refuses_pair(pair).expect("it waits").wait;
        assert_eq!(wait, FIRST_WAIT);
    }

    #[test]
    fn what_isnt_written_yet_counts_and_what_is_forgiven_doesnt() {
        let (keys, mut batch) = (keys(), Batch::default());
        (0..3).for_each(|_| batch.fail(keys, true));
        assert_eq!(record(keys.pair, 2, 0, HOUR).with(&batch).failures(keys.pair), 5);
        let all_taken = OF_ADDRESS.quota - 3;
        let free = Record::new(Vec::new(), HOUR).with(&batch);
        assert_eq!(free.refuses(OF_ADDRESS, keys.address, all_taken - 1), None);
        let refused = free.refuses(OF_ADDRESS, keys.address, all_taken).expect("one more is too much");
        assert_eq!((refused.policy, refused.wait), (OF_ADDRESS, Duration::from_secs(1)));
        batch.forgive(keys.pair);
        assert_eq!(record(keys.pair, 2, 0, HOUR).with(&batch).failures(keys.pair), 0);
        batch.fail(keys, false);
        assert_eq!(record(keys.pair, 2, 0, HOUR).with(&batch).failures(keys.pair), 1, "since");
        assert!(free.refuses(OF_ACCOUNT, keys.account, OF_ACCOUNT.quota - 3).is_some(), "both are charged");
    }

    #[test]
    fn what_couldnt_be_written_is_put_back_before_what_came_since() {
        let (keys, mut batch) = (keys(), Batch::default());
        batch.fail(keys, true);
        let lost = batch.take();
        assert!(batch.is_empty());
        batch.fail(keys, true);
        batch.put_back(lost.clone());
        assert_eq!(batch.failed[&keys.pair].failures, 2);
        batch.forgive(keys.pair);
        batch.put_back(lost);
        assert!(!batch.has_failed(keys.pair), "it was forgiven since");
        for n in 0..u32::try_from(MOST_GATHERED).expect("a small number") {
            batch.fail(Keys::of(&format!("{n}@example.org"), None), true);
        }
        assert_eq!(batch.failed.len(), MOST_GATHERED, "bounded");
    }
}

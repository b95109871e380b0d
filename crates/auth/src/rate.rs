//! How often somebody may do something: a bucket for each, filled again steadily, in bounded memory.

use hashlink::LruCache;
use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Most buckets remembered; whoever was heard of longest ago is forgotten, with a full bucket.
const MOST_REMEMBERED: usize = 10_000;

/// So much in a window, evenly; all of it at once when nothing was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// As the `RateLimit-Policy` header calls it.
    pub name: &'static str,
    /// 1 or more.
    pub quota: u32,
    /// In which the whole quota comes back.
    pub window: Duration,
}

/// How somebody stands with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub policy: Policy,
    /// What may be taken at once.
    pub remaining: u32,
    /// Until there is more: after a refusal, enough for what was refused.
    pub wait: Duration,
}

/// Counts by key. Cheap to clone; clones share the counts.
#[derive(Debug)]
pub struct Limiter<K> {
    policy: Policy,
    /// When each bucket will be full again (the generic cell rate algorithm's only number).
    full_at: Arc<Mutex<LruCache<K, Instant>>>,
}

impl<K> Clone for Limiter<K> {
    fn clone(&self) -> Self {
        Self { policy: self.policy, full_at: Arc::clone(&self.full_at) }
    }
}

impl<K: Hash + Eq> Limiter<K> {
    pub fn new(policy: Policy) -> Self {
        Self { policy, full_at: Arc::new(Mutex::new(LruCache::new(MOST_REMEMBERED))) }
    }

    /// Takes so much, or nothing.
    ///
    /// # Errors
    /// How long to wait. More than the quota is taken as the whole quota, or nobody could ever have it.
    pub fn take(&self, key: K, amount: u32, now: Instant) -> Result<Standing, Standing> {
        let each = self.each();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = full_at.get(&key).map_or(Duration::ZERO, |full| full.saturating_duration_since(now));
        let after = missing + each * amount.min(self.policy.quota);
        if after > self.policy.window {
            return Err(self.standing(missing, after.saturating_sub(self.policy.window)));
        }
        full_at.insert(key, now + after);
        Ok(self.standing(after, each))
    }

    /// What was taken in vain.
    pub fn give_back(&self, key: &K, amount: u32) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full_at.get_mut(key)
            && let Some(earlier) = full.checked_sub(self.each() * amount)
        {
            *full = earlier;
        }
    }

    fn each(&self) -> Duration {
        self.policy.window / self.policy.quota.max(1)
    }

    fn standing(&self, missing: Duration, wait: Duration) -> Standing {
        let left = self.policy.window.saturating_sub(missing).as_secs_f64() / self.each().as_secs_f64();
        // Rounded against the last bit of a division; a whole one that isn't there yet doesn't count.
        let remaining = (left + 1e-6).floor() as u32;
        Standing { policy: self.policy, remaining, wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { name: "test", quota: 10, window: Duration::from_secs(60) };

    #[test]
    fn a_quota_is_had_at_once_and_comes_back_evenly() {
        let (limiter, now) = (Limiter::new(POLICY), Instant::now());
        assert_eq!(limiter.take("ada", 4, now).expect("allowed").remaining, 6);
        assert_eq!(limiter.take("ada", 6, now).expect("allowed").remaining, 0);
        let refused = limiter.take("ada", 2, now).expect_err("nothing is left");
        assert_eq!((refused.remaining, refused.wait), (0, Duration::from_secs(12)));
        limiter.take("bob", 10, now).expect("somebody else's");
        limiter.take("ada", 2, now + refused.wait).expect("after the wait");
        assert!(limiter.take("ada", 1, now + refused.wait).is_err());
    }

    #[test]
    fn what_was_taken_in_vain_comes_back() {
        let (limiter, now) = (Limiter::new(POLICY), Instant::now());
        for _ in 0..30 {
            limiter.take("ada", 10, now).expect("allowed");
            limiter.give_back(&"ada", 10);
        }
        limiter.give_back(&"nobody", 1);
    }

    #[test]
    fn more_than_the_quota_is_the_whole_of_it() {
        let (limiter, now) = (Limiter::new(POLICY), Instant::now());
        assert_eq!(limiter.take("ada", u32::MAX, now).expect("allowed").remaining, 0);
        assert_eq!(limiter.take("ada", u32::MAX, now).expect_err("not at once").wait, POLICY.window);
    }

    #[test]
    fn memory_is_bounded() {
        let (limiter, now) = (Limiter::new(POLICY), Instant::now());
        for key in 0..MOST_REMEMBERED + 50 {
            limiter.take(key, 1, now).expect("allowed");
        }
        assert_eq!(limiter.full_at.lock().expect("lock").len(), MOST_REMEMBERED);
    }
}

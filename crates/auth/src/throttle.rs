//! Slows down whoever guesses passwords, in bounded memory, and nobody else.
//!
//! A guesser is known by the account and the address, together and each alone: one address tries many accounts, many
//! addresses one account. Who has signed in from an address before is only counted together with it, so that a
//! stranger's guesses lock nobody out. Behind one address there may be a whole class; what counts is failures.

use crate::{
    AuthError, client_network,
    rate::{Limiter, Policy},
};
use hashlink::LruCache;
use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::timeout};

/// Attempts of one address at one account that may fail before the next has to wait, until the window since the first is over.
const OF_PAIR: Policy = Policy { name: "sign-in", quota: 8, window: Duration::from_secs(5 * 60) };
/// Of one address at accounts that never signed in from there: a class that mistypes, and then one a second.
const OF_ADDRESS: Policy = Policy { name: "sign-in-address", quota: 120, window: Duration::from_secs(120) };
/// At one account from addresses that it never signed in from.
const OF_ACCOUNT: Policy = Policy { name: "sign-in-account", quota: 100, window: Duration::from_secs(1_000) };

/// Most pairs remembered, and as many that were good; about 2 MB each. Whoever was heard of longest ago is forgotten.
const MOST_PAIRS: usize = 10_000;
/// How long an attempt waits for others with the same account and address to end.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

type Pair = (String, Option<IpAddr>);

/// Counts failed attempts. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    pairs: Arc<Mutex<LruCache<Pair, Count>>>,
    /// Who has signed in from where.
    familiar: Arc<Mutex<LruCache<Pair, ()>>>,
    addresses: Limiter<Option<IpAddr>>,
    accounts: Limiter<String>,
}

#[derive(Debug)]
struct Count {
    since: Instant,
    failures: u32,
    under_way: u32,
    ended: Arc<Notify>,
}

/// An attempt under way. One that isn't said to have ended otherwise has failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    throttle: Throttle,
    pair: Pair,
    /// Whether it was charged to the address and to the account.
    charged: bool,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Failed,
    Succeeded,
    Void,
}

enum Turn {
    Now,
    /// As many are under way as may fail.
    After(Arc<Notify>),
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            pairs: Arc::new(Mutex::new(LruCache::new(MOST_PAIRS))),
            familiar: Arc::new(Mutex::new(LruCache::new(MOST_PAIRS))),
            addresses: Limiter::new(OF_ADDRESS),
            accounts: Limiter::new(OF_ACCOUNT),
        }
    }

    /// Lets an attempt begin. Of many at once only so many are let through as may fail; the others wait for how those
    /// end, so that the right password is never refused for being sent often.
    pub(crate) async fn begin(&self, email: &str, ip: Option<IpAddr>) -> Result<Attempt, AuthError> {
        let pair = (email.to_owned(), ip.map(client_network));
        let charged = self.charge(&pair, Instant::now())?;
        let refused = match timeout(LONGEST_WAIT, self.wait_for_turn(&pair)).await {
            Ok(Ok(())) => return Ok(Attempt { throttle: self.clone(), pair, charged, end: End::Failed }),
            Ok(Err(refused)) => refused,
            Err(_) => AuthError::Busy,
        };
        if charged {
            self.refund(&pair);
        }
        Err(refused)
    }

    async fn wait_for_turn(&self, pair: &Pair) -> Result<(), AuthError> {
        while let Turn::After(ended) = self.turn(pair, Instant::now())? {
            let mut ended = pin!(ended.notified());
            // Listening first: the one waited for may end before the second look.
            ended.as_mut().enable();
            let Turn::After(_) = self.turn(pair, Instant::now())? else { break };
            ended.await;
        }
        Ok(())
    }

    /// Whether anything had to be charged to the address and the account alone.
    fn charge(&self, pair: &Pair, now: Instant) -> Result<bool, AuthError> {
        if lock(&self.familiar).get(pair).is_some() {
            return Ok(false);
        }
        self.addresses.take(pair.1, 1, now).map_err(AuthError::Throttled)?;
        self.accounts.take(pair.0.clone(), 1, now).map_err(AuthError::Throttled)?;
        Ok(true)
    }

    fn turn(&self, pair: &Pair, now: Instant) -> Result<Turn, AuthError> {
        let mut pairs = lock(&self.pairs);
        let fresh = || Count { since: now, failures: 0, under_way: 0, ended: Arc::default() };
        let count = pairs.entry(pair.clone()).or_insert_with(fresh);
        let age = now.saturating_duration_since(count.since);
        if age >= OF_PAIR.window {
            (count.since, count.failures) = (now, 0);
        }
        if count.failures >= OF_PAIR.quota {
            let wait = OF_PAIR.window.saturating_sub(age);
            return Err(AuthError::Throttled(crate::Standing { policy: OF_PAIR, remaining: 0, wait }));
        }
        if count.failures + count.under_way >= OF_PAIR.quota {
            return Ok(Turn::After(Arc::clone(&count.ended)));
        }
        count.under_way += 1;
        Ok(Turn::Now)
    }
}

impl Throttle {
    fn refund(&self, pair: &Pair) {
        self.addresses.give_back(&pair.1, 1);
        self.accounts.give_back(&pair.0, 1);
    }

    fn conclude(&self, pair: &Pair, end: End) {
        let mut pairs = lock(&self.pairs);
        let Some(count) = pairs.get_mut(pair) else { return };
        count.under_way = count.under_way.saturating_sub(1);
        match end {
            End::Failed => count.failures += 1,
            End::Succeeded => count.failures = 0,
            End::Void => {}
        }
        count.ended.notify_waiters();
    }
}

impl Attempt {
    /// It was good: what failed before was a person mistyping.
    pub(crate) fn succeeded(mut self) {
        self.end = End::Succeeded;
        lock(&self.throttle.familiar).insert(self.pair.clone(), ());
    }

    /// Nobody knows: it couldn't be looked at.
    pub(crate) fn void(mut self) {
        self.end = End::Void;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.throttle.conclude(&self.pair, self.end);
        if self.charged && self.end != End::Failed {
            self.throttle.refund(&self.pair);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, task::Poll};

    const IP: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    const ADA: &str = "ada@example.org";

    async fn fails(throttle: &Throttle, email: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        throttle.begin(email, ip).await.map(drop)
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[tokio::test]
    async fn the_guesser_waits_and_nobody_else() {
        let throttle = Throttle::new();
        for _ in 0..OF_PAIR.quota {
            fails(&throttle, ADA, IP).await.expect("a free attempt");
        }
        assert!(matches!(fails(&throttle, ADA, IP).await, Err(AuthError::Throttled(_))));
        fails(&throttle, ADA, None).await.expect("another client");
        fails(&throttle, "bob@example.org", IP).await.expect("another account");
        assert!(matches!(throttle.turn(&(ADA.to_owned(), IP), Instant::now() + OF_PAIR.window), Ok(Turn::Now)));
    }

    #[tokio::test]
    async fn a_success_forgives() {
        let throttle = Throttle::new();
        for _ in 0..3 * OF_ADDRESS.quota {
            throttle.begin(ADA, IP).await.expect("a free attempt").succeeded();
        }
        for _ in 0..3 * OF_ADDRESS.quota {
            throttle.begin("bob@example.org", IP).await.expect("a free attempt").void();
        }
    }

    #[tokio::test]
    async fn of_many_at_once_only_so_many_go_on_as_may_fail() {
        let throttle = Throttle::new();
        let mut under_way = Vec::new();
        for _ in 0..OF_PAIR.quota {
            under_way.push(throttle.begin(ADA, IP).await.expect("a free attempt"));
        }
        let mut waits = pin!(throttle.begin(ADA, IP));
        assert!(matches!(futures_poll(waits.as_mut()), Poll::Pending));
        under_way.pop().expect("one").succeeded();
        let ninth = waits.await.expect("its turn");
        drop((ninth, under_way));
        assert!(matches!(fails(&throttle, ADA, IP).await, Err(AuthError::Throttled(_))), "eight failed since");
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[tokio::test]
    async fn one_address_guesses_slowly_at_many_accounts_and_who_is_known_there_isnt_kept_out() {
        let throttle = Throttle::new();
        throttle.begin(ADA, IP).await.expect("a free attempt").succeeded();
        for n in 0..OF_ADDRESS.quota {
            fails(&throttle, &format!("{n}@example.org"), IP).await.expect("a free attempt");
        }
        let next = fails(&throttle, "next@example.org", IP).await;
        assert!(matches!(next, Err(AuthError::Throttled(standing)) if standing.policy == OF_ADDRESS), "{next:?}");
        throttle.begin(ADA, IP).await.expect("she is known here").succeeded();
    }

    #[tokio::test]
    async fn many_addresses_guess_slowly_at_one_account_whose_owner_isnt_kept_out() {
        let throttle = Throttle::new();
        throttle.begin(ADA, IP).await.expect("a free attempt").succeeded();
        for n in 0..OF_ACCOUNT.quota {
            fails(&throttle, ADA, address(n)).await.expect("a free attempt");
        }
        let next = fails(&throttle, ADA, address(OF_ACCOUNT.quota)).await;
        assert!(matches!(next, Err(AuthError::Throttled(standing)) if standing.policy == OF_ACCOUNT), "{next:?}");
        throttle.begin(ADA, IP).await.expect("she is known here").succeeded();
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let throttle = Throttle::new();
        for n in 0..u32::try_from(MOST_PAIRS).expect("a small number") + 50 {
            throttle.begin(&format!("{n}@example.org"), address(n)).await.expect("a free attempt").succeeded();
        }
        // An entry looked up to be filled comes on top.
        assert!(lock(&throttle.pairs).len() <= MOST_PAIRS + 1);
        assert_eq!(lock(&throttle.familiar).len(), MOST_PAIRS);
    }
}

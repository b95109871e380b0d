//! Slows down whoever guesses passwords, in bounded memory, and nobody else. Processes that hear each other count together.
//!
//! A guesser is known by the account and the address, together and each alone: one address tries many accounts, many
//! addresses one account. Who has signed in from an address before is only counted together with it, so that a
//! stranger's guesses lock nobody out. Behind one address there may be a whole class; what counts is failures.

use crate::{
    AuthError, Standing, client_network,
    rate::{Limiter, Policy},
};
use hashlink::LruCache;
use sha2::{Digest, Sha256};
use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{SignInTry, Store};
use tokio::{
    sync::{
        Notify,
        broadcast::{Receiver, error::TryRecvError},
    },
    time::timeout,
};

/// Attempts of one address at one account that may fail before the next has to wait. So long after the last they are forgotten.
const OF_PAIR: Policy = Policy { name: "sign-in", quota: 8, window: Duration::from_secs(24 * 60 * 60) };
/// How long the next one waits then; twice as long after each further one, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// Of one address at accounts that never signed in from there: a class that mistypes, and then one a second.
const OF_ADDRESS: Policy = Policy { name: "sign-in-address", quota: 120, window: Duration::from_secs(120) };
/// At one account from addresses that it never signed in from.
const OF_ACCOUNT: Policy = Policy { name: "sign-in-account", quota: 100, window: Duration::from_secs(1_000) };

/// Most pairs remembered, and as many that were good; about 2 MB each. Whoever was heard of longest ago is forgotten.
const MOST_PAIRS: usize = 10_000;
/// How long an attempt waits for others with the same account and address to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hashes of an account's address and of a client's, so that what processes tell each other is what they count by.
type Pair = (u128, u128);

/// Counts failed attempts. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    pairs: Arc<Mutex<LruCache<Pair, Count>>>,
    /// Who has signed in from where.
    familiar: Arc<Mutex<LruCache<Pair, ()>>>,
    addresses: Limiter<u128>,
    accounts: Limiter<u128>,
    others: Option<Others>,
}

/// The other processes of a lab.
#[derive(Clone, Debug)]
struct Others {
    store: Store,
    heard: Arc<Mutex<Receiver<SignInTry>>>,
}

#[derive(Debug)]
struct Count {
    /// When the last one failed.
    last: Instant,
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

fn hash(text: &str) -> u128 {
    Sha256::digest(text).first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

fn pair_of(email: &str, ip: Option<IpAddr>) -> Pair {
    (hash(email), hash(&ip.map(client_network).map(|network| network.to_string()).unwrap_or_default()))
}

/// How long nobody may try after so many failures.
fn wait_after(failures: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(OF_PAIR.quota) else { return Duration::ZERO };
    2_u32.checked_pow(beyond).and_then(|times| FIRST_WAIT.checked_mul(times)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

impl Throttle {
    /// One that counts together with other processes, as far as they are heard.
    pub(crate) fn shared(store: Store) -> Self {
        let heard = Arc::new(Mutex::new(store.tries_elsewhere()));
        Self { others: Some(Others { store, heard }), ..Self::new() }
    }

    fn new() -> Self {
        Self {
            pairs: Arc::new(Mutex::new(LruCache::new(MOST_PAIRS))),
            familiar: Arc::new(Mutex::new(LruCache::new(MOST_PAIRS))),
            addresses: Limiter::new(OF_ADDRESS),
            accounts: Limiter::new(OF_ACCOUNT),
            others: None,
        }
    }

    /// Counts what others told since the last time.
    fn hear(&self, now: Instant) {
        let Some(others) = &self.others else { return };
        let mut heard = lock(&others.heard);
        loop {
            match heard.try_recv() {
                Ok(SignInTry { account, address, was_good: true }) => self.was_good(&(account, address)),
                Ok(SignInTry { account, address, was_good: false }) => self.failed_elsewhere(&(account, address), now),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn was_good(&self, pair: &Pair) {
        lock(&self.familiar).insert(*pair, ());
        if let Some(count) = lock(&self.pairs).get_mut(pair) {
            count.failures = 0;
        }
    }

    fn failed_elsewhere(&self, pair: &Pair, now: Instant) {
        // What is over the limit there is over it here.
        let _ = self.charge(pair, now);
        let mut pairs = lock(&self.pairs);
        let count = pairs.entry(*pair).or_insert_with(|| Count::new(now));
        (count.last, count.failures) = (now, count.failures.saturating_add(1));
    }

    /// For whoever proved otherwise, by their mail, that the account is theirs.
    pub(crate) fn forgive(&self, email: &str, ip: Option<IpAddr>) {
        let pair = pair_of(email, ip);
        self.was_good(&pair);
        self.tell(pair, true);
    }

    fn tell(&self, (account, address): Pair, was_good: bool) {
        if let Some(others) = &self.others {
            others.store.tell_of_try(SignInTry { account, address, was_good });
        }
    }

    /// Lets an attempt begin. Of many at once only so many are let through as may fail; the others wait for how those
    /// end, so that the right password is never refused for being sent often.
    pub(crate) async fn begin(&self, email: &str, ip: Option<IpAddr>) -> Result<Attempt, AuthError> {
        let pair = pair_of(email, ip);
        self.hear(Instant::now());
        let charged = self.charge(&pair, Instant::now())?;
        let refused = match timeout(PATIENCE, self.wait_for_turn(&pair)).await {
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
        self.accounts.take(pair.0, 1, now).map_err(AuthError::Throttled)?;
        Ok(true)
    }

    fn turn(&self, pair: &Pair, now: Instant) -> Result<Turn, AuthError> {
        let mut pairs = lock(&self.pairs);
        let count = pairs.entry(*pair).or_insert_with(|| Count::new(now));
        let age = now.saturating_duration_since(count.last);
        if age >= OF_PAIR.window {
            count.failures = 0;
        }
        let wait = wait_after(count.failures).saturating_sub(age);
        if !wait.is_zero() {
            return Err(AuthError::Throttled(Standing { policy: OF_PAIR, remaining: 0, wait }));
        }
        // After a wait one at a time.
        let at_once = OF_PAIR.quota.saturating_sub(count.failures).max(1);
        if count.under_way >= at_once {
            return Ok(Turn::After(Arc::clone(&count.ended)));
        }
        count.under_way += 1;
        Ok(Turn::Now)
    }
}

impl Count {
    fn new(now: Instant) -> Self {
        Self { last: now, failures: 0, under_way: 0, ended: Arc::default() }
    }
}

impl Throttle {
    fn has_failed(&self, pair: &Pair) -> bool {
        lock(&self.pairs).get(pair).is_some_and(|count| count.failures > 0)
    }

    fn refund(&self, pair: &Pair) {
        self.addresses.give_back(&pair.1, 1);
        self.accounts.give_back(&pair.0, 1);
    }

    fn conclude(&self, pair: &Pair, end: End) {
        let mut pairs = lock(&self.pairs);
        let Some(count) = pairs.get_mut(pair) else { return };
        count.under_way = count.under_way.saturating_sub(1);
        match end {
            End::Failed => (count.last, count.failures) = (Instant::now(), count.failures.saturating_add(1)),
            End::Succeeded => count.failures = 0,
            End::Void => {}
        }
        count.ended.notify_waiters();
        drop(pairs);
        if end == End::Failed {
            self.tell(*pair, false);
        }
    }
}

impl Attempt {
    /// It was good: what failed before was a person mistyping.
    pub(crate) fn succeeded(mut self) {
        self.end = End::Succeeded;
        let is_known = lock(&self.throttle.familiar).insert(self.pair, ()).is_some();
        // Others know, too, unless something failed since.
        if !is_known || self.throttle.has_failed(&self.pair) {
            self.throttle.tell(self.pair, true);
        }
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
    }

    #[tokio::test]
    async fn each_further_failure_doubles_the_wait_and_a_day_forgets() {
        let waits: Vec<_> =
            [0, 7, 8, 9, 10, 14, 15, 40, u32::MAX].map(|failures| wait_after(failures).as_secs()).into();
        assert_eq!(waits, [0, 0, 30, 60, 120, 1_920, 3_600, 3_600, 3_600]);
        let (throttle, pair, mut now) = (Throttle::new(), pair_of(ADA, IP), Instant::now());
        for failures in 0..12 {
            let wait = wait_after(failures);
            if !wait.is_zero() {
                let early = throttle.turn(&pair, now + wait - Duration::from_secs(1));
                assert!(
                    matches!(early, Err(AuthError::Throttled(standing)) if standing.wait == Duration::from_secs(1))
                );
            }
            now += wait;
            assert!(matches!(throttle.turn(&pair, now), Ok(Turn::Now)), "{failures}");
            let one_more = throttle.turn(&pair, now);
            assert_eq!(matches!(one_more, Ok(Turn::After(_))), failures >= 7, "one at a time after a wait");
            let mut pairs = lock(&throttle.pairs);
            let count = pairs.get_mut(&pair).expect("it");
            (count.under_way, count.failures, count.last) = (0, failures + 1, now);
        }
        assert!(throttle.turn(&pair, now + Duration::from_secs(60)).is_err());
        for _ in 0..OF_PAIR.quota {
            assert!(matches!(throttle.turn(&pair, now + OF_PAIR.window), Ok(Turn::Now)), "all of them again");
        }
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

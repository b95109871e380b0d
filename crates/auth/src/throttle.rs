//! Slows down whoever guesses passwords, and nobody else: the same however many processes there are, and over a restart.
//!
//! A guesser is known by the account and the address, together and each alone: one address tries many accounts, many
//! addresses one account. Who has signed in from an address before is only counted together with it, so that a
//! stranger's guesses lock nobody out. Behind one address there may be a whole class; what counts is failures.
//!
//! The counts are in the database ([decision 35](../../../docs/decisions/0035-sign-ins-counted-together.md)): each attempt reads
//! them before, and one that failed is answered when it is on record. Those that fail meanwhile share a commit. Here is only what is
//! under way, and what needn't be asked again: all of it bounded.

use crate::{
    AuthError,
    failed_sign_ins::{Batch, Keys, OF_ACCOUNT, OF_ADDRESS, Record},
    rate::{Limiter, Policy, Standing},
};
use chrono::{DateTime, TimeDelta, Utc};
use hashlink::LruCache;
use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{SignInCounts, Store, StoreError};
use tokio::{
    runtime::Handle,
    sync::{Notify, futures::OwnedNotified, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

/// Commits of this process: a hundred at once, and then four a second, however many fail.
const COMMITS: Policy = Policy { name: "sign-in-commits", quota: 100, window: Duration::from_secs(25) };
/// Between two tries to write down what couldn't be.
const RETRY: Duration = Duration::from_secs(2);
/// Most of each kind that is remembered here, about 1 MB each. Whoever was heard of longest ago is forgotten.
const MOST_REMEMBERED: usize = 10_000;
/// Most on record, about 2 MB. Whose last failure is longest ago is forgotten.
const MOST_ON_RECORD: u32 = 20_000;
/// Rows that are written between two looks whether there are too many.
const BETWEEN_TRIMS: usize = 1_000;
/// How long an attempt waits for others with the same account and address to end, and for its failure to be on record.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a refusal is repeated without a look at the record, so that a flood of them costs the database nothing.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// Between two looks who has signed in elsewhere.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// Where a sign-in came from is on record a while after it, so that each look goes back behind the one before.
const LOOKS_BACK: TimeDelta = TimeDelta::minutes(10);
/// … and the first one so far.
const FIRST_LOOKS_BACK: TimeDelta = TimeDelta::days(30);

/// Counts failed attempts. Cheap to clone; clones share what is under way.
#[derive(Clone, Debug)]
pub(crate) struct Throttle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    state: Mutex<State>,
    /// The last batch that was written, or couldn't be.
    concluded: watch::Sender<u64>,
    commits: Limiter<()>,
}

#[derive(Debug)]
struct State {
    /// By pair.
    under_way: HashMap<Uuid, UnderWay>,
    /// Attempts under way that are charged to an account or an address.
    charged: HashMap<Uuid, u32>,
    /// Pairs that have signed in, and when it was looked for them.
    familiar: LruCache<Uuid, ()>,
    looked: Option<(Instant, DateTime<Utc>)>,
    /// Who was refused lately, by whichever key.
    refused: LruCache<Uuid, (Instant, Standing)>,
    /// The last batch that was written with a failure of this pair.
    failed_in: LruCache<Uuid, u64>,
    batch: Batch,
    /// Of what is gathered now.
    number: u64,
    /// Attempts that are under way until it is written, and those of what is being written; whether they are charged.
    ending: Vec<(Keys, bool)>,
    concluding: Vec<(Keys, bool)>,
    /// Somebody writes, or will in a moment.
    is_writing: bool,
    /// Rows since it was looked whether there are too many.
    written: usize,
}

#[derive(Debug, Default)]
struct UnderWay {
    count: u32,
    ended: Arc<Notify>,
}

/// What an attempt begins with.
struct Looked {
    keys: Keys,
    record: Record,
    /// The batch that was surely in the record.
    concluded: u64,
}

/// An attempt under way. One that isn't said to have ended otherwise has failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    throttle: Throttle,
    keys: Keys,
    /// Whether it is charged to the address and to the account.
    is_charged: bool,
    /// Something is on record that its success forgives; and the last batch that surely was in what was read.
    forgives: bool,
    concluded: u64,
    is_over: bool,
}

enum Turn {
    Now(Attempt),
    /// As many are under way as may fail.
    After(OwnedNotified),
    /// One has failed since the record was read.
    Stale,
}

impl Throttle {
    pub(crate) fn new(store: Store) -> Self {
        let state = State {
            under_way: HashMap::new(),
            charged: HashMap::new(),
            familiar: LruCache::new(MOST_REMEMBERED),
            looked: None,
            refused: LruCache::new(MOST_REMEMBERED),
            failed_in: LruCache::new(MOST_REMEMBERED),
            batch: Batch::default(),
            number: 1,
            ending: Vec::new(),
            concluding: Vec::new(),
            is_writing: false,
            written: 0,
        };
        let (concluded, commits) = (watch::Sender::new(0), Limiter::new(COMMITS));
        Self(Arc::new(Shared { store, state: Mutex::new(state), concluded, commits }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an attempt begin. Of many at once only so many are let through as may fail; the others wait for how those
    /// end, so that the right password is never refused for being sent often.
    ///
    /// # Errors
    /// `Throttled`; `Busy` where others took too long; those of any read.
    pub(crate) async fn begin(&self, email: &str, ip: Option<IpAddr>) -> Result<Attempt, AuthError> {
        timeout(PATIENCE, self.wait_for_turn(Keys::of(email, ip))).await.unwrap_or(Err(AuthError::Busy))
    }

    async fn wait_for_turn(&self, keys: Keys) -> Result<Attempt, AuthError> {
        loop {
            let looked = self.look(keys).await?;
            let is_charged = self.is_charged(&looked).await?;
            if let Some(attempt) = self.take_turn(&looked, is_charged).await? {
                return Ok(attempt);
            }
        }
    }

    /// What is on record.
    async fn look(&self, keys: Keys) -> Result<Looked, AuthError> {
        if let Some(standing) = self.state().refused_lately(keys, Instant::now()) {
            return Err(AuthError::Throttled(standing));
        }
        let (concluded, at) = (*self.0.concluded.borrow(), Utc::now());
        let read = self.0.store.sign_in_failures([keys.pair, keys.account, keys.address], at).await?;
        let record = Record::new(read, at.timestamp_millis()).with(&self.state().batch);
        Ok(Looked { keys, record, concluded })
    }

    /// Whether its failure is to be charged to the address and to the account alone.
    async fn is_charged(&self, looked: &Looked) -> Result<bool, AuthError> {
        let Keys { pair, account, address } = looked.keys;
        let refused = {
            let mut state = self.state();
            if state.familiar.get(&pair).is_some() {
                return Ok(false);
            }
            let under_way = |key| state.charged.get(&key).copied().unwrap_or_default();
            let of_address = looked.record.refuses(OF_ADDRESS, address, under_way(address));
            let of_account = || looked.record.refuses(OF_ACCOUNT, account, under_way(account));
            of_address.map(|standing| (address, standing)).or_else(|| of_account().map(|standing| (account, standing)))
        };
        let Some((key, standing)) = refused else { return Ok(true) };
        // Only now it matters who they are, and it takes as long whoever that is.
        self.look_for_familiar().await?;
        let mut state = self.state();
        if state.familiar.get(&pair).is_some() {
            return Ok(false);
        }
        state.refused.insert(key, (Instant::now(), standing));
        Err(AuthError::Throttled(standing))
    }

    /// Learns who has signed in from where, before this process began and in others.
    async fn look_for_familiar(&self) -> Result<(), StoreError> {
        let since = {
            let mut state = self.state();
            let (at, now) = (Instant::now(), Utc::now());
            let since = match state.looked {
                Some((looked, _)) if at.saturating_duration_since(looked) < BETWEEN_LOOKS => return Ok(()),
                Some((_, until)) => until - LOOKS_BACK,
                None => now - FIRST_LOOKS_BACK,
            };
            state.looked = Some((at, now));
            since
        };
        let found = self.0.store.signed_in_from(since).await?;
        let mut state = self.state();
        for (email, ip) in found {
            state.familiar.insert(Keys::of(&email, Some(ip)).pair, ());
        }
        Ok(())
    }

    /// Waits for as long as there are as many under way as may fail. Nothing where the record must be read again.
    async fn take_turn(&self, looked: &Looked, is_charged: bool) -> Result<Option<Attempt>, AuthError> {
        loop {
            match self.turn(looked, is_charged)? {
                Turn::Now(attempt) => return Ok(Some(attempt)),
                Turn::Stale => return Ok(None),
                Turn::After(ended) => ended.await,
            }
        }
    }

    fn turn(&self, looked: &Looked, is_charged: bool) -> Result<Turn, AuthError> {
        let Looked { keys, ref record, concluded } = *looked;
        let mut state = self.state();
        if state.failed_in.get(&keys.pair).is_some_and(|&batch| batch > concluded) {
            return Ok(Turn::Stale);
        }
        if let Some(standing) = record.refuses_pair(keys.pair) {
            state.refused.insert(keys.pair, (Instant::now(), standing));
            return Err(AuthError::Throttled(standing));
        }
        let under_way = state.under_way.entry(keys.pair).or_default();
        if under_way.count >= record.at_once(keys.pair) {
            // It listens from here on: who is waited for ends under the same lock.
            return Ok(Turn::After(Arc::clone(&under_way.ended).notified_owned()));
        }
        under_way.count += 1;
        if is_charged {
            *state.charged.entry(keys.account).or_default() += 1;
            *state.charged.entry(keys.address).or_default() += 1;
        }
        let (throttle, forgives) = (self.clone(), record.failures(keys.pair) > 0);
        Ok(Turn::Now(Attempt { throttle, keys, is_charged, forgives, concluded, is_over: false }))
    }

    /// For whoever proved otherwise, by their mail, that the account is theirs.
    pub(crate) async fn forgive(&self, email: &str, ip: Option<IpAddr>) {
        let pair = Keys::of(email, ip).pair;
        let number = {
            let mut state = self.state();
            state.succeeded(pair);
            state.forgive(pair)
        };
        self.write_soon();
        self.wait_for(number).await;
    }

    /// Waits for all that is gathered to be written down.
    pub(crate) async fn settle(&self) {
        let number = {
            let state = self.state();
            if state.batch.is_empty() { state.number - 1 } else { state.number }
        };
        self.wait_for(number).await;
    }

    async fn wait_for(&self, number: u64) {
        let mut concluded = self.0.concluded.subscribe();
        // Whoever waits in vain goes on: it is counted here, and tried again.
        let _ = timeout(PATIENCE, concluded.wait_for(|&newest| newest >= number)).await;
    }

    /// Has what is gathered written down, unless somebody is at it.
    fn write_soon(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !mem::replace(&mut self.state().is_writing, true) {
            runtime.spawn(self.clone().write_all());
        }
    }

    /// Writes until nothing more is gathered.
    async fn write_all(self) {
        loop {
            while let Err(standing) = self.0.commits.take((), 1, Instant::now()) {
                sleep(standing.wait).await;
            }
            let Some(counts) = self.state().take_batch() else { return };
            let outcome = self.0.store.count_sign_ins(&counts, Utc::now()).await;
            match self.conclude(counts, &outcome) {
                Ok(true) => {
                    if let Err(error) = self.0.store.trim_sign_in_failures(MOST_ON_RECORD).await {
                        tracing::warn!(%error, "old records of failed sign-ins aren't forgotten yet");
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "failed sign-ins are counted in this process alone until they can be written down");
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Whether it is time to look how much is on record.
    fn conclude<'a>(&self, counts: SignInCounts, outcome: &'a Result<(), StoreError>) -> Result<bool, &'a StoreError> {
        let mut state = self.state();
        let rows = counts.failed.len();
        if outcome.is_err() {
            state.batch.put_back(counts);
        }
        let batch = *self.0.concluded.borrow() + 1;
        for (keys, is_charged) in mem::take(&mut state.concluding) {
            state.failed_in.insert(keys.pair, batch);
            state.release(keys, is_charged);
        }
        self.0.concluded.send_replace(batch);
        outcome.as_ref()?;
        state.written += rows;
        let is_time = state.written >= BETWEEN_TRIMS;
        if is_time {
            state.written = 0;
        }
        Ok(is_time)
    }
}

impl State {
    /// Who was refused a moment ago is again, without a look at the record.
    fn refused_lately(&mut self, keys: Keys, now: Instant) -> Option<Standing> {
        let is_familiar = self.familiar.get(&keys.pair).is_some();
        let alone = [keys.address, keys.account].into_iter().filter(|_| !is_familiar);
        [keys.pair].into_iter().chain(alone).find_map(|key| {
            let (at, standing) = *self.refused.get(&key)?;
            let since = now.saturating_duration_since(at);
            (since < REFUSED_FOR.min(standing.wait)).then(|| Standing { wait: standing.wait - since, ..standing })
        })
    }

    fn succeeded(&mut self, pair: Uuid) {
        self.familiar.insert(pair, ());
        self.refused.remove(&pair);
    }

    /// In which batch.
    fn forgive(&mut self, pair: Uuid) -> u64 {
        self.batch.forgive(pair);
        self.number
    }

    /// What was gathered; nothing, and whoever writes is done, if that is nothing.
    fn take_batch(&mut self) -> Option<SignInCounts> {
        if self.batch.is_empty() {
            self.is_writing = false;
            return None;
        }
        self.number += 1;
        self.concluding = mem::take(&mut self.ending);
        Some(self.batch.take())
    }

    fn release(&mut self, keys: Keys, is_charged: bool) {
        if let Some(under_way) = self.under_way.get_mut(&keys.pair) {
            under_way.count = under_way.count.saturating_sub(1);
            under_way.ended.notify_waiters();
            if under_way.count == 0 {
                self.under_way.remove(&keys.pair);
            }
        }
        for key in [keys.account, keys.address].into_iter().filter(|_| is_charged) {
            if let Some(count) = self.charged.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.charged.remove(&key);
                }
            }
        }
    }
}

impl Attempt {
    /// It was good: what failed before was a person mistyping. Writes something only if there is something to forgive.
    pub(crate) async fn succeeded(mut self) {
        self.is_over = true;
        let pair = self.keys.pair;
        let number = {
            let mut state = self.throttle.state();
            state.succeeded(pair);
            state.release(self.keys, self.is_charged);
            let failed_since = state.failed_in.get(&pair).is_some_and(|&batch| batch > self.concluded);
            (self.forgives || failed_since || state.batch.has_failed(pair)).then(|| state.forgive(pair))
        };
        if let Some(number) = number {
            self.throttle.write_soon();
            self.throttle.wait_for(number).await;
        }
    }

    /// It was wrong. On record when this returns, so that no answer is given to a guess that a restart forgets.
    pub(crate) async fn failed(mut self) {
        let number = self.fail();
        self.throttle.wait_for(number).await;
    }

    /// Nobody knows: it couldn't be looked at.
    pub(crate) fn void(mut self) {
        self.is_over = true;
        self.throttle.state().release(self.keys, self.is_charged);
    }

    /// It stays under way until it is on record.
    fn fail(&mut self) -> u64 {
        self.is_over = true;
        let number = {
            let mut state = self.throttle.state();
            let number = state.number;
            state.batch.fail(self.keys, self.is_charged);
            state.ending.push((self.keys, self.is_charged));
            number
        };
        self.throttle.write_soon();
        number
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over {
            self.fail();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failed_sign_ins::OF_PAIR;
    use domain::{Role, SessionId, UserId};
    use std::{net::Ipv4Addr, pin::pin, task::Poll};
    use store::{NewUser, SessionUse, testing::TestDatabase};

    const IP: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    const ADA: &str = "ada@example.org";

    async fn lab() -> (TestDatabase, Throttle) {
        let database = TestDatabase::sqlite().await;
        let throttle = Throttle::new(database.store.clone());
        (database, throttle)
    }

    async fn fails(throttle: &Throttle, email: &str, ip: Option<IpAddr>) -> Result<(), AuthError> {
        throttle.begin(email, ip).await?.failed().await;
        Ok(())
    }

    /// So many, one after another.
    async fn fail(throttle: &Throttle, times: u32, email: &str, ip: Option<IpAddr>) {
        for _ in 0..times {
            fails(throttle, email, ip).await.expect("a free attempt");
        }
    }

    /// All at once.
    async fn all_fail(throttle: &Throttle, tries: impl Iterator<Item = (String, Option<IpAddr>)>) {
        let mut under_way = Vec::new();
        for (email, ip) in tries {
            under_way.push(throttle.begin(&email, ip).await.expect("a free attempt"));
        }
        drop(under_way);
        throttle.settle().await;
    }

    async fn succeeds(throttle: &Throttle, email: &str, ip: Option<IpAddr>) {
        throttle.begin(email, ip).await.expect("a free attempt").succeeded().await;
    }

    async fn refusal(throttle: &Throttle, email: &str, ip: Option<IpAddr>) -> Policy {
        match throttle.begin(email, ip).await {
            Err(AuthError::Throttled(standing)) => standing.policy,
            other => panic!("{other:?}"),
        }
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn commits(throttle: &Throttle) -> u64 {
        *throttle.0.concluded.borrow()
    }

    #[tokio::test]
    async fn the_guesser_waits_and_nobody_else() {
        let (_database, throttle) = lab().await;
        fail(&throttle, OF_PAIR.quota, ADA, IP).await;
        assert_eq!(refusal(&throttle, ADA, IP).await, OF_PAIR);
        fails(&throttle, ADA, None).await.expect("another client");
        fails(&throttle, "bob@example.org", IP).await.expect("another account");
    }

    #[tokio::test]
    async fn every_process_counts_the_same_and_a_restart_forgets_nothing() {
        for database in [TestDatabase::sqlite().await, TestDatabase::postgres().await] {
            let (here, there) = (Throttle::new(database.store.clone()), Throttle::new(database.another().await));
            fail(&here, OF_PAIR.quota / 2, ADA, IP).await;
            fail(&there, OF_PAIR.quota / 2, ADA, IP).await;
            assert_eq!(refusal(&here, ADA, IP).await, OF_PAIR);
            assert_eq!(refusal(&there, ADA, IP).await, OF_PAIR);
            let restarted = Throttle::new(database.another().await);
            assert_eq!(refusal(&restarted, ADA, IP).await, OF_PAIR);
            there.forgive(ADA, IP).await;
            fail(&restarted, OF_PAIR.quota - 1, ADA, address(1)).await;
            succeeds(&here, ADA, address(1)).await;
            fail(&restarted, OF_PAIR.quota, ADA, address(1)).await;
            assert_eq!(refusal(&there, ADA, address(1)).await, OF_PAIR, "what was forgiven is for every process");
        }
    }

    #[tokio::test]
    async fn the_right_password_writes_nothing_unless_something_is_to_be_forgiven() {
        let (_database, throttle) = lab().await;
        for _ in 0..3 * OF_ADDRESS.quota {
            succeeds(&throttle, ADA, IP).await;
            throttle.begin("bob@example.org", IP).await.expect("a free attempt").void();
        }
        assert_eq!(commits(&throttle), 0);
        fail(&throttle, 2, ADA, IP).await;
        for _ in 0..10 {
            succeeds(&throttle, ADA, IP).await;
        }
        assert_eq!(commits(&throttle), 3, "two that failed, and the first that forgave them");
    }

    /// `TINCTURE_TEST_FAILURES=100000` for as many as a flood brings.
    #[tokio::test]
    async fn thousands_of_failures_are_few_commits_and_few_rows() {
        let (database, throttle) = lab().await;
        let size: u32 = std::env::var("TINCTURE_TEST_FAILURES").map_or(2_000, |size| size.parse().expect("a number"));
        let began = Instant::now();
        for n in 0..size {
            drop(throttle.begin(&format!("{n}@example.org"), address(n)).await.expect("a free attempt"));
        }
        throttle.settle().await;
        // However slow the machine is: so many at once, and then four a second.
        let most = u64::from(COMMITS.quota) + 4 * (began.elapsed().as_secs() + 1);
        assert!((1..=most).contains(&commits(&throttle)), "{} commits", commits(&throttle));
        assert_eq!(database.store.trim_sign_in_failures(1_500).await.expect("trimmed"), 1_000, "at a time");
        while database.store.trim_sign_in_failures(1_500).await.expect("trimmed") > 0 {}
        let left = database.store.purge(&store::Retention::FOR_EVER, Utc::now() + TimeDelta::days(2)).await;
        assert_eq!(left.expect("a step").sign_in_failures, 500, "and the purge takes a step");
        assert!(throttle.state().under_way.is_empty() && throttle.state().charged.is_empty(), "nothing stays");
    }

    #[tokio::test]
    async fn what_cant_be_written_counts_here_and_is_written_when_it_can() {
        let (database, throttle) = lab().await;
        let full = "CREATE TRIGGER full BEFORE INSERT ON sign_in_failures BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        database.store.run_sql(full).await;
        let eight = (0..OF_PAIR.quota).map(|_| (ADA.to_owned(), IP));
        all_fail(&throttle, eight).await;
        assert_eq!(refusal(&throttle, ADA, IP).await, OF_PAIR);
        let there = Throttle::new(database.another().await);
        fails(&there, "bob@example.org", IP).await.expect("answered all the same");
        database.store.run_sql("DROP TRIGGER full").await;
        let until_written = async {
            let written = |state: &State| !state.is_writing && state.batch.is_empty();
            while !written(&throttle.state()) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(60), until_written).await.expect("soon");
        assert_eq!(refusal(&Throttle::new(database.another().await), ADA, IP).await, OF_PAIR);
    }

    #[tokio::test]
    async fn of_many_at_once_only_so_many_go_on_as_may_fail() {
        let (_database, throttle) = lab().await;
        let mut under_way = Vec::new();
        for _ in 0..OF_PAIR.quota {
            under_way.push(throttle.begin(ADA, IP).await.expect("a free attempt"));
        }
        let looked = throttle.look(Keys::of(ADA, IP)).await.expect("a look");
        let mut waits = pin!(throttle.take_turn(&looked, true));
        let poll = |waits: std::pin::Pin<&mut _>| -> Poll<Result<Option<Attempt>, AuthError>> {
            Future::poll(waits, &mut std::task::Context::from_waker(std::task::Waker::noop()))
        };
        assert!(matches!(poll(waits.as_mut()), Poll::Pending));
        under_way.pop().expect("one").succeeded().await;
        let ninth = waits.await.expect("its turn").expect("by the same record");
        drop((ninth, under_way));
        throttle.settle().await;
        assert_eq!(refusal(&throttle, ADA, IP).await, OF_PAIR, "eight failed since");
    }

    #[tokio::test]
    async fn whoever_waited_sees_what_failed_meanwhile() {
        let (_database, throttle) = lab().await;
        let mut under_way = Vec::new();
        for _ in 0..OF_PAIR.quota {
            under_way.push(throttle.begin(ADA, IP).await.expect("a free attempt"));
        }
        let (refused, ()) = tokio::join!(throttle.begin(ADA, IP), async {
            tokio::task::yield_now().await;
            drop(under_way);
        });
        assert!(matches!(refused, Err(AuthError::Throttled(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn one_address_guesses_slowly_at_many_accounts_and_who_is_known_there_isnt_kept_out() {
        let (database, throttle) = lab().await;
        succeeds(&throttle, ADA, IP).await;
        all_fail(&throttle, (0..OF_ADDRESS.quota).map(|n| (format!("{n}@example.org"), IP))).await;
        assert_eq!(refusal(&throttle, "next@example.org", IP).await, OF_ADDRESS);
        succeeds(&throttle, ADA, IP).await;
        // Another process knows where people have signed in from by their sessions.
        let elsewhere = Throttle::new(database.another().await);
        assert_eq!(refusal(&elsewhere, "next@example.org", IP).await, OF_ADDRESS);
        assert_eq!(refusal(&elsewhere, ADA, IP).await, OF_ADDRESS, "there is no session");
        signed_in_from(&database.store, ADA, IP).await;
        succeeds(&Throttle::new(database.another().await), ADA, IP).await;
    }

    #[tokio::test]
    async fn many_addresses_guess_slowly_at_one_account_whose_owner_isnt_kept_out() {
        let (database, throttle) = lab().await;
        signed_in_from(&database.store, ADA, IP).await;
        all_fail(&throttle, (0..OF_ACCOUNT.quota).map(|n| (ADA.to_owned(), address(n)))).await;
        assert_eq!(refusal(&throttle, ADA, address(OF_ACCOUNT.quota)).await, OF_ACCOUNT);
        succeeds(&throttle, ADA, IP).await;
        let restarted = Throttle::new(database.another().await);
        assert_eq!(refusal(&restarted, ADA, address(OF_ACCOUNT.quota)).await, OF_ACCOUNT);
        succeeds(&restarted, ADA, IP).await;
    }

    async fn signed_in_from(store: &Store, email: &str, ip: Option<IpAddr>) {
        let hashed_password = String::new();
        let new =
            NewUser { id: UserId::new(), email: email.to_owned(), hashed_password, role: Role::Student, quota: 0 };
        let act = store::testing::act;
        let user = store.create_user(new, &act("user_created")).await.expect("an account");
        let (session, until) = (SessionId::new(), Utc::now() + TimeDelta::days(1));
        store.create_session(session, &user, "hash", until, &act("sign_in")).await.expect("a session");
        let used = SessionUse { at: Utc::now(), ip_address: ip, client: None };
        store.note_sessions_used(&[(session, used)]).await.expect("noted");
    }
}

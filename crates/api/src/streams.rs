//! Live event streams: bounded per person, resumable, ended with the experiment, the server, or the right to see them.
//!
//! Who was let in is looked at again, all of them together: when something changes about accounts, sessions or API tokens,
//! and every minute, since not every change is told.

use auth::{Credential, Identity};
use domain::{ApiTokenId, Role, SessionId, UserId};
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Signal, Store};
use tasks::{Pauses, Task, Tasks, Turn};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Streams one person may have open: a few tabs and a few notebooks.
const MOST_PER_USER: usize = 20;
/// How long a stream may outlive the session or the token of whoever follows.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);
/// Between two looks at least, however often accounts change.
const PAUSE: Duration = Duration::from_secs(1);

const PAUSES: Pauses =
    Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(10), farewell: Duration::from_secs(1) };

/// The streams that are open. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
    /// How often those who follow are looked at again, at least.
    between_looks: Duration,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    tasks: Tasks,
    open: Mutex<Open>,
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Open {
    counts: HashMap<UserId, usize>,
    /// By a number of its own each.
    followers: HashMap<u64, Follower>,
    opened: u64,
    /// The task was started.
    started: bool,
}

#[derive(Clone, Debug)]
struct Follower {
    shown: Credential,
    /// What it was let in with.
    role: Role,
    /// Teacher and member, where it was let in for that.
    taught: Option<(UserId, UserId)>,
    ends: CancellationToken,
}

/// The right to one stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    user: UserId,
    number: u64,
    ends: CancellationToken,
}

impl Streams {
    pub(crate) fn new(store: Store, tasks: Tasks) -> Self {
        let shared = Shared { store, tasks, open: Mutex::default(), closing: CancellationToken::new() };
        Self { shared: Arc::new(shared), between_looks: BETWEEN_LOOKS }
    }

    pub(crate) fn with_tasks(&self, tasks: Tasks) -> Self {
        Self::new(self.shared.store.clone(), tasks).looked_at_every(self.between_looks)
    }

    pub(crate) fn looked_at_every(self, between_looks: Duration) -> Self {
        Self { between_looks, ..self }
    }

    /// A place for one more stream of this person, who follows what is `owner`'s, if they have any left.
    pub(crate) fn open(&self, identity: &Identity, owner: UserId) -> Option<Place> {
        let user = identity.user_id();
        let mut open = self.lock();
        let count = open.counts.entry(user).or_default();
        if *count >= MOST_PER_USER {
            return None;
        }
        *count += 1;
        open.opened += 1;
        let (number, ends) = (open.opened, self.shared.closing.child_token());
        let taught = (!identity.user.owns_or_runs_the_lab(owner)).then_some((user, owner));
        let follower = Follower { shown: identity.shown, role: identity.role(), taught, ends: ends.clone() };
        open.followers.insert(number, follower);
        let first = !mem::replace(&mut open.started, true);
        drop(open);
        if first {
            let signals = self.shared.store.signals();
            self.shared.tasks.add("sessions of live streams", PAUSES, Recheck { streams: self.clone(), signals });
        }
        metrics::gauge!(telemetry::names::EVENT_STREAMS).increment(1.0);
        Some(Place { streams: self.clone(), user, number, ends })
    }

    pub(crate) fn close(&self) {
        self.shared.closing.cancel();
    }

    /// Ends the streams of those who may not follow any more, or have another role: their clients are let in anew, or not.
    async fn recheck(&self) -> store::Result<()> {
        let followers: Vec<_> = self.lock().followers.values().cloned().collect();
        let live = Live::among(&self.shared.store, &followers).await?;
        for follower in followers {
            let is_let_go = follower.taught.is_some_and(|taught| !live.taught.contains(&taught));
            if is_let_go || live.role(follower.shown) != Some(follower.role) {
                follower.ends.cancel();
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of all that was shown is still good, with the role of whose it is.
struct Live {
    sessions: HashMap<SessionId, Role>,
    tokens: HashMap<ApiTokenId, Role>,
    /// Teachers with members of theirs.
    taught: HashSet<(UserId, UserId)>,
}

impl Live {
    async fn among(store: &Store, followers: &[Follower]) -> store::Result<Self> {
        let (mut sessions, mut tokens) = (HashSet::new(), HashSet::new());
        for follower in followers {
            match follower.shown {
                Credential::Session(id) => sessions.insert(id),
                Credential::ApiToken { id, .. } => tokens.insert(id),
                // None of them may follow.
                Credential::Service { .. } => false,
            };
        }
        let (sessions, tokens): (Vec<_>, Vec<_>) = (sessions.into_iter().collect(), tokens.into_iter().collect());
        let mut members: HashMap<UserId, Vec<UserId>> = HashMap::new();
        for (teacher, member) in followers.iter().filter_map(|follower| follower.taught) {
            members.entry(teacher).or_default().push(member);
        }
        let mut taught = HashSet::new();
        // A query for each teacher who follows at this moment, of whom there are few.
        for (teacher, members) in members {
            taught.extend(store.taught_among(teacher, &members).await?.into_iter().map(|member| (teacher, member)));
        }
        let (sessions, tokens) = (store.live_sessions(&sessions).await?, store.live_api_tokens(&tokens).await?);
        Ok(Self { sessions, tokens, taught })
    }

    fn role(&self, shown: Credential) -> Option<Role> {
        match shown {
            Credential::Session(id) => self.sessions.get(&id).copied(),
            Credential::ApiToken { id, scopes } => self.tokens.get(&id).map(|role| scopes.within(*role)),
            Credential::Service { .. } => None,
        }
    }
}

impl Place {
    /// Cancelled when the server shuts down, and when whoever follows may not any more.
    pub(crate) const fn ends(&self) -> &CancellationToken {
        &self.ends
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        open.followers.remove(&self.number);
        if let Some(count) = open.counts.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.counts.remove(&self.user);
            }
        }
        metrics::gauge!(telemetry::names::EVENT_STREAMS).decrement(1.0);
    }
}

/// Looks at those who follow.
struct Recheck {
    streams: Streams,
    signals: Receiver<Signal>,
}

impl Task for Recheck {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let looks = async {
            let _ = timeout(self.streams.between_looks, accounts_change(&mut self.signals)).await;
            self.streams.recheck().await
        };
        match stop.run_until_cancelled(looks).await {
            None => Ok(Turn::Done),
            Some(Ok(())) => Ok(Turn::After(PAUSE)),
            Some(Err(error)) => Err(error.to_string()),
        }
    }
}

async fn accounts_change(signals: &mut Receiver<Signal>) {
    loop {
        match signals.recv().await {
            Ok(Signal::Accounts | Signal::Anything) | Err(RecvError::Lagged(_)) => return,
            Ok(Signal::Queue | Signal::Robots | Signal::Experiment(_)) => {}
            // The store is ours, which is what sends them.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_person_has_so_many_places_and_gets_them_back() {
        let database = store::testing::TestDatabase::sqlite().await;
        let streams = Streams::new(database.store.clone(), Tasks::new(CancellationToken::new()));
        let (ada, bob) = (somebody(), somebody());
        let mut places: Vec<_> =
            (0..MOST_PER_USER).map(|_| streams.open(&ada, ada.user_id()).expect("a place")).collect();
        assert!(streams.open(&ada, ada.user_id()).is_none());
        assert!(streams.open(&bob, bob.user_id()).is_some(), "others aren't affected");
        places.pop();
        assert!(streams.open(&ada, ada.user_id()).is_some());
        drop(places);
        let open = streams.lock();
        assert!(open.counts.is_empty() && open.followers.is_empty(), "nothing is kept of people without streams");
    }

    fn somebody() -> Identity {
        let user = store::User {
            id: UserId::new(),
            email: "ada@example.org".to_owned(),
            hashed_password: String::new(),
            role: Role::Student,
            quota_remaining: 0,
            created_at: chrono::Utc::now(),
            disabled_at: None,
            teaches: false,
        };
        Identity { user, shown: Credential::Session(SessionId::new()), proof: None, lacks_factor: false }
    }
}

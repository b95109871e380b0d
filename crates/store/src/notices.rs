//! What processes that share a PostgreSQL tell each other: that something was committed, so that nobody has to look for it
//! again and again ([decision 12](../../../docs/decisions/0012-notify.md)).
//!
//! A notice is a hint. The tables are the truth, and whoever waits looks at them now and then, however well it hears. What
//! is heard is raised as if this process had committed it: [`Store::signals`] and the counters of changes don't tell
//! one from the other.
//!
//! [`Mouth`] sends what [`Outbox`] gathered, after the commits. [`Ear`] listens on a connection of its own, and believes
//! that it hears only while it hears itself: through a pooler that lends connections by the transaction it doesn't.

use crate::{
    connection::{Backend, Store},
    error::{Result, StoreError},
    postgres::WayToListen,
    records::Signal,
    replica::{self, Follow},
    sql::sql,
};
use domain::ExperimentId;
use sea_orm::{
    SqlxError,
    sqlx::postgres::{PgListener, PgPoolOptions},
};
use std::{
    collections::HashSet,
    convert::Infallible,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tasks::{Failure, Pauses, Task, Tasks, Turn};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often tables are looked at, however well their changes are heard.
const LOOKS_WHILE_HEARING: Duration = Duration::from_secs(5);
/// Between two times that an ear is tried.
const BEAT: Duration = Duration::from_secs(10);
/// How long the database may take to answer, and a beat to be heard.
const ANSWER: Duration = Duration::from_secs(5);
/// After a notice, so that those who commit by the thousand send few.
const GAP: Duration = Duration::from_millis(5);
/// For what wasn't told yet when the store is closed.
const FAREWELL: Duration = Duration::from_secs(1);
/// Experiments in one notice: PostgreSQL takes less than 8,000 bytes, and one of them is 33. Of more it says: look.
const MOST: usize = 200;

const PAUSES: Pauses =
    Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(30), farewell: Duration::from_secs(2) };

const QUEUE: &str = "queue";
const ROBOTS: &str = "robots";
const ACCOUNTS: &str = "accounts";
const LOOK: &str = "look";
const BEATS: &str = "beat-";
/// What the release before told of sign-ins; they are counted in a table since.
const TRIES: &str = "try-";

/// Each schema has a channel of its own: labs may share a database. The commit of a notice needn't wait for the disk,
/// which it would do under a lock that all who notify share.
const NOTIFY: &str = "SELECT set_config('synchronous_commit', 'off', true),
    pg_notify('tincture_' || (SELECT oid FROM pg_namespace WHERE nspname = current_schema()), $1)";
const CHANNEL: &str =
    "SELECT 'tincture_' || (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AS channel";

/// What is to be told, gathered until it is sent. Bounded: many experiments become one word.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Names this process in its notices.
    sender: Uuid,
    notice: Mutex<Notice>,
    filled: Notify,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { sender: Uuid::now_v7(), notice: Mutex::default(), filled: Notify::new() }
    }
}

impl Outbox {
    pub fn add(&self, signal: Signal) {
        self.notice().add(signal);
        self.filled.notify_one();
    }

    fn take(&self) -> Notice {
        mem::take(&mut *self.notice())
    }

    fn notice(&self) -> MutexGuard<'_, Notice> {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signals, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Notice {
    queue: bool,
    robots: bool,
    accounts: bool,
    /// More than can be said: look at everything.
    look: bool,
    experiments: HashSet<ExperimentId>,
}

impl Notice {
    fn add(&mut self, signal: Signal) {
        match signal {
            Signal::Queue => self.queue = true,
            Signal::Robots => self.robots = true,
            Signal::Accounts => self.accounts = true,
            Signal::Anything => self.look = true,
            Signal::Experiment(id) => drop(self.experiments.insert(id)),
        }
        if self.look || self.experiments.len() > MOST {
            *self = Self { look: true, ..Self::default() };
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn signals(&self) -> impl Iterator<Item = Signal> {
        let fixed = [
            (self.look, Signal::Anything),
            (self.queue, Signal::Queue),
            (self.robots, Signal::Robots),
            (self.accounts, Signal::Accounts),
        ];
        let fixed = fixed.into_iter().filter_map(|(told, signal)| told.then_some(signal));
        self.experiments.iter().copied().map(Signal::Experiment).chain(fixed)
    }

    /// Who says it, and a word for each signal.
    fn text(&self, sender: Uuid) -> String {
        let mut text = sender.simple().to_string();
        for signal in self.signals() {
            text.push(' ');
            match signal {
                Signal::Queue => text.push_str(QUEUE),
                Signal::Robots => text.push_str(ROBOTS),
                Signal::Accounts => text.push_str(ACCOUNTS),
                Signal::Anything => text.push_str(LOOK),
                Signal::Experiment(id) => text.push_str(&id.as_uuid().simple().to_string()),
            }
        }
        text
    }
}

/// A word of a notice. One that we don't know is a later release's: then it is best to look.
fn read(word: &str) -> Signal {
    match word {
        QUEUE => Signal::Queue,
        ROBOTS => Signal::Robots,
        ACCOUNTS => Signal::Accounts,
        _ => Uuid::try_parse(word).map_or(Signal::Anything, |id| Signal::Experiment(id.into())),
    }
}

impl Store {
    /// Tells the other processes of a PostgreSQL what this one commits, hears what they tell, and follows the replica if there
    /// is one, each as one of `tasks`. On SQLite, and a second time, it does nothing.
    pub fn join(&self, tasks: &Tasks) {
        if self.backend() == Backend::Sqlite || self.joined() {
            return;
        }
        self.look_after_servers(tasks);
        tasks.add("telling other processes", PAUSES, Mouth { store: self.clone() });
        if self.replica().is_some() {
            tasks.add(replica::NAME, replica::PAUSES, Follow { store: self.clone() });
        }
        if matches!(self.way_to_listen(), WayToListen::None) {
            tracing::info!(
                "what other processes change is looked for and not heard: behind a pooler in transaction mode that \
                 needs database_direct_url, a way past it"
            );
            return;
        }
        tasks.add("hearing other processes", PAUSES, Ear { store: self.clone(), beats: 0, told_deaf: false });
    }

    /// How long somebody may wait between two looks for what other processes did: as long as they say where nothing is heard
    /// of those, longer where they tell.
    pub fn between_looks(&self, unheard: Duration) -> Duration {
        if self.hears_others() { unheard.max(LOOKS_WHILE_HEARING) } else { unheard }
    }

    /// Sends what wasn't told yet, for a process that ends.
    pub(crate) async fn tell_the_rest(&self) {
        let told = timeout(FAREWELL, tell(self)).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::debug!("other processes aren't told of the last changes; they look now and then");
        }
    }
}

async fn tell(store: &Store) -> Result<()> {
    if store.backend() == Backend::Sqlite {
        return Ok(());
    }
    let outbox = store.outbox();
    let notice = outbox.take();
    if notice.is_empty() {
        return Ok(());
    }
    sql!(NOTIFY, notice.text(outbox.sender)).execute(store.writer()).await.map(drop)
}

/// Sends.
struct Mouth {
    store: Store,
}

impl Task for Mouth {
    async fn turn(&mut self, stop: &CancellationToken) -> std::result::Result<Turn, String> {
        let filled = stop.run_until_cancelled(self.store.outbox().filled.notified()).await;
        match timeout(ANSWER, tell(&self.store)).await {
            Ok(Ok(())) if filled.is_some() => Ok(Turn::After(GAP)),
            Ok(Ok(())) => Ok(Turn::Done),
            Ok(Err(error)) => Err(self.later(&error.to_string())),
            Err(_) => Err(self.later("no answer in time")),
        }
    }
}

impl Mouth {
    /// What was taken may be lost. That is what the next turn says, and it doesn't wait for something new.
    fn later(&self, why: &str) -> String {
        self.store.outbox().add(Signal::Anything);
        why.to_owned()
    }
}

/// Listens.
struct Ear {
    store: Store,
    /// Sent so far.
    beats: u64,
    /// It was said that we don't hear.
    told_deaf: bool,
}

/// A beat that was sent and wasn't heard yet.
#[derive(Clone, Copy, Debug)]
struct Sent {
    beat: u64,
    at: Instant,
}

impl Task for Ear {
    /// Listens until the connection ends or nothing comes through.
    async fn turn(&mut self, stop: &CancellationToken) -> std::result::Result<Turn, String> {
        match stop.run_until_cancelled(self.listen()).await {
            None => Ok(Turn::Done),
            Some(Ok(never)) => match never {},
            Some(Err(error)) => Err(error.to_string()),
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        if !mem::replace(&mut self.told_deaf, true) {
            let (Failure::Error(why) | Failure::Panic(why)) = failure;
            tracing::warn!(why, "what other processes change isn't heard at once; it is looked for instead");
        }
        if self.store.set_hears_others(false) {
            // Whoever rests now would do so for as long as if we heard.
            self.store.raise(Signal::Anything);
        }
    }
}

impl Ear {
    async fn listen(&mut self) -> Result<Infallible> {
        let mut listener = timeout(ANSWER, connect(&self.store)).await.map_err(|_| late("the database"))??;
        let mut sent = Some(self.beat().await?);
        loop {
            let due = sent.map_or_else(|| Instant::now() + BEAT, |beat| beat.at + ANSWER);
            let heard = timeout_at(due, self.hear_until_beat(&mut listener, sent)).await;
            sent = match (heard, sent) {
                (Ok(heard), _) => {
                    heard?;
                    self.hears();
                    None
                }
                (Err(_), Some(_)) => {
                    return Err(late("our own notice, which a pooler in transaction mode would swallow"));
                }
                (Err(_), None) => Some(self.beat().await?),
            };
        }
    }

    /// Raises what is heard until it is the beat that was sent; for ever where none was.
    async fn hear_until_beat(&self, listener: &mut PgListener, sent: Option<Sent>) -> Result<()> {
        loop {
            let heard = listener.try_recv().await.map_err(failed)?;
            let heard =
                heard.ok_or_else(|| StoreError::Unreachable("the connection that listens was lost".to_owned()))?;
            let (sender, words) = heard.payload().split_once(' ').unwrap_or_default();
            if Uuid::try_parse(sender).is_ok_and(|sender| sender == self.store.outbox().sender) {
                if sent.is_some_and(|sent| words == sent.word()) {
                    return Ok(());
                }
                continue;
            }
            let told = words.split_whitespace().filter(|word| !word.starts_with(BEATS) && !word.starts_with(TRIES));
            told.for_each(|word| self.store.raise(read(word)));
        }
    }

    /// Sends ourselves a notice, on a connection of those that send.
    async fn beat(&mut self) -> Result<Sent> {
        self.beats += 1;
        let sent = Sent { beat: self.beats, at: Instant::now() };
        let text = format!("{} {}", self.store.outbox().sender.simple(), sent.word());
        let sending = sql!(NOTIFY, text).execute(self.store.writer());
        timeout(ANSWER, sending).await.map_err(|_| late("the database"))??;
        Ok(sent)
    }

    fn hears(&mut self) {
        if mem::take(&mut self.told_deaf) {
            tracing::info!("what other processes change is heard at once again");
        }
        if self.store.set_hears_others(true) {
            // What was told before we listened.
            self.store.raise(Signal::Anything);
        }
    }
}

impl Sent {
    fn word(self) -> String {
        format!("{BEATS}{}", self.beat)
    }
}

/// A connection of its own that listens.
async fn connect(store: &Store) -> Result<PgListener> {
    let row = sql!(CHANNEL).one(store.reader()).await?.ok_or(StoreError::NotFound("schema"))?;
    let channel: String = row.get("channel")?;
    let settings = match store.way_to_listen() {
        WayToListen::Direct(settings) => (**settings).clone(),
        WayToListen::AsAll | WayToListen::None => store.writer().pool().connect_options().as_ref().clone(),
    };
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).acquire_timeout(ANSWER);
    let pool = pool.connect_with(settings).await.map_err(failed)?;
    let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
    listener.eager_reconnect(false);
    listener.listen(&channel).await.map_err(failed)?;
    Ok(listener)
}

fn failed(error: SqlxError) -> StoreError {
    StoreError::Unreachable(error.to_string())
}

fn late(what: &str) -> StoreError {
    StoreError::Unreachable(format!("{what} didn't come in {} s", ANSWER.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(notice: &Notice) -> HashSet<Signal> {
        let text = notice.text(Uuid::now_v7());
        assert!(text.len() < 8_000, "{} bytes", text.len());
        text.split_whitespace().skip(1).map(read).collect()
    }

    #[test]
    fn a_notice_says_each_signal_once() {
        let (one, other) = (Signal::Experiment(ExperimentId::new()), Signal::Experiment(ExperimentId::new()));
        let all = [one, Signal::Queue, other, Signal::Robots, Signal::Accounts, one, Signal::Queue];
        let mut notice = Notice::default();
        all.into_iter().for_each(|signal| notice.add(signal));
        assert_eq!(notice.signals().count(), 5);
        assert_eq!(told(&notice), HashSet::from(all));
    }

    #[test]
    fn of_too_much_it_says_look() {
        let mut notice = Notice::default();
        let mut add = |count| (0..count).for_each(|_| notice.add(Signal::Experiment(ExperimentId::new())));
        add(MOST);
        assert_eq!(told(&notice).len(), MOST);
        (0..10_000).for_each(|_| notice.add(Signal::Experiment(ExperimentId::new())));
        notice.add(Signal::Queue);
        assert_eq!(told(&notice), HashSet::from([Signal::Anything]));
    }

    #[test]
    fn what_a_later_release_says_makes_us_look() {
        assert_eq!(read("weather"), Signal::Anything);
    }
}

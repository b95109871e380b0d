//! Runs tasks, sees how their turns end, and tells.

use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde::Serialize;
use std::{
    any::Any,
    collections::BTreeMap,
    future::Future,
    iter,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// Something that is done again and again.
pub trait Task: Send + 'static {
    /// Does it once. Should end soon after `stop` is cancelled; what doesn't is dropped where it stands after
    /// [`Pauses::farewell`].
    fn turn(&mut self, stop: &CancellationToken) -> impl Future<Output = Result<Turn, String>> + Send;

    /// Takes note of a turn that failed, before the next: a breaker's place.
    fn failed(&mut self, _failure: &Failure) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What comes after a turn that didn't fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another one, after so long.
    After(Duration),
    /// Nothing: the task is done for good.
    Done,
}

/// Why a turn failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Error(String),
    /// A bug of ours. The message is the panic's.
    Panic(String),
}

/// How a task is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// After the first failure; doubled with each…
    pub first: Duration,
    /// …up to this. A turn that went on for longer than this before it failed counts as the first again.
    pub longest: Duration,
    /// For its end, after the stop.
    pub farewell: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(10), farewell: Duration::from_secs(5) }
    }
}

/// How a task stands, for whoever looks after this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    pub name: String,
    pub state: State,
    /// Since when it is in this state.
    pub since: DateTime<Utc>,
    /// Turns that ended, well or not.
    pub turns: u64,
    pub panics: u64,
    /// Failures since the last turn that went well.
    pub failures: u64,
    /// Of the newest failure. Not told outside of the process: it may name a host.
    #[serde(skip)]
    pub last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In a turn.
    Running,
    /// Between two turns.
    Waiting,
    /// For good.
    Ended,
}

/// The tasks of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    stop: CancellationToken,
    board: Board,
    running: Arc<Mutex<BTreeMap<String, Running>>>,
}

#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    farewell: Duration,
}

impl Tasks {
    /// They end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, board: Board::default(), running: Arc::default() }
    }

    /// Cancelled when they are to end.
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs a task under its name, unless one of that name runs already.
    pub fn run(&self, name: impl Into<String>, pauses: Pauses, task: impl Task) {
        let (name, running) = (name.into(), lock(&self.running));
        if !runs(&running, &name) {
            self.start(running, name, pauses, task);
        }
    }

    /// Runs a task, whatever runs already: one of a name that is taken gets a number to it.
    pub fn add(&self, name: &str, pauses: Pauses, task: impl Task) {
        let running = lock(&self.running);
        let numbered = (2..).map(|number: u32| format!("{name} {number}"));
        let mut names = iter::once(name.to_owned()).chain(numbered);
        if let Some(name) = names.find(|name| !runs(&running, name)) {
            self.start(running, name, pauses, task);
        }
    }

    fn start(
        &self,
        mut running: MutexGuard<'_, BTreeMap<String, Running>>,
        name: String,
        pauses: Pauses,
        task: impl Task,
    ) {
        if self.stop.is_cancelled() {
            return;
        }
        self.board.enter(&name);
        let going = keep_going(name.clone(), pauses, task, self.board.clone(), self.stop.clone());
        running.insert(name, Running { handle: tokio::spawn(going), farewell: pauses.farewell });
    }

    /// How each of them stands, by name.
    pub fn status(&self) -> Vec<Status> {
        lock(&self.board.0).values().cloned().collect()
    }

    /// Waits, after the stop, until all have ended. What doesn't within its farewell is dropped where it stands.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
        let told = Instant::now();
        let running = std::mem::take(&mut *lock(&self.running));
        for (name, task) in running {
            let abort = task.handle.abort_handle();
            if timeout_at(told + task.farewell, task.handle).await.is_err() {
                tracing::error!(task = name, "a task did not end in time and was left");
                abort.abort();
                self.board.change(&name, |status| status.turn_to(State::Ended));
            }
        }
    }
}

fn runs(running: &BTreeMap<String, Running>, name: &str) -> bool {
    running.get(name).is_some_and(|task| !task.handle.is_finished())
}

/// Turn after turn, until it is done or told to stop.
async fn keep_going(name: String, pauses: Pauses, mut task: impl Task, board: Board, stop: CancellationToken) {
    let mut pause = pauses.first;
    while !stop.is_cancelled() {
        let began = Instant::now();
        board.change(&name, |status| status.turn_to(State::Running));
        let failure = match AssertUnwindSafe(task.turn(&stop)).catch_unwind().await {
            Ok(Ok(turn)) => {
                board.change(&name, Status::went_well);
                match turn {
                    Turn::Done => break,
                    Turn::After(pause) => rest(&stop, pause).await,
                }
                pause = pauses.first;
                continue;
            }
            Ok(Err(error)) => Failure::Error(error),
            Err(panic) => Failure::Panic(message(&*panic)),
        };
        if let Failure::Panic(message) = &failure {
            tracing::error!(task = name, panic = message, "a task panicked; it begins again");
        }
        board.change(&name, |status| status.failed(&failure));
        if AssertUnwindSafe(task.failed(&failure)).catch_unwind().await.is_err() {
            tracing::error!(task = name, "a task panicked over its own failure");
        }
        if began.elapsed() > pauses.longest {
            pause = pauses.first;
        }
        rest(&stop, pause).await;
        pause = (pause * 2).min(pauses.longest);
    }
    board.change(&name, |status| status.turn_to(State::Ended));
}

async fn rest(stop: &CancellationToken, pause: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(pause) => {}
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it says nothing").to_owned()
}

/// Where it is written how the tasks stand.
#[derive(Clone, Debug, Default)]
struct Board(Arc<Mutex<BTreeMap<String, Status>>>);

impl Board {
    fn enter(&self, name: &str) {
        let status = Status {
            name: name.to_owned(),
            state: State::Waiting,
            since: Utc::now(),
            turns: 0,
            panics: 0,
            failures: 0,
            last_error: None,
        };
        lock(&self.0).insert(name.to_owned(), status);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Status)) {
        if let Some(status) = lock(&self.0).get_mut(name) {
            change(status);
        }
    }
}

impl Status {
    fn turn_to(&mut self, state: State) {
        (self.state, self.since) = (state, Utc::now());
    }

    fn went_well(&mut self) {
        self.turns += 1;
        self.failures = 0;
        self.turn_to(State::Waiting);
    }

    fn failed(&mut self, failure: &Failure) {
        self.turns += 1;
        self.failures += 1;
        let message = match failure {
            Failure::Error(message) => message,
            Failure::Panic(message) => {
                self.panics += 1;
                message
            }
        };
        self.last_error = Some(message.clone());
        self.turn_to(State::Waiting);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The task that talks with Prefect: of all processes of a lab one does it at a time, under a lease.
//!
//! It is woken by the signals of commits and looks once a second what people did there. Whatever fails or dies in between, it goes
//! on from what the database says. While Prefect is away experiments are noted all the same, and told of later.

use crate::{
    Config,
    client::Wire,
    desk::{Desk, DeskError},
    listen::Heard,
    pools::Pools,
    report::{Changed, Memory},
    setup,
};
use chrono::{TimeDelta, Utc};
use std::time::Duration;
use store::{Signal, Store, StoreError};
use tasks::{Ended, Failure, Pauses, Task, Tasks, Turn, under_lease};
use telemetry::names;
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workflow::Lab;

/// Of the lease, and of the task.
const NAME: &str = "prefect";
const LEASE: Duration = Duration::from_secs(20);
const BETWEEN_CLAIMS: Duration = Duration::from_secs(10);
/// Between two looks at what people did there.
const LISTEN: Duration = Duration::from_secs(1);
/// After a signal, so that what happens together is told together.
const GATHER: Duration = Duration::from_millis(100);
/// Between two looks at everything: for what no signal told of.
const LOOK_AT_ALL: Duration = Duration::from_secs(60);
/// Experiments are noted that were asked for so long ago, however they stand: their ids go by other processes' clocks.
const NOTED_SINCE: TimeDelta = TimeDelta::minutes(10);
/// As many as the store notes at once.
const NOTED_AT_ONCE: u64 = 500;

const PAUSES: Pauses = Pauses {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15),
    // A batch under way may end.
    farewell: Duration::from_secs(5),
};

/// Talks with the server until the tasks are told to stop. A server that is away is no reason not to start.
pub fn run(config: Config, lab: Lab, store: Store, tasks: &Tasks) {
    let holder = format!("{}-{}", std::process::id(), Uuid::now_v7());
    let memory = Memory::default();
    tasks.run(NAME, PAUSES, Relay { config, lab, store, holder, failing: false, memory, noted: false });
}

struct Relay {
    config: Config,
    lab: Lab,
    store: Store,
    holder: String,
    /// The log says so once, and once that it is over.
    failing: bool,
    memory: Memory,
    /// Those that were waiting at the start are noted.
    noted: bool,
}

impl Task for Relay {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let claimed = self.store.hold_named(NAME, &self.holder, LEASE).await.map_err(|error| error.to_string())?;
        let Some(held) = claimed else { return Ok(Turn::After(BETWEEN_CLAIMS)) };
        match under_lease(&held, stop, PAUSES.farewell, self.carry(stop)).await {
            Ended::Work(Ok(())) | Ended::Overdue => Ok(Turn::Done),
            Ended::Work(Err(error)) => Err(error.to_string()),
            Ended::Lost => Ok(Turn::After(BETWEEN_CLAIMS)),
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        metrics::counter!(names::PREFECT_FAILURES).increment(1);
        if !std::mem::replace(&mut self.failing, true) {
            let (Failure::Error(why) | Failure::Panic(why)) = failure;
            tracing::warn!(why, "Prefect isn't told of experiments now; they go on, and it is told later");
        }
    }
}

impl Relay {
    /// Until the stop.
    async fn carry(&mut self, stop: &CancellationToken) -> Result<(), DeskError> {
        let mut signals = self.store.signals();
        self.note_new().await?;
        self.tell_waiting().await?;
        let desk = self.sit_down().await?;
        let (mut changed, mut heard, mut pools) = (Changed::everything(), Heard::default(), Pools::default());
        let mut listen_at = Instant::now();
        let mut look_at = Instant::now() + LOOK_AT_ALL;
        while !stop.is_cancelled() {
            take_in(&mut signals, &mut changed);
            if changed.take_fresh() {
                self.note_new().await?;
            }
            if Instant::now() >= listen_at {
                desk.listen(&mut heard, pools.takes_in).await?;
                desk.tend_pools(&mut pools).await?;
                listen_at = Instant::now() + LISTEN;
            }
            desk.report(&mut changed, &mut self.memory).await?;
            if changed.is_nothing() {
                self.went_well();
                if Instant::now() >= look_at {
                    self.tell_waiting().await?;
                    changed.look_at_all();
                    look_at = Instant::now() + LOOK_AT_ALL;
                } else {
                    stop.run_until_cancelled(rest(&mut signals, &mut changed, listen_at)).await;
                }
            }
        }
        Ok(())
    }

    async fn sit_down(&self) -> Result<Desk, DeskError> {
        let wire = Wire::new(&self.config.base, self.config.credential.clone())?;
        let robots = self.store.robots().await?;
        let deployment = setup::prepare(&wire, &self.config.pool, &robots).await?;
        let (store, lab, config) = (self.store.clone(), self.lab.clone(), self.config.clone());
        Ok(Desk { store, lab, wire, config, deployment })
    }

    /// Writes down which experiments Prefect is to be told of, also while it is away.
    async fn note_new(&mut self) -> Result<(), StoreError> {
        if !self.noted {
            while self.store.note_for_prefect(None).await? == NOTED_AT_ONCE {}
            self.noted = true;
        }
        while self.store.note_for_prefect(Some(Utc::now() - NOTED_SINCE)).await? == NOTED_AT_ONCE {}
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "a count up to 100,000, and times until the year 287 million")]
    async fn tell_waiting(&self) -> Result<(), StoreError> {
        let waiting = self.store.waiting_for_prefect().await?;
        metrics::gauge!(names::PREFECT_WAITING).set(waiting.count as f64);
        metrics::gauge!(names::PREFECT_OLDEST).set(waiting.oldest.map_or(0.0, |at| at.timestamp() as f64));
        Ok(())
    }

    fn went_well(&mut self) {
        #[allow(clippy::cast_precision_loss, reason = "exact until the year 287 million")]
        metrics::gauge!(names::PREFECT_LAST_TOLD).set(Utc::now().timestamp() as f64);
        if std::mem::take(&mut self.failing) {
            tracing::info!("Prefect is told of experiments again");
        }
    }
}

/// Remembers what was signalled.
fn take_in(signals: &mut Receiver<Signal>, changed: &mut Changed) {
    loop {
        match signals.try_recv() {
            Ok(signal) => drop(remember(signal, changed)),
            Err(TryRecvError::Lagged(_)) => changed.look_at_all(),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

/// Whether there may be something to tell.
fn remember(signal: Signal, changed: &mut Changed) -> bool {
    match signal {
        Signal::Experiment(experiment) => changed.add(experiment),
        Signal::Anything => changed.look_at_all(),
        Signal::Queue | Signal::Robots | Signal::Accounts => return false,
    }
    true
}

/// Until somebody commits what is to be told, or it is time to listen.
async fn rest(signals: &mut Receiver<Signal>, changed: &mut Changed, listen_at: Instant) {
    let told = async {
        loop {
            match signals.recv().await {
                Ok(signal) => {
                    if remember(signal, changed) {
                        return sleep(GATHER).await;
                    }
                }
                Err(RecvError::Lagged(_)) => return changed.look_at_all(),
                // Whoever waits has a store, which is what sends them.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        () = sleep_until(listen_at) => {}
        () = told => {}
    }
}

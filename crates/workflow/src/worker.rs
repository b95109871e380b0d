//! A worker: takes the lanes it may, holds each by a lease, and starts over whenever a lane breaks.

use crate::{
    breaker::{Breaker, Concern, is_by_nature},
    lane::{Keeping, Lane, LaneError, something_to_do},
};
use chrono::Utc;
use domain::{Change, Control, ExperimentId, ExperimentStatus, RobotId};
use hardware::{Connect, Network, Patience};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use store::{Entry, Lease, LeaseClaim, Robot, Signal, Store, StoreError};
use tasks::{Ended, Failure, Pauses, Renewal, Task, Tasks, Turn, under_lease};
use telemetry::names;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// How a worker goes about it.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Unique to this process; shown as the lane's holder.
    pub holder: String,
    pub claim: LeaseClaim,
    /// A lease's time to live. Renewed at a third of it.
    pub lease: Duration,
    /// Names of the robots to drive, or names that they had; all where nothing is said. A robot stays this worker's when it
    /// is called otherwise.
    pub robots: Option<Vec<String>>,
    /// How often to look for what other processes did, where it isn't heard of them ([`Store::join`]).
    pub poll: Duration,
    /// How long its robots and sensors may take to answer.
    pub patience: Patience,
    /// How it reaches robots and sensors; over the network where nothing is said.
    pub connect: Option<Arc<dyn Connect>>,
    /// From the shutdown's word to the end, at most: for the operation in flight and for putting things down. What
    /// isn't done by then is left as a crash would leave it, for the next worker's recovery.
    pub farewell: Duration,
    /// How long a robot may be unreachable before its lane is offered to other workers, which may reach it, and its
    /// experiment to other robots, which may mix it.
    pub give_way: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            holder: format!("worker-{}", uuid::Uuid::now_v7()),
            claim: LeaseClaim::WhenFree,
            lease: Duration::from_secs(15),
            robots: None,
            poll: Duration::from_millis(500),
            patience: Patience::default(),
            connect: None,
            farewell: Duration::from_secs(25),
            give_way: Duration::from_secs(60),
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a lane may take to grant its experiment's owner a wish before it is granted over its head.
const WISH_PATIENCE: Duration = Duration::from_secs(2);

/// Drives every robot it may, a task each, until the tasks are told to stop; then finishes the operations in flight, leaves
/// the machines safe and releases the leases.
pub async fn run_worker(store: Store, config: WorkerConfig, tasks: Tasks) {
    let stop = tasks.stop().clone();
    // One for all lanes, which share what their devices do.
    let connect = config.connect.clone().unwrap_or_else(|| Arc::new(Network::new(config.patience)));
    let config = WorkerConfig { connect: Some(connect), ..config };
    let mut signals = store.signals();
    let mut lanes = Lanes::default();
    while !stop.is_cancelled() {
        // What was signalled until now is in what is read now; one look is enough for all of it.
        signals = signals.resubscribe();
        match lanes.ours(&store, &config).await {
            Ok(robots) => lanes.start(&store, &config, &tasks, robots),
            Err(error) => tracing::warn!(%error, "the robots can't be read; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(Duration::from_secs(5)) => {}
            () = robots_changed(&mut signals) => {}
        }
    }
    tasks.ended().await;
}

async fn robots_changed(signals: &mut Receiver<Signal>) {
    loop {
        match signals.recv().await {
            Ok(Signal::Robots | Signal::Anything) => return sleep(Duration::from_millis(50)).await,
            Err(RecvError::Closed) => std::future::pending().await,
            _ => {}
        }
    }
}

/// The robots that a worker drives, each with its task's name, which stays the same however the robot is called.
#[derive(Default)]
struct Lanes(HashMap<RobotId, String>);

impl Lanes {
    /// The robots that are this worker's.
    async fn ours(&self, store: &Store, config: &WorkerConfig) -> Result<Vec<Robot>, StoreError> {
        let mut robots = store.robots().await?;
        let Some(wanted) = &config.robots else { return Ok(robots) };
        let has_all = wanted.iter().all(|name| robots.iter().any(|robot| robot.name == *name));
        let former = if has_all { BTreeMap::new() } else { store.former_names().await? };
        let was_wanted = |robot: &Robot| wanted.iter().any(|name| former.get(name) == Some(&robot.id));
        robots.retain(|robot| wanted.contains(&robot.name) || self.0.contains_key(&robot.id) || was_wanted(robot));
        Ok(robots)
    }

    fn start(&mut self, store: &Store, config: &WorkerConfig, tasks: &Tasks, robots: Vec<Robot>) {
        // Each lane bounds its own farewell; this is for one that doesn't get to it.
        let farewell = config.farewell + Duration::from_secs(2);
        let pauses = Pauses { first: FIRST_PAUSE, longest: LONGEST_PAUSE, farewell };
        for robot in robots {
            let name = self.task(&robot);
            tasks.run(name, pauses, LaneTask::new(store.clone(), config.clone(), robot));
        }
    }

    /// A robot may have got a name that another had when its task began.
    fn task(&mut self, robot: &Robot) -> String {
        if let Some(name) = self.0.get(&robot.id) {
            return name.clone();
        }
        let plain = format!("lane {}", robot.name);
        let is_taken = self.0.values().any(|name| *name == plain);
        let name = if is_taken { format!("{plain} ({})", robot.id) } else { plain };
        self.0.insert(robot.id, name.clone());
        name
    }
}

/// Leases one robot again and again; each lease begins with recovery.
struct LaneTask {
    store: Store,
    config: WorkerConfig,
    robot: RobotId,
    span: Span,
    concern: Concern,
    breaker: Breaker,
    /// Why the last turn failed, if what it was doing is to blame.
    broken_by: Option<String>,
}

impl LaneTask {
    fn new(store: Store, config: WorkerConfig, robot: Robot) -> Self {
        let span = span_of(&robot);
        let (concern, breaker) = (Concern::default(), Breaker::default());
        Self { store, config, robot: robot.id, span, concern, breaker, broken_by: None }
    }

    async fn lease(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        let config = &self.config;
        let mut signals = self.store.signals();
        let lease = match self.store.lease(self.robot, &config.holder, config.lease, config.claim).await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                if self.is_removed().await {
                    tracing::info!("the robot isn't the lab's any more; its lane ends");
                    return Ok(Turn::Done);
                }
                stop.run_until_cancelled(self.until_it_may_be_free(&mut signals)).await;
                return Ok(Turn::After(config.poll));
            }
            Err(error) => {
                tracing::warn!(%error, "no lease");
                return Err(error.to_string());
            }
        };
        self.concern = Concern::default();
        let held = hold(self.store.clone(), config.clone(), lease, self.concern.clone(), stop.clone()).await;
        #[cfg(feature = "sabotage")]
        crate::sabotage::insist(&mut self.config.claim);
        match held {
            Ok(()) => {
                self.breaker = Breaker::default();
                Ok(Turn::After(FIRST_PAUSE))
            }
            Err(error @ LaneError::Elsewhere) => {
                tracing::info!(%error, "the lane begins again");
                if let Ok(Some(robot)) = self.store.robot(self.robot).await {
                    self.span = span_of(&robot);
                }
                Ok(Turn::After(FIRST_PAUSE))
            }
            Err(error) => {
                tracing::warn!(%error, "the lane was left; it begins again with recovery");
                let cause = error.to_string();
                if is_by_nature(&error) {
                    self.broken_by = Some(cause.clone());
                } else {
                    self.breaker = Breaker::default();
                }
                Err(cause)
            }
        }
    }
}

fn span_of(robot: &Robot) -> Span {
    tracing::info_span!("lane", robot = robot.name)
}

impl LaneTask {
    async fn is_removed(&self) -> bool {
        let robot = self.store.robot(self.robot).await;
        robot.is_ok_and(|robot| robot.is_none_or(|robot| robot.removed_at.is_some()))
    }

    /// Somebody else has the robot. That it is given back is told, where processes hear of each other; that it wasn't
    /// renewed isn't.
    async fn until_it_may_be_free(&self, signals: &mut Receiver<Signal>) {
        let longest = self.store.between_looks(self.config.poll).saturating_sub(self.config.poll);
        if longest.is_zero() {
            return;
        }
        let Ok(Some(robot)) = self.store.robot(self.robot).await else { return };
        let left = robot.lease_expires_at.and_then(|end| (end - Utc::now()).to_std().ok()).unwrap_or_default();
        let _ = timeout(longest.min(left), something_to_do(signals)).await;
    }
}

impl Task for LaneTask {
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, String> {
        self.broken_by = None;
        let span = self.span.clone();
        self.lease(stop).instrument(span).await
    }

    async fn failed(&mut self, failure: &Failure) {
        if matches!(failure, Failure::Panic(_)) {
            metrics::counter!(names::LANE_PANICS).increment(1);
            self.broken_by = Some("Tincture met a bug of its own while it worked on this experiment.".to_owned());
        }
        if let Some(cause) = self.broken_by.take() {
            self.breaker.broken(&self.store, &self.concern, &cause).instrument(self.span.clone()).await;
        }
    }
}

/// The lease of a robot, as tasks know leases.
struct LaneLease<'a> {
    store: &'a Store,
    lease: &'a Lease,
    time_to_live: Duration,
}

impl tasks::Lease for LaneLease<'_> {
    fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    async fn renew(&self) -> Renewal {
        match self.store.renew(self.lease, self.time_to_live).await {
            Ok(()) => Renewal::Held,
            #[cfg(feature = "sabotage")]
            Err(StoreError::LeaseLost) if crate::sabotage::is_on(crate::sabotage::NO_FENCE) => Renewal::Held,
            Err(StoreError::LeaseLost) => Renewal::Lost,
            Err(error) => {
                tracing::warn!(%error, "a lease could not be renewed; trying again");
                Renewal::Unclear
            }
        }
    }

    async fn release(&self) {
        match self.store.release(self.lease).await {
            Ok(()) => tracing::info!(epoch = self.lease.epoch, "lane released"),
            Err(error) => tracing::debug!(%error, "the lease could not be released; it runs out by itself"),
        }
    }
}

/// One more lease that is held, for as long as this lives.
struct HeldLease;

impl HeldLease {
    fn counted() -> Self {
        metrics::gauge!(names::LEASES_HELD).increment(1.0);
        Self
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        metrics::gauge!(names::LEASES_HELD).decrement(1.0);
    }
}

/// One lease, from recovery to release. A lease that is lost stops the lane at once.
async fn hold(
    store: Store,
    config: WorkerConfig,
    lease: Lease,
    concern: Concern,
    stop: CancellationToken,
) -> Result<(), LaneError> {
    let robot = store.robot(lease.robot_id).await?.ok_or(StoreError::NotFound("robot"))?;
    tracing::info!(epoch = lease.epoch, holder = lease.holder, "lane leased");
    let keeping = Keeping {
        store: store.clone(),
        lease: lease.clone(),
        time_to_live: config.lease,
        poll: config.poll,
        patience: config.patience,
        connect: config.connect.clone().unwrap_or_else(|| Arc::new(Network::new(config.patience))),
        stop: stop.clone(),
        concern,
    };
    let lane = Lane::new(keeping, robot)?;
    let _held = HeldLease::counted();
    let driven = async {
        tokio::select! {
            outcome = keep_driving(lane, &store, &lease, &config, &stop) => outcome,
            error = grant_wishes(&store, &lease, config.poll) => Err(error.into()),
        }
    };
    let held = LaneLease { store: &store, lease: &lease, time_to_live: config.lease };
    let outcome = match under_lease(&held, &stop, config.farewell, driven).await {
        Ended::Work(outcome) => outcome,
        Ended::Lost => Err(StoreError::LeaseLost.into()),
        Ended::Overdue => {
            tracing::warn!("the lane was left in the middle of its work: its time to end is over");
            Ok(())
        }
    };
    if matches!(outcome, Err(LaneError::Store(StoreError::LeaseLost))) {
        tracing::warn!(epoch = lease.epoch, "lease lost");
        metrics::counter!(names::LEASES_LOST).increment(1);
    }
    outcome
}

/// Drives the lane on under the same lease while its robot can't be reached, so that it is seen to have a worker; but
/// gives way after a while.
async fn keep_driving(
    mut lane: Lane,
    store: &Store,
    lease: &Lease,
    config: &WorkerConfig,
    shutdown: &CancellationToken,
) -> Result<(), LaneError> {
    let mut pause = FIRST_PAUSE;
    let mut failing_since = None;
    loop {
        let began = Instant::now();
        let error = match lane.drive().await {
            Err(error @ (LaneError::Robot(_) | LaneError::Unsafe(_))) => error,
            outcome => return outcome,
        };
        if began.elapsed() > LONGEST_PAUSE + config.patience.answer {
            (pause, failing_since) = (FIRST_PAUSE, None);
        }
        tracing::debug!(%error, "the robot is tried again");
        let since = *failing_since.get_or_insert(began);
        if since.elapsed() >= config.give_way {
            offer_elsewhere(store, lease).await?;
            return Err(error);
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// An experiment whose robot is out of reach goes back to the queue, for any robot that can mix it, if there is another.
async fn offer_elsewhere(store: &Store, lease: &Lease) -> Result<(), StoreError> {
    let Some(id) = store.in_hand_id(lease.robot_id).await? else { return Ok(()) };
    let Some(experiment) = store.experiment(id).await? else { return Ok(()) };
    let needs = crate::needs_of(&experiment);
    let others = store.robots().await?;
    let able = |robot: &Robot| {
        robot.id != lease.robot_id
            && !robot.is_held()
            && robot.notice.is_none()
            && robot.bench().lacks(&needs).is_none()
    };
    if !others.iter().any(able) {
        return Ok(());
    }
    tracing::warn!(experiment = %id, "an experiment is offered to other robots: its own is out of reach");
    store.hand_over(lease, id, &crate::fault::handed_over()).await
}

/// Grants what an experiment's owner wishes where the lane doesn't get to it: its robot is off, slow or booting.
async fn grant_wishes(store: &Store, lease: &Lease, poll: Duration) -> StoreError {
    let mut seen: Option<(ExperimentId, Control, Instant)> = None;
    let mut signals = store.signals();
    let often = poll.min(WISH_PATIENCE / 4);
    loop {
        sleep(often).await;
        if seen.is_none() {
            // However well is heard: what is wished is granted within seconds, also where nobody told of it.
            let longest = store.between_looks(often).min(WISH_PATIENCE).saturating_sub(often);
            let _ = timeout(longest, something_to_do(&mut signals)).await;
        }
        let wish = match store.wish_in_hand(lease).await {
            Ok(wish) => wish,
            Err(StoreError::LeaseLost) => return StoreError::LeaseLost,
            Err(_) => continue,
        };
        seen = match (wish, seen) {
            (Some((id, wish)), Some((before, same, since))) if (id, wish) == (before, same) => {
                if since.elapsed() >= WISH_PATIENCE {
                    grant(store, lease, id, wish).await;
                }
                Some((id, wish, since))
            }
            (Some((id, wish)), _) => Some((id, wish, Instant::now())),
            (None, _) => None,
        };
    }
}

async fn grant(store: &Store, lease: &Lease, id: ExperimentId, wish: Control) {
    let to = match wish {
        Control::Cancel => ExperimentStatus::Cancelled,
        Control::Pause => ExperimentStatus::Paused,
        Control::Resume => return,
    };
    let changes = vec![Change::Experiment { id, to, fault: None }];
    match store.commit(lease, Entry { changes, ..Entry::default() }).await {
        Ok(()) => {
            tracing::info!(experiment = %id, %to, "a wish was granted while the robot was busy or out of reach");
            metrics::counter!(names::EXPERIMENTS_ENDED, "outcome" => to.as_str()).increment(1);
        }
        Err(error) => tracing::debug!(experiment = %id, %error, "a wish could not be granted; trying again"),
    }
}

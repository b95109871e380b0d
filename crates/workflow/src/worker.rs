//! A worker: takes the lanes it may, holds each by a lease, and starts over whenever a lane breaks.

use crate::lane::{Lane, LaneError};
use domain::RobotId;
use hardware::Patience;
use std::{collections::HashMap, time::Duration};
use store::{Lease, LeaseClaim, Robot, Signal, Store, StoreError};
use telemetry::names;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How a worker goes about it.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Unique to this process; shown as the lane's holder.
    pub holder: String,
    pub claim: LeaseClaim,
    /// A lease's time to live. Renewed at a third of it.
    pub lease: Duration,
    /// Names of the robots to drive; all where nothing is said.
    pub robots: Option<Vec<String>>,
    /// How often to look for what other processes did.
    pub poll: Duration,
    /// How long its robots and sensors may take to answer.
    pub patience: Patience,
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
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Drives every robot it may until `shutdown`; then finishes the operations in flight, leaves the machines safe and
/// releases the leases.
pub async fn run_worker(store: Store, config: WorkerConfig, shutdown: CancellationToken) {
    let mut lanes: HashMap<RobotId, JoinHandle<()>> = HashMap::new();
    let mut signals = store.signals();
    while !shutdown.is_cancelled() {
        match store.robots().await {
            Ok(robots) => start_lanes(&store, &config, &shutdown, robots, &mut lanes),
            Err(error) => tracing::warn!(%error, "the robots can't be read; trying again"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(Duration::from_secs(5)) => {}
            () = robots_changed(&mut signals) => {}
        }
    }
    for lane in lanes.into_values() {
        if let Err(error) = lane.await {
            tracing::error!(%error, "a lane ended badly");
        }
    }
}

async fn robots_changed(signals: &mut tokio::sync::broadcast::Receiver<Signal>) {
    loop {
        match signals.recv().await {
            Ok(Signal::Robots) => return sleep(Duration::from_millis(50)).await,
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
            _ => {}
        }
    }
}

fn start_lanes(
    store: &Store,
    config: &WorkerConfig,
    shutdown: &CancellationToken,
    robots: Vec<Robot>,
    lanes: &mut HashMap<RobotId, JoinHandle<()>>,
) {
    lanes.retain(|_, lane| !lane.is_finished());
    for robot in robots {
        let ours = config.robots.as_ref().is_none_or(|names| names.contains(&robot.name));
        if ours && !lanes.contains_key(&robot.id) {
            let lane = keep_lane(store.clone(), config.clone(), robot.id, shutdown.clone());
            lanes.insert(robot.id, tokio::spawn(lane));
        }
    }
}

/// Leases one robot again and again; each lease begins with recovery.
async fn keep_lane(store: Store, config: WorkerConfig, robot: RobotId, shutdown: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    #[cfg(feature = "sabotage")]
    let mut config = config;
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        match store.lease(robot, &config.holder, config.lease, config.claim).await {
            Ok(Some(lease)) => match hold(&store, &config, &lease, &shutdown).await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    tracing::warn!(%robot, %error, "the lane was left; it begins again with recovery");
                    // One that went well for a while has earned a quick return.
                    pause = if began.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                    #[cfg(feature = "sabotage")]
                    crate::sabotage::insist(&mut config.claim);
                }
            },
            Ok(None) => pause = config.poll,
            Err(error) => {
                tracing::warn!(%robot, %error, "no lease");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(pause) => {}
        }
    }
}

/// One lease, from recovery to release. A lease that is lost stops the lane at once.
async fn hold(
    store: &Store,
    config: &WorkerConfig,
    lease: &Lease,
    shutdown: &CancellationToken,
) -> Result<(), LaneError> {
    let robot = store.robot(lease.robot_id).await?.ok_or(StoreError::NotFound("robot"))?;
    tracing::info!(robot = robot.name, epoch = lease.epoch, "lane leased");
    let mut lane = Lane::new(store.clone(), lease.clone(), robot, config.poll, config.patience, shutdown.clone())?;
    metrics::gauge!(names::LEASES_HELD).increment(1.0);
    let outcome = tokio::select! {
        outcome = lane.drive() => outcome,
        error = keep_lease(store, config.lease, lease) => Err(error.into()),
    };
    metrics::gauge!(names::LEASES_HELD).decrement(1.0);
    if matches!(outcome, Err(LaneError::Store(StoreError::LeaseLost))) {
        metrics::counter!(names::LEASES_LOST).increment(1);
        return outcome;
    }
    if let Err(error) = store.release(lease).await {
        tracing::debug!(%error, "the lease could not be released; it runs out by itself");
    }
    outcome
}

/// Renews a lease until it is lost.
async fn keep_lease(store: &Store, time_to_live: Duration, lease: &Lease) -> StoreError {
    loop {
        sleep(time_to_live / 3).await;
        match store.renew(lease, time_to_live).await {
            Ok(()) => {}
            #[cfg(feature = "sabotage")]
            Err(StoreError::LeaseLost) if crate::sabotage::is_on(crate::sabotage::NO_FENCE) => {}
            Err(StoreError::LeaseLost) => return StoreError::LeaseLost,
            Err(error) => tracing::warn!(%error, "a lease could not be renewed; trying again"),
        }
    }
}

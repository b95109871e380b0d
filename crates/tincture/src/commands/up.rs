//! `tincture up`: the whole lab in one process, from nothing.

use crate::{
    app,
    banner::{Banner, VirtualRobot, Watcher},
    data_dir::DataDir,
    database, http,
    monitoring::{self, Wanted},
    settings::Settings,
    shutdown, virtual_lab,
};
use anyhow::bail;
use emulator::Emulator;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use store::{LeaseClaim, Store};
use tasks::Tasks;
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use workflow::WorkerConfig;

/// Fast enough to watch, slow enough to follow.
const SPEED: f64 = 20.0;
/// The longest operation of a real OT-2 takes about half of this.
const LAST_OPERATION: Duration = Duration::from_secs(60);

/// Between two looks whether Prometheus is still there.
const LOOK: Duration = Duration::from_secs(2);

pub async fn run(settings: &Settings, monitoring: Option<Wanted>) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let data_dir = DataDir::claim(&settings.data_dir)?;
    let listener = http::bind(settings.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let (store, _) = database::prepare(settings).await?;
    let speed = settings.speed.unwrap_or(SPEED);
    let emulator = start_emulator(settings, speed, &data_dir).await?;
    let robot = virtual_lab::join(&store, &emulator, settings.sensor_mqtt.as_deref()).await?.name;
    let tasks = Tasks::new(shutdown.clone());
    store.join(&tasks);
    // Last of all that may fail: it may make a password that only the banner below ever shows.
    let served = Settings { listen: address, ..settings.clone() };
    let app = app::build(&served, store.clone(), tasks.clone()).await?;
    let worker = start_worker(settings, &store, robot.clone(), tasks);

    let robot = VirtualRobot { name: robot, address: emulator.robot_addr(), speed };
    let watcher = match monitoring {
        Some(wanted) => Watcher::of(monitoring::start(&data_dir.monitoring(), wanted, address, settings)?),
        None => Watcher::NotWanted,
    };
    Banner { address, way_in: app.way_in.as_ref(), robot: Some(robot), watcher: &watcher }.print();
    let ((), driven, ()) = tokio::join!(app.serve(listener), drive(worker, &shutdown), watch(watcher, &shutdown));
    emulator.shutdown().await;
    store.close().await?;
    drop(data_dir);
    driven
}

/// Tells once that Prometheus ended, and ends it at shutdown.
async fn watch(watcher: Watcher, shutdown: &CancellationToken) {
    let Watcher::Runs(mut prometheus) = watcher else { return };
    let mut is_told = false;
    while time::timeout(LOOK, shutdown.cancelled()).await.is_err() {
        if let Some(why) = prometheus.ended().filter(|_| !is_told) {
            tracing::warn!("{why}");
            is_told = true;
        }
    }
    // Which waits for it.
    let _ = tokio::task::spawn_blocking(move || drop(prometheus)).await;
}

/// Waits for the worker: at shutdown, for its operation in flight.
async fn drive(mut worker: JoinHandle<()>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let by_itself = tokio::select! {
        biased;
        () = shutdown.cancelled() => false,
        _ = &mut worker => true,
    };
    if by_itself {
        shutdown.cancel();
        bail!("the worker stopped by itself, which is a fault of Tincture: please report the log above");
    }
    if time::timeout(LAST_OPERATION, worker).await.is_err() {
        tracing::warn!("the operation in flight didn't end; the next start asks the robot what became of it");
    }
    Ok(())
}

async fn start_emulator(settings: &Settings, speed: f64, data_dir: &DataDir) -> anyhow::Result<Emulator> {
    let config = emulator::Config {
        listen: settings.robot_listen,
        // Nobody else needs it, so it must not be one more port that may be taken.
        sensor_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        sensor_on: settings.sensor_on()?,
        speed,
        seed: settings.seed,
        state_dir: Some(data_dir.emulator()),
        ..emulator::Config::default()
    };
    virtual_lab::start(config, "--robot-listen").await
}

fn start_worker(settings: &Settings, store: &Store, robot: String, tasks: Tasks) -> JoinHandle<()> {
    // The lock on the data directory proves that the last worker of its database is gone. A database elsewhere may
    // have one on another machine.
    let claim = if settings.database_url.is_none() { LeaseClaim::Seize } else { LeaseClaim::WhenFree };
    let config = WorkerConfig { claim, robots: Some(vec![robot]), ..settings.worker() };
    tokio::spawn(workflow::run_worker(store.clone(), config, tasks))
}

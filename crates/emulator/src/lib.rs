//! A virtual OT-2 with a colour sensor: API-faithful outside, strict physics inside.
//!
//! Two servers over one [`world`]: `robot_server` answers as the OT-2's own HTTP API does, [`sensor`] as the AS7341
//! on its serial cable, and on an MQTT broker where there is one; there `script` moves the robot, too, as the training labs' own does. The world knows nothing of either; what really happened is in its ledger, told by
//! `GET /emulator/ledger`.

mod robot_server;
mod scenario;
mod script;
pub mod sensor;
pub mod world;

use domain::{PipetteModel, labware};
use mqtt::{Brokers, Target};
use robot_server::{Analyser, Options, Power, Robot};
pub use scenario::Scenario;
use sensor::Chip;
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};
use world::{SharedWorld, World, WorldConfig, WorldError};

/// How the virtual lab is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the robot listens. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the sensor listens.
    pub sensor_listen: SocketAddr,
    /// The broker where the sensor hangs too.
    pub sensor_on: Option<OnBroker>,
    /// The broker where the training labs' script moves the robot.
    pub script_on: Option<OnBroker>,
    /// How many times faster than the real machines things go: above 0, infinity included.
    pub speed: f64,
    /// The same for `waitForDuration` alone; `None` is as [`Config::speed`].
    pub wait_speed: Option<f64>,
    /// Makes pipetting errors and sensor noise reproducible; `None` is 0.
    pub seed: Option<u64>,
    /// Where the deck and the list of runs survive a restart; without it they don't.
    pub state_dir: Option<PathBuf>,
    /// How long the robot answers 503 after its start.
    pub boot: Duration,
    pub left_pipette: Option<PipetteModel>,
    pub right_pipette: Option<PipetteModel>,
    /// The interpreter of a Python environment with the package `opentrons`, which looks at Python protocols; without it
    /// only JSON protocols are taken.
    pub opentrons: Option<PathBuf>,
    /// How long one look at a Python protocol may take.
    pub analysis_patience: Duration,
    /// Light that reaches the sensor past the well, as a fraction of the white signal, 0–0.2.
    pub stray_light: f64,
    /// What befalls it.
    pub scenario: Option<Scenario>,
}

/// Where a device hangs on a broker, and how its process reaches brokers.
#[derive(Clone, Debug)]
pub struct OnBroker {
    pub brokers: Brokers,
    /// Its options aren't the device's own business.
    pub target: Target,
}

impl Default for Config {
    /// The default lab at an OT-2's own speed, on the OT-2's own port of this machine, remembering nothing.
    ///
    /// The lab works with the p300 on the right. A second one hangs on the left because common clients (PyLabRobot for
    /// one) take the left pipette for their first channel and can't do without.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 31_950)),
            sensor_listen: SocketAddr::from(([127, 0, 0, 1], 31_951)),
            sensor_on: None,
            script_on: None,
            speed: 1.0,
            wait_speed: None,
            seed: None,
            state_dir: None,
            boot: Duration::ZERO,
            left_pipette: Some(PipetteModel::P300SingleGen2),
            right_pipette: Some(PipetteModel::P300SingleGen2),
            opentrons: None,
            analysis_patience: Duration::from_secs(120),
            stray_light: 0.0,
            scenario: None,
        }
    }
}

/// Why an emulator doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{name} must be above 0, not {value}")]
    Speed { name: &'static str, value: f64 },
    #[error("can't listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("can't use the state directory {path}: {source}")]
    StateDir { path: PathBuf, source: io::Error },
    #[error("the scenario's first steps: {0}")]
    Scenario(String),
    #[error(transparent)]
    World(#[from] WorldError),
}

/// A running emulator. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Emulator {
    robot_addr: SocketAddr,
    sensor_addr: SocketAddr,
    world: SharedWorld,
    power: Power,
    robot: JoinHandle<()>,
    sensor: JoinHandle<io::Result<()>>,
    on_brokers: Vec<JoinHandle<()>>,
}

/// How long a shutdown waits for requests in flight.
const PATIENCE: Duration = Duration::from_secs(2);

/// For a device's connection to a broker to come about.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);

/// Starts both servers; when this returns they listen.
pub async fn start(config: Config) -> Result<Emulator, StartError> {
    check_speed("speed", config.speed)?;
    let wait_speed = config.wait_speed.unwrap_or(config.speed);
    check_speed("wait_speed", wait_speed)?;
    if let Some(path) = &config.state_dir {
        std::fs::create_dir_all(path).map_err(|source| StartError::StateDir { path: path.clone(), source })?;
    }
    let robot_listener = listen(config.listen).await?;
    let sensor_listener = listen(config.sensor_listen).await?;
    let world = World::open(WorldConfig {
        state_dir: config.state_dir.clone(),
        seed: config.seed.unwrap_or_default(),
        left: config.left_pipette,
        right: config.right_pipette,
        stray_light: config.stray_light,
    })?
    .shared();
    let power = Power::default();
    let options = Options {
        world: SharedWorld::clone(&world),
        speed: config.speed,
        wait_speed,
        state_dir: config.state_dir.clone(),
        boot: config.boot,
        power: power.clone(),
        analyser: config.opentrons.map(|python| Analyser::new(python, config.analysis_patience)),
    };
    let robot = Robot::new(options)
        .map_err(|source| StartError::StateDir { path: config.state_dir.unwrap_or_default(), source })?;
    if let Some(mut scenario) = config.scenario {
        let routes = Robot::routes(&robot);
        scenario.begin(&routes).await.map_err(StartError::Scenario)?;
        power.run(scenario.go_on(routes, SharedWorld::clone(&world)));
    }
    let address = |listener: &TcpListener, asked| {
        listener.local_addr().map_err(|source| StartError::Listen { address: asked, source })
    };
    let (sensor_power, broker_power) = (power.clone(), power.clone());
    let chip = Arc::new(Chip::new(SharedWorld::clone(&world), config.speed));
    let sensor_on_broker = config.sensor_on.map(|OnBroker { brokers, target }| {
        let broker = brokers.at(&target.broker, BROKER_PATIENCE);
        let chip = Arc::clone(&chip);
        tokio::spawn(async move { sensor::serve_on(broker, target.device, chip, broker_power.off()).await })
    });
    let (script_power, script_world) = (power.clone(), SharedWorld::clone(&world));
    let script_on_broker = config.script_on.map(|OnBroker { brokers, target }| {
        let broker = brokers.at(&target.broker, BROKER_PATIENCE);
        tokio::spawn(async move {
            script::serve(broker, target.device, script_world, config.speed, script_power.off()).await;
        })
    });
    Ok(Emulator {
        robot_addr: address(&robot_listener, config.listen)?,
        sensor_addr: address(&sensor_listener, config.sensor_listen)?,
        robot: tokio::spawn(robot.serve(robot_listener)),
        sensor: tokio::spawn(sensor::serve(sensor_listener, chip, async move { sensor_power.off().await })),
        on_brokers: sensor_on_broker.into_iter().chain(script_on_broker).collect(),
        world,
        power,
    })
}

impl Emulator {
    /// Where the robot really listens.
    pub const fn robot_addr(&self) -> SocketAddr {
        self.robot_addr
    }

    /// Where the sensor really listens.
    pub const fn sensor_addr(&self) -> SocketAddr {
        self.sensor_addr
    }

    /// Who this robot is ([`World::identity`]), as `/emulator/state` tells it.
    pub fn identity(&self) -> String {
        world::lock(&self.world).identity().to_owned()
    }

    /// The deck itself, for tests in the same process.
    pub const fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// Switches the machines off where they are. Requests in flight get two seconds.
    pub async fn shutdown(mut self) {
        self.power.switch_off();
        self.power.still().await;
        end(&mut self.robot).await;
        end(&mut self.sensor).await;
        for device in &mut self.on_brokers {
            end(device).await;
        }
    }
}

/// Waits for a server to end, but not for ever.
async fn end<T>(server: &mut JoinHandle<T>) {
    if tokio::time::timeout(PATIENCE, &mut *server).await.is_err() {
        server.abort();
        // Awaited so that the port and the state directory are free when this returns.
        drop(server.await);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.power.switch_off();
    }
}

fn check_speed(name: &'static str, value: f64) -> Result<(), StartError> {
    if value > 0.0 { Ok(()) } else { Err(StartError::Speed { name, value }) }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

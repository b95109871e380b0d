//! A virtual OT-2's HTTP API: answers like robot-server 8.1.0.
//!
//! To read it, start at [`routes`], which lists every path; a command's life is [`command`] (what was asked) →
//! [`run`] (queues and the worker) → [`engine`] (what the API believes and plans) → [`hardware`] (time and the world).
//! What is answered never depends on what physically happened, as on the real robot.

mod body;
mod boot;
mod command;
mod engine;
mod error;
mod failures;
mod faults;
mod hardware;
mod mishaps;
mod origin;
mod posted_labware;
mod protocols;
mod routes;
mod run;
mod runs;
mod server;
mod settings;
mod version;

use crate::world::SharedWorld;
pub use analyser::Analyser;
use hardware::Hardware;
pub use hardware::Power;
use protocols::Protocols;
use run::Run;
use runs::Runs;
use serde_json::{Map, Value, json};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::net::TcpListener;

/// What the API needs to know of the robot it speaks for.
#[derive(Debug)]
pub struct Options {
    pub world: SharedWorld,
    /// How many times faster than an OT-2 things move; infinity is allowed.
    pub speed: f64,
    /// How many times faster `waitForDuration` passes.
    pub wait_speed: f64,
    pub state_dir: Option<PathBuf>,
    pub boot: Duration,
    pub power: Power,
    /// What looks at Python protocols; without it none is taken.
    pub analyser: Option<Analyser>,
}

/// Everything behind the routes.
#[derive(Debug)]
pub struct Robot {
    hardware: Arc<Hardware>,
    runs: Mutex<Runs>,
    maintenance: Mutex<Option<Arc<Run>>>,
    /// Commands that belong to no run go to this one, which is never told of.
    stateless: Mutex<Option<Arc<Run>>>,
    protocols: Mutex<Protocols>,
    analyser: Option<Arc<Analyser>>,
    client_data: Mutex<Map<String, Value>>,
    faults: Mutex<Vec<faults::Fault>>,
    pipette_settings: Mutex<routes::Overrides>,
    wifi_keys: Mutex<Vec<routes::WifiKey>>,
    deck: Mutex<Value>,
    boot: boot::Boot,
}

impl Robot {
    /// A robot that has just been switched on.
    pub fn new(options: Options) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            hardware: Arc::new(Hardware::new(options.world, options.speed, options.wait_speed, options.power)),
            runs: Mutex::new(Runs::open(options.state_dir)?),
            maintenance: Mutex::new(None),
            stateless: Mutex::new(None),
            protocols: Mutex::default(),
            analyser: options.analyser.map(Arc::new),
            client_data: Mutex::new(Map::new()),
            faults: Mutex::default(),
            pipette_settings: Mutex::default(),
            wifi_keys: Mutex::default(),
            deck: Mutex::new(routes::standard_deck()),
            boot: boot::Boot::starting(options.boot),
        }))
    }

    /// All that it answers.
    pub fn routes(self: &Arc<Self>) -> axum::Router {
        routes::router(Arc::clone(self))
    }

    /// Answers until the machine is switched off.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let power = self.hardware.power().clone();
        server::serve(listener, self.routes(), power.off()).await;
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        lock(&self.runs)
    }
}

/// Locks what a panicking holder can't have left half changed: every holder changes it in one statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A list's place in the whole.
fn meta(cursor: usize, total: usize) -> Value {
    json!({"cursor": cursor, "totalLength": total})
}

//! The robot behind the API: it takes real time for what it does, and does one thing at a time.

use super::{
    engine::{CommandError, Mounted, Nozzles, Step},
    failures::{self, Failure, When},
    lock,
    settings::Settings,
};
use crate::{
    labware::Point,
    world::{self, Action, SharedWorld},
};
use chrono::Utc;
use domain::Mount;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// No single step lasts longer, whatever a client asks.
const LONGEST_STEP: Duration = Duration::from_secs(24 * 3_600);

/// The virtual machine: the world, a clock to run it by, and lights.
#[derive(Debug)]
pub struct Hardware {
    world: SharedWorld,
    speed: f64,
    wait_speed: f64,
    gantry: Mutex<()>,
    lights: AtomicBool,
    settings: std::sync::Mutex<Settings>,
    /// The commands that are to fail.
    failures: std::sync::Mutex<Vec<Failure>>,
    power: Power,
}

/// What switches the machine off: everything it does at that moment is dropped where it is.
#[derive(Clone, Debug, Default)]
pub struct Power {
    off: CancellationToken,
    doings: TaskTracker,
}

impl Power {
    /// Does something of the machine's own, until it is done or the machine is off.
    pub fn run(&self, doing: impl Future<Output = ()> + Send + 'static) {
        let off = self.off.clone();
        self.doings.spawn(async move {
            off.run_until_cancelled(doing).await;
        });
    }

    /// Done when the machine is off.
    pub async fn off(&self) {
        self.off.cancelled().await;
    }

    /// Switches off.
    pub fn switch_off(&self) {
        self.off.cancel();
        self.doings.close();
    }

    /// Done when the machine, switched off, does nothing more.
    pub async fn still(&self) {
        self.doings.wait().await;
    }
}

/// The world couldn't write down what happens, so nothing happens.
#[derive(Debug, thiserror::Error)]
#[error("the emulator can't record what happens: {0}")]
pub struct Stuck(String);

impl Hardware {
    /// `speed` is how many times faster than an OT-2 things move, `wait_speed` the same for timed waits.
    pub fn new(world: SharedWorld, speed: f64, wait_speed: f64, power: Power) -> Self {
        let (gantry, lights) = (Mutex::new(()), AtomicBool::new(false));
        let (settings, failures) = (std::sync::Mutex::default(), std::sync::Mutex::default());
        Self { world, speed, wait_speed, gantry, lights, settings, failures, power }
    }

    pub const fn power(&self) -> &Power {
        &self.power
    }

    pub const fn world(&self) -> &SharedWorld {
        &self.world
    }

    pub fn mounted(&self) -> Mounted {
        let world = world::lock(&self.world);
        Mounted { left: world.pipette(Mount::Left), right: world.pipette(Mount::Right) }
    }

    pub fn door_is_open(&self) -> bool {
        world::lock(&self.world).door_is_open()
    }

    pub fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    /// Whether the door keeps a run from going on.
    pub fn door_stops_runs(&self) -> bool {
        self.settings().needs_closed_door() && self.door_is_open()
    }

    pub fn lights(&self) -> bool {
        self.lights.load(Ordering::Relaxed)
    }

    pub fn switch_lights(&self, on: bool) {
        self.lights.store(on, Ordering::Relaxed);
    }

    /// The failures still to come.
    pub fn failures(&self) -> Vec<Failure> {
        lock(&self.failures).clone()
    }

    /// These instead of those before.
    pub fn fail(&self, failures: Vec<Failure>) {
        *lock(&self.failures) = failures;
    }

    /// When the next command of this kind fails, and with what, if it does.
    pub fn failure_of(&self, command: &str) -> Option<(When, CommandError)> {
        failures::of(&mut lock(&self.failures), command)
    }

    /// Waits for the gantry; who holds it moves alone.
    pub async fn gantry(&self) -> MutexGuard<'_, ()> {
        self.gantry.lock().await
    }

    pub fn nozzles(&self) -> Nozzles {
        let world = world::lock(&self.world);
        let of = |mount| {
            let nozzle = world.nozzle(mount);
            Point::new(nozzle.x, nozzle.y, nozzle.z)
        };
        Nozzles { left: of(Mount::Left), right: of(Mount::Right) }
    }

    /// Does one step in its time. The effect comes once, in the middle.
    pub async fn carry_out(&self, step: Step, key: &str) -> Result<(), Stuck> {
        match step {
            Step::Act(action) => self.act(&action, Some(key)).await,
            Step::Wait(seconds) => {
                let wait = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_STEP);
                pass(wait, self.wait_speed).await;
                Ok(())
            }
            Step::Lights(on) => {
                self.switch_lights(on);
                Ok(())
            }
            Step::Place { slot, labware } => {
                let placed = world::lock(&self.world).place_labware(slot, labware, Utc::now());
                placed.map(drop).map_err(|error| Stuck(error.to_string()))
            }
            // Whoever follows a plan waits itself: only a run can be played.
            Step::AwaitResume => std::future::pending().await,
        }
    }

    /// Does one physical thing in its time.
    pub async fn act(&self, action: &Action, key: Option<&str>) -> Result<(), Stuck> {
        let half = world::lock(&self.world).duration(action) / 2;
        pass(half, self.speed).await;
        let done = world::lock(&self.world).perform(action, key.map(for_the_ledger), Utc::now());
        done.map_err(|error| Stuck(error.to_string()))?;
        pass(half, self.speed).await;
        Ok(())
    }
}

/// A key as the ledger notes it: a client's may be of any length, a line of the ledger may not.
fn for_the_ledger(key: &str) -> &str {
    const LONGEST: usize = 1_000;
    key.char_indices().nth(LONGEST).map_or(key, |(end, _)| key.get(..end).unwrap_or(key))
}

/// Lets a machine's time pass, `speed` times faster than ours. Infinitely fast is no time at all.
async fn pass(machine_time: Duration, speed: f64) {
    let ours = Duration::try_from_secs_f64(machine_time.as_secs_f64() / speed).unwrap_or(LONGEST_STEP);
    if !ours.is_zero() {
        tokio::time::sleep(ours.min(LONGEST_STEP)).await;
    }
}

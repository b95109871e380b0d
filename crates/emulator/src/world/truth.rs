//! One deck: opened from its ledger, changed by actions.

use super::{
    action::{Action, Effect},
    config::WorldConfig,
    deck::default_deck,
    error::WorldError,
    event::{Entry, Event},
    geometry::Point,
    identity, ledger,
    mishap::Mishap,
    motion,
    physics::{self, Scene},
    sensor::{SensorFaults, View, sensor_view},
    state::{State, Tops},
};
use chrono::{DateTime, Utc};
use domain::{Mount, PipetteModel};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The world behind the emulator's servers.
pub type SharedWorld = Arc<Mutex<World>>;

/// Locks the world. A panic elsewhere must not take the deck's truth with it: state changes only by whole entries,
/// so what a panicking holder left behind is still true.
pub fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One deck. See the module's words on how to call it.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    state: State,
    ledger: ledger::Ledger,
    identity: String,
    last_key: Option<String>,
    sensor_faults: SensorFaults,
    pub(super) mishaps: Vec<Mishap>,
    /// Actions since the start, those too that leave no entry.
    actions: u64,
    /// Taken since this world was opened.
    readings: u64,
}

impl World {
    /// Opens the deck, replaying its ledger if there is one. A last line torn by a crash is cut off.
    pub fn open(config: WorldConfig) -> Result<Self, WorldError> {
        let mut state = State::new(default_deck(&config), Tops::of(config.left, config.right));
        let mut last_key = None;
        let (ledger, identity) = match &config.state_dir {
            None => (ledger::Ledger::in_memory(), identity::fresh()),
            Some(directory) => {
                let ledger = ledger::Ledger::open(directory, |entry| {
                    state.apply(&entry.event);
                    note_key(&mut last_key, entry);
                })?;
                // After the ledger's lock, so that two starts at once make one robot.
                (ledger, identity::kept(directory)?)
            }
        };
        let sensor_faults = SensorFaults::default();
        let mishaps = Vec::new();
        Ok(Self { config, state, ledger, identity, last_key, sensor_faults, mishaps, actions: 0, readings: 0 })
    }

    /// A deck ready to be shared between the robot's and the sensor's servers.
    pub fn shared(self) -> SharedWorld {
        Arc::new(Mutex::new(self))
    }

    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// What is broken about the sensor now.
    pub fn sensor_faults(&self) -> &SensorFaults {
        &self.sensor_faults
    }

    /// Breaks the sensor, or mends it with the default.
    pub fn break_sensor(&mut self, faults: SensorFaults) {
        self.sensor_faults = faults;
    }

    /// What is broken about it in the reading that is taken now.
    pub(crate) fn faults_of_next_reading(&mut self) -> SensorFaults {
        self.readings += 1;
        let is_dimmed = self.readings.is_multiple_of(self.sensor_faults.flicker_every);
        let flicker = if is_dimmed { self.sensor_faults.flicker } else { 0.0 };
        SensorFaults { light: self.sensor_faults.light * (1.0 - flicker), ..self.sensor_faults.clone() }
    }

    /// What stands where and holds what, now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The bare nozzle's place in deck coordinates.
    pub fn nozzle(&self, mount: Mount) -> Point {
        self.state.nozzle(mount)
    }

    pub fn pipette(&self, mount: Mount) -> Option<PipetteModel> {
        match mount {
            Mount::Left => self.config.left,
            Mount::Right => self.config.right,
        }
    }

    /// What `action` takes on a real OT-2, from where things are now. Never more than ten minutes.
    pub fn duration(&self, action: &Action) -> Duration {
        motion::duration(&self.state, action)
    }

    /// Does it: decides what physically happens, makes it durable in the ledger, then true. Fails only when the
    /// ledger can't be written; then nothing has happened.
    ///
    /// `key` is the command's key, kept in every entry the action makes.
    pub fn perform(&mut self, action: &Action, key: Option<&str>, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let mut noise = self.noise();
        let bias_asked = [Mount::Left, Mount::Right].map(|mount| self.bias_asked(mount));
        let scene =
            Scene { state: &self.state, config: &self.config, sensor_is_stuck: self.sensor_stays(), bias_asked };
        let outcome = physics::happen(&scene, action, &mut noise);
        let effect = self.record(outcome.events, key, at)?;
        self.state.put_gantry(outcome.gantry);
        self.actions += 1;
        Ok(effect)
    }

    /// Ledger entries after sequence `after` (all, when `None`), oldest first, at most `limit` and never more than
    /// [`World::LEDGER_PAGE`].
    pub fn ledger(&self, after: Option<u64>, limit: usize) -> Result<Vec<Entry>, WorldError> {
        self.ledger.page(after, limit.min(Self::LEDGER_PAGE))
    }

    /// The most entries one call of [`World::ledger`] returns.
    pub const LEDGER_PAGE: usize = 10_000;

    /// The sequence of the newest entry; 0 before the first, which is 1.
    pub fn last_sequence(&self) -> u64 {
        self.ledger.last_sequence()
    }

    /// Who this robot is: `OT2VIRT-` and 32 hexadecimal digits. The same as long as its state directory is; without one,
    /// another at each start.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The key of the newest command that changed the deck ([`Event::changes_deck`]); none before the first.
    pub fn last_key(&self) -> Option<&str> {
        self.last_key.as_deref()
    }

    /// How often the robot did something since this world was opened: the ledger has no ordinary moves, and whoever must
    /// know that nothing moved looks here.
    pub const fn actions(&self) -> u64 {
        self.actions
    }

    /// What the colour sensor looks at.
    pub fn view(&self) -> View {
        sensor_view(&self.state)
    }

    /// Randomness of the next entry. Derived from seed and sequence, so that a restart neither repeats nor changes it.
    pub(crate) fn noise(&self) -> ChaCha8Rng {
        let mut noise = ChaCha8Rng::seed_from_u64(self.config.seed);
        noise.set_stream(self.ledger.last_sequence());
        noise
    }

    /// Appends to the ledger first, makes it true after.
    pub(crate) fn record(
        &mut self,
        events: Vec<Event>,
        key: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<Effect, WorldError> {
        let entries = self.ledger.append(events, key, at)?;
        for entry in &entries {
            self.state.apply(&entry.event);
            note_key(&mut self.last_key, entry);
        }
        Ok(Effect { entries })
    }
}

fn note_key(last_key: &mut Option<String>, entry: &Entry) {
    if entry.key.is_some() && entry.event.changes_deck() {
        last_key.clone_from(&entry.key);
    }
}

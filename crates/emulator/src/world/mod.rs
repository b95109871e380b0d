//! The physical truth of one OT-2: what is in every well, what hangs on every nozzle, what ran where.
//!
//! The real robot-server accepts almost anything; this world is what then *happens*. It knows nothing of runs,
//! loaded labware or the tip an API believes in. Everything is told in **bare nozzle positions**: an engine that
//! believes it carries a tool of effective length L (tip length minus overlap) and wants the tool's end at `p`
//! passes `p.raised(L)`. The world then works out from the tool that is really there where its end is.
//!
//! Physically impossible requests happen as they would: air is drawn, a well overflows, a tip hits the deck; each is
//! an entry in the ledger. State is a fold over the ledger's entries, so a restart replays it.
//!
//! How to call it: `duration(&action)` says what the action takes on a real OT-2; sleep half of it (over `--speed`),
//! `perform` it under the lock, sleep the other half. Never hold the lock while sleeping.
//!
//! ```text
//! Action ──physics──▶ [Event] ──ledger (durable)──▶ state.apply ──▶ Effect
//! ```

mod deck;
mod event;
mod geometry;
mod identity;
mod ledger;
mod liquid;
mod motion;
mod physics;
mod pipetting;
mod state;

pub use deck::{
    DOCK_SLOT, DOCK_WELL, PLATE_SLOT, SENSOR_LENGTH_MM, SENSOR_OVERLAP_MM, TIPS_20_SLOT, TIPS_300_SLOT, TRASH_SLOT,
    VIALS_SLOT, default_deck,
};
pub use domain::pipetting::StatedError;
pub use event::{Actor, Entry, Event, Portion, Spot, ToolName};
pub use geometry::{LabwareKind, PhysicalLabware, Point, Slot, WellGeometry, WellShape};
pub use liquid::Liquid;
pub use pipetting::stated_pipette_error;
#[cfg(test)]
pub(crate) use pipetting::stroke;
pub use state::{Placed, State, Tip, Tool};

use chrono::{DateTime, Utc};
use domain::{Mount, PipetteModel};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How the world is made.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Where the ledger is kept; without it the world lives in memory and is forgotten.
    pub state_dir: Option<PathBuf>,
    /// Makes pipetting errors and sensor noise reproducible.
    pub seed: u64,
    pub left: Option<PipetteModel>,
    pub right: Option<PipetteModel>,
    /// Light that reaches the sensor past the well, as a fraction of the white signal, 0–0.2.
    pub stray_light: f64,
}

impl Default for WorldConfig {
    /// The default lab: a p300 on the right, nothing kept, no stray light.
    fn default() -> Self {
        Self { state_dir: None, seed: 0, left: None, right: Some(PipetteModel::P300SingleGen2), stray_light: 0.0 }
    }
}

/// Why the world can't be opened or can't remember.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("the ledger {path} can't be {doing}: {source}")]
    Storage { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("the ledger {path} is in use by another emulator: stop that one, or choose another directory")]
    InUse { path: PathBuf },
    #[error("the ledger {path} is damaged in line {line}: move it away to start with a fresh deck")]
    Damaged { path: PathBuf, line: u64 },
    #[error("{path} names no robot: put back what stood there, or move it away to make this another robot")]
    NoIdentity { path: PathBuf },
    #[error("nothing stands in slot {0}")]
    EmptySlot(Slot),
    #[error("slot {slot} holds {load_name}, which {why}")]
    Unsuitable { slot: Slot, load_name: String, why: &'static str },
    #[error("'{well}' is no well of what stands in slot {slot}")]
    NoSuchWell { slot: Slot, well: String },
    #[error("a volume must be a positive number of µL within what the vessel holds: {0}")]
    BadVolume(f64),
    #[error("'{0}' is no name for a liquid: 1 to 40 letters, digits, '-' or '_'")]
    BadDye(String),
}

/// How a nozzle gets to where it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Travel {
    /// In a straight line.
    Direct,
    /// An arc: up (or, as the OT-2 does after homing, down) to this height of the *nozzle*, across, down to the goal.
    /// A goal above that height raises it.
    Over { nozzle_z_mm: f64 },
}

/// One thing a robot does. Volumes in µL, speeds in mm/s, flows in µL/s.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Every axis to its end switch, plungers too: liquid left in a tip comes out over the trash.
    Home,
    /// One mount straight up to its end switch.
    RaiseMount {
        mount: Mount,
    },
    /// The bare nozzle of `mount` to `to`; the other mount is drawn up first, as the OT-2 does. `speed_mm_s: None` is the robot's own.
    MoveNozzle {
        mount: Mount,
        to: Point,
        travel: Travel,
        speed_mm_s: Option<f64>,
    },
    /// Press down where the nozzle is: takes the tip or the sensor there, if there is one.
    PickUpTip {
        mount: Mount,
    },
    /// Eject where the nozzle is.
    DropTip {
        mount: Mount,
    },
    Aspirate {
        mount: Mount,
        volume_ul: f64,
        flow_ul_s: f64,
    },
    Dispense {
        mount: Mount,
        volume_ul: f64,
        flow_ul_s: f64,
    },
    BlowOut {
        mount: Mount,
        flow_ul_s: f64,
    },
}

/// What an action did: the ledger entries it made, in order. Nothing to record is an empty list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    pub entries: Vec<Entry>,
}

/// What became of labware an API client says it placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It stands there now, with fresh tips and empty wells.
    Placed,
    /// That very kind stands there already and stays as it is, contents and all.
    AlreadyThere,
    /// The lab's own labware stands there and stays: the client is mistaken about the deck.
    Occupied { by: String },
}

/// What is under the colour sensor's window.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// A well it looks through, and how far from the middle it is, in mm.
    Well { spot: Spot, liquid: Liquid, off_centre_mm: f64 },
    /// The dark floor of its dock.
    Dock { spot: Spot },
    /// Deck, air, the side of something.
    Elsewhere,
}

/// What is broken about the sensor. Not part of the ledger: a restart mends it.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorFaults {
    /// The LED's light as a share of what it should be: 0 is off; above 1, light from elsewhere comes in.
    pub light: f64,
    /// Every second reading gets this share of the light less.
    pub flicker: f64,
    /// A band, by its name, that counts nothing.
    pub dead_band: Option<String>,
    /// It sticks in its dock: the nozzle presses on it and comes away empty.
    pub is_stuck: bool,
}

impl Default for SensorFaults {
    fn default() -> Self {
        Self { light: 1.0, flicker: 0.0, dead_band: None, is_stuck: false }
    }
}

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
    /// Actions since the start, those too that leave no entry.
    actions: u64,
    /// Taken since this world was opened.
    readings: u64,
}

impl World {
    /// Opens the deck, replaying its ledger if there is one. A last line torn by a crash is cut off.
    pub fn open(config: WorldConfig) -> Result<Self, WorldError> {
        let mut state = State::new(default_deck(&config));
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
        Ok(Self { config, state, ledger, identity, last_key, sensor_faults, actions: 0, readings: 0 })
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
        let is_dimmed = self.readings.is_multiple_of(2);
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
        let outcome = physics::happen(self, action, &mut noise);
        let effect = self.record(outcome.events, key, at)?;
        self.state.put_gantry(outcome.gantry);
        self.actions += 1;
        Ok(effect)
    }

    /// An API client says it put this labware there. Where the slot is empty, or holds other labware a client
    /// brought, it appears.
    pub fn place_labware(
        &mut self,
        slot: Slot,
        labware: PhysicalLabware,
        at: DateTime<Utc>,
    ) -> Result<Placement, WorldError> {
        if let Some(standing) = self.state.placed(slot) {
            if standing.labware.load_name == labware.load_name {
                return Ok(Placement::AlreadyThere);
            }
            if standing.of_the_lab {
                return Ok(Placement::Occupied { by: standing.labware.load_name.clone() });
            }
        }
        self.record(
            vec![Event::LabwarePlaced { slot, labware: labware.load_name.clone(), geometry: labware }],
            None,
            at,
        )?;
        Ok(Placement::Placed)
    }

    /// The operator takes a client's labware away.
    pub fn remove_labware(&mut self, slot: Slot, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state.placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if standing.of_the_lab {
            return Err(unsuitable(slot, standing, "belongs to the lab's deck"));
        }
        let labware = standing.labware.load_name.clone();
        self.record(vec![Event::LabwareRemoved { slot, labware }], None, at)
    }

    /// The operator puts a clean plate of the same kind in place of the one in `slot`.
    pub fn new_plate(&mut self, slot: Slot, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state.placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if standing.labware.kind != LabwareKind::Vessels {
            return Err(unsuitable(slot, standing, "is no plate"));
        }
        let labware = standing.labware.load_name.clone();
        self.record(vec![Event::NewPlate { slot, labware }], None, at)
    }

    /// The operator puts a full rack of the same tips in place of the one in `slot`.
    pub fn new_tip_rack(&mut self, slot: Slot, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state.placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if !matches!(standing.labware.kind, LabwareKind::TipRack { .. }) {
            return Err(unsuitable(slot, standing, "is no tip rack"));
        }
        let labware = standing.labware.load_name.clone();
        self.record(vec![Event::NewTipRack { slot, labware }], None, at)
    }

    /// The operator puts a vial with `volume_ul` of fresh `dye` in place of the one at `slot`, `well`.
    pub fn refill(
        &mut self,
        slot: Slot,
        well: &str,
        dye: &str,
        volume_ul: f64,
        at: DateTime<Utc>,
    ) -> Result<Effect, WorldError> {
        let standing = self.state.placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if standing.labware.kind != LabwareKind::Vessels {
            return Err(unsuitable(slot, standing, "holds no liquid"));
        }
        let missing = || WorldError::NoSuchWell { slot, well: well.chars().take(20).collect() };
        let geometry = standing.labware.wells.get(well).ok_or_else(missing)?;
        if !(0.0..=geometry.capacity_ul).contains(&volume_ul) {
            return Err(WorldError::BadVolume(volume_ul));
        }
        if !liquid::is_name(dye) {
            return Err(WorldError::BadDye(dye.chars().take(40).collect()));
        }
        let spot = Spot { slot, labware: standing.labware.load_name.clone(), well: well.to_owned() };
        let portion = Portion::of(&Liquid::pure(dye, volume_ul));
        self.record(vec![Event::Refill { spot, portion }], None, at)
    }

    /// The operator puts the sensor, wherever it ended up, back into its dock.
    pub fn restore_sensor(&mut self, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let spot = self.dock()?;
        self.record(vec![Event::SensorRestored { spot }], None, at)
    }

    /// The operator takes off by hand whatever hangs on the nozzles: a tip goes with what is in it, the sensor into its
    /// dock. Where nothing hangs there nothing happens.
    pub fn clear_nozzles(&mut self, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let mut events = Vec::new();
        for mount in [Mount::Left, Mount::Right] {
            let tool = self.state.tool(mount);
            if *tool != Tool::Nothing {
                let portion = tool.tip().map(|tip| Portion::of(&tip.liquid)).unwrap_or_default();
                events.push(Event::NozzleCleared { mount, tool: tool.name(), portion });
            }
            if *tool == Tool::Sensor {
                events.push(Event::SensorRestored { spot: self.dock()? });
            }
        }
        self.record(events, None, at)
    }

    fn dock(&self) -> Result<Spot, WorldError> {
        let standing = self.state.placed(DOCK_SLOT).ok_or(WorldError::EmptySlot(DOCK_SLOT))?;
        Ok(Spot { slot: DOCK_SLOT, labware: standing.labware.load_name.clone(), well: DOCK_WELL.to_owned() })
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
        physics::sensor_view(&self.state)
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

fn unsuitable(slot: Slot, standing: &Placed, why: &'static str) -> WorldError {
    WorldError::Unsuitable { slot, load_name: standing.labware.load_name.clone(), why }
}

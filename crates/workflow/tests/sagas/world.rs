//! The physical world of the scripted robot: nozzle, tips, sensor, vials, waste and plates, and everything that ever
//! happened to them.
//!
//! It knows nothing of journals, runs or faults. What a real machine would suffer by (a pick-up onto a full nozzle, a
//! drop into somebody else's well, a tip let go over the plate) is carried out as far as it can be and written down as
//! a violation, for the judge.

use domain::{
    Deck, DyeName, OperationId, Step, Volume, WellId, WellName,
    dye::{self, FULL_WELL_UL},
    reading::{BANDS, Channels, Reading, SensorSettings},
    spectrum::{Spectrum, white_led},
};
use hardware::Memory;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

/// What hangs on the nozzle, in truth.
#[derive(Clone, Debug, PartialEq)]
pub enum Nozzle {
    Nothing,
    Tip { tip: WellName, of: DyeName, liquid: Volume, met_a_well: bool },
    Sensor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    Elsewhere,
    Trash,
    Dock,
    Well(WellName),
}

/// One plate after another, and a well of it.
pub type Cell = (usize, WellName);

/// A drop that fell.
#[derive(Clone, Debug)]
pub struct Fallen {
    pub at: usize,
    pub key: OperationId,
    pub well: WellId,
    pub dye: DyeName,
    pub volume: Volume,
}

/// A look of the sensor at a plate's well.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub at: usize,
    pub cell: Cell,
}

#[derive(Debug)]
pub struct World {
    deck: Deck,
    pub nozzle: Nozzle,
    spot: Spot,
    /// What hangs there was put there in this run of the robot's server, which therefore knows of it.
    known_to_run: bool,
    sensor_is_docked: bool,
    rack: BTreeSet<WellName>,
    vials: BTreeMap<WellName, Volume>,
    pub waste: Volume,
    plate: usize,
    pub wells: BTreeMap<Cell, Vec<Fallen>>,
    pub looks: HashMap<OperationId, Look>,
    /// Steps that were physically carried out, by key.
    pub done: HashMap<OperationId, usize>,
    happened: usize,
    pub violations: Vec<String>,
}

impl World {
    pub fn new(deck: Deck) -> Self {
        Self {
            vials: deck.dyes.iter().map(|vial| (vial.vial, vial.volume)).collect(),
            deck,
            nozzle: Nozzle::Nothing,
            spot: Spot::Elsewhere,
            known_to_run: true,
            sensor_is_docked: true,
            rack: WellName::all().collect(),
            waste: Volume::ZERO,
            plate: 0,
            wells: BTreeMap::new(),
            looks: HashMap::new(),
            done: HashMap::new(),
            happened: 0,
            violations: Vec::new(),
        }
    }

    /// With that much left in a vial.
    pub fn set_vial(&mut self, vial: WellName, volume: Volume) {
        self.vials.insert(vial, volume);
    }

    pub fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    /// The robot's server forgets what hangs on its nozzle.
    pub fn forget(&mut self) {
        self.known_to_run = self.nozzle == Nozzle::Nothing;
    }

    pub const fn is_left_safe(&self) -> bool {
        matches!(self.nozzle, Nozzle::Nothing) && self.sensor_is_docked
    }

    fn count(&mut self, key: OperationId) -> usize {
        self.happened += 1;
        if self.done.insert(key, self.happened).is_some() {
            self.violation(format!("{key} was carried out twice"));
        }
        self.happened
    }

    /// Carries one step out. A robot that is told whole mixtures knows what it does in between.
    pub fn carry_out(&mut self, key: OperationId, step: &Step, memory: Memory) {
        let at = self.count(key);
        let strokes = step.clone().in_strokes();
        if strokes.as_slice() == [step.clone()] {
            return self.stroke(at, key, step, memory);
        }
        self.known_to_run = true;
        strokes.iter().for_each(|stroke| self.stroke(at, key, stroke, Memory::Knows));
    }

    /// Only the first half of it.
    pub fn carry_out_half(&mut self, key: OperationId, step: &Step) {
        let at = self.count(key);
        let strokes = step.clone().in_strokes();
        self.known_to_run = true;
        strokes.iter().take(strokes.len() / 2).for_each(|stroke| self.stroke(at, key, stroke, Memory::Knows));
    }

    fn stroke(&mut self, at: usize, key: OperationId, step: &Step, memory: Memory) {
        let blind = matches!(
            step,
            Step::Home | Step::MoveToTrash { .. } | Step::DropInPlace { .. } | Step::MoveSensorToDock { .. }
        );
        if !blind && (memory == Memory::Forgot || !self.known_to_run) {
            self.violation(format!("{} with something on the nozzle that this run doesn't know", step.name()));
        }
        match step {
            Step::Home => self.spot = Spot::Elsewhere,
            Step::PickUpTip { tip, dye, .. } => self.pick_up_tip(*tip, dye),
            Step::Aspirate { dye, vial, volume, .. } => self.aspirate(dye, *vial, *volume),
            Step::Dispense { dye, well, at: place, volume, .. } => {
                self.dispense(Fallen { at, key, well: *well, dye: dye.clone(), volume: *volume }, *place);
            }
            Step::AirGap { .. } | Step::ExpelAir { .. } => self.holds_liquid(step),
            Step::MixDraw { at: place, volume, .. } => self.mix_draw(*place, *volume),
            Step::MixGive { at: place, volume, .. } => self.mix_give(*place, *volume),
            Step::TouchTip { .. } => self.meet_a_well(step),
            Step::BlowOutInto { .. } => self.spot = Spot::Elsewhere,
            Step::BlowOut { .. } => self.blow_out(),
            Step::ReturnTip { tip, .. } => self.return_tip(*tip),
            Step::MoveToTrash { .. } => self.move_to_trash(),
            Step::DropInPlace { .. } => self.drop_in_place(),
            Step::PickUpSensor { .. } => self.pick_up_sensor(),
            Step::MoveSensor { over, .. } => self.move_sensor(*over),
            Step::ParkSensor { .. } => self.park_sensor(),
            Step::MoveSensorToDock { .. } => self.move_sensor_to_dock(),
            Step::Read { .. } | Step::CheckBlank { .. } => self.violation("the robot can't read".to_owned()),
            Step::Mix { .. } | Step::PresentSensor { .. } | Step::DockSensor { .. } => {
                self.violation("that is no stroke".to_owned());
            }
        }
    }

    fn pick_up_tip(&mut self, tip: WellName, dye: &DyeName) {
        self.spot = Spot::Elsewhere;
        if self.nozzle != Nozzle::Nothing {
            return self.violation(format!("tip {tip} is picked up onto {:?}", self.nozzle));
        }
        if !self.rack.remove(&tip) {
            return self.violation(format!("there is no tip at {tip}"));
        }
        self.nozzle = Nozzle::Tip { tip, of: dye.clone(), liquid: Volume::ZERO, met_a_well: false };
        self.known_to_run = true;
    }

    fn aspirate(&mut self, dye: &DyeName, vial: WellName, volume: Volume) {
        self.spot = Spot::Elsewhere;
        let left = self.vials.get(&vial).copied().unwrap_or_default();
        if left < volume {
            self.violation(format!("air is drawn from {vial}"));
        }
        self.vials.insert(vial, left.saturating_sub(volume));
        match &mut self.nozzle {
            Nozzle::Tip { of, liquid, met_a_well: false, .. } if of == dye && liquid.is_zero() => *liquid = volume,
            held => {
                let held = format!("{held:?}");
                self.violation(format!("{volume} of {dye} are drawn into {held}"));
            }
        }
    }

    fn dispense(&mut self, fallen: Fallen, place: WellName) {
        self.spot = Spot::Elsewhere;
        match &mut self.nozzle {
            Nozzle::Tip { of, liquid, .. } if *of == fallen.dye && *liquid == fallen.volume => *liquid = Volume::ZERO,
            held => {
                let held = format!("{held:?}");
                return self.violation(format!("{} of {} are given from {held}", fallen.volume, fallen.dye));
            }
        }
        let cell = (self.plate, place);
        let before = self.wells.entry(cell).or_default();
        let is_others = before.iter().any(|drop| drop.well != fallen.well);
        let is_twice = before.iter().any(|drop| drop.dye == fallen.dye);
        let elsewhere = self.wells.iter().any(|(at, drops)| *at != cell && drops.iter().any(|d| d.well == fallen.well));
        if is_others {
            self.violation(format!("{place} of plate {} is used for two wells", self.plate));
        }
        if is_twice {
            self.violation(format!("{} falls twice into {place} of plate {}", fallen.dye, self.plate));
        }
        if elsewhere {
            self.violation(format!("one well of the experiment gets drops at two places, {place} among them"));
        }
        self.wells.entry(cell).or_default().push(fallen);
    }

    fn holds_liquid(&mut self, step: &Step) {
        self.spot = Spot::Elsewhere;
        if !matches!(&self.nozzle, Nozzle::Tip { liquid, .. } if !liquid.is_zero()) {
            self.violation(format!("{} with {:?}", step.name(), self.nozzle));
        }
    }

    fn meet_a_well(&mut self, step: &Step) {
        self.spot = Spot::Elsewhere;
        match &mut self.nozzle {
            Nozzle::Tip { met_a_well, .. } => *met_a_well = true,
            held => {
                let held = format!("{held:?}");
                self.violation(format!("{} with {held}", step.name()));
            }
        }
    }

    fn mix_draw(&mut self, place: WellName, volume: Volume) {
        self.spot = Spot::Elsewhere;
        let held: Volume = self.wells.get(&(self.plate, place)).into_iter().flatten().map(|drop| drop.volume).sum();
        if held < volume {
            self.violation(format!("air is drawn from {place}"));
        }
        match &mut self.nozzle {
            Nozzle::Tip { liquid, met_a_well, .. } if liquid.is_zero() => {
                (*liquid, *met_a_well) = (volume, true);
            }
            held => {
                let held = format!("{held:?}");
                self.violation(format!("{volume} of {place} are drawn into {held}"));
            }
        }
    }

    fn mix_give(&mut self, place: WellName, volume: Volume) {
        self.spot = Spot::Elsewhere;
        match &mut self.nozzle {
            Nozzle::Tip { liquid, met_a_well: true, .. } if *liquid == volume => *liquid = Volume::ZERO,
            held => {
                let held = format!("{held:?}");
                self.violation(format!("{volume} are given back to {place} from {held}"));
            }
        }
    }

    fn blow_out(&mut self) {
        self.spot = Spot::Elsewhere;
        match &mut self.nozzle {
            Nozzle::Tip { liquid, .. } => {
                self.waste = self.waste + *liquid;
                *liquid = Volume::ZERO;
            }
            held => {
                let held = format!("{held:?}");
                self.violation(format!("{held} is blown out"));
            }
        }
    }

    fn return_tip(&mut self, place: WellName) {
        self.spot = Spot::Elsewhere;
        match self.nozzle.clone() {
            Nozzle::Tip { tip, liquid, met_a_well: false, .. }
                if tip == place && liquid.is_zero() && !self.rack.contains(&place) =>
            {
                self.rack.insert(place);
            }
            held => self.violation(format!("{held:?} is returned to {place}")),
        }
        self.nozzle = Nozzle::Nothing;
        self.known_to_run = true;
    }

    fn move_to_trash(&mut self) {
        self.spot = Spot::Trash;
        if self.nozzle == Nozzle::Sensor {
            self.violation("the sensor is brought to the trash".to_owned());
        }
    }

    fn drop_in_place(&mut self) {
        match (self.nozzle.clone(), self.spot) {
            (Nozzle::Nothing, _) | (Nozzle::Tip { .. }, Spot::Trash) => {}
            (Nozzle::Sensor, Spot::Dock) if !self.sensor_is_docked => self.sensor_is_docked = true,
            (held, spot) => self.violation(format!("{held:?} is let go at {spot:?}")),
        }
        self.nozzle = Nozzle::Nothing;
        self.known_to_run = true;
    }

    fn pick_up_sensor(&mut self) {
        self.spot = Spot::Dock;
        if self.nozzle != Nozzle::Nothing || !self.sensor_is_docked {
            return self.violation(format!("the sensor is picked up onto {:?}", self.nozzle));
        }
        self.sensor_is_docked = false;
        self.nozzle = Nozzle::Sensor;
        self.known_to_run = true;
    }

    fn move_sensor(&mut self, over: WellName) {
        self.spot = Spot::Well(over);
        if self.nozzle != Nozzle::Sensor {
            self.violation(format!("{:?} is moved over {over} in the sensor's place", self.nozzle));
        }
    }

    fn park_sensor(&mut self) {
        self.spot = Spot::Dock;
        if self.nozzle != Nozzle::Sensor || self.sensor_is_docked {
            self.violation(format!("{:?} is parked in the sensor's dock", self.nozzle));
        }
        self.sensor_is_docked |= self.nozzle == Nozzle::Sensor;
        self.nozzle = Nozzle::Nothing;
        self.known_to_run = true;
    }

    fn move_sensor_to_dock(&mut self) {
        self.spot = Spot::Dock;
        if matches!(self.nozzle, Nozzle::Tip { .. }) || (self.nozzle == Nozzle::Sensor && self.sensor_is_docked) {
            self.violation(format!("{:?} is lowered into the sensor's dock", self.nozzle));
        }
    }

    /// What the sensor sees where it is.
    pub fn look(&mut self, key: OperationId) -> Reading {
        self.happened += 1;
        match (&self.nozzle, self.spot) {
            (Nozzle::Sensor, Spot::Well(over)) => {
                let cell = (self.plate, over);
                self.looks.insert(key, Look { at: self.happened, cell });
                reading(self.wells.get(&cell).map(Vec::as_slice).unwrap_or_default())
            }
            (held, spot) => {
                let seen = format!("the sensor is read at {spot:?} with {held:?} on the nozzle");
                self.violation(seen);
                darkness()
            }
        }
    }

    /// By hand: everything off the nozzle, the sensor into its dock.
    pub fn clear_nozzle(&mut self) {
        self.sensor_is_docked = true;
        self.nozzle = Nozzle::Nothing;
        self.known_to_run = true;
    }

    /// By hand: another plate, which nobody has used.
    pub fn lay_plate(&mut self) {
        self.plate += 1;
    }

    pub fn lay_tips(&mut self) {
        self.rack = WellName::all().collect();
    }

    pub fn fill(&mut self, vial: WellName, volume: Volume) {
        self.vials.insert(vial, volume);
    }

    pub fn empty_waste(&mut self) {
        self.waste = Volume::ZERO;
    }

    /// What a full vial there holds.
    pub fn full(&self, vial: WellName) -> Volume {
        self.deck.dyes.iter().find(|dye| dye.vial == vial).map(|dye| dye.volume).unwrap_or_default()
    }
}

/// LED times band response, scaled so that the brightest band of an empty well counts 45,000.
static LIT_BANDS: LazyLock<[Spectrum; 8]> = LazyLock::new(|| {
    let lit = BANDS.map(|band| band.response().times(&white_led()));
    let brightest = lit.iter().map(|band| band.weighed_by(&Spectrum::flat(1.0))).fold(f64::MIN_POSITIVE, f64::max);
    lit.map(|band| band.map(|value| value * 45_000.0 / brightest))
});

/// What a well with these drops looks like: a pure function of what is in it.
fn reading(drops: &[Fallen]) -> Reading {
    let dyes: Vec<_> = drops
        .iter()
        .filter_map(|drop| Some((dye::library(drop.dye.as_str())?, drop.volume.ul() / FULL_WELL_UL)))
        .collect();
    let light = dye::mixture_transmittance(&dyes);
    let count = |value: f64| value.round().clamp(4.0, 65_534.0) as u16;
    let bands = (*LIT_BANDS).map(|band| count(light.weighed_by(&band)));
    Reading::new(Channels::new(bands, bands[4], 900), SensorSettings::default())
}

/// What the sensor sees in its dock.
pub fn darkness() -> Reading {
    Reading::new(Channels::new([4; 8], 4, 4), SensorSettings::default())
}

/// What it sees in glaring light.
pub fn glare() -> Reading {
    Reading::new(Channels::new([u16::MAX; 8], u16::MAX, u16::MAX), SensorSettings::default())
}

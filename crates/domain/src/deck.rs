//! What stands on a robot's deck: plate, vials, tips, sensor dock, pipettes. The planner's picture of the world.

use crate::{Change, DyeName, PipetteModel, Volume, WellName, experiment::named_states, labware::OwnLabware};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a pipette hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mount {
    Left,
    Right,
}

/// A pipette on a mount with the tip rack that fits it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipette {
    pub mount: Mount,
    pub model: PipetteModel,
    /// Deck slot of its tip rack.
    pub tip_slot: Slot,
    /// Load name of the rack.
    pub tip_rack: String,
}

/// A deck slot, 1–12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u8);

/// A vial with a dye or a diluent, and the tip that only ever touches this dye.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DyeVial {
    pub name: DyeName,
    /// Place in the vial rack.
    pub vial: WellName,
    /// First tip of this dye in each pipette's rack; the next fresh one is taken when it is lost.
    pub tip: WellName,
    /// What a full vial holds when the deck is set up.
    pub volume: Volume,
}

/// One robot's deck. [`Deck::default`] is the training lab's, as its users know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deck {
    pub plate_slot: Slot,
    pub plate: String,
    /// The most a well is filled to, below its brim.
    pub well_capacity: Volume,
    pub vial_slot: Slot,
    pub vial_rack: String,
    pub dyes: Vec<DyeVial>,
    /// Where a tip is blown out.
    pub waste: WellName,
    /// The most the waste vial may hold. [`usual_waste_capacity`] for a deck that was stored without it.
    #[serde(default = "usual_waste_capacity")]
    pub waste_capacity: Volume,
    /// What a vial must keep, so that a tip 1 mm above its bottom never draws air: 1 mm in a vial 20 mm wide is 314 µL.
    pub vial_reserve: Volume,
    pub pipettes: Vec<Pipette>,
    /// The mount whose pipette carries the sensor.
    pub sensor_mount: Mount,
    pub sensor_slot: Slot,
    pub sensor_dock: String,
    pub sensor_place: WellName,
    /// Further off its prediction than this (ΔE2000) a measured well is called doubtful, or further than the pipette's and
    /// the sensor's errors allow, whichever is more. For dyes that are unlike the library's, what they are off by and more.
    #[serde(default = "usual_doubt_delta_e")]
    pub doubt_delta_e: f64,
    /// Which wells of a new plate are looked at before anything is dispensed into them.
    #[serde(default)]
    pub blank_check: BlankCheck,
    /// How often a well is read; the mean counts. 1 to [`MOST_READS`], 4 for a deck that was stored without it.
    #[serde(default = "usual_reads")]
    pub reads: u8,
    /// Height of the tip's end above the well's bottom when dispensing, so that it touches no other colour. mm.
    /// The training lab's 8 mm dips into a well that is filled to 300 µL: 8.12 mm in a well 6.86 mm wide.
    pub dispense_height_mm: f64,
    /// Definitions of pieces on it that are neither Opentrons' nor every lab's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labware: Vec<OwnLabware>,
    /// By how much pieces stand off where their definitions have them, as a labware position check found it. Passed to each
    /// run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offsets: BTreeMap<Slot, LabwareOffset>,
}

/// A piece's offset from where its definition has it, mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabwareOffset {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

named_states! {
    /// Whether the wells of a plate that is said to be new are read before the first drop.
    #[derive(Default)]
    BlankCheck {
        /// The plate is taken at its word.
        None = "none",
        /// Up to four wells of each plate, spread over those that its first experiments are about to use.
        #[default]
        Sample = "sample",
        /// Every well that is about to be used.
        All = "all",
    }
}

/// Two samples side by side are seen to differ from ΔE2000 2 to 3 on; two wells of one recipe differ by less than 1.6 in
/// 95 of 100 cases, and a perfect recipe reads within 2 of its colour in 997 of 1,000 (the lab's simulation study).
const fn usual_doubt_delta_e() -> f64 {
    3.0
}

/// Reading a well four times halves the sensor's noise, costs no liquid, and 1.8 s of the twenty that a well takes (the lab's
/// simulation study: a target colour is met in 5 wells instead of 6).
const fn usual_reads() -> u8 {
    4
}

/// The most that a well is read; each reading takes 0.6 s.
pub const MOST_READS: u8 = 16;

/// It can't be moved.
const TRASH: Slot = Slot(12);

/// Strokes that an amount may take for the sake of a smaller error. Each is another dip into the vial and a drop that may stay
/// on the tip, which no data sheet counts, and takes its time.
const FEW_STROKES: u32 = 2;

/// Where a second rack of the same tips stands.
const SECOND_RACK: Slot = Slot(5);

const A1: WellName = place(0, 0);
const B1: WellName = place(1, 0);
const B2: WellName = place(1, 1);
const B3: WellName = place(1, 2);
const A2: WellName = place(0, 1);

const fn place(row: u8, column: u8) -> WellName {
    match WellName::at(row, column) {
        Some(well) => well,
        None => panic!("outside the plate"),
    }
}

/// A vial of `ac_6_tuberack_15000ul` takes 15 mL. The millilitre less is for what the journal can't count: liquid in doubt,
/// tips that were blown out fuller than believed (300 µL each at most), and what pipettes give too much.
const fn usual_waste_capacity() -> Volume {
    Volume::from_whole_ul(14_000)
}

impl Default for Deck {
    fn default() -> Self {
        let vial = |name: &str, vial, tip| DyeVial {
            name: name.parse().expect("a constant name"),
            vial,
            tip,
            volume: Volume::from_whole_ul(15_000),
        };
        Self {
            plate_slot: Slot(1),
            plate: "corning_96_wellplate_360ul_flat".to_owned(),
            well_capacity: Volume::from_whole_ul(300),
            vial_slot: Slot(3),
            vial_rack: "ac_6_tuberack_15000ul".to_owned(),
            dyes: vec![vial("red", B1, B1), vial("yellow", B2, B2), vial("blue", B3, B3)],
            waste: A1,
            waste_capacity: usual_waste_capacity(),
            vial_reserve: Volume::from_whole_ul(500),
            pipettes: vec![Pipette {
                mount: Mount::Right,
                model: PipetteModel::P300SingleGen2,
                tip_slot: Slot(9),
                tip_rack: "opentrons_96_tiprack_300ul".to_owned(),
            }],
            sensor_mount: Mount::Right,
            sensor_slot: Slot(10),
            sensor_dock: "ac_color_sensor_charging_port".to_owned(),
            sensor_place: A2,
            doubt_delta_e: usual_doubt_delta_e(),
            blank_check: BlankCheck::default(),
            reads: usual_reads(),
            dispense_height_mm: 8.5,
            labware: Vec::new(),
            offsets: BTreeMap::new(),
        }
    }
}

impl Deck {
    /// The default deck with a p20 on the left mount as well.
    pub fn with_p20() -> Self {
        Self::with_pipettes(Some(PipetteModel::P20SingleGen2), Some(PipetteModel::P300SingleGen2))
    }

    /// The default deck with these pipettes, each with its usual tips in their usual slot, as the emulator has it. The sensor
    /// hangs on a p300's nozzle where there is one, else on the right mount's.
    pub fn with_pipettes(left: Option<PipetteModel>, right: Option<PipetteModel>) -> Self {
        let of = |model: Option<PipetteModel>, mount| model.map(|model| Pipette::usual(mount, model));
        let mut pipettes: Vec<_> = [of(right, Mount::Right), of(left, Mount::Left)].into_iter().flatten().collect();
        if let [first, second] = &mut pipettes[..]
            && first.tip_slot == second.tip_slot
        {
            second.tip_slot = SECOND_RACK;
        }
        let carrier = pipettes.iter().find(|pipette| pipette.model.carries_sensor()).or(pipettes.first());
        let sensor_mount = carrier.map_or(Mount::Right, |pipette| pipette.mount);
        Self { pipettes, sensor_mount, ..Self::default() }
    }

    /// Hangs a pipette on a mount in place of what is there, with its usual tips in their usual slot where that is free, else
    /// in another. One that hangs there already keeps its tips.
    pub fn hang(&mut self, mount: Mount, model: PipetteModel) {
        if self.pipette(mount).is_some_and(|pipette| pipette.model == model) {
            return;
        }
        let mut pipette = Pipette::usual(mount, model);
        let place = self.pipettes.iter().position(|other| other.mount == mount);
        let place = place.map_or(self.pipettes.len(), |place| {
            self.pipettes.remove(place);
            place
        });
        let is_free = |slot: &Slot| self.pieces().iter().all(|(taken, ..)| taken != slot);
        let slots = [pipette.tip_slot, SECOND_RACK].into_iter().chain((1..TRASH.0).map(Slot));
        pipette.tip_slot = slots.into_iter().find(is_free).unwrap_or(pipette.tip_slot);
        self.pipettes.insert(place, pipette);
    }

    /// That nobody knows what is on it: the plate is lifted on record, no tip is new, what may be left in a vial counts for
    /// nothing.
    pub fn unknown(&self) -> Vec<Change> {
        let mut changes = vec![Change::PlateLifted];
        changes.extend(self.pipettes.iter().map(|pipette| Change::TipsUnknown { slot: pipette.tip_slot }));
        let nothing_left = Volume::from_nanolitres(u32::MAX);
        changes.extend(self.dyes.iter().map(|dye| Change::VialDrawn { vial: dye.vial, volume: nothing_left }));
        changes
    }

    /// Every piece on it: its slot, what it is, and what for.
    pub fn pieces(&self) -> Vec<(Slot, &str, &'static str)> {
        let mut pieces = vec![
            (self.plate_slot, self.plate.as_str(), "plate"),
            (self.vial_slot, self.vial_rack.as_str(), "rack of vials"),
            (self.sensor_slot, self.sensor_dock.as_str(), "sensor's dock"),
        ];
        pieces.extend(self.pipettes.iter().map(|pipette| (pipette.tip_slot, pipette.tip_rack.as_str(), "tip rack")));
        pieces
    }

    pub fn dye(&self, name: &DyeName) -> Option<&DyeVial> {
        self.dyes.iter().find(|dye| &dye.name == name)
    }

    pub fn pipette(&self, mount: Mount) -> Option<&Pipette> {
        self.pipettes.iter().find(|pipette| pipette.mount == mount)
    }

    /// The pipette that measures this volume best: with the smallest error ([`Pipette::error_ul`]) of those that give it in at
    /// most [`FEW_STROKES`]; where none does, the one that needs fewest.
    pub fn pipette_for(&self, volume: Volume) -> Option<&Pipette> {
        let able = self.pipettes.iter().filter(|pipette| volume >= pipette.model.least());
        able.min_by(|one, other| {
            let splits = |pipette: &Pipette| pipette.strokes(volume).max(FEW_STROKES);
            splits(one).cmp(&splits(other)).then(one.error_ul(volume).total_cmp(&other.error_ul(volume)))
        })
    }

    /// The least that any mounted pipette measures.
    pub fn least_volume(&self) -> Volume {
        self.pipettes.iter().map(|pipette| pipette.model.least()).min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipette_is_hung_in_place_of_another_or_beside_it() {
        use PipetteModel::{P20SingleGen2, P300SingleGen2, P1000SingleGen2};
        let mut deck = Deck::default();
        deck.hang(Mount::Left, P20SingleGen2);
        assert_eq!(deck, Deck::with_p20());
        deck.hang(Mount::Left, P300SingleGen2);
        assert_eq!(deck, Deck::with_pipettes(Some(P300SingleGen2), Some(P300SingleGen2)));
        deck.hang(Mount::Right, P300SingleGen2);
        assert_eq!(deck.pipettes[0].tip_slot, Slot(9), "it hangs there already");
        deck.plate_slot = Slot(8);
        deck.hang(Mount::Right, P1000SingleGen2);
        let slots: Vec<_> = deck.pipettes.iter().map(|pipette| (pipette.mount, pipette.tip_slot)).collect();
        assert_eq!(slots, [(Mount::Right, Slot(1)), (Mount::Left, Slot(5))], "8 and 5 are taken");
        assert_eq!(deck.flaws(), Vec::new());
    }

    #[test]
    fn a_deck_that_was_stored_before_it_knew_its_waste_vial_is_read() {
        let mut stored = serde_json::to_value(Deck::default()).expect("JSON");
        assert_eq!(stored["waste_capacity"], 14_000);
        stored.as_object_mut().expect("an object").remove("waste_capacity");
        assert_eq!(serde_json::from_value::<Deck>(stored).expect("a deck"), Deck::default());
    }
}

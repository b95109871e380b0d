//! Whether a deck can do its job: everything that speaks against it, named, before anything is loaded or moved.
//!
//! Held against the definitions of the labware ([`Deck::definition`]) and against how far an OT-2's gantry reaches. What is
//! stored is never refused by this; it is asked when somebody sets a deck up, and before experiments (`robot check`).

use crate::{
    Deck, Mount, PLATE_WELLS, Pipette, PipetteModel, Slot, Volume, WellName,
    labware::{Definition, MOST_DEFINITIONS, SENSOR_REACH_MM, Shape},
};
use std::{collections::BTreeMap, fmt};

/// The trash stands there, and can't be moved.
const TRASH_SLOT: u8 = 12;
/// What the robot's planner keeps from a mount's home, mm.
const FROM_HOME_MM: f64 = 2.0;
/// The planner never plans to within this of the highest that a tool's end can be, mm.
const TOP_MARGIN_MM: f64 = 1.0;
/// A robot that has forgotten the sensor on its nozzle is sent across the deck with the sensor's end at 109 mm.
const HIGHEST_PIECE_MM: f64 = 104.0;
/// How much of a tip slides over a nozzle where its rack doesn't say, mm.
const USUAL_OVERLAP_MM: f64 = 8.2;
/// How far above a vial's bottom a tip draws, mm.
const DRAWN_ABOVE_BOTTOM_MM: f64 = 1.0;

/// What speaks against a deck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Like `slot 9`, `left mount` or `deck`.
    pub at: String,
    pub why: String,
}

impl Flaw {
    pub fn new(at: impl fmt::Display, why: impl Into<String>) -> Self {
        Self { at: at.to_string(), why: why.into() }
    }

    fn slot(slot: Slot, why: impl Into<String>) -> Self {
        Self::new(format_args!("slot {}", slot.0), why)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

impl Mount {
    const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// How high the planner lets a pipette's nozzle go, mm.
const fn highest_nozzle_mm(model: PipetteModel) -> f64 {
    model.planned_home_mm() - FROM_HOME_MM + model.nozzle_above_mount_mm()
}

impl Deck {
    /// Everything that speaks against working with this deck; nothing where it can do its job.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = self.own_labware();
        flaws.extend(self.slots());
        flaws.extend(self.mounts());
        let known = |slot: Slot, labware: &str| {
            self.definition(labware).ok_or_else(|| {
                Flaw::slot(
                    slot,
                    format!(
                        "nobody knows a labware {}: give Opentrons' load name, or the lab's own definition with it",
                        shortened(labware)
                    ),
                )
            })
        };
        match known(self.plate_slot, &self.plate) {
            Ok(plate) => flaws.extend(self.plate_flaws(&plate)),
            Err(flaw) => flaws.push(flaw),
        }
        match known(self.vial_slot, &self.vial_rack) {
            Ok(rack) => flaws.extend(self.vial_flaws(&rack)),
            Err(flaw) => flaws.push(flaw),
        }
        match known(self.sensor_slot, &self.sensor_dock) {
            Ok(dock) => flaws.extend(self.dock_flaws(&dock)),
            Err(flaw) => flaws.push(flaw),
        }
        for pipette in &self.pipettes {
            match known(pipette.tip_slot, &pipette.tip_rack) {
                Ok(rack) => flaws.extend(self.tip_flaws(pipette, &rack)),
                Err(flaw) => flaws.push(flaw),
            }
        }
        flaws.extend(self.heights());
        flaws.extend(self.numbers());
        flaws
    }

    fn own_labware(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.labware.len() > MOST_DEFINITIONS {
            flaws.push(Flaw::new("deck", format!("it has more than {MOST_DEFINITIONS} definitions of the lab's own")));
        }
        let mut names = Vec::new();
        for own in self.labware.iter().take(MOST_DEFINITIONS) {
            let name = own.name().map_or_else(|| "a definition".to_owned(), |name| shortened(&name.to_string()));
            flaws.extend(own.flaws().into_iter().map(|why| Flaw::new(&name, why)));
            if names.contains(&name) {
                flaws.push(Flaw::new(&name, "it is defined twice"));
            }
            names.push(name);
        }
        flaws
    }

    fn slots(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut taken: BTreeMap<Slot, &str> = BTreeMap::new();
        for (slot, _, what) in self.pieces() {
            match slot.0 {
                1..=11 => {}
                TRASH_SLOT => flaws.push(Flaw::slot(slot, format!("the {what} can't be there: the trash is"))),
                _ => flaws.push(Flaw::slot(slot, format!("the {what} can't be there: slots are 1 to 11"))),
            }
            if let Some(other) = taken.insert(slot, what) {
                flaws.push(Flaw::slot(slot, format!("the {other} and the {what} are both in it")));
            }
        }
        for slot in self.offsets.keys().filter(|slot| !taken.contains_key(slot)) {
            flaws.push(Flaw::slot(*slot, "it has an offset and nothing in it"));
        }
        flaws
    }

    fn mounts(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.pipettes.is_empty() {
            flaws.push(Flaw::new("deck", "no pipette is on it"));
        }
        for mount in [Mount::Left, Mount::Right] {
            if self.pipettes.iter().filter(|pipette| pipette.mount == mount).count() > 1 {
                flaws.push(Flaw::new(format_args!("{} mount", mount.name()), "two pipettes can't hang on it"));
            }
        }
        if !self.pipettes.is_empty() && self.pipette(self.sensor_mount).is_none() {
            let mount = self.sensor_mount.name();
            flaws
                .push(Flaw::new(format_args!("{mount} mount"), "the sensor is carried there, and no pipette is on it"));
        }
        flaws
    }

    fn plate_flaws(&self, plate: &Definition) -> Vec<Flaw> {
        let flaw = |why: String| Flaw::slot(self.plate_slot, why);
        let mut flaws = Vec::new();
        let is_whole = plate.wells.len() == PLATE_WELLS && has_all(plate);
        if !is_whole || plate.is_tip_rack {
            let what = if plate.is_tip_rack { "a tip rack" } else { "a piece" };
            flaws.push(flaw(format!(
                "{what} of {} wells is no plate for this lab: it must have the {PLATE_WELLS} wells A1 to H12",
                plate.wells.len()
            )));
            return flaws;
        }
        let Some(well) = plate.wells.get("A1") else { return flaws };
        if self.well_capacity.ul() > well.capacity_ul {
            flaws.push(flaw(format!("wells are filled to {}, and hold {} µL", self.well_capacity, well.capacity_ul)));
        }
        if self.well_capacity.is_zero() {
            flaws.push(flaw("wells must be filled to more than 0 µL".to_owned()));
        }
        let height = self.dispense_height_mm;
        if !(height > 0.0 && height <= well.depth) {
            flaws.push(flaw(format!(
                "dye is given {height} mm above the bottom of wells that are {} mm deep",
                well.depth
            )));
        } else if height * area_mm2(well.shape) < self.well_capacity.ul() {
            flaws.push(flaw(format!(
                "dye is given {height} mm above the bottom, where the tip dips into a well that is filled to {}: raise \
                 `dispense_height_mm` or fill less",
                self.well_capacity
            )));
        }
        flaws
    }

    fn vial_flaws(&self, rack: &Definition) -> Vec<Flaw> {
        let flaw = |why: String| Flaw::slot(self.vial_slot, why);
        let mut flaws = Vec::new();
        if rack.is_tip_rack {
            flaws.push(flaw("a tip rack holds no dye".to_owned()));
            return flaws;
        }
        if self.dyes.is_empty() {
            flaws.push(flaw("no vial in it has a dye".to_owned()));
        }
        let mut used: BTreeMap<WellName, String> = BTreeMap::from([(self.waste, "the waste".to_owned())]);
        let waste = rack.wells.get(&self.waste.to_string());
        match waste {
            None => flaws.push(flaw(format!("the waste goes into {}, which it doesn't have", self.waste))),
            Some(vial) if self.waste_capacity.ul() > vial.capacity_ul => flaws.push(flaw(format!(
                "the waste is let rise to {}, and {} holds {} µL",
                self.waste_capacity, self.waste, vial.capacity_ul
            ))),
            Some(_) => {}
        }
        for (index, dye) in self.dyes.iter().enumerate() {
            if self.dyes.iter().take(index).any(|other| other.name == dye.name) {
                flaws.push(flaw(format!("{} is in two vials", dye.name)));
            }
            if let Some(other) = used.insert(dye.vial, dye.name.to_string()) {
                flaws.push(flaw(format!("{} holds both {other} and {}", dye.vial, dye.name)));
            }
            let Some(vial) = rack.wells.get(&dye.vial.to_string()) else {
                flaws.push(flaw(format!("{} is in {}, which it doesn't have", dye.name, dye.vial)));
                continue;
            };
            if dye.volume.ul() > vial.capacity_ul {
                let (name, volume, most) = (&dye.name, dye.volume, vial.capacity_ul);
                flaws.push(flaw(format!("{name} is said to fill {volume}, and {} holds {most} µL", dye.vial)));
            }
            if dye.volume <= self.vial_reserve {
                flaws.push(flaw(format!(
                    "{} has {} when full, no more than what a vial must keep",
                    dye.name, dye.volume
                )));
            }
            let air_below = DRAWN_ABOVE_BOTTOM_MM * area_mm2(vial.shape);
            if self.vial_reserve.ul() < air_below {
                flaws.push(flaw(format!(
                    "a vial keeps {}, and a tip {DRAWN_ABOVE_BOTTOM_MM} mm above the bottom of {} draws air below {air_below:.0} µL: \
                     raise `vial_reserve_ul`",
                    self.vial_reserve, dye.vial
                )));
            }
        }
        flaws
    }

    fn dock_flaws(&self, dock: &Definition) -> Vec<Flaw> {
        let flaw = |why: String| Flaw::slot(self.sensor_slot, why);
        if !dock.is_tip_rack {
            return vec![flaw(
                "the sensor's dock must be a rack (`isTiprack`): the sensor is picked up like a tip".to_owned(),
            )];
        }
        if !dock.wells.contains_key(&self.sensor_place.to_string()) {
            return vec![flaw(format!("the sensor stands in {}, which the dock doesn't have", self.sensor_place))];
        }
        Vec::new()
    }

    fn tip_flaws(&self, pipette: &Pipette, rack: &Definition) -> Vec<Flaw> {
        let flaw = |why: String| Flaw::slot(pipette.tip_slot, why);
        let model = pipette.model.load_name();
        if !rack.is_tip_rack || !has_all(rack) {
            return vec![flaw(format!("{} is no rack of 96 tips", shortened(&pipette.tip_rack)))];
        }
        let mut flaws = Vec::new();
        let tip_ul = rack.wells.get("A1").map(|tip| tip.capacity_ul).unwrap_or_default();
        let (most, largest) = (pipette.most().ul(), pipette.model.largest_tip().ul());
        if rack.load_name.contains("_flex_") {
            flaws.push(flaw(format!("a Flex's tips don't fit the {model} of an OT-2")));
        } else if let Err(misfit) = pipette.check_tips() {
            flaws.push(flaw(misfit.to_string()));
        } else if tip_ul < most {
            flaws.push(flaw(format!("its tips hold {tip_ul} µL, and the {model} draws up to {most} µL")));
        } else if tip_ul >= 2.0 * largest {
            flaws.push(flaw(format!("tips of {tip_ul} µL don't fit the nozzle of the {model}")));
        }
        for (index, dye) in self.dyes.iter().enumerate() {
            if let Some(other) = self.dyes.iter().take(index).find(|other| other.tip == dye.tip) {
                flaws.push(flaw(format!("{} and {} begin with the same tip, {}", other.name, dye.name, dye.tip)));
            }
        }
        flaws
    }

    /// Whether whatever is carried clears the highest piece.
    fn heights(&self) -> Vec<Flaw> {
        let pieces: Vec<_> = self
            .pieces()
            .into_iter()
            .filter_map(|(slot, labware, _)| Some((slot, self.definition(labware)?)))
            .collect();
        let top = |piece: &Definition| piece.height + piece.corner_offset.z;
        let carried = self.pipettes.iter().flat_map(|pipette| {
            let reach = highest_nozzle_mm(pipette.model) - TOP_MARGIN_MM;
            let tip = self.definition(&pipette.tip_rack).map(|rack| ("its tip", reach - tip_reach_mm(&rack)));
            let sensor = (pipette.mount == self.sensor_mount).then_some(("the sensor", reach - SENSOR_REACH_MM));
            tip.into_iter().chain(sensor).map(|(what, end)| (pipette.model.load_name(), what, end))
        });
        let carried: Vec<_> = carried.collect();
        let mut flaws = Vec::new();
        for (slot, piece) in &pieces {
            let (x, y) = piece.footprint;
            if x > 132.0 || y > 90.0 {
                flaws.push(Flaw::slot(*slot, format!("it is {x} × {y} mm and reaches into the slots beside it")));
            }
            let height = top(piece);
            if height > HIGHEST_PIECE_MM {
                flaws.push(Flaw::slot(
                    *slot,
                    format!("it is {height} mm high, and the sensor is carried over {HIGHEST_PIECE_MM} mm"),
                ));
                continue;
            }
            let low = carried.iter().find(|(.., end)| height > *end);
            flaws.extend(low.map(|(model, what, end)| {
                Flaw::slot(*slot, format!("it is {height} mm high, and the {model} lifts {what} to {end:.1} mm"))
            }));
        }
        flaws
    }

    fn numbers(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if !(1.0..=100.0).contains(&self.doubt_delta_e) {
            flaws.push(Flaw::new(
                "deck",
                "`doubt_delta_e` must be from 1 (a lab can't be surer) to 100 (nothing is doubted)",
            ));
        }
        if self.waste_capacity == Volume::ZERO {
            flaws.push(Flaw::new("deck", "`waste_capacity_ul` must be above 0"));
        }
        for (slot, offset) in &self.offsets {
            const FARTHEST_MM: f64 = 20.0;
            if [offset.x, offset.y, offset.z].iter().any(|mm| !(0.0..=FARTHEST_MM).contains(&mm.abs())) {
                flaws.push(Flaw::slot(*slot, format!("its offset is more than {FARTHEST_MM} mm: measure it again")));
            }
        }
        flaws
    }
}

fn has_all(piece: &Definition) -> bool {
    WellName::all().all(|name| piece.wells.contains_key(&name.to_string()))
}

fn tip_reach_mm(rack: &Definition) -> f64 {
    let overlap = rack.document.pointer("/parameters/tipOverlap").and_then(serde_json::Value::as_f64);
    rack.tip_length - overlap.unwrap_or(USUAL_OVERLAP_MM)
}

fn area_mm2(shape: Shape) -> f64 {
    match shape {
        Shape::Circular { diameter } => std::f64::consts::PI * diameter * diameter / 4.0,
        Shape::Rectangular { x, y } => x * y,
    }
}

/// Somebody's words, as far as they are repeated.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LabwareOffset, labware::OwnLabware};
    use serde_json::{Value, json};

    fn flaws(change: impl Fn(&mut Deck)) -> String {
        let mut deck = Deck::with_p20();
        change(&mut deck);
        deck.flaws().iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_lab_s_own_decks_are_fine() {
        assert_eq!(Deck::default().flaws(), Vec::new());
        assert_eq!(Deck::with_p20().flaws(), Vec::new());
        let models = || PipetteModel::ALL.iter().copied().map(Some).chain([None]);
        for (left, right) in models().flat_map(|left| models().map(move |right| (left, right))) {
            if left.is_some() || right.is_some() {
                assert_eq!(Deck::with_pipettes(left, right).flaws(), Vec::new(), "{left:?} and {right:?}");
            }
        }
    }

    #[test]
    fn each_reason_is_named() {
        type Case = (fn(&mut Deck), &'static str);
        let cases: &[Case] = &[
            (|deck| deck.vial_slot = Slot(1), "slot 1: the plate and the rack of vials are both in it"),
            (|deck| deck.plate_slot = Slot(12), "slot 12: the plate can't be there: the trash is"),
            (|deck| deck.plate_slot = Slot(0), "slot 0: the plate can't be there: slots are 1 to 11"),
            (|deck| deck.plate = "corning_24_wellplate_3.4ml_flat".into(), "slot 1: a piece of 24 wells is no plate"),
            (|deck| deck.plate = "opentrons_96_tiprack_300ul".into(), "slot 1: a tip rack of 96 wells is no plate"),
            (|deck| deck.plate = "no_such_plate".into(), "slot 1: nobody knows a labware no_such_plate"),
            (|deck| deck.plate = "nest_96_wellplate_200ul_flat".into(), "wells are filled to 300 µL, and hold 200 µL"),
            (|deck| deck.dispense_height_mm = 8.0, "the tip dips into a well"),
            (|deck| deck.dispense_height_mm = f64::NAN, "dye is given NaN mm above"),
            (|deck| deck.sensor_dock = "nest_1_reservoir_195ml".into(), "slot 10: the sensor's dock must be a rack"),
            (|deck| deck.vial_rack = "opentrons_96_tiprack_300ul".into(), "slot 3: a tip rack holds no dye"),
            (|deck| deck.dyes.clear(), "slot 3: no vial in it has a dye"),
            (|deck| deck.dyes[0].vial = deck.waste, "slot 3: A1 holds both the waste and red"),
            (|deck| deck.dyes[0].vial = "C1".parse().expect("a well"), "slot 3: red is in C1, which it doesn't have"),
            (|deck| deck.dyes[0].name = deck.dyes[1].name.clone(), "slot 3: yellow is in two vials"),
            (
                |deck| deck.dyes[0].volume = Volume::from_whole_ul(20_000),
                "red is said to fill 20000 µL, and B1 holds 15000 µL",
            ),
            (|deck| deck.vial_reserve = Volume::from_whole_ul(100), "draws air below 314 µL"),
            (|deck| deck.waste_capacity = Volume::from_whole_ul(16_000), "the waste is let rise to 16000 µL"),
            (
                |deck| deck.pipettes[0].tip_rack = "opentrons_96_tiprack_20ul".into(),
                "slot 9: opentrons_96_tiprack_20ul has no tips for the p300_single_gen2 on the right mount; these have: opentrons",
            ),
            (
                |deck| deck.pipettes[1].tip_rack = "opentrons_96_tiprack_300ul".into(),
                "slot 6: opentrons_96_tiprack_300ul has no tips for the p20_single_gen2 on the left mount",
            ),
            (
                |deck| deck.pipettes[0].tip_rack = "opentrons_flex_96_tiprack_1000ul".into(),
                "slot 9: a Flex's tips don't fit",
            ),
            (
                |deck| deck.pipettes[0].tip_rack = deck.plate.clone(),
                "slot 9: corning_96_wellplate_360ul_flat is no rack of 96 tips",
            ),
            (|deck| deck.pipettes[1].mount = Mount::Right, "right mount: two pipettes can't hang on it"),
            (|deck| drop(deck.pipettes.remove(0)), "right mount: the sensor is carried there, and no pipette is on it"),
            (|deck| deck.pipettes.clear(), "deck: no pipette is on it"),
            (|deck| deck.dyes[1].tip = deck.dyes[0].tip, "red and yellow begin with the same tip, B1"),
            (|deck| deck.sensor_mount = Mount::Left, ""),
            (
                |deck| deck.pipettes[0].tip_rack = "geb_96_tiprack_1000ul".into(),
                "slot 9: geb_96_tiprack_1000ul has no tips for the p300_single_gen2",
            ),
            (
                |deck| deck.pipettes[0].tip_rack = "tipone_96_tiprack_200ul".into(),
                "slot 9: its tips hold 200 µL, and the p300_single_gen2 draws up to 300 µL",
            ),
            (
                |deck| deck.pipettes[1].tip_rack = "tipone_96_tiprack_200ul".into(),
                "slot 6: tips of 200 µL don't fit the nozzle of the p20_single_gen2",
            ),
            (|deck| deck.pipettes[0].tip_rack = "opentrons_96_filtertiprack_200ul".into(), ""),
            (
                |deck| {
                    deck.offsets.insert(Slot(2), LabwareOffset { x: 0.0, y: 0.0, z: 0.0 });
                },
                "slot 2: it has an offset and nothing in it",
            ),
            (
                |deck| {
                    deck.offsets.insert(Slot(1), LabwareOffset { x: 0.0, y: 30.0, z: 0.0 });
                },
                "slot 1: its offset is more than 20 mm",
            ),
            (|deck| deck.doubt_delta_e = 0.0, "deck: `doubt_delta_e` must be"),
        ];
        for (change, expected) in cases {
            let found = flaws(change);
            assert!(
                if expected.is_empty() { found.is_empty() } else { found.contains(expected) },
                "{expected}: {found}"
            );
        }
        let two = flaws(|deck| {
            deck.vial_slot = Slot(1);
            deck.dyes.clear();
        });
        assert_eq!(two.lines().count(), 2, "all at once: {two}");
    }

    #[test]
    fn the_lab_s_own_labware_counts_and_what_is_too_high_is_refused() {
        let own = |height: f64| {
            let document = Deck::default().own_definition("ac_6_tuberack_15000ul");
            let mut document: Value = document.expect("the lab's");
            document["namespace"] = json!("our_lab");
            document["parameters"]["loadName"] = json!("tall_rack");
            document["dimensions"]["zDimension"] = json!(height);
            OwnLabware::new(document)
        };
        let with = |height: f64| {
            flaws(|deck| {
                deck.labware = vec![own(height)];
                deck.vial_rack = "tall_rack".into();
            })
        };
        assert_eq!(with(61.0), "");
        assert_eq!(with(130.0), "slot 3: it is 130 mm high, and the sensor is carried over 104 mm");
        assert!(flaws(|deck| deck.labware = vec![own(61.0), own(61.0)]).contains("it is defined twice"));
    }
}

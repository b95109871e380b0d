//! A robot as somebody writes it down: one text for the command line, the API and the pages, deck slot by slot.
//!
//! [`RobotSetup`] says it all and is what `robot export` writes; [`DeckSetup::deck`] makes the [`Deck`] of it that the planner
//! works with, or names each reason why it can't be one; [`RobotSetup::changes_to`] says in words what a new one would change.

use crate::{
    Attendance, BlankCheck, Deck, DyeName, DyeVial, Flaw, LabwareOffset, Mount, Pipette, PipetteModel, RobotKind, Slot,
    Volume, WellName, experiment::named_states, labware::OwnLabware,
};
use serde::{Deserialize, Serialize};

/// All that people set up of a robot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotSetup {
    pub name: String,
    #[serde(default = "usual_kind")]
    pub kind: RobotKind,
    #[serde(default = "usual_attendance")]
    pub attendance: Attendance,
    /// `http://host:31950`
    pub url: String,
    /// Of the colour sensor: `mqtts://…`, `mqtt://…`, `serial://…` or `tcp://…`, without a password.
    pub sensor: String,
    /// Left as it is where nothing is said; a new robot's is the default deck then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deck: Option<DeckSetup>,
}

const fn usual_kind() -> RobotKind {
    RobotKind::Ot2
}

const fn usual_attendance() -> Attendance {
    Attendance::Operator
}

/// A deck slot by slot. What isn't said of its numbers is as the default deck has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeckSetup {
    #[serde(default = "usual::well_capacity")]
    pub well_capacity_ul: Volume,
    #[serde(default = "usual::waste_capacity")]
    pub waste_capacity_ul: Volume,
    #[serde(default = "usual::vial_reserve")]
    pub vial_reserve_ul: Volume,
    #[serde(default = "usual::dispense_height")]
    pub dispense_height_mm: f64,
    #[serde(default = "usual::doubt")]
    pub doubt_delta_e: f64,
    #[serde(default)]
    pub blank_check: BlankCheck,
    /// How often each well is read.
    #[serde(default = "usual::reads")]
    pub reads: u8,
    #[serde(default = "usual::sensor_mount")]
    pub sensor_mount: Mount,
    /// What hangs on the mounts.
    pub pipettes: Vec<PipetteSetup>,
    pub slots: Vec<SlotSetup>,
    /// The lab's own definitions of pieces in the slots (schema 2): JSON, or a text that holds JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<OwnLabware>,
}

/// What the default deck has.
mod usual {
    use crate::{Deck, Mount, Volume};

    pub fn well_capacity() -> Volume {
        Deck::default().well_capacity
    }
    pub fn waste_capacity() -> Volume {
        Deck::default().waste_capacity
    }
    pub fn vial_reserve() -> Volume {
        Deck::default().vial_reserve
    }
    pub fn dispense_height() -> f64 {
        Deck::default().dispense_height_mm
    }
    pub fn doubt() -> f64 {
        Deck::default().doubt_delta_e
    }
    pub fn reads() -> u8 {
        Deck::default().reads
    }
    pub fn sensor_mount() -> Mount {
        Deck::default().sensor_mount
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipetteSetup {
    pub mount: Mount,
    pub model: PipetteModel,
}

named_states! {
    /// What a piece on a deck is for.
    SlotRole {
        /// Dyes are mixed in it.
        Plate = "plate",
        /// Dyes are taken from it, and tips blown out into one of its vials.
        Vials = "vials",
        /// Tips for the pipette on `mount`.
        Tips = "tips",
        /// The colour sensor stands in `place`.
        SensorDock = "sensor_dock",
        /// The fixed one, slot 12. It is there whether it is named or not.
        Trash = "trash",
    }
}

/// What stands in a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotSetup {
    pub slot: u8,
    pub role: SlotRole,
    /// Opentrons' load name, that of one of the `definitions`, or `namespace/load_name/version`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub labware: String,
    /// Of a tip rack: whose tips they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
    /// Of the sensor's dock: where in it the sensor stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<WellName>,
    /// Of the vials: where tips are blown out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waste: Option<WellName>,
    /// How far it stands off where its definition has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<LabwareOffset>,
    /// Of the vials: which holds what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dyes: Vec<DyeSetup>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DyeSetup {
    pub name: DyeName,
    pub vial: WellName,
    /// The first tip of this dye in each rack.
    pub tip: WellName,
    /// What a full vial holds.
    pub volume_ul: Volume,
}

impl SlotSetup {
    fn new(slot: Slot, role: SlotRole, labware: &str, deck: &Deck) -> Self {
        Self {
            slot: slot.0,
            role,
            labware: labware.to_owned(),
            mount: None,
            place: None,
            waste: None,
            offset: deck.offsets.get(&slot).copied(),
            dyes: Vec::new(),
        }
    }

    fn flaw(&self, why: impl Into<String>) -> Flaw {
        Flaw::new(format_args!("slot {}", self.slot), why)
    }

    /// What was said that this role has no use for: it would be taken for granted and do nothing.
    fn surplus(&self) -> Option<Flaw> {
        let said = [
            ("mount", self.mount.is_some(), SlotRole::Tips),
            ("place", self.place.is_some(), SlotRole::SensorDock),
            ("waste", self.waste.is_some(), SlotRole::Vials),
            ("dyes", !self.dyes.is_empty(), SlotRole::Vials),
        ];
        let (field, _, of) = said.into_iter().find(|(_, is_said, of)| *is_said && *of != self.role)?;
        Some(self.flaw(format!("`{field}` belongs to the role {of}, and this is {}", self.role)))
    }
}

impl From<&Deck> for DeckSetup {
    fn from(deck: &Deck) -> Self {
        let slot = |slot, role, labware: &str| SlotSetup::new(slot, role, labware, deck);
        let dye =
            |dye: &DyeVial| DyeSetup { name: dye.name.clone(), vial: dye.vial, tip: dye.tip, volume_ul: dye.volume };
        let mut slots = vec![
            slot(deck.plate_slot, SlotRole::Plate, &deck.plate),
            SlotSetup {
                waste: Some(deck.waste),
                dyes: deck.dyes.iter().map(dye).collect(),
                ..slot(deck.vial_slot, SlotRole::Vials, &deck.vial_rack)
            },
            SlotSetup {
                place: Some(deck.sensor_place),
                ..slot(deck.sensor_slot, SlotRole::SensorDock, &deck.sensor_dock)
            },
        ];
        slots.extend(deck.pipettes.iter().map(|pipette| SlotSetup {
            mount: Some(pipette.mount),
            ..slot(pipette.tip_slot, SlotRole::Tips, &pipette.tip_rack)
        }));
        slots.sort_by_key(|slot| slot.slot);
        Self {
            well_capacity_ul: deck.well_capacity,
            waste_capacity_ul: deck.waste_capacity,
            vial_reserve_ul: deck.vial_reserve,
            dispense_height_mm: deck.dispense_height_mm,
            doubt_delta_e: deck.doubt_delta_e,
            blank_check: deck.blank_check,
            reads: deck.reads,
            sensor_mount: deck.sensor_mount,
            pipettes: deck.pipettes.iter().map(|one| PipetteSetup { mount: one.mount, model: one.model }).collect(),
            slots,
            definitions: deck.labware.clone(),
        }
    }
}

impl DeckSetup {
    /// The deck that this is.
    ///
    /// # Errors
    /// Everything that speaks against it, at once.
    pub fn deck(&self) -> Result<Deck, Vec<Flaw>> {
        let mut flaws: Vec<Flaw> = self.slots.iter().filter_map(SlotSetup::surplus).collect();
        let (plate, vials) = (self.only(SlotRole::Plate, &mut flaws), self.only(SlotRole::Vials, &mut flaws));
        let dock = self.only(SlotRole::SensorDock, &mut flaws);
        flaws.extend(
            self.slots
                .iter()
                .filter(|slot| slot.role == SlotRole::Trash && slot.slot != 12)
                .map(|slot| slot.flaw("an OT-2's trash is in slot 12")),
        );
        let pipettes = self.with_tips(&mut flaws);
        let (Some(plate), Some(vials), Some(dock)) = (plate, vials, dock) else { return Err(flaws) };
        if vials.waste.is_none() {
            flaws.push(vials.flaw("say with `waste` into which vial tips are blown out"));
        }
        if dock.place.is_none() {
            flaws.push(dock.flaw("say with `place` where in it the sensor stands"));
        }
        let (Some(waste), Some(sensor_place)) = (vials.waste, dock.place) else { return Err(flaws) };
        let dye =
            |dye: &DyeSetup| DyeVial { name: dye.name.clone(), vial: dye.vial, tip: dye.tip, volume: dye.volume_ul };
        let deck = Deck {
            plate_slot: Slot(plate.slot),
            plate: plate.labware.clone(),
            well_capacity: self.well_capacity_ul,
            vial_slot: Slot(vials.slot),
            vial_rack: vials.labware.clone(),
            dyes: vials.dyes.iter().map(dye).collect(),
            waste,
            waste_capacity: self.waste_capacity_ul,
            vial_reserve: self.vial_reserve_ul,
            pipettes,
            sensor_mount: self.sensor_mount,
            sensor_slot: Slot(dock.slot),
            sensor_dock: dock.labware.clone(),
            sensor_place,
            doubt_delta_e: self.doubt_delta_e,
            blank_check: self.blank_check,
            reads: self.reads,
            dispense_height_mm: self.dispense_height_mm,
            labware: self.definitions.clone(),
            offsets: self.slots.iter().filter_map(|slot| Some((Slot(slot.slot), slot.offset?))).collect(),
        };
        flaws.extend(deck.flaws());
        if flaws.is_empty() { Ok(deck) } else { Err(flaws) }
    }

    /// The one piece that has this role.
    fn only(&self, role: SlotRole, flaws: &mut Vec<Flaw>) -> Option<&SlotSetup> {
        let mut found = self.slots.iter().filter(|slot| slot.role == role);
        let first = found.next();
        if first.is_none() {
            let what = match role {
                SlotRole::Plate => "plate",
                SlotRole::Vials => "rack of vials",
                SlotRole::SensorDock => "dock for the sensor",
                SlotRole::Tips => "tip rack",
                SlotRole::Trash => "trash",
            };
            flaws.push(Flaw::new("deck", format!("no slot has a {what} (role {role})")));
        }
        flaws.extend(found.map(|second| second.flaw(format!("a deck has one piece with the role {role}"))));
        first
    }

    /// Each pipette with its rack, in the order in which pipettes are named.
    fn with_tips(&self, flaws: &mut Vec<Flaw>) -> Vec<Pipette> {
        let racks = || self.slots.iter().filter(|slot| slot.role == SlotRole::Tips);
        for rack in racks() {
            match rack.mount {
                None => flaws.push(rack.flaw("say with `mount` whose tips they are")),
                Some(mount) if self.pipettes.iter().all(|pipette| pipette.mount != mount) => {
                    flaws.push(rack.flaw(format!("its tips are for the {} mount, where no pipette is", name(mount))));
                }
                Some(_) => {}
            }
        }
        let mut pipettes = Vec::new();
        for pipette in &self.pipettes {
            let mut own = racks().filter(|rack| rack.mount == Some(pipette.mount));
            match own.next() {
                Some(rack) => pipettes.push(Pipette {
                    mount: pipette.mount,
                    model: pipette.model,
                    tip_slot: Slot(rack.slot),
                    tip_rack: rack.labware.clone(),
                }),
                None => flaws
                    .push(Flaw::new(format_args!("{} mount", name(pipette.mount)), "no slot has tips for its pipette")),
            }
            flaws.extend(own.map(|second| second.flaw("a pipette has one rack of tips")));
        }
        pipettes
    }
}

const fn name(mount: Mount) -> &'static str {
    match mount {
        Mount::Left => "left",
        Mount::Right => "right",
    }
}

/// One thing that a new setup makes other than it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupChange {
    /// Like `slot 9`.
    pub at: String,
    /// What it is; nothing where it is new.
    pub before: Option<String>,
    /// What it will be; nothing where it goes.
    pub after: Option<String>,
    /// What the journal counted of it is forgotten: tips that were used, what is left in a vial, wells of a plate.
    pub forgets: bool,
}

impl RobotSetup {
    /// What `after` makes otherwise than this, in the order of the text. Of decks only where both are there.
    pub fn changes_to(&self, after: &Self) -> Vec<SetupChange> {
        let before = self;
        let mut found = Vec::new();
        let mut line = |at: &str, old: String, new: String| {
            if old != new {
                found.push(SetupChange { at: at.to_owned(), before: Some(old), after: Some(new), forgets: false });
            }
        };
        line("name", before.name.clone(), after.name.clone());
        line("kind", before.kind.to_string(), after.kind.to_string());
        line("attendance", before.attendance.to_string(), after.attendance.to_string());
        line("url", before.url.clone(), after.url.clone());
        line("sensor", before.sensor.clone(), after.sensor.clone());
        if let (Some(old), Some(new)) = (&before.deck, &after.deck) {
            line("well_capacity_ul", old.well_capacity_ul.to_string(), new.well_capacity_ul.to_string());
            line("waste_capacity_ul", old.waste_capacity_ul.to_string(), new.waste_capacity_ul.to_string());
            line("vial_reserve_ul", old.vial_reserve_ul.to_string(), new.vial_reserve_ul.to_string());
            line("dispense_height_mm", old.dispense_height_mm.to_string(), new.dispense_height_mm.to_string());
            line("doubt_delta_e", old.doubt_delta_e.to_string(), new.doubt_delta_e.to_string());
            line("blank_check", old.blank_check.to_string(), new.blank_check.to_string());
            line("reads", old.reads.to_string(), new.reads.to_string());
            line("sensor_mount", name(old.sensor_mount).to_owned(), name(new.sensor_mount).to_owned());
            found.extend(of_decks(old, new));
        }
        found
    }
}

fn of_decks(old: &DeckSetup, new: &DeckSetup) -> Vec<SetupChange> {
    let mut found = Vec::new();
    let mut compare = |at: String, before: Option<String>, after: Option<String>, forgets: bool| {
        if before != after {
            let forgets = forgets && before.is_some();
            found.push(SetupChange { at, before, after, forgets });
        }
    };
    for mount in [Mount::Left, Mount::Right] {
        let on = |deck: &DeckSetup| {
            let pipette = deck.pipettes.iter().find(|pipette| pipette.mount == mount);
            pipette.map(|pipette| pipette.model.load_name().to_owned())
        };
        compare(format!("{} mount", name(mount)), on(old), on(new), false);
    }
    for number in 1..=12 {
        let there = |deck: &DeckSetup| deck.slots.iter().find(|slot| slot.slot == number).cloned();
        let (was, is) = (there(old), there(new));
        // A plate or a rack that is another one is a new one; one that only stands elsewhere stays what it is.
        let counted = was.as_ref().is_some_and(|was| match was.role {
            SlotRole::Tips => is.as_ref().is_none_or(|is| (is.role, &is.labware) != (was.role, &was.labware)),
            SlotRole::Plate => new.slots.iter().all(|slot| (slot.role, &slot.labware) != (was.role, &was.labware)),
            _ => false,
        });
        compare(format!("slot {number}"), was.as_ref().map(in_words), is.as_ref().map(in_words), counted);
        let offset = |slot: &Option<SlotSetup>| {
            let offset = slot.as_ref().and_then(|slot| slot.offset)?;
            Some(format!("{} {} {} mm", offset.x, offset.y, offset.z))
        };
        compare(format!("offset of slot {number}"), offset(&was), offset(&is), false);
    }
    let dyes = |deck: &DeckSetup| deck.slots.iter().flat_map(|slot| slot.dyes.clone()).collect::<Vec<_>>();
    let (was, is) = (dyes(old), dyes(new));
    let mut vials: Vec<WellName> = was.iter().chain(&is).map(|dye| dye.vial).collect();
    vials.sort();
    vials.dedup();
    for vial in vials {
        let held = |dyes: &[DyeSetup]| dyes.iter().find(|dye| dye.vial == vial).cloned();
        let (was, is) = (held(&was), held(&is));
        let in_words = |dye: &DyeSetup| format!("{}, {} when full, tips from {}", dye.name, dye.volume_ul, dye.tip);
        let is_another = was.as_ref().map(|dye| &dye.name) != is.as_ref().map(|dye| &dye.name);
        compare(format!("vial {vial}"), was.as_ref().map(in_words), is.as_ref().map(in_words), is_another);
    }
    let mut names: Vec<String> = old.definitions.iter().chain(&new.definitions).map(uri).collect();
    names.sort();
    names.dedup();
    for name in names {
        let defined = |deck: &DeckSetup| deck.definitions.iter().find(|own| uri(own) == name).cloned();
        let (was, is) = (defined(old), defined(new));
        if was != is {
            let (before, after) =
                (was.map(|_| "the lab's own".to_owned()), is.map(|_| "the lab's own, as given".to_owned()));
            compare(format!("definition {name}"), before, after, false);
        }
    }
    found
}

fn uri(own: &OwnLabware) -> String {
    own.name().map_or_else(String::new, |name| name.to_string())
}

fn in_words(slot: &SlotSetup) -> String {
    let detail = match (slot.mount, slot.place, slot.waste) {
        (Some(mount), ..) => format!(" for the {} mount", name(mount)),
        (_, Some(place), _) => format!(", the sensor in {place}"),
        (.., Some(waste)) => format!(", waste in {waste}"),
        _ => String::new(),
    };
    format!("{} ({}{detail})", slot.labware, slot.role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setup(deck: &Deck) -> RobotSetup {
        RobotSetup {
            name: "bench-1".to_owned(),
            kind: RobotKind::Ot2,
            attendance: Attendance::Operator,
            url: "http://10.0.0.21:31950".to_owned(),
            sensor: "tcp://10.0.0.31:5000".to_owned(),
            deck: Some(deck.into()),
        }
    }

    #[test]
    fn a_deck_comes_back_as_it_was() {
        let mut deck = Deck::with_p20();
        deck.offsets.insert(Slot(1), LabwareOffset { x: 0.1, y: -0.2, z: 0.3 });
        for deck in [Deck::default(), deck] {
            let text = serde_json::to_string(&setup(&deck)).expect("JSON");
            let back: RobotSetup = serde_json::from_str(&text).expect("a setup");
            assert_eq!(back.deck.expect("a deck").deck(), Ok(deck));
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_named_slot_by_slot() {
        let flaws = |change: &dyn Fn(&mut DeckSetup)| {
            let mut setup = DeckSetup::from(&Deck::with_p20());
            change(&mut setup);
            let flaws = setup.deck().expect_err("flaws");
            flaws.iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n")
        };
        let without = |role: SlotRole| move |setup: &mut DeckSetup| setup.slots.retain(|slot| slot.role != role);
        assert_eq!(flaws(&without(SlotRole::Plate)), "deck: no slot has a plate (role plate)");
        assert_eq!(flaws(&without(SlotRole::SensorDock)), "deck: no slot has a dock for the sensor (role sensor_dock)");
        assert_eq!(
            flaws(&without(SlotRole::Tips)),
            "right mount: no slot has tips for its pipette\nleft mount: no slot has tips for its pipette\ndeck: no pipette is on it"
        );
        let twice = flaws(&|setup| setup.slots.push(SlotSetup { slot: 2, ..setup.slots[0].clone() }));
        assert_eq!(twice, "slot 2: a deck has one piece with the role plate");
        let same = flaws(&|setup| setup.slots[1].slot = 1);
        assert!(same.contains("slot 1: the plate and the rack of vials are both in it"), "{same}");
        let surplus = flaws(&|setup| setup.slots[0].mount = Some(Mount::Left));
        assert_eq!(surplus, "slot 1: `mount` belongs to the role tips, and this is plate");
        assert!(serde_json::from_value::<DeckSetup>(json!({"pipettes": [], "slots": [], "color": 1})).is_err());
    }

    #[test]
    fn changes_are_said_in_words_and_what_is_forgotten_is_marked() {
        let before = setup(&Deck::default());
        assert_eq!(before.changes_to(&before), Vec::new());
        let mut deck = Deck::with_p20();
        deck.pipettes[0].tip_rack = "tipone_96_tiprack_200ul".to_owned();
        deck.dyes[2].name = "green".parse().expect("a dye");
        deck.plate_slot = Slot(2);
        let mut after = setup(&deck);
        after.url = "http://10.0.0.22:31950".to_owned();
        let found = before.changes_to(&after);
        let told: Vec<_> = found.iter().map(|change| (change.at.as_str(), change.forgets)).collect();
        let expected = [
            ("url", false),
            ("left mount", false),
            ("slot 1", false),
            ("slot 2", false),
            ("slot 6", false),
            ("slot 9", true),
            ("vial B3", true),
        ];
        assert_eq!(told, expected);
        assert_eq!(found[0].before.as_deref(), Some("http://10.0.0.21:31950"));
    }
}

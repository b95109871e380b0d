//! What stands where in a protocol, and what each vessel is to the lab.

use super::{
    document::{Command, ProtocolDocument},
    remarks::shown,
    sources::DyeSources,
};
use domain::{Deck, DyeName, WellName, labware::Definition};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The id of the fixed trash where no command loads it.
const FIXED_TRASH: &str = "fixedTrash";
/// Further than this from the middle of a well a tip may be over another, mm. Wells of a plate are 9 mm apart.
const FURTHEST_OFF_MM: f64 = 3.0;
/// So high above a bottom there is liquid in any vessel, mm.
const LOW_MM: f64 = 5.0;

/// What a place is to the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Of the plate.
    Well(WellName),
    /// A vessel with one of the deck's dyes.
    Dye(DyeName),
    /// The waste vial, or the trash: what goes there is gone.
    Discard,
    /// What it is called, and why it isn't known what it holds.
    Strange { called: String, unknown: String },
}

/// Where in a vessel a tip's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Height {
    Inside,
    /// At its brim or higher: what is drawn there is air.
    Above,
    Unsaid,
}

struct Vessel {
    load_name: String,
    namespace: Option<String>,
    /// Nothing on a module, an adapter or off the deck.
    slot: Option<u8>,
    depths_mm: BTreeMap<String, f64>,
}

pub(super) struct Vessels<'a> {
    deck: &'a Deck,
    sources: &'a DyeSources,
    by_id: HashMap<String, Vessel>,
    /// What a protocol says is in its wells at the beginning.
    declared: HashMap<(String, String), String>,
    /// The ids of the plate and of the rack of vials.
    plate: Option<String>,
    rack: Option<String>,
}

impl<'a> Vessels<'a> {
    pub fn of(document: &ProtocolDocument, deck: &'a Deck, sources: &'a DyeSources) -> Self {
        let loads = document.commands.iter().filter(|command| command.kind == "loadLabware");
        let by_id: HashMap<_, _> = loads.filter_map(|command| vessel(command, document, deck)).collect();
        let mut vessels = Self { deck, sources, by_id, declared: HashMap::new(), plate: None, rack: None };
        for command in document.commands.iter().filter(|command| command.kind == "loadLiquid") {
            vessels.declare(command, document);
        }
        vessels.plate = vessels.the_decks(&deck.plate, deck.plate_slot.0);
        vessels.rack = vessels.the_decks(&deck.vial_rack, deck.vial_slot.0);
        vessels
    }

    fn declare(&mut self, command: &Command, document: &ProtocolDocument) {
        let (Some(labware), Some(wells)) =
            (command.text("labwareId"), command.params.get("volumeByWell").and_then(Value::as_object))
        else {
            return;
        };
        let id = command.text("liquidId").unwrap_or_default();
        // What is declared empty holds nothing.
        if id == "EMPTY" {
            return;
        }
        let name = document.liquids.get(id).map_or(id, String::as_str);
        for well in wells.keys() {
            self.declared.insert((labware.to_owned(), well.clone()), name.to_owned());
        }
    }

    /// The vessel that stands for this piece of the deck: the one in its slot, or the only one of its kind.
    fn the_decks(&self, piece: &str, slot: u8) -> Option<String> {
        let name = self.deck.labware_name(piece);
        let is_such = |vessel: &Vessel| {
            vessel.load_name == name.load_name
                && vessel.namespace.as_ref().is_none_or(|namespace| *namespace == name.namespace)
        };
        let such: Vec<_> = self.by_id.iter().filter(|(_, vessel)| is_such(vessel) && vessel.slot.is_some()).collect();
        let own = such.iter().find(|(_, vessel)| vessel.slot == Some(slot));
        let only = || such.first().filter(|_| such.len() == 1);
        own.or_else(only).map(|(id, _)| (*id).clone())
    }

    /// What is declared of a well of the plate before anything is put into it.
    pub fn filled_beforehand(&self, labware: &str, well: &str) -> Option<&str> {
        let is_source = || {
            let slot = self.by_id.get(labware).and_then(|vessel| vessel.slot);
            slot.is_some_and(|slot| self.sources.dye(slot, well).is_some())
        };
        if self.plate.as_deref() != Some(labware) || is_source() {
            return None;
        }
        self.declared.get(&(labware.to_owned(), well.to_owned())).map(String::as_str)
    }

    /// Whether it is the sensor's dock.
    pub fn is_dock(&self, labware: &str) -> bool {
        let name = self.deck.labware_name(&self.deck.sensor_dock).load_name;
        self.by_id.get(labware).is_some_and(|vessel| vessel.load_name == name)
    }

    pub fn place(&self, labware: &str, well: &str) -> Place {
        let Some(vessel) = self.by_id.get(labware) else {
            return match labware == FIXED_TRASH {
                true => Place::Discard,
                false => strange(format!("labware {}", shown(labware)), "no command loads it".to_owned()),
            };
        };
        if vessel.load_name.contains("_trash_") {
            return Place::Discard;
        }
        let Some(slot) = vessel.slot else {
            let called = format!("{} of {}", shown(well), shown(&vessel.load_name));
            return strange(called, "it stands on a module, an adapter or beside the deck".to_owned());
        };
        let called = format!("{} of {} (slot {slot})", shown(well), shown(&vessel.load_name));
        if let Some(dye) = self.sources.dye(slot, well) {
            return match self.deck.dye(dye) {
                Some(_) => Place::Dye(dye.clone()),
                None => strange(called, format!("{dye} is no dye of this deck, which has {}", self.dyes())),
            };
        }
        let is_plate = self.plate.as_deref() == Some(labware);
        if let (Ok(name), true) = (well.parse(), is_plate) {
            return Place::Well(name);
        }
        if let Some(liquid) = self.declared.get(&(labware.to_owned(), well.to_owned())) {
            return match self.deck.dyes.iter().find(|dye| is_called(&dye.name, liquid)) {
                Some(dye) => Place::Dye(dye.name.clone()),
                None => {
                    let unknown = format!(
                        "it holds “{}”, and this deck has {}: say which of them it is, like {slot}/{}={}",
                        shown(liquid),
                        self.dyes(),
                        shown(well),
                        self.first_dye()
                    );
                    strange(called, unknown)
                }
            };
        }
        if let (Ok(vial), true) = (well.parse::<WellName>(), self.rack.as_deref() == Some(labware)) {
            if vial == self.deck.waste {
                return Place::Discard;
            }
            if let Some(dye) = self.deck.dyes.iter().find(|dye| dye.vial == vial) {
                return Place::Dye(dye.name.clone());
            }
        }
        let unknown = format!(
            "it isn't said what it holds: if it is one of this deck's dyes ({}), say which, like {slot}/{}={}",
            self.dyes(),
            shown(well),
            self.first_dye()
        );
        strange(called, unknown)
    }

    /// How high over or in a well a location is.
    pub fn height(&self, labware: &str, well: &str, location: &Value) -> Height {
        let z = location.pointer("/offset/z").and_then(Value::as_f64).unwrap_or_default();
        let depth = self.by_id.get(labware).and_then(|vessel| vessel.depths_mm.get(well));
        let is_above = match location.get("origin").and_then(Value::as_str) {
            Some("top") => z >= 0.0,
            Some("bottom") => match depth {
                Some(depth) => z >= *depth,
                None if z <= LOW_MM => false,
                None => return Height::Unsaid,
            },
            Some("center" | "meniscus") => false,
            _ => return Height::Unsaid,
        };
        if is_above { Height::Above } else { Height::Inside }
    }

    /// What this deck mixes in, for a person.
    pub fn plate_name(&self) -> String {
        self.deck.labware_name(&self.deck.plate).load_name
    }

    fn dyes(&self) -> String {
        self.deck.dyes.iter().map(|dye| dye.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn first_dye(&self) -> &str {
        self.deck.dyes.first().map_or("red", |dye| dye.name.as_str())
    }
}

/// Whether a location is so far from the middle of its well that it may be over another.
pub(super) fn is_aside(location: &Value) -> bool {
    let off = |axis: &str| location.pointer(axis).and_then(Value::as_f64).unwrap_or_default().abs();
    off("/offset/x") > FURTHEST_OFF_MM || off("/offset/y") > FURTHEST_OFF_MM
}

fn strange(called: String, unknown: String) -> Place {
    Place::Strange { called, unknown }
}

/// `Deep red` is the dye `deep_red` or `deep-red`.
fn is_called(dye: &DyeName, liquid: &str) -> bool {
    let plain = |text: &str| text.trim().to_lowercase().replace([' ', '-'], "_");
    plain(dye.as_str()) == plain(liquid)
}

fn vessel(command: &Command, document: &ProtocolDocument, deck: &Deck) -> Option<(String, Vessel)> {
    let id = command.loaded("labwareId")?.to_owned();
    let (load_name, namespace) = (command.text("loadName")?, command.text("namespace"));
    let version = command.params.get("version").and_then(Value::as_u64).unwrap_or(1);
    let uri = format!("{}/{load_name}/{version}", namespace.unwrap_or("opentrons"));
    let told = command.definition().filter(|definition| !definition.wells.is_empty());
    let depths_mm = match told.or_else(|| document.definitions.get(&uri)) {
        Some(definition) => definition.wells.iter().map(|(well, depth)| (well.clone(), depth.depth)).collect(),
        None => deck.definition(&uri).map(known_depths).unwrap_or_default(),
    };
    let slot = command.params.pointer("/location/slotName");
    let slot = slot.and_then(|slot| slot.as_str().map_or_else(|| slot.as_u64(), |name| name.parse().ok()));
    let slot = slot.and_then(|slot| u8::try_from(slot).ok());
    let namespace = namespace.map(str::to_owned);
    Some((id, Vessel { load_name: load_name.to_owned(), namespace, slot, depths_mm }))
}

fn known_depths(definition: Definition) -> BTreeMap<String, f64> {
    definition.wells.into_iter().map(|(name, well)| (name, well.depth)).collect()
}

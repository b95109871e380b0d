//! What a run believes to be on the deck and on the nozzles.

use super::{
    error::CommandError,
    location::{Location, OffsetLocation},
    pipettes::Mounted,
};
use crate::{
    labware::{Definition, Point, standard},
    robot_server::protocols::Script,
};
use domain::{Mount, PipetteModel};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Most labware, definitions or offsets one run may have; a deck has eleven slots.
pub const MAX_LOADED: usize = 100;

/// Labware a run has loaded.
#[derive(Clone, Debug)]
pub struct Labware {
    pub id: String,
    pub definition: Arc<Definition>,
    pub location: Location,
    pub offset: Option<LabwareOffset>,
    pub display_name: Option<String>,
}

/// A correction of where labware stands, for a definition in a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabwareOffset {
    pub id: String,
    pub created_at: String,
    pub definition_uri: String,
    pub location: OffsetLocation,
    pub vector: Point,
}

/// A pipette a run has loaded.
#[derive(Clone, Debug)]
pub struct Pipette {
    pub id: String,
    pub mount: Mount,
    pub model: PipetteModel,
    pub tip: Option<Tip>,
    /// The tip that the robot itself takes to hang on the mount, by whichever name the pipette took it.
    pub carried: Option<Tip>,
    /// µL in the tip; `None` when the plunger isn't ready to aspirate.
    pub aspirated: Option<f64>,
}

/// A tip the engine believes to be on a pipette.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tip {
    /// Reach below the nozzle, mm.
    pub length: f64,
    pub volume: f64,
    pub diameter: f64,
}

/// The well a pipette was last moved to.
#[derive(Clone, Debug, PartialEq)]
pub struct CurrentWell {
    pub(super) pipette_id: String,
    pub(super) labware_id: String,
    pub(super) well_name: String,
}

/// What a carried-out command changes in the engine's belief.
#[derive(Clone, Debug)]
pub enum Update {
    LabwareLoaded(Labware),
    LabwareMoved {
        labware_id: String,
        location: Location,
    },
    PipetteLoaded(Pipette),
    TipAttached {
        pipette_id: String,
        tip: Tip,
    },
    /// The robot has taken a tip of which the run won't know.
    TipTaken {
        mount: Mount,
        tip: Tip,
    },
    TipRemoved {
        pipette_id: String,
    },
    Aspirated {
        pipette_id: String,
        ul: Option<f64>,
    },
    At(Option<CurrentWell>),
    /// Where a tip was dropped, by labware or addressable area.
    TrashSideUsed {
        over: String,
        side: Side,
    },
}

/// Tips fall alternately left and right into the trash, lest they pile up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The trash as labware, as protocols of older versions have it.
fn fixed_trash() -> Option<Labware> {
    let definition = standard("opentrons", "opentrons_1_trash_1100ml_fixed", 1)?;
    Some(Labware {
        id: "fixedTrash".to_owned(),
        definition: Arc::new(definition),
        location: Location::Slot { slot_name: "12".to_owned() },
        offset: None,
        display_name: None,
    })
}

/// Where the bare nozzles are, deck coordinates.
#[derive(Clone, Copy, Debug)]
pub struct Nozzles {
    pub left: Point,
    pub right: Point,
}

impl Nozzles {
    /// Takes a nozzle to be elsewhere.
    pub fn put(&mut self, mount: Mount, at: Point) {
        match mount {
            Mount::Left => self.left = at,
            Mount::Right => self.right = at,
        }
    }

    pub(super) fn of(&self, mount: Mount) -> Point {
        match mount {
            Mount::Left => self.left,
            Mount::Right => self.right,
        }
    }
}

/// The belief of one run.
#[derive(Debug)]
pub struct Engine {
    pub(super) mounted: Mounted,
    pub(super) definitions: BTreeMap<String, Arc<Definition>>,
    pub(super) labware: Vec<Labware>,
    pub(super) pipettes: Vec<Pipette>,
    pub(super) offsets: Vec<LabwareOffset>,
    /// As the API tells them.
    pub(super) liquids: Vec<Value>,
    pub(super) at: Option<CurrentWell>,
    pub(super) last_trash_sides: BTreeMap<String, Side>,
}

impl Engine {
    /// A run that knows of nothing: no labware, no pipettes, no tips.
    pub const fn new(mounted: Mounted) -> Self {
        Self {
            mounted,
            definitions: BTreeMap::new(),
            labware: Vec::new(),
            pipettes: Vec::new(),
            offsets: Vec::new(),
            liquids: Vec::new(),
            at: None,
            last_trash_sides: BTreeMap::new(),
        }
    }

    /// A run of a protocol knows what the protocol brings with it.
    pub fn of_script(mounted: Mounted, script: &Script) -> Self {
        let mut engine = Self::new(mounted);
        for definition in &script.definitions {
            engine.define(definition.clone());
        }
        engine.liquids.clone_from(&script.liquids);
        if script.has_trash_labware {
            engine.labware.extend(fixed_trash());
        }
        engine
    }

    pub fn liquids(&self) -> &[Value] {
        &self.liquids
    }

    /// Takes a client's definition; `false` when there are too many.
    pub fn define(&mut self, definition: Definition) -> bool {
        let room = self.definitions.len() < MAX_LOADED;
        if room {
            self.definitions.insert(definition.uri(), Arc::new(definition));
        }
        room
    }

    /// Definitions of what is loaded, each once.
    pub fn loaded_definitions(&self) -> BTreeMap<String, Arc<Definition>> {
        self.labware.iter().map(|labware| (labware.definition.uri(), Arc::clone(&labware.definition))).collect()
    }

    /// Takes a correction for labware that is loaded *after* it; `false` when there are too many.
    pub fn correct(&mut self, offset: LabwareOffset) -> bool {
        let room = self.offsets.len() < MAX_LOADED;
        if room {
            self.offsets.push(offset);
        }
        room
    }

    pub fn labware(&self) -> &[Labware] {
        &self.labware
    }

    pub fn pipettes(&self) -> &[Pipette] {
        &self.pipettes
    }

    pub fn offsets(&self) -> &[LabwareOffset] {
        &self.offsets
    }

    /// Believes what a command has done.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::LabwareLoaded(labware) => {
                self.labware.retain(|loaded| loaded.id != labware.id);
                self.labware.push(labware);
            }
            Update::LabwareMoved { labware_id, location } => {
                if let Some(labware) = self.labware.iter_mut().find(|labware| labware.id == labware_id) {
                    labware.location = location;
                }
            }
            Update::PipetteLoaded(pipette) => {
                // One pipette may go by several names; what hangs on it doesn't depend on them.
                let carried =
                    self.pipettes.iter().find(|loaded| loaded.mount == pipette.mount).and_then(|one| one.carried);
                self.pipettes.retain(|loaded| loaded.id != pipette.id);
                self.pipettes.push(Pipette { carried, ..pipette });
            }
            Update::TipAttached { pipette_id, tip } => {
                self.change(&pipette_id, |pipette| {
                    pipette.tip = Some(tip);
                    pipette.aspirated = Some(0.0);
                });
                self.carry(self.mount_of(&pipette_id), Some(tip));
            }
            Update::TipTaken { mount, tip } => self.carry(Some(mount), Some(tip)),
            Update::TipRemoved { pipette_id } => {
                self.change(&pipette_id, |pipette| {
                    pipette.tip = None;
                    pipette.aspirated = None;
                });
                self.carry(self.mount_of(&pipette_id), None);
            }
            Update::Aspirated { pipette_id, ul } => self.change(&pipette_id, |pipette| pipette.aspirated = ul),
            Update::At(well) => self.at = well,
            Update::TrashSideUsed { over, side } => {
                self.last_trash_sides.insert(over, side);
            }
        }
    }

    fn mount_of(&self, pipette_id: &str) -> Option<Mount> {
        self.pipettes.iter().find(|pipette| pipette.id == pipette_id).map(|pipette| pipette.mount)
    }

    fn carry(&mut self, mount: Option<Mount>, tip: Option<Tip>) {
        self.pipettes
            .iter_mut()
            .filter(|pipette| Some(pipette.mount) == mount)
            .for_each(|pipette| pipette.carried = tip);
    }

    fn change(&mut self, pipette_id: &str, change: impl FnOnce(&mut Pipette)) {
        if let Some(pipette) = self.pipettes.iter_mut().find(|pipette| pipette.id == pipette_id) {
            change(pipette);
        }
    }

    pub(super) fn find_labware(&self, id: &str) -> Result<&Labware, CommandError> {
        self.labware.iter().find(|labware| labware.id == id).ok_or_else(|| CommandError::labware_not_loaded(id))
    }

    /// The same where the real engine looks it up without catching what that may raise.
    pub(super) fn known_pipette(&self, id: &str) -> Result<&Pipette, CommandError> {
        self.find_pipette(id).map_err(|_| CommandError::no_such_key(id))
    }

    pub(super) fn find_pipette(&self, id: &str) -> Result<&Pipette, CommandError> {
        self.pipettes.iter().find(|pipette| pipette.id == id).ok_or_else(|| CommandError::pipette_not_loaded(id))
    }
}

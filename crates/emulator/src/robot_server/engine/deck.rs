//! Where things are, as the engine reckons it.

use super::{
    belief::{CurrentWell, Engine, Labware, Pipette, Side},
    error::CommandError,
    location::{Location, SLOTS},
    params::WellLocation,
    way::reach,
};
use crate::{
    labware::{Definition, Point, Well},
    world::Slot,
};

/// What the robot keeps from a mount's home (`z_retract_distance`), mm.
const FROM_HOME: f64 = 2.0;
/// The engine never plans to within this of the highest a tool's end can be, mm.
const TOP_MARGIN: f64 = 1.0;
/// How far above everything a pipette crosses the deck, and a single labware, mm.
const DECK_CLEARANCE: f64 = 10.0;
const LABWARE_CLEARANCE: f64 = 5.0;
/// The fixed trash: where tips are dropped, its width, its height (OT-2 deck definition, version 5), mm.
const TRASH_DROP: Point = Point::new(347.84, 351.5, 82.0);
const TRASH_WIDTH: f64 = 107.11;
const TRASH_HEIGHT: f64 = 82.0;
/// How wide the engine takes a single-channel pipette to be, mm.
const SINGLE_CHANNEL_WIDTH: f64 = 75.0;
/// The part of its length at which a tip is let go over its rack.
const RETURN_TIP_SHARE: f64 = 0.5;
/// Half a slot's footprint, mm.
const HALF_SLOT: Point = Point::new(64.0, 43.0, 0.0);

/// No pile of labware is higher.
const DEEPEST_STACK: usize = 8;

/// The name of the trash's addressable area.
pub const FIXED_TRASH: &str = "fixedTrash";

impl Engine {
    /// A place in or at a well.
    pub(super) fn well_position(
        &self,
        labware_id: &str,
        well_name: &str,
        location: &WellLocation,
    ) -> Result<Point, CommandError> {
        let labware = self.find_labware(labware_id)?;
        let well = find_well(labware, well_name)?;
        let rise = match location.origin {
            "bottom" => 0.0,
            "center" => well.depth / 2.0,
            _ => well.depth,
        };
        let correction = labware.offset.as_ref().map(|offset| offset.vector).unwrap_or_default();
        let corner = self.corner(labware)? + labware.definition.corner_offset + correction;
        Ok(corner + well.bottom + Point::new(0.0, 0.0, rise) + location.offset)
    }

    /// Where labware stands, before its own corner's offset and any correction.
    fn corner(&self, labware: &Labware) -> Result<Point, CommandError> {
        let corner = self.stand(&labware.location, 0)?;
        Ok(corner + self.sinking(labware))
    }

    /// Labware on labware sinks into it.
    fn sinking(&self, labware: &Labware) -> Point {
        let Location::Labware { labware_id } = &labware.location else { return Point::default() };
        let below = self.find_labware(labware_id).ok();
        let overlap = below.and_then(|below| labware.definition.stacks_on.get(&below.definition.load_name));
        overlap.map_or_else(Point::default, |overlap| Point::new(overlap.x, overlap.y, -overlap.z))
    }

    /// Where labware of that definition would be above the slot it is, at last, in; none off the deck.
    pub(super) fn above_slot(&self, labware: &Labware) -> Option<(Slot, Point)> {
        let slot = self.slot_under(&labware.location, 0)?;
        let (corner, origin) = (self.corner(labware).ok()?, slot.origin());
        Some((slot, corner + Point::new(-origin.x, -origin.y, -origin.z)))
    }

    fn slot_under(&self, location: &Location, depth: usize) -> Option<Slot> {
        match location {
            Location::Slot { slot_name } => slot_number(slot_name),
            Location::Labware { labware_id } if depth < DEEPEST_STACK => {
                self.slot_under(&self.find_labware(labware_id).ok()?.location, depth + 1)
            }
            _ => None,
        }
    }

    /// Where the front left bottom corner of what is at `location` lies. Labware may stand on labware, but not for ever.
    fn stand(&self, location: &Location, depth: usize) -> Result<Point, CommandError> {
        match location {
            Location::Slot { slot_name } | Location::Area { addressable_area_name: slot_name } => {
                slot_corner(slot_name).ok_or_else(|| not_on_deck(slot_name))
            }
            Location::Labware { labware_id } if depth < DEEPEST_STACK => {
                let below = self.find_labware(labware_id)?;
                let corner = self.stand(&below.location, depth + 1)?;
                Ok(corner + self.sinking(below) + Point::new(0.0, 0.0, below.definition.height))
            }
            Location::Module { module_id } => {
                Err(CommandError::new("ModuleNotLoadedError", format!("Module {module_id} not found.")))
            }
            _ => Err(CommandError::new("LabwareNotOnDeckError", "Labware is not on the deck.")),
        }
    }

    /// What a tip's end must clear on the way to `labware_id`, or across the deck.
    pub(super) fn hurdle(&self, pipette: &Pipette, labware_id: Option<&str>, minimum: Option<f64>) -> Hurdle {
        let within = |at: &&CurrentWell| at.pipette_id == pipette.id && Some(at.labware_id.as_str()) == labware_id;
        let same = self.at.as_ref().filter(within).and_then(|at| self.find_labware(&at.labware_id).ok());
        let (highest, clearance) = match same {
            Some(labware) => (self.top(labware), LABWARE_CLEARANCE),
            None => (self.highest(), DECK_CLEARANCE),
        };
        Hurdle { height: highest.max(minimum.unwrap_or(f64::NEG_INFINITY)), clearance }
    }

    fn highest(&self) -> f64 {
        let on_deck = self.labware.iter().filter(|labware| labware.location != Location::Named("offDeck"));
        on_deck.map(|labware| self.top(labware)).fold(TRASH_HEIGHT, f64::max)
    }

    fn top(&self, labware: &Labware) -> f64 {
        let correction = labware.offset.as_ref().map_or(0.0, |offset| offset.vector.z);
        self.corner(labware).map_or(0.0, |corner| corner.z) + labware.definition.height + correction
    }

    /// The highest the engine plans to bring the end of what it believes to be on the pipette.
    pub(super) fn highest_goal(pipette: &Pipette) -> f64 {
        ceiling(pipette) - TOP_MARGIN
    }

    /// How high the end of the tool crosses on its way to `goal_z`; a way that the pipette can't go is refused.
    pub(super) fn arc_height(pipette: &Pipette, goal_z: f64, hurdle: Hurdle) -> Result<f64, CommandError> {
        let ceiling = ceiling(pipette);
        let failed = |what: &str| Err(CommandError::new("FailedToPlanMoveError", what));
        if goal_z + TOP_MARGIN > ceiling {
            return failed("Destination out of bounds in the Z-axis");
        }
        if hurdle.height + TOP_MARGIN > ceiling {
            return failed("Arc out of bounds in the Z-axis");
        }
        Ok((hurdle.height + hurdle.clearance).max(goal_z).min(ceiling))
    }

    /// Where a tip goes that is let go over `labware_id` without further words.
    pub(super) fn drop_location(labware: &Labware, asked: &WellLocation) -> WellLocation {
        let mut location = asked.clone();
        if location.origin != "default" {
            return location;
        }
        location.origin = "top";
        if labware.definition.is_tip_rack {
            location.offset.z -= labware.definition.tip_length * RETURN_TIP_SHARE;
        }
        location
    }

    /// The side of the trash whose turn it is, and how far from its middle that is.
    pub(super) fn next_trash_side(&self, over: &str, width: f64) -> (Side, f64) {
        let reach = (width / 2.0 - SINGLE_CHANNEL_WIDTH / 2.0).max(0.0);
        match self.last_trash_sides.get(over) {
            Some(Side::Right) => (Side::Left, -reach),
            _ => (Side::Right, reach),
        }
    }

    /// Refuses a place where nothing can stand: slot 12 is the trash's.
    pub(super) fn check_location(&self, location: &Location) -> Result<(), CommandError> {
        match location {
            Location::Slot { slot_name: name } | Location::Area { addressable_area_name: name } => {
                area_position(name).map(drop)
            }
            Location::Named(_) => Ok(()),
            _ => self.stand(location, 0).map(drop),
        }
    }

    /// Refuses labware that no pipette can get at: off the deck, or under other labware.
    pub(super) fn check_accessible(&self, labware: &Labware) -> Result<(), CommandError> {
        if labware.location == Location::Named("offDeck") {
            let detail = format!("Cannot move pipette to {}, labware is off-deck.", labware.definition.load_name);
            return Err(CommandError::new("LocationNotAccessibleByPipetteError", detail));
        }
        self.check_uncovered(labware)
    }

    /// Refuses labware on which other labware stands.
    pub(super) fn check_uncovered(&self, labware: &Labware) -> Result<(), CommandError> {
        let on_top = Location::Labware { labware_id: labware.id.clone() };
        if self.labware.iter().any(|other| other.location == on_top) {
            let detail = format!("Cannot move to labware {}, labware has other labware stacked on top.", labware.id);
            return Err(CommandError::new("LabwareIsInStackError", detail));
        }
        Ok(())
    }

    /// What is loaded in the slot, if anything.
    pub(super) fn occupant(&self, location: &Location) -> Option<&Labware> {
        self.labware.iter().find(|labware| labware.location == *location && *location != Location::Named("offDeck"))
    }
}

/// What must be cleared on a way, and by how much it would be best, mm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hurdle {
    height: f64,
    clearance: f64,
}

/// The highest the end of what the engine believes to be on the pipette can be carried.
fn ceiling(pipette: &Pipette) -> f64 {
    pipette.model.planned_home_mm() - FROM_HOME + pipette.model.nozzle_above_mount_mm() - reach(pipette)
}

/// The middle of an addressable area, where pipettes move to.
pub(super) fn area_position(name: &str) -> Result<Point, CommandError> {
    if name == FIXED_TRASH {
        return Ok(TRASH_DROP);
    }
    slot_corner(name).filter(|_| name != "12").map(|corner| corner + HALF_SLOT).ok_or_else(|| not_on_deck(name))
}

/// The size in x of an addressable area.
pub(super) fn area_width(name: &str) -> f64 {
    if name == FIXED_TRASH { TRASH_WIDTH } else { 2.0 * HALF_SLOT.x }
}

fn not_on_deck(area: &str) -> CommandError {
    CommandError::new("AreaNotInDeckConfigurationError", format!("{area} not provided by deck configuration."))
}

/// Whether an addressable area is a slot, of an OT-2 or a Flex.
pub(super) fn is_slot_name(area: &str) -> bool {
    SLOTS.contains(&area)
}

pub(super) fn slot_number(name: &str) -> Option<Slot> {
    Slot::new(name.parse().ok()?)
}

fn slot_corner(name: &str) -> Option<Point> {
    let origin = slot_number(name)?.origin();
    Some(Point::new(origin.x, origin.y, origin.z))
}

pub(super) fn find_well<'a>(labware: &'a Labware, well_name: &str) -> Result<&'a Well, CommandError> {
    let missing =
        || CommandError::new("WellDoesNotExistError", format!("{well_name} does not exist in {}.", labware.id));
    labware.definition.wells.get(well_name).ok_or_else(missing)
}

/// How far below the nozzle a tip of that rack reaches.
pub(super) fn tip_reach(definition: &Definition, overlap: f64) -> f64 {
    definition.tip_length - overlap
}

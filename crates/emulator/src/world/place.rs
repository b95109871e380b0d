//! What is under a point of the deck: the well there, its liquid's surface, the floor at which a tool strikes.

use super::{
    event::Spot,
    geometry::{LabwareKind, Point, Slot, WellGeometry},
    liquid::Liquid,
    state::{Placed, State, Tool},
};

/// In the middle of a narrow well the surface hangs this much below its mean height (capillary meniscus), mm.
const MENISCUS_MM: f64 = 0.6;
/// Wells at least this wide have a flat surface in the middle, mm².
const WIDE_WELL_MM2: f64 = 150.0;
/// A nozzle reaches this far into a tip before it presses; into the sensor's collar too, mm.
const COLLAR_MM: f64 = 12.0;
/// Drops fall straight from at most this far above a well's rim, mm. Into the wide trash from any height.
const DROPS_FALL_MM: f64 = 20.0;

pub(super) fn spot(slot: Slot, placed: &Placed, well: &str) -> Spot {
    Spot { slot, labware: placed.labware.load_name.clone(), well: well.to_owned() }
}

/// Where the end of `tool` is on a nozzle at `nozzle`.
pub(super) fn end_of(nozzle: Point, tool: &Tool) -> Point {
    nozzle.raised(-tool.reach_mm())
}

/// A well of something on the deck.
pub(super) struct Place<'a> {
    pub(super) slot: Slot,
    pub(super) placed: &'a Placed,
    pub(super) well: &'a str,
    pub(super) geometry: &'a WellGeometry,
}

impl Place<'_> {
    pub(super) fn spot(&self) -> Spot {
        spot(self.slot, self.placed, self.well)
    }

    pub(super) fn liquid(&self) -> Liquid {
        self.placed.liquid(self.well)
    }

    pub(super) fn middle(&self) -> Point {
        self.geometry.bottom(self.slot)
    }

    pub(super) fn rim_z(&self) -> f64 {
        self.geometry.top(self.slot).z
    }

    pub(super) fn off_centre_mm(&self, point: Point) -> f64 {
        self.middle().horizontal_distance(point)
    }

    /// Height of `liquid`'s surface over the deck where a tip dips in.
    pub(super) fn surface_z(&self, liquid: &Liquid) -> f64 {
        let area = self.geometry.area_mm2();
        let meniscus = if area < WIDE_WELL_MM2 { MENISCUS_MM } else { 0.0 };
        self.middle().z + liquid.volume_ul() / area - meniscus
    }

    fn is_trash(&self) -> bool {
        self.placed.labware.kind == LabwareKind::Trash
    }
}

/// The labware whose outline contains `point`, if any.
fn labware_under(state: &State, point: Point) -> Option<(Slot, &Placed)> {
    state.slots().find(|(slot, placed)| {
        let (dx, dy) = (point.x - slot.origin().x, point.y - slot.origin().y);
        (0.0..=placed.labware.x_mm).contains(&dx) && (0.0..=placed.labware.y_mm).contains(&dy)
    })
}

/// The well `point` is in or above: of those that contain it, the one whose middle is nearest.
pub(super) fn place_under(state: &State, point: Point) -> Option<Place<'_>> {
    let (slot, placed) = labware_under(state, point)?;
    let inside = |geometry: &WellGeometry| {
        let middle = geometry.bottom(slot);
        geometry.contains(point.x - middle.x, point.y - middle.y)
    };
    let places = placed.labware.wells.iter().filter(|(_, geometry)| inside(geometry));
    let places = places.map(|(well, geometry)| Place { slot, placed, well, geometry });
    places.min_by(|a, b| a.off_centre_mm(point).total_cmp(&b.off_centre_mm(point)))
}

/// The highest solid thing under `point` at which going lower is a collision, and its name.
pub(super) fn floor_under(state: &State, point: Point) -> (f64, String) {
    let Some((_, placed)) = labware_under(state, point) else { return (0.0, "deck".to_owned()) };
    let floor = match place_under(state, point) {
        None => placed.labware.z_mm,
        Some(place) => well_floor(&place),
    };
    (floor, placed.labware.load_name.clone())
}

fn well_floor(place: &Place<'_>) -> f64 {
    let taken = place.placed.tips.contains_key(place.well) || place.placed.sensor_in.as_deref() == Some(place.well);
    if taken { place.rim_z() - COLLAR_MM } else { place.middle().z }
}

/// µL that can be drawn before the surface falls below the tip's end.
pub(super) fn within_reach(place: &Place<'_>, end: Point) -> f64 {
    let height = (end.z - place.middle().z).max(0.0);
    let inside = end.z <= place.rim_z();
    if inside { (place.liquid().volume_ul() - height * place.geometry.area_mm2()).max(0.0) } else { 0.0 }
}

/// The well that catches what falls from `end`.
pub(super) fn receiver(state: &State, end: Point) -> Option<Place<'_>> {
    let place = place_under(state, end)?;
    let catches = match place.placed.labware.kind {
        LabwareKind::Vessels => end.z <= place.rim_z() + DROPS_FALL_MM,
        LabwareKind::Trash => place.is_trash(),
        LabwareKind::TipRack { .. } | LabwareKind::SensorDock => false,
    };
    catches.then_some(place)
}

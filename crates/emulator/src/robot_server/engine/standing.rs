//! What physically stands in a slot when a client says it loaded something there.

use super::pipettes::facts;
use crate::{
    labware::{Definition, Point, Shape, Well},
    world::{LabwareKind, PhysicalLabware, WellGeometry, WellShape},
};
use domain::PipetteModel;

/// The labware the colour sensor is parked in: a tip rack to the API, a dock to the world.
const SENSOR_DOCK: &str = "ac_color_sensor_charging_port";

/// What physically stands in the slot when a client says it loaded this, `above` its corner.
pub(super) fn physical(definition: &Definition, above: Point) -> PhysicalLabware {
    let (x_mm, y_mm) = definition.footprint;
    PhysicalLabware {
        load_name: definition.load_name.clone(),
        x_mm,
        y_mm,
        z_mm: above.z + definition.height,
        kind: kind(definition),
        wells: definition.wells.iter().map(|(name, well)| (name.clone(), geometry(definition, well, above))).collect(),
    }
}

fn kind(definition: &Definition) -> LabwareKind {
    if definition.load_name == SENSOR_DOCK {
        return LabwareKind::SensorDock;
    }
    if definition.is_fixed_trash {
        return LabwareKind::Trash;
    }
    if !definition.is_tip_rack {
        return LabwareKind::Vessels;
    }
    let capacity_ul = definition.wells.values().map(|well| well.capacity_ul).fold(0.0, f64::max);
    let made_for = [PipetteModel::P20SingleGen2, PipetteModel::P300SingleGen2];
    let model = made_for.into_iter().find(|model| capacity_ul <= model.most().ul());
    let model = model.unwrap_or(PipetteModel::P1000SingleGen2);
    let overlap_mm = facts(model).tip_overlap(&definition.load_name);
    LabwareKind::TipRack { length_mm: definition.tip_length, overlap_mm, capacity_ul }
}

fn geometry(definition: &Definition, well: &Well, above: Point) -> WellGeometry {
    let at = above + definition.corner_offset + well.bottom;
    WellGeometry {
        x_mm: at.x,
        y_mm: at.y,
        z_mm: at.z,
        depth_mm: well.depth,
        shape: match well.shape {
            Shape::Circular { diameter } => WellShape::Circular { diameter_mm: diameter },
            Shape::Rectangular { x, y } => WellShape::Rectangular { x_mm: x, y_mm: y },
        },
        capacity_ul: well.capacity_ul,
    }
}

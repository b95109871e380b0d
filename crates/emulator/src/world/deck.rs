//! The deck of the default lab, as the operator sets it up. Shapes are those of Opentrons' published definitions
//! (`opentrons/corning_96_wellplate_360ul_flat/2` and others) and of the Acceleration Consortium's two custom pieces.

use super::{
    config::WorldConfig,
    dock::{DOCK_WELL, SENSOR_LENGTH_MM},
    geometry::{LabwareKind, PhysicalLabware, Slot, WellGeometry, WellShape},
    liquid::Liquid,
    state::Placed,
};
use domain::{PipetteModel, WellName};
use std::collections::BTreeMap;

pub const PLATE_SLOT: Slot = Slot::known(1);
pub const VIALS_SLOT: Slot = Slot::known(3);
/// Only with a p20 mounted.
pub const TIPS_20_SLOT: Slot = Slot::known(6);
pub const TIPS_300_SLOT: Slot = Slot::known(9);
/// Only with a p1000 mounted.
pub const TIPS_1000_SLOT: Slot = Slot::known(8);
pub const DOCK_SLOT: Slot = Slot::known(10);
pub const TRASH_SLOT: Slot = Slot::known(12);

/// The vials of a fresh deck. A1 is the waste, and empty.
const VIALS: [(&str, &str); 3] = [("B1", "red"), ("B2", "yellow"), ("B3", "blue")];
/// Full to the brim, as `domain::Deck` has it.
const VIAL_FILL_UL: f64 = 15_000.0;

/// What stands on a fresh deck.
pub fn default_deck(config: &WorldConfig) -> BTreeMap<Slot, Placed> {
    let mut vials = Placed::by_the_lab(vials());
    for (well, dye) in VIALS {
        vials.pour(well, &Liquid::pure(dye, VIAL_FILL_UL));
    }
    let mut dock = Placed::by_the_lab(sensor_dock());
    dock.sensor_in = Some(DOCK_WELL.to_owned());
    let mut deck = BTreeMap::from([
        (PLATE_SLOT, Placed::by_the_lab(plate())),
        (VIALS_SLOT, vials),
        (TIPS_300_SLOT, Placed::by_the_lab(tips_300())),
        (DOCK_SLOT, dock),
        (TRASH_SLOT, Placed::by_the_lab(trash())),
    ]);
    for model in [config.left, config.right].into_iter().flatten() {
        match model {
            PipetteModel::P20SingleGen2 => deck.insert(TIPS_20_SLOT, Placed::by_the_lab(tips_20())),
            PipetteModel::P1000Single | PipetteModel::P1000SingleGen2 => {
                deck.insert(TIPS_1000_SLOT, Placed::by_the_lab(tips_1000()))
            }
            _ => None,
        };
    }
    deck
}

/// 96 equal wells in the usual grid: A1 at the back left, 9 mm apart.
fn grid(first: WellGeometry) -> BTreeMap<String, WellGeometry> {
    const PITCH_MM: f64 = 9.0;
    let place = |name: WellName| WellGeometry {
        x_mm: first.x_mm + f64::from(name.column()) * PITCH_MM,
        y_mm: first.y_mm - f64::from(name.row()) * PITCH_MM,
        ..first
    };
    WellName::all().map(|name| (name.to_string(), place(name))).collect()
}

fn plate() -> PhysicalLabware {
    let shape = WellShape::Circular { diameter_mm: 6.86 };
    PhysicalLabware {
        load_name: "corning_96_wellplate_360ul_flat".into(),
        x_mm: 127.76,
        y_mm: 85.47,
        z_mm: 14.22,
        kind: LabwareKind::Vessels,
        wells: grid(WellGeometry { x_mm: 14.38, y_mm: 74.24, z_mm: 3.55, depth_mm: 10.67, shape, capacity_ul: 360.0 }),
    }
}

fn tips_300() -> PhysicalLabware {
    let shape = WellShape::Circular { diameter_mm: 5.23 };
    PhysicalLabware {
        load_name: "opentrons_96_tiprack_300ul".into(),
        x_mm: 127.76,
        y_mm: 85.48,
        z_mm: 64.49,
        kind: LabwareKind::TipRack { length_mm: 59.3, overlap_mm: 7.47, capacity_ul: 300.0 },
        wells: grid(WellGeometry { x_mm: 14.38, y_mm: 74.24, z_mm: 5.39, depth_mm: 59.3, shape, capacity_ul: 300.0 }),
    }
}

fn tips_20() -> PhysicalLabware {
    let shape = WellShape::Circular { diameter_mm: 3.27 };
    PhysicalLabware {
        load_name: "opentrons_96_tiprack_20ul".into(),
        x_mm: 127.76,
        y_mm: 85.48,
        z_mm: 64.69,
        kind: LabwareKind::TipRack { length_mm: 39.2, overlap_mm: 8.25, capacity_ul: 20.0 },
        wells: grid(WellGeometry { x_mm: 14.38, y_mm: 74.24, z_mm: 25.49, depth_mm: 39.2, shape, capacity_ul: 20.0 }),
    }
}

fn tips_1000() -> PhysicalLabware {
    let shape = WellShape::Circular { diameter_mm: 7.23 };
    PhysicalLabware {
        load_name: "opentrons_96_tiprack_1000ul".into(),
        x_mm: 127.76,
        y_mm: 85.48,
        z_mm: 97.47,
        kind: LabwareKind::TipRack { length_mm: 88.0, overlap_mm: 11.5, capacity_ul: 1_000.0 },
        wells: grid(WellGeometry { x_mm: 14.38, y_mm: 74.24, z_mm: 9.47, depth_mm: 88.0, shape, capacity_ul: 1_000.0 }),
    }
}

/// Six 15 mL vials, 3 × 2 (`custom_beta/ac_6_tuberack_15000ul/1`).
fn vials() -> PhysicalLabware {
    let vial = |x_mm, y_mm| WellGeometry {
        x_mm,
        y_mm,
        z_mm: 3.0,
        depth_mm: 58.0,
        shape: WellShape::Circular { diameter_mm: 20.0 },
        capacity_ul: 15_000.0,
    };
    let columns = [("1", 24.0), ("2", 63.0), ("3", 102.0)];
    let rows = [("A", 62.48), ("B", 23.48)];
    let wells = columns.into_iter().flat_map(|(column, x)| rows.map(|(row, y)| (format!("{row}{column}"), vial(x, y))));
    PhysicalLabware {
        load_name: "ac_6_tuberack_15000ul".into(),
        x_mm: 127.76,
        y_mm: 85.48,
        z_mm: 61.0,
        kind: LabwareKind::Vessels,
        wells: wells.collect(),
    }
}

/// The sensor's charging port (`custom_beta/ac_color_sensor_charging_port/1`): two places, the sensor in A2.
fn sensor_dock() -> PhysicalLabware {
    let place = |x_mm| WellGeometry {
        x_mm,
        y_mm: 43.0,
        z_mm: 16.0,
        depth_mm: SENSOR_LENGTH_MM,
        shape: WellShape::Circular { diameter_mm: 66.0 },
        capacity_ul: 0.0,
    };
    PhysicalLabware {
        load_name: "ac_color_sensor_charging_port".into(),
        x_mm: 128.0,
        y_mm: 86.0,
        z_mm: 100.0,
        kind: LabwareKind::SensorDock,
        wells: BTreeMap::from([("A1".to_owned(), place(36.0)), (DOCK_WELL.to_owned(), place(91.95))]),
    }
}

/// The fixed trash, larger than its slot (`opentrons_1_trash_1100ml_fixed`).
fn trash() -> PhysicalLabware {
    let bin = WellGeometry {
        x_mm: 82.84,
        y_mm: 80.0,
        z_mm: 0.0,
        depth_mm: 82.0,
        shape: WellShape::Rectangular { x_mm: 165.67, y_mm: 165.67 },
        capacity_ul: 1_100_000.0,
    };
    PhysicalLabware {
        load_name: "opentrons_1_trash_1100ml_fixed".into(),
        x_mm: 172.86,
        y_mm: 165.86,
        z_mm: 82.0,
        kind: LabwareKind::Trash,
        wells: BTreeMap::from([("A1".to_owned(), bin)]),
    }
}

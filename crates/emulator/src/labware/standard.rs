//! The standard labware a colour lab meets, made from its measures.
//!
//! The numbers are the makers' (SBS footprint 127.76 × 85.48 mm, pitch 9 mm) as published in the Opentrons labware
//! library; only regular grids are here, so a labware is one line.

use super::definition::{Definition, Shape};
use serde_json::{Map, Value, json};

/// A regular grid of equal wells. Lengths in mm, volumes in µL.
struct Grid {
    load_name: &'static str,
    display_name: &'static str,
    brand: &'static str,
    /// Versions of the definition that exist; the measures are the same in each.
    versions: &'static [u32],
    kind: Kind,
    size: (f64, f64, f64),
    columns: usize,
    rows: usize,
    /// The middle of A1's bottom.
    first: (f64, f64, f64),
    pitch: (f64, f64),
    depth: f64,
    capacity_ul: f64,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Kind {
    Plate,
    Reservoir,
    Tubes,
    Trash,
    Tips { length: f64, overlap: f64 },
}

const fn round(diameter: f64) -> Shape {
    Shape::Circular { diameter }
}

const fn oblong(x: f64, y: f64) -> Shape {
    Shape::Rectangular { x, y }
}

macro_rules! grids {
    ($($load_name:literal $display_name:literal $brand:literal $versions:expr, $kind:expr, size $size:expr,
       grid $columns:literal x $rows:literal from $first:expr, pitch $pitch:expr, depth $depth:literal,
       holds $capacity:literal, $shape:expr;)+) => {
        &[$(Grid {
            load_name: $load_name, display_name: $display_name, brand: $brand, versions: &$versions, kind: $kind,
            size: $size, columns: $columns, rows: $rows, first: $first, pitch: $pitch, depth: $depth,
            capacity_ul: $capacity, shape: $shape,
        }),+]
    };
}

use Kind::{Plate, Reservoir, Tips, Trash, Tubes};

const SBS_PITCH: (f64, f64) = (9.0, 9.0);

#[rustfmt::skip]
const GRIDS: &[Grid] = grids! {
    "corning_96_wellplate_360ul_flat" "Corning 96 Well Plate 360 µL Flat" "Corning" [1, 2], Plate, size (127.76, 85.47, 14.22),
        grid 12 x 8 from (14.38, 74.24, 3.55), pitch SBS_PITCH, depth 10.67, holds 360.0, round(6.86);
    "nest_96_wellplate_200ul_flat" "NEST 96 Well Plate 200 µL Flat" "NEST" [1, 2], Plate, size (127.56, 85.36, 14.3),
        grid 12 x 8 from (14.28, 74.18, 3.5), pitch SBS_PITCH, depth 10.8, holds 200.0, round(6.85);
    "nest_96_wellplate_100ul_pcr_full_skirt" "NEST 96 Well Plate 100 µL PCR Full Skirt" "NEST" [1, 2], Plate, size (127.76, 85.48, 15.7),
        grid 12 x 8 from (14.38, 74.24, 0.92), pitch SBS_PITCH, depth 14.78, holds 100.0, round(5.34);
    "nest_96_wellplate_2ml_deep" "NEST 96 Deep Well Plate 2mL" "NEST" [1, 2], Plate, size (127.6, 85.3, 41.0),
        grid 12 x 8 from (14.3, 74.15, 3.0), pitch SBS_PITCH, depth 38.0, holds 2000.0, oblong(8.2, 8.2);
    "biorad_96_wellplate_200ul_pcr" "Bio-Rad 96 Well Plate 200 µL PCR" "Bio-Rad" [1, 2], Plate, size (127.76, 85.48, 16.06),
        grid 12 x 8 from (14.38, 74.24, 1.25), pitch SBS_PITCH, depth 14.81, holds 200.0, round(5.46);
    "corning_384_wellplate_112ul_flat" "Corning 384 Well Plate 112 µL Flat" "Corning" [1, 2], Plate, size (127.76, 85.47, 14.22),
        grid 24 x 16 from (12.12, 76.49, 2.79), pitch (4.5, 4.5), depth 11.43, holds 112.0, oblong(3.63, 3.63);
    "corning_48_wellplate_1.6ml_flat" "Corning 48 Well Plate 1.6 mL Flat" "Corning" [1, 2], Plate, size (127.89, 85.6, 20.02),
        grid 8 x 6 from (18.16, 75.48, 2.62), pitch (13.08, 13.08), depth 17.4, holds 1600.0, round(11.56);
    "corning_24_wellplate_3.4ml_flat" "Corning 24 Well Plate 3.4 mL Flat" "Corning" [1, 2], Plate, size (127.76, 85.47, 20.27),
        grid 6 x 4 from (17.48, 71.67, 2.87), pitch (19.3, 19.3), depth 17.4, holds 3400.0, round(16.26);
    "corning_12_wellplate_6.9ml_flat" "Corning 12 Well Plate 6.9 mL Flat" "Corning" [1, 2], Plate, size (127.89, 85.6, 20.02),
        grid 4 x 3 from (24.94, 68.81, 2.49), pitch (26.01, 26.01), depth 17.53, holds 6900.0, round(22.73);
    "corning_6_wellplate_16.8ml_flat" "Corning 6 Well Plate 16.8 mL Flat" "Corning" [1, 2], Plate, size (127.76, 85.47, 20.27),
        grid 3 x 2 from (24.76, 62.28, 2.87), pitch (39.12, 39.12), depth 17.4, holds 16800.0, round(35.43);
    "nest_12_reservoir_15ml" "NEST 12 Well Reservoir 15 mL" "NEST" [1], Reservoir, size (127.76, 85.48, 31.4),
        grid 12 x 1 from (14.38, 42.78, 4.55), pitch SBS_PITCH, depth 26.85, holds 15000.0, oblong(8.2, 71.2);
    "usascientific_12_reservoir_22ml" "USA Scientific 12 Well Reservoir 22 mL" "USA Scientific" [1], Reservoir, size (127.76, 85.8, 44.45),
        grid 12 x 1 from (13.94, 42.9, 2.29), pitch (9.09, 9.09), depth 42.16, holds 22000.0, oblong(8.33, 71.88);
    "nest_1_reservoir_195ml" "NEST 1 Well Reservoir 195 mL" "NEST" [1, 2], Reservoir, size (127.76, 85.48, 31.4),
        grid 1 x 1 from (63.88, 42.74, 4.55), pitch SBS_PITCH, depth 25.0, holds 195000.0, oblong(106.8, 71.2);
    "agilent_1_reservoir_290ml" "Agilent 1 Well Reservoir 290 mL" "Agilent" [1], Reservoir, size (127.76, 85.57, 44.04),
        grid 1 x 1 from (63.88, 42.785, 4.82), pitch SBS_PITCH, depth 39.22, holds 290000.0, oblong(108.0, 72.0);
    "opentrons_24_tuberack_nest_1.5ml_snapcap" "Opentrons 24 Tube Rack with NEST 1.5 mL Snapcap" "Opentrons" [1], Tubes, size (127.75, 85.5, 79.55),
        grid 6 x 4 from (18.21, 75.43, 41.65), pitch (19.89, 19.28), depth 37.9, holds 1500.0, round(10.2);
    "opentrons_6_tuberack_falcon_50ml_conical" "Opentrons 6 Tube Rack with Falcon 50 mL Conical" "Opentrons" [1], Tubes, size (127.76, 85.48, 120.3),
        grid 3 x 2 from (35.5, 60.24, 7.3), pitch (35.0, 35.0), depth 113.0, holds 50000.0, round(27.81);
    "opentrons_96_tiprack_10ul" "Opentrons OT-2 96 Tip Rack 10 µL" "Opentrons" [1], Tips { length: 39.2, overlap: 3.29 }, size (127.76, 85.48, 64.69),
        grid 12 x 8 from (14.38, 74.24, 25.49), pitch SBS_PITCH, depth 39.2, holds 10.0, round(3.27);
    "opentrons_96_tiprack_20ul" "Opentrons OT-2 96 Tip Rack 20 µL" "Opentrons" [1], Tips { length: 39.2, overlap: 8.25 }, size (127.76, 85.48, 64.69),
        grid 12 x 8 from (14.38, 74.24, 25.49), pitch SBS_PITCH, depth 39.2, holds 20.0, round(3.27);
    "opentrons_96_filtertiprack_20ul" "Opentrons OT-2 96 Filter Tip Rack 20 µL" "Opentrons" [1], Tips { length: 39.2, overlap: 3.29 }, size (127.76, 85.48, 64.69),
        grid 12 x 8 from (14.36, 74.26, 25.49), pitch SBS_PITCH, depth 39.2, holds 20.0, round(3.27);
    "opentrons_96_filtertiprack_200ul" "Opentrons OT-2 96 Filter Tip Rack 200 µL" "Opentrons" [1], Tips { length: 59.3, overlap: 7.47 }, size (127.76, 85.48, 64.49),
        grid 12 x 8 from (14.38, 74.24, 5.39), pitch SBS_PITCH, depth 59.3, holds 200.0, round(5.23);
    "opentrons_96_tiprack_300ul" "Opentrons OT-2 96 Tip Rack 300 µL" "Opentrons" [1], Tips { length: 59.3, overlap: 7.47 }, size (127.76, 85.48, 64.49),
        grid 12 x 8 from (14.38, 74.24, 5.39), pitch SBS_PITCH, depth 59.3, holds 300.0, round(5.23);
    "opentrons_96_tiprack_1000ul" "Opentrons OT-2 96 Tip Rack 1000 µL" "Opentrons" [1], Tips { length: 88.0, overlap: 7.95 }, size (127.76, 85.48, 97.47),
        grid 12 x 8 from (14.38, 74.24, 9.47), pitch SBS_PITCH, depth 88.0, holds 1000.0, round(7.23);
    "opentrons_96_filtertiprack_1000ul" "Opentrons OT-2 96 Filter Tip Rack 1000 µL" "Opentrons" [1], Tips { length: 88.0, overlap: 7.95 }, size (127.76, 85.48, 97.47),
        grid 12 x 8 from (14.36, 74.26, 9.47), pitch SBS_PITCH, depth 88.0, holds 1000.0, round(7.23);
    "opentrons_1_trash_1100ml_fixed" "Opentrons Fixed Trash" "Opentrons" [1], Trash, size (172.86, 165.86, 82.0),
        grid 1 x 1 from (82.84, 80.0, 82.0), pitch SBS_PITCH, depth 0.0, holds 1100000.0, oblong(107.11, 165.67);
};

/// The standard definition of that name and version in the namespace `opentrons`, if there is one.
pub fn standard(namespace: &str, load_name: &str, version: u32) -> Option<Definition> {
    if namespace != "opentrons" {
        return None;
    }
    let grid = GRIDS.iter().find(|grid| grid.load_name == load_name && grid.versions.contains(&version))?;
    Definition::parse(grid.document(version)).ok()
}

impl Grid {
    fn document(&self, version: u32) -> Value {
        json!({
            "ordering": self.ordering(),
            "brand": {"brand": self.brand, "brandId": []},
            "metadata": {
                "displayName": self.display_name,
                "displayCategory": self.category(),
                "displayVolumeUnits": if matches!(self.kind, Plate | Tips { .. }) { "µL" } else { "mL" },
                "tags": [],
            },
            "dimensions": {"xDimension": self.size.0, "yDimension": self.size.1, "zDimension": self.size.2},
            "wells": self.wells(),
            "groups": [{"metadata": self.group_metadata(), "wells": self.ordering().concat()}],
            "parameters": self.parameters(),
            "namespace": "opentrons",
            "version": version,
            "schemaVersion": 2,
            "cornerOffsetFromSlot": {"x": 0, "y": 0, "z": 0},
        })
    }

    fn ordering(&self) -> Vec<Vec<String>> {
        (0..self.columns).map(|column| (0..self.rows).map(|row| well_name(row, column)).collect()).collect()
    }

    fn wells(&self) -> Map<String, Value> {
        let mut wells = Map::new();
        for (column, row) in (0..self.columns).flat_map(|column| (0..self.rows).map(move |row| (column, row))) {
            wells.insert(well_name(row, column), self.well(row, column));
        }
        wells
    }

    fn well(&self, row: usize, column: usize) -> Value {
        let mut well = json!({
            "depth": self.depth,
            "totalLiquidVolume": self.capacity_ul,
            "x": to_micrometres(self.first.0 + column as f64 * self.pitch.0),
            "y": to_micrometres(self.first.1 - row as f64 * self.pitch.1),
            "z": self.first.2,
        });
        match self.shape {
            Shape::Circular { diameter } => {
                well["shape"] = json!("circular");
                well["diameter"] = json!(diameter);
            }
            Shape::Rectangular { x, y } => {
                well["shape"] = json!("rectangular");
                well["xDimension"] = json!(x);
                well["yDimension"] = json!(y);
            }
        }
        well
    }

    fn parameters(&self) -> Value {
        let mut parameters = json!({
            "format": self.format(),
            "isTiprack": matches!(self.kind, Tips { .. }),
            "isMagneticModuleCompatible": false,
            "loadName": self.load_name,
        });
        match self.kind {
            Tips { length, overlap } => {
                parameters["tipLength"] = json!(length);
                parameters["tipOverlap"] = json!(overlap);
            }
            Reservoir => parameters["quirks"] = json!(["centerMultichannelOnWells", "touchTipDisabled"]),
            Trash => parameters["quirks"] = json!(["fixedTrash", "centerMultichannelOnWells", "touchTipDisabled"]),
            Plate | Tubes => {}
        }
        parameters
    }

    fn format(&self) -> &'static str {
        match (self.kind, self.columns) {
            (Reservoir, _) => "trough",
            (Trash, _) => "trash",
            (Plate | Tips { .. }, 12) => "96Standard",
            (Plate | Tips { .. }, 24) => "384Standard",
            _ => "irregular",
        }
    }

    fn category(&self) -> &'static str {
        match self.kind {
            Plate => "wellPlate",
            Reservoir => "reservoir",
            Tubes => "tubeRack",
            Trash => "trash",
            Tips { .. } => "tipRack",
        }
    }

    fn group_metadata(&self) -> Value {
        match self.kind {
            Plate => json!({"wellBottomShape": "flat"}),
            Reservoir | Tubes => json!({"wellBottomShape": "v"}),
            Trash | Tips { .. } => json!({}),
        }
    }
}

/// `A1` is row 0, column 0.
fn well_name(row: usize, column: usize) -> String {
    format!("{}{}", char::from(b'A' + row as u8), column + 1)
}

/// The published measures have at most three decimals; this keeps sums of them so.
fn to_micrometres(length: f64) -> f64 {
    (length * 1_000.0).round() / 1_000.0
}

//! The two pieces that every lab of this kind has and no robot is born with: the sensor's charging port, the rack of vials.
//!
//! Measures in mm and µL, positions from a piece's front left bottom corner, as Opentrons' labware schema 2 has them.

use crate::WellName;
use serde_json::{Map, Value, json};

pub(super) const OWN_NAMESPACE: &str = "custom_beta";
const DOCK: &str = "ac_color_sensor_charging_port";
const VIALS: &str = "ac_6_tuberack_15000ul";

/// The sensor's housing: how long it is…
const SENSOR_LENGTH_MM: f64 = 84.0;
/// …how much of it slides over the nozzle (the robot's default for tips it has no figure for)…
const SENSOR_OVERLAP_MM: f64 = 8.2;
/// …and so how far it hangs below, mm.
pub const SENSOR_REACH_MM: f64 = SENSOR_LENGTH_MM - SENSOR_OVERLAP_MM;

/// Their definitions, by load name.
pub fn own(load_name: &str) -> Option<Value> {
    match load_name {
        DOCK => Some(dock()),
        VIALS => Some(vials()),
        _ => None,
    }
}

/// The sensor's charging port, a rack whose tip is the sensor in A2.
///
/// All 96 places of a rack are there although one is real: robots from software 8.3 on hang on a rack with fewer. The
/// others crowd around A2, inside the port, and are never used.
fn dock() -> Value {
    const A2: (f64, f64) = (91.95, 43.0);
    const PITCH: (f64, f64) = (3.0, 5.0);
    let place = |name: WellName| {
        let (x, y) = (A2.0 + (f64::from(name.column()) - 1.0) * PITCH.0, A2.1 - f64::from(name.row()) * PITCH.1);
        json!({
            "depth": SENSOR_LENGTH_MM, "totalLiquidVolume": 1000, "shape": "circular", "diameter": 66, "x": round(x), "y": round(y), "z": 16,
        })
    };
    let wells = WellName::all().map(|name| (name.to_string(), place(name))).collect();
    let columns: Vec<Vec<WellName>> =
        (0..12).map(|column| WellName::all().filter(|name| name.column() == column).collect()).collect();
    let parameters = json!({
        "format": "irregular", "quirks": ["centerMultichannelOnWells", "touchTipDisabled"],
        "isTiprack": true, "tipLength": SENSOR_LENGTH_MM, "isMagneticModuleCompatible": false, "loadName": DOCK,
    });
    definition("AC colour sensor charging port", "tipRack", (128.0, 86.0, 100.0), columns, wells, parameters)
}

/// Six vials of 15 mL, three across and two deep.
fn vials() -> Value {
    const COLUMNS_X: [f64; 3] = [24.0, 63.0, 102.0];
    const ROWS_Y: [f64; 2] = [62.48, 23.48];
    let all: Vec<Vec<(WellName, f64, f64)>> = (0_u8..)
        .zip(COLUMNS_X)
        .map(|(column, x)| {
            (0_u8..).zip(ROWS_Y).filter_map(|(row, y)| Some((WellName::at(row, column)?, x, y))).collect()
        })
        .collect();
    let vial = |x: f64, y: f64| json!({"depth": 58, "totalLiquidVolume": 15000, "shape": "circular", "diameter": 20, "x": x, "y": y, "z": 3});
    let wells = all.iter().flatten().map(|(name, x, y)| (name.to_string(), vial(*x, *y))).collect();
    let columns = all.iter().map(|column| column.iter().map(|(name, ..)| *name).collect()).collect();
    let parameters = json!({"format": "irregular", "quirks": [], "isTiprack": false, "isMagneticModuleCompatible": false, "loadName": VIALS});
    definition("AC rack of six 15 mL vials", "tubeRack", (127.76, 85.48, 61.0), columns, wells, parameters)
}

fn definition(
    display_name: &str,
    category: &str,
    (x, y, z): (f64, f64, f64),
    columns: Vec<Vec<WellName>>,
    wells: Map<String, Value>,
    parameters: Value,
) -> Value {
    json!({
        "ordering": columns,
        "brand": {"brand": "AC", "brandId": []},
        "metadata": {"displayName": display_name, "displayCategory": category, "displayVolumeUnits": "µL", "tags": []},
        "dimensions": {"xDimension": x, "yDimension": y, "zDimension": z},
        "wells": wells,
        "groups": [{"metadata": {}, "wells": columns.concat()}],
        "parameters": parameters,
        "namespace": OWN_NAMESPACE,
        "version": 1,
        "schemaVersion": 2,
        "cornerOffsetFromSlot": {"x": 0, "y": 0, "z": 0},
    })
}

/// To the micrometre, so that sums of decimals stay decimals.
fn round(mm: f64) -> f64 {
    (mm * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dock_is_a_whole_rack_inside_its_outline_with_the_sensor_where_it_stands() {
        let dock = own(DOCK).expect("ours");
        assert_eq!(dock["wells"].as_object().map(Map::len), Some(96));
        assert_eq!(dock["ordering"][1][0], "A2");
        let a2 = &dock["wells"]["A2"];
        assert_eq!(
            (&a2["x"], &a2["y"], &a2["z"], &a2["depth"]),
            (&json!(91.95), &json!(43.0), &json!(16), &json!(84.0))
        );
        for well in dock["wells"].as_object().expect("wells").values() {
            assert!((0.0..=128.0).contains(&well["x"].as_f64().expect("x")), "{well}");
            assert!((0.0..=86.0).contains(&well["y"].as_f64().expect("y")), "{well}");
        }
    }

    #[test]
    fn the_vials_are_six_and_named_by_row_and_column() {
        let vials = own(VIALS).expect("ours");
        assert_eq!(vials["ordering"], json!([["A1", "B1"], ["A2", "B2"], ["A3", "B3"]]));
        assert_eq!(vials["wells"].as_object().map(Map::len), Some(6));
    }
}

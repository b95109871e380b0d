//! What physically happened, held against what was asked.

use serde_json::Value;
use std::collections::BTreeMap;

/// A p300's bias, at most: this share of the volume and this much, µL. Its random error is cut off at three standard
/// deviations of at most 2.5 %. (The emulator's stated pipette error, repeated here since tests reach it over HTTP.)
const BIAS_SHARE: f64 = 0.01;
const BIAS_UL: f64 = 0.2;
const LARGEST_CV: f64 = 0.025;

/// Reads a virtual robot's whole ledger.
pub async fn read(robot: &str) -> Vec<Value> {
    let answer = reqwest::get(format!("{robot}/emulator/ledger")).await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    body["data"].as_array().expect("entries").clone()
}

/// µL by dye that were dispensed into one well of the plate, and in how many strokes.
pub fn dispensed(ledger: &[Value], well: &str) -> BTreeMap<String, (f64, u32)> {
    let mut sums = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| is_dispense_into(entry, well)) {
        let dye = entry["dye"].as_str().expect("a dye").to_owned();
        let (volume_ul, strokes) = sums.entry(dye).or_insert((0.0, 0));
        *volume_ul += entry["volume_ul"].as_f64().expect("a volume");
        *strokes += 1;
    }
    sums
}

fn is_dispense_into(entry: &Value, well: &str) -> bool {
    let on_the_plate = entry["labware"].as_str().is_some_and(|labware| labware.contains("wellplate"));
    entry["kind"] == "dispense" && on_the_plate && entry["well"] == well
}

/// Every measured well holds what was asked for, each dye once: no drop is missing and none came twice.
pub fn assert_as_asked(ledger: &[Value], measured: &[&Value]) {
    for well in measured {
        let name = well["well_id"].as_str().expect("allotted");
        let asked = asked(well);
        let got = dispensed(ledger, name);
        let dyes = |map: Vec<&String>| map.into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(dyes(asked.keys().collect()), dyes(got.keys().collect()), "dyes in {name}");
        for (dye, wanted_ul) in asked {
            let (volume_ul, strokes) = got.get(&dye).copied().expect("the same dyes");
            let error_ul = wanted_ul * (BIAS_SHARE + 3.0 * LARGEST_CV) + BIAS_UL;
            assert!(
                (volume_ul - wanted_ul).abs() <= error_ul,
                "{name} has {volume_ul} µL of {dye}, not {wanted_ul} µL"
            );
            assert_eq!(strokes, 1, "{dye} came into {name} {strokes} times");
        }
    }
    let accidents = |entry: &&Value| matches!(entry["kind"].as_str(), Some("spill" | "overflow" | "crash" | "touch"));
    assert_eq!(ledger.iter().find(accidents), None, "an accident on the deck");
}

fn asked(well: &Value) -> BTreeMap<String, f64> {
    let volumes = well["volumes"].as_object().expect("volumes");
    let ul = |(dye, volume): (&String, &Value)| (dye.clone(), volume.as_f64().expect("a number"));
    volumes.iter().map(ul).filter(|(_, ul)| *ul > 0.0).collect()
}

//! A piece of labware that the lab brings along: its definition, as Opentrons' Labware Creator writes it (schema 2), kept with
//! the deck that it stands on.

use super::{Definition, LabwareName, standard};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// Of one definition, in bytes. A plate of 384 wells is about 60 kB.
pub const LARGEST_DEFINITION: usize = 256 * 1024;
/// On one deck.
pub const MOST_DEFINITIONS: usize = 8;

/// What a slot takes, mm: the piece's outline, with what hangs over.
const SLOT_MM: (f64, f64) = (132.0, 90.0);
/// Nothing on an OT-2's deck is higher, mm.
const MOST_HEIGHT_MM: f64 = 200.0;
/// How far outside of its outline a well may be by rounding, mm.
const TOLERANCE_MM: f64 = 1.0;
const LONGEST_NAME: usize = 100;

/// A definition, not yet believed ([`OwnLabware::flaws`]). Read from JSON, or from a text that holds JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnLabware(Arc<Value>);

impl OwnLabware {
    pub fn new(document: Value) -> Self {
        Self(Arc::new(document))
    }

    pub fn document(&self) -> &Value {
        &self.0
    }

    /// Nothing where it doesn't say.
    pub fn name(&self) -> Option<LabwareName> {
        let text = |pointer: &str| self.0.pointer(pointer).and_then(Value::as_str);
        let version = self.0.get("version").and_then(Value::as_u64)?;
        Some(LabwareName {
            namespace: text("/namespace")?.to_owned(),
            load_name: text("/parameters/loadName")?.to_owned(),
            version: u32::try_from(version).ok()?,
        })
    }

    /// Why it can't be used, everything at once; empty where it can.
    pub fn flaws(&self) -> Vec<String> {
        if self.0.to_string().len() > LARGEST_DEFINITION {
            return vec![format!("it has more than {} kB", LARGEST_DEFINITION / 1024)];
        }
        if self.0.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
            return vec!["it is no definition of labware schema 2 (`schemaVersion` must be 2)".to_owned()];
        }
        let definition = match Definition::parse((*self.0).clone()) {
            Ok(definition) => definition,
            Err(error) => return vec![error.to_string()],
        };
        let mut flaws = names(&definition);
        flaws.extend(self.missing());
        flaws.extend(outline(&definition));
        flaws.extend(wells(&definition));
        flaws.extend(self.ordering(&definition));
        flaws
    }

    /// What a robot-server asks for besides.
    fn missing(&self) -> impl Iterator<Item = String> + '_ {
        const NEEDED: [&str; 8] = [
            "/metadata/displayName",
            "/metadata/displayCategory",
            "/metadata/displayVolumeUnits",
            "/brand/brand",
            "/groups",
            "/parameters/format",
            "/parameters/isTiprack",
            "/parameters/isMagneticModuleCompatible",
        ];
        let lacks = |pointer: &&str| self.0.pointer(pointer).is_none();
        NEEDED.into_iter().filter(lacks).map(|pointer| format!("{}: field required", pointer.trim_start_matches('/')))
    }

    /// Each well has its place in the ordering, once.
    fn ordering(&self, definition: &Definition) -> Option<String> {
        let columns = self.0.get("ordering").and_then(Value::as_array)?;
        let named: Vec<&str> = columns.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect();
        let once: BTreeSet<&str> = named.iter().copied().collect();
        let is_whole = once.len() == named.len()
            && once.len() == definition.wells.len()
            && once.iter().all(|name| definition.wells.contains_key(*name));
        (!is_whole).then(|| "`ordering` must name each of its wells once".to_owned())
    }
}

fn names(definition: &Definition) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
    let is_name = |text: &str| (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(allowed);
    let mut flaws = Vec::new();
    for (what, name) in [("namespace", &definition.namespace), ("loadName", &definition.load_name)] {
        if !is_name(name) {
            flaws.push(format!("`{what}` must be 1 to {LONGEST_NAME} of the characters a–z, 0–9, dot and underscore"));
        }
    }
    if definition.namespace == standard::NAMESPACE {
        flaws.push("the namespace `opentrons` is Opentrons' own: take another".to_owned());
    }
    if definition.version == 0 {
        flaws.push("`version` must be 1 or more".to_owned());
    }
    flaws
}

fn outline(definition: &Definition) -> Vec<String> {
    let (x, y) = definition.footprint;
    let fits = |size: f64, most: f64| size > 0.0 && size <= most;
    let mut flaws = Vec::new();
    if !fits(x, SLOT_MM.0) || !fits(y, SLOT_MM.1) {
        flaws.push(format!("it is {x} × {y} mm, and a slot takes up to {} × {} mm", SLOT_MM.0, SLOT_MM.1));
    }
    if !fits(definition.height, MOST_HEIGHT_MM) {
        flaws.push(format!("it is {} mm high, and must be above 0 and at most {MOST_HEIGHT_MM}", definition.height));
    }
    if definition.is_tip_rack && !fits(definition.tip_length, MOST_HEIGHT_MM) {
        flaws.push("a tip rack must say how long its tips are (`parameters.tipLength`, mm)".to_owned());
    }
    flaws
}

/// Every well inside the outline; the first that isn't is named.
fn wells(definition: &Definition) -> Option<String> {
    if definition.wells.is_empty() {
        return Some("it has no wells".to_owned());
    }
    let (x, y) = definition.footprint;
    let within = |low: f64, high: f64, most: f64| low >= -TOLERANCE_MM && high <= most + TOLERANCE_MM;
    for (name, well) in &definition.wells {
        let (width, depth) = well.size();
        let is_vessel = well.depth > 0.0 && well.capacity_ul > 0.0 && width > 0.0 && depth > 0.0;
        if !is_vessel {
            return Some(format!("well {name} must have a depth, a size and a volume above 0"));
        }
        // The middle is what a pipette goes to; the dock's 96 places overlap each other and its edge.
        let (at_x, at_y) = (well.bottom.x, well.bottom.y);
        if !within(at_x, at_x, x) || !within(at_y, at_y, y) {
            return Some(format!("well {name} is at {at_x}, {at_y} mm, outside of the piece ({x} × {y} mm)"));
        }
        if !within(well.bottom.z, well.bottom.z + well.depth, definition.height) {
            let top = well.bottom.z + well.depth;
            return Some(format!(
                "well {name} reaches from {} to {top} mm, and the piece is {} mm high",
                well.bottom.z, definition.height
            ));
        }
    }
    None
}

impl Serialize for OwnLabware {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnLabware {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => serde_json::from_str(&text).map(Self::new).map_err(de::Error::custom),
            document => Ok(Self::new(document)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The lab's rack of vials, as if somebody had drawn it anew.
    fn rack() -> Value {
        let mut rack = super::super::lab::own("ac_6_tuberack_15000ul").expect("the lab's");
        rack["namespace"] = json!("our_lab");
        rack
    }

    fn flaws(change: impl Fn(&mut Value)) -> String {
        let mut document = rack();
        change(&mut document);
        OwnLabware::new(document).flaws().join("; ")
    }

    #[test]
    fn what_the_labware_creator_writes_is_fine() {
        assert_eq!(OwnLabware::new(rack()).flaws(), Vec::<String>::new());
        for own in ["ac_6_tuberack_15000ul", "ac_color_sensor_charging_port"] {
            let own = OwnLabware::new(super::super::lab::own(own).expect("the lab's"));
            assert_eq!(own.flaws(), Vec::<String>::new());
        }
        let text: OwnLabware = serde_json::from_value(json!(rack().to_string())).expect("JSON in a text");
        assert_eq!(text, OwnLabware::new(rack()));
    }

    #[test]
    fn each_flaw_is_named() {
        assert_eq!(
            flaws(|rack| rack["schemaVersion"] = json!(3)),
            "it is no definition of labware schema 2 (`schemaVersion` must be 2)"
        );
        assert_eq!(
            flaws(|rack| rack["dimensions"] = json!({"xDimension": 127, "yDimension": 85})),
            "zDimension: field required"
        );
        assert!(flaws(|rack| rack["dimensions"]["xDimension"] = json!(270)).starts_with("it is 270 × 85.48 mm"));
        assert!(flaws(|rack| rack["namespace"] = json!("opentrons")).contains("Opentrons' own"));
        assert!(flaws(|rack| rack["namespace"] = json!("Our Lab")).contains("`namespace` must be"));
        assert!(flaws(|rack| rack["parameters"]["loadName"] = json!("../../x")).contains("`loadName` must be"));
        assert!(flaws(|rack| rack["wells"]["B2"]["x"] = json!(300)).contains("well B2 is at 300"));
        assert!(flaws(|rack| rack["wells"]["B2"]["depth"] = json!(80)).contains("well B2 reaches from 3 to 83 mm"));
        assert!(flaws(|rack| rack["wells"]["B2"]["totalLiquidVolume"] = json!(0)).contains("well B2 must have"));
        assert!(flaws(|rack| rack["ordering"][0][0] = json!("B1")).contains("`ordering` must name"));
        assert!(flaws(|rack| rack["parameters"]["isTiprack"] = json!(true)).contains("how long its tips are"));
        assert!(flaws(|rack| drop(rack.as_object_mut().expect("an object").remove("brand"))).contains("brand/brand"));
        assert!(flaws(|rack| rack["x"] = json!("x".repeat(300_000))).contains("more than 256 kB"));
    }
}

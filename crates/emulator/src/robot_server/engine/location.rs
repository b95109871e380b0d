//! Where labware stands: what a client may call it, and pydantic's complaints about what it may not.

use crate::robot_server::body::{self, Fields, not_permitted};
use serde::Serialize;
use serde_json::Value;

/// Where labware stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Location {
    #[serde(rename_all = "camelCase")]
    Slot { slot_name: String },
    #[serde(rename_all = "camelCase")]
    Area { addressable_area_name: String },
    #[serde(rename_all = "camelCase")]
    Module { module_id: String },
    #[serde(rename_all = "camelCase")]
    Labware { labware_id: String },
    /// `"offDeck"`.
    Named(&'static str),
    #[default]
    Unknown,
}

/// Deck slots by their OT-2 names, then by their Flex names row by row from the back.
pub(super) const SLOTS: &[&str] = &[
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2",
    "C3", "D1", "D2", "D3",
];

/// The OT-2 slot that a Flex calls by this name: D1 is 1 and A3 is 12.
fn ot2_slot(name: &'static str) -> String {
    let flex = |row: u8, column: u8| u32::from(b'D' - row) * 3 + u32::from(column - b'0');
    match *name.as_bytes() {
        [row @ b'A'..=b'D', column @ b'1'..=b'3'] => flex(row, column).to_string(),
        _ => name.to_owned(),
    }
}

pub(super) fn location(fields: &mut Fields<'_>, name: &str) -> Location {
    let place = fields.place(name);
    match fields.raw(name) {
        None => {
            fields.complain_of_absence(name);
            Location::Unknown
        }
        Some(Value::String(text)) if text == "offDeck" => Location::Named("offDeck"),
        Some(value) => known_location(value).unwrap_or_else(|| {
            complain_of_location(fields, &place, value);
            Location::Unknown
        }),
    }
}

fn known_location(value: &Value) -> Option<Location> {
    let text = |name: &str| body::as_text(value.get(name)?).ok();
    let slot = value.get("slotName").and_then(Value::as_str);
    if let Some(slot) = SLOTS.iter().copied().find(|known| Some(*known) == slot) {
        return Some(Location::Slot { slot_name: ot2_slot(slot) });
    }
    let module = text("moduleId").map(|module_id| Location::Module { module_id });
    let labware = text("labwareId").map(|labware_id| Location::Labware { labware_id });
    let area = text("addressableAreaName").map(|addressable_area_name| Location::Area { addressable_area_name });
    module.or(labware).or(area)
}

/// Where labware must stand for an offset to count: in a slot, or on other labware or a module in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OffsetLocation {
    pub(super) slot_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) module_model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) definition_uri: Option<String>,
}

pub(super) const MODULES: &[&str] = &[
    "temperatureModuleV1",
    "temperatureModuleV2",
    "magneticModuleV1",
    "magneticModuleV2",
    "thermocyclerModuleV1",
    "thermocyclerModuleV2",
    "heaterShakerModuleV1",
    "magneticBlockV1",
    "absorbanceReaderV1",
];

/// The slot that an object names, as an OT-2 calls it.
pub(super) fn slot(fields: &mut Fields<'_>) -> String {
    ot2_slot(fields.choice("slotName", SLOTS))
}

/// Reads where an offset counts.
pub fn offset_location(fields: &mut Fields<'_>) -> OffsetLocation {
    OffsetLocation {
        slot_name: slot(fields),
        module_model: fields.optional_choice("moduleModel", MODULES),
        definition_uri: fields.optional_text("definitionUri"),
    }
}

/// A location is a union, and pydantic tells what is wrong with each of its members.
fn complain_of_location(fields: &mut Fields<'_>, place: &str, value: &Value) {
    if body::as_object(value).is_none() {
        for _ in 0..4 {
            fields.complain_at(place, "value is not a valid dict");
        }
        fields.complain_at(place, "unexpected value; permitted: 'offDeck'");
        return;
    }
    let slot = if value.get("slotName").is_some() { not_permitted(SLOTS) } else { "field required".to_owned() };
    fields.complain_at(format!("{place}/slotName"), slot);
    fields.complain_at(format!("{place}/moduleId"), "field required");
    fields.complain_at(format!("{place}/labwareId"), "field required");
    fields.complain_at(place, "unexpected value; permitted: 'offDeck'");
    fields.complain_at(format!("{place}/addressableAreaName"), "field required");
}

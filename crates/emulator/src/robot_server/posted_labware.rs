//! Labware definitions that clients post: what the real server would refuse (its schema, version 2) is refused.

use super::{body::Fields, error::FieldProblem};
use serde_json::Value;

/// Every problem of a definition found at `at`.
pub fn check(document: &Value, at: &str) -> Result<(), Vec<FieldProblem>> {
    let mut fields = Fields::of(document, at);
    if !matches!(fields.whole("schemaVersion"), 1 | 2) && fields.raw("schemaVersion").is_some_and(Value::is_i64) {
        fields.complain("schemaVersion", "unexpected value; permitted: 1, 2");
    }
    if fields.whole("version") < 1 && fields.raw("version").is_some_and(Value::is_i64) {
        fields.complain("version", "ensure this value is greater than or equal to 1.0");
    }
    name(&mut fields, "namespace");
    fields.object("metadata", metadata);
    fields.object("brand", |brand| drop(brand.text("brand")));
    fields.object("parameters", parameters);
    list(&mut fields, "ordering");
    fields.object("cornerOffsetFromSlot", |offset| ["x", "y", "z"].into_iter().for_each(|name| number(offset, name)));
    fields.object("dimensions", |size| {
        ["yDimension", "zDimension", "xDimension"].into_iter().for_each(|name| length(size, name));
    });
    fields.object("wells", wells);
    groups(&mut fields);
    fields.finish()
}

fn metadata(fields: &mut Fields<'_>) {
    const CATEGORIES: &[&str] =
        &["tipRack", "tubeRack", "reservoir", "trash", "wellPlate", "aluminumBlock", "adapter", "other"];
    fields.text("displayName");
    fields.choice("displayCategory", CATEGORIES);
    fields.choice("displayVolumeUnits", &["µL", "mL", "L"]);
}

fn parameters(fields: &mut Fields<'_>) {
    fields.choice("format", &["96Standard", "384Standard", "trough", "irregular", "trash"]);
    fields.truth("isTiprack");
    name(fields, "loadName");
    fields.truth("isMagneticModuleCompatible");
    for optional in ["tipLength", "tipOverlap", "magneticModuleEngageHeight"] {
        if fields.raw(optional).is_some() {
            length(fields, optional);
        }
    }
}

fn wells(fields: &mut Fields<'_>) {
    for well in fields.given().keys() {
        fields.object(well, |well| {
            ["depth", "x", "y", "z", "totalLiquidVolume"].into_iter().for_each(|name| length(well, name));
            well.choice("shape", &["rectangular", "circular"]);
        });
    }
}

fn groups(fields: &mut Fields<'_>) {
    list(fields, "groups");
    let groups = fields.raw("groups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, group) in groups.iter().enumerate() {
        let mut group = Fields::of(group, fields.place(&format!("groups/{index}")));
        list(&mut group, "wells");
        group.object("metadata", |_| ());
        fields.take_problems(group);
    }
}

fn list(fields: &mut Fields<'_>, name: &str) {
    match fields.raw(name) {
        None => fields.complain(name, "field required"),
        Some(value) if !value.is_array() => fields.complain(name, "value is not a valid list"),
        Some(_) => {}
    }
}

/// A name that may stand in a URI.
fn name(fields: &mut Fields<'_>, name: &str) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
    let text = fields.text(name);
    if fields.raw(name).is_some() && (text.is_empty() || !text.chars().all(allowed)) {
        fields.complain(name, "string does not match regex \"^[a-z0-9._]+$\"");
    }
}

/// A JSON number; here a number written as text is none.
fn number(fields: &mut Fields<'_>, name: &str) {
    match fields.raw(name) {
        None => fields.complain(name, "field required"),
        Some(value) if !value.is_number() => {
            fields.complain(name, "value is not a valid integer");
            fields.complain(name, "value is not a valid float");
        }
        Some(_) => {}
    }
}

/// The same, not below zero.
fn length(fields: &mut Fields<'_>, name: &str) {
    number(fields, name);
    if fields.raw(name).and_then(Value::as_f64).is_some_and(|length| length < 0.0) {
        fields.complain(name, "ensure this value is greater than or equal to 0");
    }
}

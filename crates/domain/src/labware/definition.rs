//! A labware definition (schema 2), read.

use serde_json::Value;
use std::collections::BTreeMap;

/// Most wells one definition may have (a 1536-well plate).
const MAX_WELLS: usize = 1_536;

/// A labware definition, read. Lengths in mm, volumes in µL.
#[derive(Clone, Debug)]
pub struct Definition {
    pub namespace: String,
    pub load_name: String,
    pub version: u32,
    pub is_tip_rack: bool,
    /// Length of a whole tip, from its collar to its end.
    pub tip_length: f64,
    pub is_fixed_trash: bool,
    /// Outer size in x and y.
    pub footprint: (f64, f64),
    pub height: f64,
    /// Where the labware's front left bottom corner lies in its slot.
    pub corner_offset: Point,
    pub wells: BTreeMap<String, Well>,
    /// Stands under labware and nowhere else.
    pub is_adapter: bool,
    /// Labware it may stand on, by load name, and by how much the two overlap.
    pub stacks_on: BTreeMap<String, Point>,
    /// The document as a client would get it.
    pub document: Value,
}

/// One well: the middle of its bottom relative to the labware's corner, and its inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Well {
    pub bottom: Point,
    pub depth: f64,
    pub capacity_ul: f64,
    pub shape: Shape,
}

/// The opening of a well, seen from above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circular { diameter: f64 },
    Rectangular { x: f64, y: f64 },
}

impl Well {
    /// Size in x and y.
    pub fn size(&self) -> (f64, f64) {
        match self.shape {
            Shape::Circular { diameter } => (diameter, diameter),
            Shape::Rectangular { x, y } => (x, y),
        }
    }
}

/// A place in mm. On the deck: x to the right, y to the back, z up, from the front left corner of slot 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

impl Point {
    pub const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// The same place at another height.
    pub const fn at_height(self, z: f64) -> Self {
        Self { z, ..self }
    }
}

impl std::ops::Add for Point {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

/// Why a document is no usable labware definition.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("{0}: field required")]
    Missing(String),
    #[error("more than {MAX_WELLS} wells")]
    TooManyWells,
}

impl Definition {
    /// Reads a definition. Fields that nothing here uses are kept in [`Definition::document`] and not looked at.
    pub fn parse(document: Value) -> Result<Self, DefinitionError> {
        let parameters = section(&document, "parameters")?;
        let dimensions = section(&document, "dimensions")?;
        let offset = section(&document, "cornerOffsetFromSlot")?;
        Ok(Self {
            namespace: text(&document, "namespace")?,
            load_name: text(parameters, "loadName")?,
            version: number(&document, "version")? as u32,
            is_tip_rack: parameters.get("isTiprack").and_then(Value::as_bool).unwrap_or(false),
            tip_length: parameters.get("tipLength").and_then(Value::as_f64).unwrap_or(0.0),
            is_fixed_trash: has_quirk(parameters, "fixedTrash"),
            footprint: (number(dimensions, "xDimension")?, number(dimensions, "yDimension")?),
            height: number(dimensions, "zDimension")?,
            corner_offset: Point::new(number(offset, "x")?, number(offset, "y")?, number(offset, "z")?),
            wells: wells(section(&document, "wells")?)?,
            is_adapter: has(&document, "allowedRoles", "adapter"),
            stacks_on: overlaps(&document)?,
            document,
        })
    }

    /// Whether the labware wants to be treated in that special way.
    pub fn has_quirk(&self, quirk: &str) -> bool {
        self.document.get("parameters").is_some_and(|parameters| has_quirk(parameters, quirk))
    }

    /// `namespace/load_name/version`.
    pub fn uri(&self) -> String {
        uri(&self.namespace, &self.load_name, self.version)
    }
}

/// How definitions are named in the API.
pub fn uri(namespace: &str, load_name: &str, version: u32) -> String {
    format!("{namespace}/{load_name}/{version}")
}

fn has_quirk(parameters: &Value, quirk: &str) -> bool {
    has(parameters, "quirks", quirk)
}

/// Whether the list of that name has the text in it.
fn has(value: &Value, list: &str, text: &str) -> bool {
    value.get(list).and_then(Value::as_array).is_some_and(|list| list.iter().any(|item| item == text))
}

fn overlaps(document: &Value) -> Result<BTreeMap<String, Point>, DefinitionError> {
    let Some(offsets) = document.get("stackingOffsetWithLabware").and_then(Value::as_object) else {
        return Ok(BTreeMap::new());
    };
    let read = |value| Ok(Point::new(number(value, "x")?, number(value, "y")?, number(value, "z")?));
    offsets.iter().take(MAX_WELLS).map(|(name, value)| Ok((name.clone(), read(value)?))).collect()
}

fn section<'a>(value: &'a Value, name: &str) -> Result<&'a Value, DefinitionError> {
    value.get(name).ok_or_else(|| DefinitionError::Missing(name.to_owned()))
}

fn text(value: &Value, name: &str) -> Result<String, DefinitionError> {
    section(value, name)?.as_str().map(str::to_owned).ok_or_else(|| DefinitionError::Missing(name.to_owned()))
}

fn number(value: &Value, name: &str) -> Result<f64, DefinitionError> {
    section(value, name)?.as_f64().ok_or_else(|| DefinitionError::Missing(name.to_owned()))
}

fn wells(section: &Value) -> Result<BTreeMap<String, Well>, DefinitionError> {
    let wells = section.as_object().ok_or_else(|| DefinitionError::Missing("wells".to_owned()))?;
    if wells.len() > MAX_WELLS {
        return Err(DefinitionError::TooManyWells);
    }
    wells.iter().map(|(name, value)| Ok((name.clone(), well(value)?))).collect()
}

fn well(value: &Value) -> Result<Well, DefinitionError> {
    let shape = if value.get("shape").and_then(Value::as_str) == Some("rectangular") {
        Shape::Rectangular { x: number(value, "xDimension")?, y: number(value, "yDimension")? }
    } else {
        Shape::Circular { diameter: number(value, "diameter")? }
    };
    Ok(Well {
        bottom: Point::new(number(value, "x")?, number(value, "y")?, number(value, "z")?),
        depth: number(value, "depth")?,
        capacity_ul: number(value, "totalLiquidVolume")?,
        shape,
    })
}

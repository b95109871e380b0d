//! Where things are on the deck: points in mm, slots, and the shape of what stands in them.
//!
//! Deck coordinates are Opentrons': the origin is the front left corner of slot 1, x to the right, y to the
//! back, z up from the deck's surface.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, fmt};

/// A place in deck coordinates, in mm. In JSON `[x, y, z]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 3]", into = "[f64; 3]")]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

impl Point {
    pub const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// The same place, `dz` mm higher.
    #[must_use]
    pub fn raised(self, dz: f64) -> Self {
        Self { z: self.z + dz, ..self }
    }

    /// The same place at another height.
    #[must_use]
    pub fn at_height(self, z: f64) -> Self {
        Self { z, ..self }
    }

    /// Distance over the deck, heights ignored, in mm.
    pub fn horizontal_distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// Rounded to 10 µm, finer than any OT-2 moves, so that the ledger stays readable.
    #[must_use]
    pub(crate) fn rounded(self) -> Self {
        let round = |mm: f64| (mm * 100.0).round() / 100.0;
        Self::new(round(self.x), round(self.y), round(self.z))
    }

    pub(crate) fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.z.is_finite()
    }
}

impl From<[f64; 3]> for Point {
    fn from([x, y, z]: [f64; 3]) -> Self {
        Self { x, y, z }
    }
}

impl From<Point> for [f64; 3] {
    fn from(point: Point) -> Self {
        [point.x, point.y, point.z]
    }
}

/// One of the OT-2's twelve deck slots. In JSON its number; slot 12 holds the fixed trash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

/// Slot spacing of the OT-2 deck (Opentrons shared-data, `ot2_standard` deck definition), mm.
const COLUMN_PITCH: f64 = 132.5;
const ROW_PITCH: f64 = 90.5;

impl Slot {
    /// The slot's number, 1–12, or nothing.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 12 { Some(Self(number)) } else { None }
    }

    pub(crate) const fn known(number: u8) -> Self {
        assert!(number >= 1 && number <= 12);
        Self(number)
    }

    pub const fn number(self) -> u8 {
        self.0
    }

    /// Front left corner of the slot.
    pub fn origin(self) -> Point {
        let index = self.0.saturating_sub(1);
        Point::new(f64::from(index % 3) * COLUMN_PITCH, f64::from(index / 3) * ROW_PITCH, 0.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| serde::de::Error::custom("a slot is 1 to 12"))
    }
}

/// A piece of labware as it physically is, wherever it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhysicalLabware {
    /// Opentrons' load name, as `corning_96_wellplate_360ul_flat`.
    pub load_name: String,
    /// Outer size in mm.
    pub x_mm: f64,
    pub y_mm: f64,
    pub z_mm: f64,
    pub kind: LabwareKind,
    /// By name, as `A1`. At most 1,536 are kept.
    pub wells: BTreeMap<String, WellGeometry>,
}

/// What the wells of a labware are for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LabwareKind {
    /// Plates, tube racks, reservoirs: wells hold liquid.
    Vessels,
    /// Every well holds a new tip when the rack is placed.
    /// `length_mm` is the whole tip; `overlap_mm` of it slides over the nozzle.
    TipRack { length_mm: f64, overlap_mm: f64, capacity_ul: f64 },
    /// The colour sensor's charging port; one well holds the sensor.
    SensorDock,
    /// A bin: takes tips and liquid, gives nothing back.
    Trash,
}

/// A well's shape and place. `x_mm`, `y_mm` are its middle and `z_mm` its bottom, from the labware's front left corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WellGeometry {
    pub x_mm: f64,
    pub y_mm: f64,
    pub z_mm: f64,
    pub depth_mm: f64,
    pub shape: WellShape,
    pub capacity_ul: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WellShape {
    Circular { diameter_mm: f64 },
    Rectangular { x_mm: f64, y_mm: f64 },
}

impl WellGeometry {
    /// Middle of the well's bottom when its labware stands in `slot`.
    pub fn bottom(&self, slot: Slot) -> Point {
        let origin = slot.origin();
        Point::new(origin.x + self.x_mm, origin.y + self.y_mm, origin.z + self.z_mm)
    }

    /// Middle of the well's rim when its labware stands in `slot`.
    pub fn top(&self, slot: Slot) -> Point {
        self.bottom(slot).raised(self.depth_mm)
    }

    /// Cross-section in mm²; a µL is a mm³, so a volume over this is a liquid's height in mm.
    pub(crate) fn area_mm2(&self) -> f64 {
        match self.shape {
            WellShape::Circular { diameter_mm } => std::f64::consts::PI * diameter_mm * diameter_mm / 4.0,
            WellShape::Rectangular { x_mm, y_mm } => x_mm * y_mm,
        }
    }

    /// Whether `dx`, `dy` mm from the middle is still inside the well's walls.
    pub(crate) fn contains(&self, dx: f64, dy: f64) -> bool {
        match self.shape {
            WellShape::Circular { diameter_mm } => dx.hypot(dy) <= diameter_mm / 2.0,
            WellShape::Rectangular { x_mm, y_mm } => dx.abs() <= x_mm / 2.0 && dy.abs() <= y_mm / 2.0,
        }
    }
}

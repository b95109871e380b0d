//! How a standard labware's definition is made from its measures.

use super::{
    catalogue::CATALOGUE,
    definition::{Definition, Shape},
};
use serde_json::{Map, Value, json};

/// What there is to say of a standard labware. Lengths in mm, volumes in µL.
#[derive(Debug)]
pub struct Standard {
    pub load_name: &'static str,
    pub display_name: &'static str,
    pub brand: &'static str,
    /// Versions of the definition that exist. The measures are the same in each; how it stacks and is gripped came with the
    /// newest.
    pub versions: &'static [u32],
    pub category: &'static str,
    pub format: &'static str,
    /// The unit that volumes are shown in.
    pub units: &'static str,
    pub quirks: &'static [&'static str],
    /// Outer size in x, y and z.
    pub size: [f64; 3],
    /// Where the front left bottom corner lies in a slot.
    pub corner: [f64; 3],
    pub tips: Option<Tips>,
    pub magnet: Magnet,
    pub is_adapter: bool,
    pub grip: Option<Grip>,
    /// Labware it may stand on, by load name, and how deep it sinks into that.
    pub on_labware: &'static [(&'static str, f64)],
    /// The same for models of modules.
    pub on_modules: &'static [(&'static str, f64)],
    pub parts: &'static [Part],
}

/// The tips of a rack: how long they are, and how much of that slides over a nozzle.
#[derive(Clone, Copy, Debug)]
pub struct Tips {
    pub length: f64,
    pub overlap: f64,
}

/// Whether a labware fits the magnetic module, and how high its magnets then go.
#[derive(Clone, Copy, Debug)]
pub enum Magnet {
    No,
    Fits,
    At(f64),
}

/// How a Flex's gripper takes hold: with how many N, how far above the bottom.
#[derive(Clone, Copy, Debug)]
pub struct Grip {
    pub force: f64,
    pub height: f64,
}

/// The shape of a well's bottom.
#[derive(Clone, Copy, Debug)]
pub enum Bottom {
    Flat,
    U,
    V,
    Unsaid,
}

/// A regular grid of equal wells.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    columns: usize,
    rows: usize,
    /// Where in the labware's own grid it begins, from 0: row and column.
    begins: (usize, usize),
    /// The middle of its first well's bottom.
    first: [f64; 3],
    pitch: [f64; 2],
    depth: f64,
    capacity_ul: f64,
    shape: Shape,
    bottom: Bottom,
}

/// The pitch of a 96-well plate.
pub const SBS: [f64; 2] = [9.0, 9.0];

pub const fn round(diameter: f64) -> Shape {
    Shape::Circular { diameter }
}

pub const fn oblong(x: f64, y: f64) -> Shape {
    Shape::Rectangular { x, y }
}

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
pub const fn grid(
    columns: usize,
    rows: usize,
    first: [f64; 3],
    pitch: [f64; 2],
    depth: f64,
    capacity_ul: f64,
    shape: Shape,
    bottom: Bottom,
) -> Part {
    Part { columns, rows, begins: (0, 0), first, pitch, depth, capacity_ul, shape, bottom }
}

pub const fn well(at: [f64; 3], depth: f64, capacity_ul: f64, shape: Shape, bottom: Bottom) -> Part {
    grid(1, 1, at, SBS, depth, capacity_ul, shape, bottom)
}

impl Part {
    /// The same, beginning elsewhere than at A1.
    pub const fn from(self, row: usize, column: usize) -> Self {
        Self { begins: (row, column), ..self }
    }
}

/// What labware of a category has in common.
pub const PLATE: Standard = Standard {
    load_name: "",
    display_name: "",
    brand: "",
    versions: &[1],
    category: "wellPlate",
    format: "96Standard",
    units: "µL",
    quirks: &[],
    size: [0.0; 3],
    corner: [0.0; 3],
    tips: None,
    magnet: Magnet::No,
    is_adapter: false,
    grip: None,
    on_labware: &[],
    on_modules: &[],
    parts: &[],
};
pub const TIPS: Standard = Standard { category: "tipRack", ..PLATE };
pub const ADAPTER: Standard = Standard { category: "adapter", ..PLATE };
pub const TUBES: Standard = Standard { category: "tubeRack", format: "irregular", units: "mL", ..PLATE };
pub const BLOCK: Standard = Standard { category: "aluminumBlock", quirks: &["gripperIncompatible"], ..TUBES };
pub const JIG: Standard = Standard { category: "other", ..TUBES };
pub const RESERVOIR: Standard = Standard {
    category: "reservoir",
    format: "trough",
    quirks: &["centerMultichannelOnWells", "touchTipDisabled"],
    ..TUBES
};
pub const TRASH: Standard = Standard {
    category: "trash",
    format: "trash",
    quirks: &["fixedTrash", "centerMultichannelOnWells", "touchTipDisabled"],
    ..TUBES
};

/// Of all that is Opentrons' own.
pub(super) const NAMESPACE: &str = "opentrons";

/// The newest version of the standard definition of that name.
pub(super) fn newest(load_name: &str) -> Option<u32> {
    CATALOGUE.iter().find(|known| known.load_name == load_name)?.versions.last().copied()
}

/// The standard definition of that name and version in the namespace `opentrons`, if there is one.
pub fn standard(namespace: &str, load_name: &str, version: u32) -> Option<Definition> {
    if namespace != NAMESPACE {
        return None;
    }
    let known = CATALOGUE.iter().find(|known| known.load_name == load_name && known.versions.contains(&version))?;
    Definition::parse(known.document(version)).ok()
}

impl Standard {
    fn document(&self, version: u32) -> Value {
        let mut document = json!({
            "ordering": self.ordering(),
            "brand": {"brand": self.brand, "brandId": []},
            "metadata": {
                "displayName": self.display_name,
                "displayCategory": self.category,
                "displayVolumeUnits": self.units,
                "tags": [],
            },
            "dimensions": {"xDimension": self.size[0], "yDimension": self.size[1], "zDimension": self.size[2]},
            "wells": self.parts.iter().flat_map(Part::wells).collect::<Map<_, _>>(),
            "groups": self.parts.iter().map(Part::group).collect::<Vec<_>>(),
            "parameters": self.parameters(),
            "namespace": NAMESPACE,
            "version": version,
            "schemaVersion": 2,
            "cornerOffsetFromSlot": point(self.corner),
        });
        if self.is_adapter {
            document["allowedRoles"] = json!(["adapter"]);
        }
        if self.versions.last() == Some(&version) {
            self.add_newest(&mut document);
        }
        document
    }

    /// What only the newest version of a definition says.
    fn add_newest(&self, document: &mut Value) {
        let depths = |on: &[(&str, f64)]| {
            on.iter().map(|(name, z)| ((*name).to_owned(), point([0.0, 0.0, *z]))).collect::<Map<_, _>>()
        };
        if !self.on_labware.is_empty() {
            document["stackingOffsetWithLabware"] = depths(self.on_labware).into();
        }
        if !self.on_modules.is_empty() {
            document["stackingOffsetWithModule"] = depths(self.on_modules).into();
        }
        if let Some(grip) = self.grip {
            document["gripForce"] = json!(grip.force);
            document["gripHeightFromLabwareBottom"] = json!(grip.height);
        }
    }

    /// The wells' names column by column.
    fn ordering(&self) -> Vec<Vec<String>> {
        let columns = self.parts.iter().map(|part| part.begins.1 + part.columns).max().unwrap_or(0);
        let names = |column| -> Vec<String> {
            let mut rows: Vec<usize> = self.parts.iter().flat_map(|part| part.rows_in(column)).collect();
            rows.sort_unstable();
            rows.into_iter().map(|row| well_name(row, column)).collect()
        };
        (0..columns).map(names).filter(|names| !names.is_empty()).collect()
    }

    fn parameters(&self) -> Value {
        let mut parameters = json!({
            "format": self.format,
            "quirks": self.quirks,
            "isTiprack": self.tips.is_some(),
            "isMagneticModuleCompatible": !matches!(self.magnet, Magnet::No),
            "loadName": self.load_name,
        });
        if let Some(Tips { length, overlap }) = self.tips {
            parameters["tipLength"] = json!(length);
            parameters["tipOverlap"] = json!(overlap);
        }
        if let Magnet::At(height) = self.magnet {
            parameters["magneticModuleEngageHeight"] = json!(height);
        }
        parameters
    }
}

impl Part {
    fn rows_in(&self, column: usize) -> std::ops::Range<usize> {
        let (row, first_column) = self.begins;
        if (first_column..first_column + self.columns).contains(&column) { row..row + self.rows } else { 0..0 }
    }

    /// Its wells column by column: how far each is from the first, and its name.
    fn places(&self) -> impl Iterator<Item = (usize, usize, String)> {
        let name = |column, row| well_name(self.begins.0 + row, self.begins.1 + column);
        (0..self.columns)
            .flat_map(move |column| (0..self.rows).map(move |row| (column, row)))
            .map(move |(column, row)| (column, row, name(column, row)))
    }

    fn wells(&self) -> impl Iterator<Item = (String, Value)> {
        self.places().map(|(column, row, name)| (name, self.well(column, row)))
    }

    fn well(&self, column: usize, row: usize) -> Value {
        let mut well = json!({
            "depth": self.depth,
            "totalLiquidVolume": self.capacity_ul,
            "x": along(self.first[0], column, self.pitch[0]),
            "y": along(self.first[1], row, -self.pitch[1]),
            "z": self.first[2],
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

    fn group(&self) -> Value {
        let metadata = match self.bottom {
            Bottom::Flat => json!({"wellBottomShape": "flat"}),
            Bottom::U => json!({"wellBottomShape": "u"}),
            Bottom::V => json!({"wellBottomShape": "v"}),
            Bottom::Unsaid => json!({}),
        };
        json!({"metadata": metadata, "wells": self.places().map(|(.., name)| name).collect::<Vec<_>>()})
    }
}

fn point([x, y, z]: [f64; 3]) -> Value {
    json!({"x": x, "y": y, "z": z})
}

/// `A1` is row 0, column 0.
fn well_name(row: usize, column: usize) -> String {
    format!("{}{}", char::from(b'A' + row as u8), column + 1)
}

/// `steps` wells on. The library writes such places with two decimals.
fn along(first: f64, steps: usize, pitch: f64) -> f64 {
    if steps == 0 { first } else { ((first + steps as f64 * pitch) * 100.0).round() / 100.0 }
}

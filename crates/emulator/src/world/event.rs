//! What can physically happen, as the ledger records it. Every field needed to make it true again is in the event.

use super::{
    geometry::{PhysicalLabware, Point, Slot},
    liquid::{Liquid, rounded_ul},
};
use chrono::{DateTime, Utc};
use domain::Mount;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub sequence: u64,
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub event: Event,
    /// The key of the robot command, or the id of the sensor operation, that caused it.
    #[serde(default)]
    pub key: Option<String>,
}

/// Who did it, and where its bare nozzle was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    pub mount: Mount,
    pub nozzle: Point,
}

/// A well, a vial, a place in a tip rack or the dock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    pub slot: Slot,
    /// Load name of what stands in the slot.
    pub labware: String,
    pub well: String,
}

/// Liquid on the move: what really moved, not what was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Portion {
    /// The dye's name, `mixture` for more than one, nothing for no liquid.
    pub dye: Option<String>,
    pub volume_ul: f64,
    /// µL by dye.
    pub components: Liquid,
}

impl Portion {
    pub(crate) fn of(liquid: &Liquid) -> Self {
        let mut names = liquid.components().map(|(dye, _)| dye);
        let dye = match (names.next(), names.next()) {
            (None, _) => None,
            (Some(only), None) => Some(only.to_owned()),
            (Some(_), Some(_)) => Some("mixture".to_owned()),
        };
        Self { dye, volume_ul: rounded_ul(liquid.volume_ul()), components: liquid.clone() }
    }
}

/// What hangs on a nozzle, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolName {
    Nothing,
    Tip,
    Sensor,
}

/// What a tip did when it drew or gave air, in [`Event::Air`].
pub(crate) const ASPIRATING: &str = "aspirate";
pub(crate) const DISPENSING: &str = "dispense";

/// What happened. `volume_ul` is what really moved, `nominal_ul` what was asked for.
///
/// Ordinary moves are not recorded: they change nothing that outlives them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Every axis at its end switch; what hung on the nozzles then.
    Home { left: ToolName, right: ToolName },
    /// `used`: the tip had been picked up before.
    PickUpTip {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Spot,
        tool: ToolName,
        used: bool,
    },
    /// Into a rack, the dock or the trash, as `labware` says; on the deck when it is missing. With what was still in the tip.
    DropTip {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Option<Spot>,
        tool: ToolName,
        #[serde(flatten)]
        portion: Portion,
    },
    Aspirate {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Spot,
        #[serde(flatten)]
        portion: Portion,
        nominal_ul: f64,
    },
    /// Air drawn where liquid was wanted, or nothing there to dispense. `nominal_ul` counts only what was missing.
    Air {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Option<Spot>,
        while_doing: String,
        volume_ul: f64,
        nominal_ul: f64,
    },
    Dispense {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Spot,
        #[serde(flatten)]
        portion: Portion,
        nominal_ul: f64,
    },
    /// The tip blown empty; `volume_ul` is 0 when it was.
    BlowOut {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Option<Spot>,
        #[serde(flatten)]
        portion: Portion,
    },
    /// Liquid onto the deck, or beside the wells of the labware named.
    Spill {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        portion: Portion,
        nominal_ul: f64,
    },
    /// What ran over the rim of a well and is lost, after the dispense before it.
    Overflow {
        #[serde(flatten)]
        spot: Spot,
        #[serde(flatten)]
        portion: Portion,
    },
    /// A tool that had touched `carried` dipped into liquid holding other dyes: one has contaminated the other.
    Touch {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Spot,
        tool: ToolName,
        carried: BTreeSet<String>,
        met: BTreeSet<String>,
    },
    /// The end of a tool, or the bare nozzle, was driven into something.
    Crash {
        #[serde(flatten)]
        actor: Actor,
        tool: ToolName,
        /// Where the end was.
        end: Point,
        /// What it hit: a load name, or `deck`.
        obstacle: String,
        why: String,
    },
    /// Pressed down where nothing fits the nozzle, or where nothing is left.
    Miss {
        #[serde(flatten)]
        actor: Actor,
        #[serde(flatten)]
        spot: Option<Spot>,
        why: String,
    },
    /// The colour sensor read. Without a spot it looked at neither a well nor its dock.
    Read {
        #[serde(flatten)]
        spot: Option<Spot>,
        channels: BTreeMap<String, u16>,
        saturated: bool,
        gain: f64,
        integration_ms: f64,
    },
    /// The operator put a clean plate there.
    NewPlate { slot: Slot, labware: String },
    /// The operator put a full rack there.
    NewTipRack { slot: Slot, labware: String },
    /// The operator put a vial of fresh dye there.
    Refill {
        #[serde(flatten)]
        spot: Spot,
        #[serde(flatten)]
        portion: Portion,
    },
    /// What is no longer in a well or vial, though no pipette took it: `evaporated` or `emptied`, as `why` says.
    Gone {
        #[serde(flatten)]
        spot: Spot,
        #[serde(flatten)]
        portion: Portion,
        why: String,
    },
    /// The operator put the sensor back into its dock.
    SensorRestored {
        #[serde(flatten)]
        spot: Spot,
    },
    /// The operator took off by hand what hung on a nozzle: a tip is gone with what was in it. A sensor's `SensorRestored`
    /// follows.
    NozzleCleared {
        mount: Mount,
        tool: ToolName,
        #[serde(flatten)]
        portion: Portion,
    },
    /// A client brought labware.
    LabwarePlaced { slot: Slot, labware: String, geometry: PhysicalLabware },
    /// A client's labware was taken away.
    LabwareRemoved { slot: Slot, labware: String },
}

impl Event {
    /// Whether the deck isn't as it was before: liquid, tips, labware or the sensor are somewhere else, or something
    /// was driven into. Homing, pressing down on nothing and reading change nothing there.
    pub const fn changes_deck(&self) -> bool {
        !matches!(self, Self::Home { .. } | Self::Miss { .. } | Self::Read { .. })
    }
}

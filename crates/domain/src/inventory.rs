//! What a robot has on its deck, as its journal counts.

use crate::{DyeName, PLATE_WELLS, PlateId, Slot, Volume, WellName};
use chrono::{DateTime, Utc};

/// A robot's consumables as the journal counts them.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub plate: Option<PlateId>,
    /// Wells of that plate that were ever allotted.
    pub used_wells: Vec<WellName>,
    pub vials: Vec<Vial>,
    pub waste: Volume,
    pub tips: Vec<Tip>,
}

impl Inventory {
    /// Wells of the plate that can still be allotted; none without a plate.
    pub fn free_wells(&self) -> usize {
        if self.plate.is_some() { PLATE_WELLS.saturating_sub(self.used_wells.len()) } else { 0 }
    }

    /// Tips that were lost or thrown away.
    pub fn lost_tips(&self) -> impl Iterator<Item = &Tip> {
        self.tips.iter().filter(|tip| tip.dye.is_none())
    }
}

#[derive(Clone, Debug)]
pub struct Vial {
    pub vial: WellName,
    pub dye: DyeName,
    /// What the journal's outcomes leave in it; what went into the air since `filled_at` isn't counted.
    pub volume: Volume,
    /// The bottle it was filled from.
    pub batch: Option<String>,
    pub filled_at: DateTime<Utc>,
}

/// A tip that isn't simply new.
#[derive(Clone, Debug)]
pub struct Tip {
    pub slot: Slot,
    pub tip: WellName,
    /// `None`: lost.
    pub dye: Option<DyeName>,
}

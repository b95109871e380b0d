//! What is wrong with the lab, by order of whoever tests a client. Not part of the ledger: a restart mends it.

use super::{
    action::Effect,
    error::WorldError,
    event::{Event, Portion, Spot},
    geometry::Slot,
    liquid::{Liquid, WATER},
    state::Placed,
    truth::World,
};
use chrono::{DateTime, Utc};
use domain::Mount;
use serde::Serialize;

/// Something that stays wrong until it is mended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "lab", rename_all = "kebab-case")]
pub enum Mishap {
    /// The door's switch says that it is open, whatever one does with it.
    DoorOpen,
    /// The sensor stays in its dock: the nozzle presses on it and comes away empty.
    SensorStays,
    /// The operator's next plates are those that stood there, passed off as new.
    UsedPlate { times: u64 },
    /// What a pipette really moves: this much more of what was asked, and that much more of every stroke.
    PipetteBias { mount: Mount, percent: f64, ul: f64 },
}

impl World {
    /// What is wrong now.
    pub fn mishaps(&self) -> &[Mishap] {
        &self.mishaps
    }

    /// This is wrong instead of what was before.
    pub fn befall(&mut self, mishaps: Vec<Mishap>) {
        self.mishaps = mishaps;
    }

    /// Whether the door's switch says that it is open.
    pub fn door_is_open(&self) -> bool {
        self.mishaps.contains(&Mishap::DoorOpen)
    }

    pub(super) fn sensor_stays(&self) -> bool {
        self.sensor_faults().is_stuck || self.mishaps.contains(&Mishap::SensorStays)
    }

    /// The bias of a pipette, if one was asked for: a share of what it moves, and µL.
    pub(super) fn bias_asked(&self, mount: Mount) -> Option<(f64, f64)> {
        self.mishaps.iter().find_map(|mishap| match mishap {
            Mishap::PipetteBias { mount: of, percent, ul } if *of == mount => Some((percent / 100.0, *ul)),
            _ => None,
        })
    }

    /// Whether the plate that is put there now is the old one.
    pub(super) fn pass_off_used_plate(&mut self) -> bool {
        let Some(Mishap::UsedPlate { times }) =
            self.mishaps.iter_mut().find(|mishap| matches!(mishap, Mishap::UsedPlate { .. }))
        else {
            return false;
        };
        *times -= 1;
        self.mishaps.retain(|mishap| !matches!(mishap, Mishap::UsedPlate { times: 0 }));
        true
    }

    /// So much water goes into the air out of every well and vial that holds anything; all of it where there is less. The dye stays.
    pub fn evaporate(&mut self, volume_ul: f64, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let wells = |(slot, placed): (Slot, &Placed)| {
            let gone = |(well, liquid): (&String, &Liquid)| {
                let spot = Spot { slot, labware: placed.labware.load_name.clone(), well: well.clone() };
                let water = Liquid::pure(WATER, volume_ul.min(liquid.volume_ul()));
                Event::Gone { spot, portion: Portion::of(&water), why: "evaporated".to_owned() }
            };
            placed.liquids.iter().map(gone).collect::<Vec<_>>()
        };
        let events = self.state().slots().flat_map(wells).collect();
        self.record(events, None, at)
    }

    /// Nothing is left in a vial or well.
    pub fn empty(&mut self, slot: Slot, well: &str, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state().placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if !standing.labware.wells.contains_key(well) {
            return Err(WorldError::NoSuchWell { slot, well: well.chars().take(20).collect() });
        }
        let spot = Spot { slot, labware: standing.labware.load_name.clone(), well: well.to_owned() };
        let portion = Portion::of(&standing.liquid(well));
        self.record(vec![Event::Gone { spot, portion, why: "emptied".to_owned() }], None, at)
    }
}

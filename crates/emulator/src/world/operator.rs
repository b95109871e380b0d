//! What hands do to the deck: new plates and racks, fresh vials, the sensor back in its dock, a client's labware.

use super::{
    action::Effect,
    deck::DOCK_SLOT,
    dock::DOCK_WELL,
    error::WorldError,
    event::{Event, Portion, Spot},
    geometry::{LabwareKind, PhysicalLabware, Slot},
    liquid::{self, Liquid},
    state::{Placed, Tool},
    truth::World,
};
use chrono::{DateTime, Utc};
use domain::Mount;

/// What became of labware an API client says it placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It stands there now, with fresh tips and empty wells.
    Placed,
    /// That very kind stands there already and stays as it is, contents and all.
    AlreadyThere,
    /// The lab's own labware stands there and stays: the client is mistaken about the deck.
    Occupied { by: String },
}

impl World {
    /// An API client says it put this labware there. Where the slot is empty, or holds other labware a client
    /// brought, it appears.
    pub fn place_labware(
        &mut self,
        slot: Slot,
        labware: PhysicalLabware,
        at: DateTime<Utc>,
    ) -> Result<Placement, WorldError> {
        if let Some(standing) = self.state().placed(slot) {
            if standing.labware.load_name == labware.load_name {
                return Ok(Placement::AlreadyThere);
            }
            if standing.of_the_lab {
                return Ok(Placement::Occupied { by: standing.labware.load_name.clone() });
            }
        }
        self.record(
            vec![Event::LabwarePlaced { slot, labware: labware.load_name.clone(), geometry: labware }],
            None,
            at,
        )?;
        Ok(Placement::Placed)
    }

    /// The operator takes a client's labware away.
    pub fn remove_labware(&mut self, slot: Slot, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state().placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if standing.of_the_lab {
            return Err(unsuitable(slot, standing, "belongs to the lab's deck"));
        }
        let labware = standing.labware.load_name.clone();
        self.record(vec![Event::LabwareRemoved { slot, labware }], None, at)
    }

    /// The operator puts a clean plate of the same kind in place of the one in `slot`, or says so
    /// ([`Mishap::UsedPlate`](super::Mishap)).
    pub fn new_plate(&mut self, slot: Slot, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state().placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if standing.labware.kind != LabwareKind::Vessels {
            return Err(unsuitable(slot, standing, "is no plate"));
        }
        let labware = standing.labware.load_name.clone();
        if self.pass_off_used_plate() {
            return Ok(Effect::default());
        }
        self.record(vec![Event::NewPlate { slot, labware }], None, at)
    }

    /// The operator puts a full rack of the same tips in place of the one in `slot`.
    pub fn new_tip_rack(&mut self, slot: Slot, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let standing = self.state().placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if !matches!(standing.labware.kind, LabwareKind::TipRack { .. }) {
            return Err(unsuitable(slot, standing, "is no tip rack"));
        }
        let labware = standing.labware.load_name.clone();
        self.record(vec![Event::NewTipRack { slot, labware }], None, at)
    }

    /// The operator puts a vial with `volume_ul` of fresh `dye` in place of the one at `slot`, `well`.
    pub fn refill(
        &mut self,
        slot: Slot,
        well: &str,
        dye: &str,
        volume_ul: f64,
        at: DateTime<Utc>,
    ) -> Result<Effect, WorldError> {
        let standing = self.state().placed(slot).ok_or(WorldError::EmptySlot(slot))?;
        if standing.labware.kind != LabwareKind::Vessels {
            return Err(unsuitable(slot, standing, "holds no liquid"));
        }
        let missing = || WorldError::NoSuchWell { slot, well: well.chars().take(20).collect() };
        let geometry = standing.labware.wells.get(well).ok_or_else(missing)?;
        if !(0.0..=geometry.capacity_ul).contains(&volume_ul) {
            return Err(WorldError::BadVolume(volume_ul));
        }
        if !liquid::is_name(dye) {
            return Err(WorldError::BadDye(dye.chars().take(40).collect()));
        }
        let spot = Spot { slot, labware: standing.labware.load_name.clone(), well: well.to_owned() };
        let portion = Portion::of(&Liquid::pure(dye, volume_ul));
        self.record(vec![Event::Refill { spot, portion }], None, at)
    }

    /// The operator puts the sensor, wherever it ended up, back into its dock.
    pub fn restore_sensor(&mut self, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let spot = self.dock()?;
        self.record(vec![Event::SensorRestored { spot }], None, at)
    }

    /// The operator takes off by hand whatever hangs on the nozzles: a tip goes with what is in it, the sensor into its
    /// dock. Where nothing hangs there nothing happens.
    pub fn clear_nozzles(&mut self, at: DateTime<Utc>) -> Result<Effect, WorldError> {
        let mut events = Vec::new();
        for mount in [Mount::Left, Mount::Right] {
            let tool = self.state().tool(mount);
            if *tool != Tool::Nothing {
                let portion = tool.tip().map(|tip| Portion::of(&tip.liquid)).unwrap_or_default();
                events.push(Event::NozzleCleared { mount, tool: tool.name(), portion });
            }
            if *tool == Tool::Sensor {
                events.push(Event::SensorRestored { spot: self.dock()? });
            }
        }
        self.record(events, None, at)
    }

    fn dock(&self) -> Result<Spot, WorldError> {
        let standing = self.state().placed(DOCK_SLOT).ok_or(WorldError::EmptySlot(DOCK_SLOT))?;
        Ok(Spot { slot: DOCK_SLOT, labware: standing.labware.load_name.clone(), well: DOCK_WELL.to_owned() })
    }
}

fn unsuitable(slot: Slot, standing: &Placed, why: &'static str) -> WorldError {
    WorldError::Unsuitable { slot, load_name: standing.labware.load_name.clone(), why }
}

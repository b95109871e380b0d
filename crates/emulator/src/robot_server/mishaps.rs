//! What goes wrong in the lab on demand: how it is asked for in the list of faults.

use super::body::Fields;
use crate::world::{Mishap, Slot, VIALS_SLOT, World, WorldError};
use chrono::Utc;
use domain::Mount;

/// Something that is done at once and then over.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    Evaporate { ul: f64 },
    Empty { slot: Slot, well: String },
}

/// One entry of the list.
pub enum Asked {
    Lasting(Mishap),
    Once(Deed),
}

const NAMES: &[&str] = &["door-open", "sensor-stays", "used-plate", "pipette-bias", "evaporation", "empty-vial"];
/// A pipette that is further off than this is no pipette.
const MOST_BIAS_PERCENT: f64 = 100.0;
const MOST_BIAS_UL: f64 = 20.0;
/// More than the largest vessel holds.
const MOST_EVAPORATION_UL: f64 = 300_000.0;

/// Reads `{"lab": "pipette-bias", "mount": "right", "percent": -5}` and the like. `times` was read before.
pub fn read(fields: &mut Fields<'_>, times: u64) -> Option<Asked> {
    let asked = match fields.choice("lab", NAMES) {
        "door-open" => Asked::Lasting(Mishap::DoorOpen),
        "sensor-stays" => Asked::Lasting(Mishap::SensorStays),
        "used-plate" => Asked::Lasting(Mishap::UsedPlate { times: times.max(1) }),
        "pipette-bias" => Asked::Lasting(bias(fields)),
        "evaporation" => Asked::Once(Deed::Evaporate { ul: within(fields, "ul", 0.0..=MOST_EVAPORATION_UL) }),
        "empty-vial" => Asked::Once(empty(fields)?),
        _ => return None,
    };
    Some(asked)
}

fn bias(fields: &mut Fields<'_>) -> Mishap {
    let mount = match fields.choice("mount", &["left", "right"]) {
        "left" => Mount::Left,
        _ => Mount::Right,
    };
    let percent = within(fields, "percent", -MOST_BIAS_PERCENT..=MOST_BIAS_PERCENT);
    Mishap::PipetteBias { mount, percent, ul: within(fields, "ul", -MOST_BIAS_UL..=MOST_BIAS_UL) }
}

fn empty(fields: &mut Fields<'_>) -> Option<Deed> {
    let well = fields.text("well");
    let slot = match fields.raw("slot").map(|_| fields.whole("slot")) {
        None => Some(VIALS_SLOT),
        Some(number) => u8::try_from(number).ok().and_then(Slot::new),
    };
    if slot.is_none() {
        fields.complain("slot", "must be a number from 1 to 12");
    }
    Some(Deed::Empty { slot: slot?, well })
}

/// A number that is 0 where it is left out.
fn within(fields: &mut Fields<'_>, name: &str, range: std::ops::RangeInclusive<f64>) -> f64 {
    let number = fields.optional_number(name).unwrap_or(0.0);
    if !range.contains(&number) {
        fields.complain(name, format!("must be from {} to {}", range.start(), range.end()));
    }
    number
}

/// Does it. What can't be done changes nothing.
pub fn carry_out(deeds: &[Deed], world: &mut World) -> Result<(), WorldError> {
    for deed in deeds {
        match deed {
            Deed::Evaporate { ul } => world.evaporate(*ul, Utc::now())?,
            Deed::Empty { slot, well } => world.empty(*slot, well, Utc::now())?,
        };
    }
    Ok(())
}

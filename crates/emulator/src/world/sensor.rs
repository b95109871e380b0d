//! What the colour sensor looks at, and what is broken about it.

use super::{
    event::Spot,
    geometry::LabwareKind,
    liquid::Liquid,
    place::{end_of, place_under, spot},
    state::State,
};

/// Where the sensor's window may be against a well's rim to look through that well, mm.
const SENSOR_WINDOW_MM: std::ops::RangeInclusive<f64> = -4.0..=6.0;

/// What is under the colour sensor's window.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// A well it looks through, and how far from the middle it is, in mm.
    Well { spot: Spot, liquid: Liquid, off_centre_mm: f64 },
    /// The dark floor of its dock.
    Dock { spot: Spot },
    /// Deck, air, the side of something.
    Elsewhere,
}

/// What is broken about the sensor. Not part of the ledger: a restart mends it.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorFaults {
    /// The LED's light as a share of what it should be: 0 is off.
    pub light: f64,
    /// The room's light as a share of the usual: 0 is night, and thousands are the sun.
    pub room: f64,
    /// Readings that get this share of the LED's light less…
    pub flicker: f64,
    /// …are every second, or every so-manieth.
    pub flicker_every: u64,
    /// A band, by its name, that counts nothing.
    pub dead_band: Option<String>,
    /// It sticks in its dock: the nozzle presses on it and comes away empty.
    pub is_stuck: bool,
}

impl Default for SensorFaults {
    fn default() -> Self {
        Self { light: 1.0, room: 1.0, flicker: 0.0, flicker_every: 2, dead_band: None, is_stuck: false }
    }
}

/// What the sensor looks at: the well under its window, the dock's floor, or nothing in particular.
pub(crate) fn sensor_view(state: &State) -> View {
    let docked = state.slots().find_map(|(slot, placed)| Some((slot, placed, placed.sensor_in.as_ref()?)));
    if let Some((slot, placed, well)) = docked {
        return View::Dock { spot: spot(slot, placed, well) };
    }
    let Some(mount) = state.sensor_mount() else { return View::Elsewhere };
    let window = end_of(state.nozzle(mount), state.tool(mount));
    let Some(place) = place_under(state, window) else { return View::Elsewhere };
    let above_rim = window.z - place.rim_z();
    if place.placed.labware.kind != LabwareKind::Vessels || !SENSOR_WINDOW_MM.contains(&above_rim) {
        return View::Elsewhere;
    }
    View::Well { spot: place.spot(), liquid: place.liquid(), off_centre_mm: place.off_centre_mm(window) }
}

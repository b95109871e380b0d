//! How long things take: nominal times of an OT-2, corrected by the pace at which this robot really goes.

use domain::Step;
use std::time::Duration;

/// Seconds that a step takes on an OT-2 at its usual speeds: means over the emulated motion model.
fn nominal_seconds(step: &Step) -> f64 {
    match step {
        Step::Home => 8.0,
        Step::PickUpTip { .. } | Step::PickUpSensor { .. } => 5.0,
        Step::Aspirate { volume, .. } | Step::Dispense { volume, .. } => 2.0 + volume.ul() / 93.0,
        Step::AirGap { volume, .. } | Step::ExpelAir { volume, .. } => 1.0 + volume.ul() / 93.0,
        Step::MixDraw { volume, .. } | Step::MixGive { volume, .. } => 0.7 + volume.ul() / 93.0,
        Step::TouchTip { .. } => 2.0,
        Step::BlowOutInto { .. } => 1.5,
        Step::BlowOut { .. } => 3.0,
        Step::ReturnTip { .. } | Step::ParkSensor { .. } | Step::MoveSensorToDock { .. } => 4.0,
        Step::MoveToTrash { .. } | Step::MoveSensor { .. } => 2.0,
        Step::DropInPlace { .. } => 1.5,
        // Four exposures of 0.6 s, and mostly one in the dark.
        Step::Read { .. } | Step::CheckBlank { .. } => 3.0,
        Step::DockSensor { .. } => 4.0,
        Step::Mix { .. } | Step::PresentSensor { .. } => step.clone().in_strokes().iter().map(nominal_seconds).sum(),
    }
}

/// The look at a new plate: the sensor fetched and parked, five looks.
const NEW_PLATE_SECONDS: f64 = 34.0;

/// Nominal seconds for `experiments` of together `wells` wells, each well of about three dyes.
pub fn experiment_seconds(wells: u64, experiments: usize) -> f64 {
    let wells = wells as f64;
    let plates = wells / domain::PLATE_WELLS as f64;
    wells * 20.4 + plates * NEW_PLATE_SECONDS + experiments as f64 * 60.0
}

/// Learns a robot's pace from the steps it carries out.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    real: f64,
    nominal: f64,
}

impl Pace {
    pub const fn unknown() -> Self {
        Self { real: 0.0, nominal: 0.0 }
    }

    /// Old observations fade, so that a changed speed is noticed within some twenty steps.
    pub fn observe(&mut self, step: &Step, took: Duration) {
        const KEEP: f64 = 0.95;
        self.real = self.real * KEEP + took.as_secs_f64();
        self.nominal = self.nominal * KEEP + nominal_seconds(step);
    }

    /// Real seconds a nominal second; 1 before anything was seen.
    pub fn factor(&self) -> f64 {
        if self.nominal > 0.0 { self.real / self.nominal } else { 1.0 }
    }

    pub fn seconds<'a>(&self, steps: impl IntoIterator<Item = &'a Step>) -> f64 {
        // Not `sum`: the sum of no floats is −0.
        steps.into_iter().map(nominal_seconds).fold(0.0, |sum, seconds| sum + seconds) * self.factor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_robot_is_noticed() {
        let mut pace = Pace::unknown();
        assert!((pace.seconds([&Step::Home]) - 8.0).abs() < 1e-9);
        for _ in 0..50 {
            pace.observe(&Step::Home, Duration::from_millis(80));
        }
        assert!((pace.seconds([&Step::Home]) - 0.08).abs() < 1e-6);
    }
}

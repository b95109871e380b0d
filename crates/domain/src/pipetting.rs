//! How exactly the pipettes measure: their stated error.

use crate::{PipetteModel, Volume};

/// The error stated for one volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatedError {
    /// Standard deviation over volume of one transfer.
    pub cv: f64,
    /// No single transfer is further off than this, µL: the bias of the instrument and [`CUT_OFF`] standard deviations.
    pub limit_ul: f64,
}

/// Bias of an instrument lies within ± this share of the volume…
pub const BIAS_SHARE: f64 = 0.01;
/// …and ± this, µL.
pub const BIAS_UL: f64 = 0.2;
/// A transfer further off than this many standard deviations is a broken pipette's.
pub const CUT_OFF: f64 = 3.0;

impl PipetteModel {
    /// How far a transfer of `volume_ul` (aspirated in one stroke, dispensed in one stroke) may be from what was asked.
    ///
    /// Of several portions dispensed from one aspiration each has this error, except the last, which takes what is left
    /// and with it the errors of all before.
    pub fn stated_error(self, volume_ul: f64) -> StatedError {
        let cv = interpolated(self.variation(), volume_ul);
        StatedError { cv, limit_ul: volume_ul * (BIAS_SHARE + CUT_OFF * cv) + BIAS_UL }
    }

    /// Standard deviation, µL, of an amount that is given in as many equal strokes as it takes.
    pub(crate) fn spread_ul(self, volume: Volume) -> f64 {
        let strokes = f64::from(volume.nanolitres().div_ceil(self.most().nanolitres()).max(1));
        let stroke_ul = volume.ul() / strokes;
        strokes.sqrt() * stroke_ul * self.stated_error(stroke_ul).cv
    }

    /// (volume in µL, coefficient of variation): the figures of the lab's simulation study, in line with what Opentrons
    /// publishes for its GEN2 pipettes.
    const fn variation(self) -> &'static [(f64, f64)] {
        match self {
            Self::P300SingleGen2 => &[(20.0, 0.025), (50.0, 0.015), (200.0, 0.007)],
            Self::P20SingleGen2 => &[(1.0, 0.03), (5.0, 0.025), (20.0, 0.02)],
        }
    }
}

fn interpolated(table: &[(f64, f64)], volume_ul: f64) -> f64 {
    let above = table.iter().position(|(volume, _)| *volume >= volume_ul);
    match above {
        Some(0) => table.first().map_or(0.0, |(_, cv)| *cv),
        None => table.last().map_or(0.0, |(_, cv)| *cv),
        Some(next) => between(table.get(next - 1), table.get(next), volume_ul),
    }
}

fn between(low: Option<&(f64, f64)>, high: Option<&(f64, f64)>, volume_ul: f64) -> f64 {
    let (Some((low_ul, low_cv)), Some((high_ul, high_cv))) = (low, high) else { return 0.0 };
    low_cv + (high_cv - low_cv) * (volume_ul - low_ul) / (high_ul - low_ul)
}

//! How exactly the pipettes measure: the stated error, and one draw from it.

use domain::{Mount, PipetteModel};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::StandardNormal;

/// Whether a tip made for `capacity_ul` fits the nozzle of `model`.
pub(crate) fn takes_tip_of(model: PipetteModel, capacity_ul: f64) -> bool {
    match model {
        PipetteModel::P300SingleGen2 => (100.0..=300.0).contains(&capacity_ul),
        PipetteModel::P20SingleGen2 => (0.0..=20.0).contains(&capacity_ul),
    }
}

/// (volume in µL, coefficient of variation): the figures of the lab's simulation study, in line with what Opentrons
/// publishes for its GEN2 pipettes.
const fn variation(model: PipetteModel) -> &'static [(f64, f64)] {
    match model {
        PipetteModel::P300SingleGen2 => &[(20.0, 0.025), (50.0, 0.015), (200.0, 0.007)],
        PipetteModel::P20SingleGen2 => &[(1.0, 0.03), (5.0, 0.025), (20.0, 0.02)],
    }
}

/// The error stated for one volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatedError {
    /// Standard deviation over volume of one transfer.
    pub cv: f64,
    /// No single transfer is further off than this, µL: the bias of the instrument (at most 1 % and 0.2 µL) and three
    /// standard deviations, where the draw is cut off.
    pub limit_ul: f64,
}

/// Bias of an instrument lies within ± this share of the volume…
const BIAS_SHARE: f64 = 0.01;
/// …and ± this, µL.
const BIAS_UL: f64 = 0.2;
/// Draws beyond this many standard deviations are cut off.
const CUT_OFF: f64 = 3.0;

/// How far a transfer of `volume_ul` (aspirated in one stroke, dispensed in one stroke) may be from what was asked.
///
/// Of several portions dispensed from one aspiration each has this error, except the last, which takes what is left
/// and with it the errors of all before.
pub fn stated_pipette_error(model: PipetteModel, volume_ul: f64) -> StatedError {
    let cv = interpolated(variation(model), volume_ul);
    StatedError { cv, limit_ul: volume_ul * (BIAS_SHARE + CUT_OFF * cv) + BIAS_UL }
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

/// What `model` on `mount` really moves when asked for `volume_ul`. The bias belongs to the instrument (the seed), the
/// rest to the stroke (`noise`).
pub(crate) fn stroke(model: PipetteModel, mount: Mount, seed: u64, volume_ul: f64, noise: &mut ChaCha8Rng) -> f64 {
    let (bias_share, bias_ul) = bias(mount, seed);
    let error = stated_pipette_error(model, volume_ul);
    let draw: f64 = noise.sample::<f64, _>(StandardNormal).clamp(-CUT_OFF, CUT_OFF);
    (volume_ul * (1.0 + bias_share + error.cv * draw) + bias_ul).max(0.0)
}

fn bias(mount: Mount, seed: u64) -> (f64, f64) {
    let mut instrument = ChaCha8Rng::seed_from_u64(seed);
    instrument.set_stream(match mount {
        Mount::Left => u64::MAX,
        Mount::Right => u64::MAX - 1,
    });
    let share = instrument.random_range(-BIAS_SHARE..=BIAS_SHARE);
    (share, instrument.random_range(-BIAS_UL..=BIAS_UL))
}

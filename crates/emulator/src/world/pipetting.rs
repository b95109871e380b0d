//! What the pipettes really move: one draw from their stated error.

use domain::{
    Mount, PipetteModel,
    pipetting::{BIAS_SHARE, BIAS_UL, CUT_OFF, StatedError},
};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::StandardNormal;

/// Whether a tip made for `capacity_ul` fits the nozzle of `model`.
pub(crate) fn takes_tip_of(model: PipetteModel, capacity_ul: f64) -> bool {
    match model {
        PipetteModel::P10Single | PipetteModel::P20SingleGen2 => (0.0..=20.0).contains(&capacity_ul),
        PipetteModel::P50Single | PipetteModel::P300Single | PipetteModel::P300SingleGen2 => {
            (100.0..=300.0).contains(&capacity_ul)
        }
        PipetteModel::P1000Single | PipetteModel::P1000SingleGen2 => (1_000.0..=1_000.0).contains(&capacity_ul),
    }
}

/// How far a transfer of `volume_ul` may be from what was asked: what is stated is what this pipette does.
pub fn stated_pipette_error(model: PipetteModel, volume_ul: f64) -> StatedError {
    model.stated_error(volume_ul)
}

/// How far an instrument is always off: a share of what it moves, and µL a stroke.
pub(crate) type Bias = (f64, f64);

/// What `model` really moves when asked for `volume_ul`. The bias belongs to the instrument, the rest to the stroke (`noise`).
pub(crate) fn stroke(model: PipetteModel, (bias_share, bias_ul): Bias, volume_ul: f64, noise: &mut ChaCha8Rng) -> f64 {
    let error = stated_pipette_error(model, volume_ul);
    let draw: f64 = noise.sample::<f64, _>(StandardNormal).clamp(-CUT_OFF, CUT_OFF);
    (volume_ul * (1.0 + bias_share + error.cv * draw) + bias_ul).max(0.0)
}

/// The bias of the instrument on `mount` in the lab of that seed.
pub(crate) fn bias_of(mount: Mount, seed: u64) -> Bias {
    let mut instrument = ChaCha8Rng::seed_from_u64(seed);
    instrument.set_stream(match mount {
        Mount::Left => u64::MAX,
        Mount::Right => u64::MAX - 1,
    });
    let share = instrument.random_range(-BIAS_SHARE..=BIAS_SHARE);
    (share, instrument.random_range(-BIAS_UL..=BIAS_UL))
}

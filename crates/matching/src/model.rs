//! How a recipe becomes what the bands read: Beer and Lambert, and what real wells add to it.
//!
//! In each band, absorbance is linear in unknown weights: a weight for each dye (its absorptivity), a constant, a curvature for
//! each pair of dyes, and a few random Fourier features for whatever else there is. [`Optics`] takes what isn't linear (light that passes the
//! well by, a detector that saturates, light of many wavelengths) off a reading before.

use crate::dyes::BRIGHTNESS;
use nalgebra::{SMatrix, SVector};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// A number for each of the sensor's eight bands.
pub type Bands = SVector<f64, 8>;
/// A covariance between them.
pub type BandMatrix = SMatrix<f64, 8, 8>;

/// Ratios below this aren't told from black, and this is how far the dark that was taken off may be wrong: a few counts of the darkest
/// band's 3,400.
const FLOOR: f64 = 0.001;
const DARK_NOISE: f64 = 0.000_7;
/// Standard deviation of what a clear well seems to absorb: plates differ.
const CONSTANT_SD: f64 = 0.02;
/// Curvature of a pair of dyes, as a share of the root of their absorptivities' product (the study).
const CURVATURE: f64 = 0.12;
/// Random features of the residual, and how far apart two recipes are that it knows to differ, in shares of a well (the study).
const FEATURES: usize = 24;
const LENGTH: f64 = 0.35;
/// Below this share of dye the residual fades out: a nearly clear well hides no surprise.
const FADE: f64 = 0.2;
/// Noise of a reading in ln ratio, alike in all bands (where the sensor is put down, the LED) and of each band.
const GAIN_NOISE: f64 = 0.012;
const BAND_NOISE: f64 = 0.0045;
/// Counts of the brightest band of a clear well.
const WHITE_COUNTS: f64 = 45_000.0;

/// How alike neighbouring bands are: exp(−|distance| / 2).
pub fn near_bands() -> BandMatrix {
    BandMatrix::from_fn(|i, j| (-(i.abs_diff(j) as f64) / 2.0).exp())
}

/// What lies between absorbance and a reading. `DEFAULT` is the textbook's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optics {
    /// The share of white that reaches the sensor without passing the liquid.
    pub stray: f64,
    /// By how much the detector's answer to white falls short of proportional.
    pub saturation: f64,
    /// Absorbance grows with the amount to this power, about.
    pub power: f64,
}

/// The power law is linear below this absorbance: nothing's slope is infinite.
const POWER_KNEE: f64 = 0.3;
/// Where it changes nothing: an absorbance of 1, decadic.
const POWER_FIXED: f64 = std::f64::consts::LN_10;

impl Optics {
    pub const DEFAULT: Self = Self { stray: 0.0, saturation: 0.0, power: 1.0 };

    /// Whether such a ratio can be: not less light than there is without passing the liquid.
    pub fn admits(&self, ratio: f64) -> bool {
        self.linear(ratio) >= self.stray
    }

    /// As a detector that is proportional would have it.
    fn linear(&self, ratio: f64) -> f64 {
        ratio / (1.0 + self.saturation - self.saturation * ratio)
    }

    /// Absorbance of the liquid, and how much it falls when ln ratio grows by 1.
    pub fn absorbance(&self, ratio: f64) -> (f64, f64) {
        let (stray, saturation) = (self.stray, self.saturation);
        let lower = FLOOR * (1.0 - stray) + stray;
        let ratio = ratio.clamp(lower, 1.2);
        let share = ((self.linear(ratio) - stray) / (1.0 - stray)).max(FLOOR);
        let slope = (1.0 + saturation) / (1.0 + saturation - saturation * ratio) * (share * (1.0 - stray) + stray)
            / (share * (1.0 - stray));
        let (straight, bend) = self.straighten(-share.ln());
        (straight, slope * bend)
    }

    /// The ratio that a reading of this absorbance has.
    pub fn ratio(&self, absorbance: f64) -> f64 {
        let share = (-self.bend(absorbance)).exp() * (1.0 - self.stray) + self.stray;
        share * (1.0 + self.saturation) / (1.0 + self.saturation * share)
    }

    fn straighten(&self, absorbance: f64) -> (f64, f64) {
        if self.power == 1.0 {
            return (absorbance, 1.0);
        }
        if absorbance <= 0.0 {
            let slope = 1.0 / self.scale();
            return (absorbance * slope, slope);
        }
        let exponent = 1.0 / self.power;
        let base = 1.0 + absorbance / POWER_KNEE;
        let scale = POWER_KNEE * self.power / self.scale();
        (scale * (base.powf(exponent) - 1.0), base.powf(exponent - 1.0) / self.scale())
    }

    fn bend(&self, straight: f64) -> f64 {
        if self.power == 1.0 {
            return straight;
        }
        if straight <= 0.0 {
            return straight * self.scale();
        }
        let scale = POWER_KNEE * self.power / self.scale();
        POWER_KNEE * ((straight / scale + 1.0).powf(self.power) - 1.0)
    }

    /// So that [`POWER_FIXED`] stays where it is.
    fn scale(&self) -> f64 {
        let curve = POWER_KNEE * self.power * ((1.0 + POWER_FIXED / POWER_KNEE).powf(1.0 / self.power) - 1.0);
        curve / POWER_FIXED
    }
}

/// The features of a recipe, in this order: dyes, constant, pairs, residual.
#[derive(Clone, Debug)]
pub struct Design {
    dyes: usize,
    /// Frequencies and phase of each residual feature.
    waves: Vec<(Vec<f64>, f64)>,
}

impl Design {
    pub fn new(dyes: usize) -> Self {
        // Of the model and not of the task: which features there are is no matter of a seed that a person gives.
        let mut dice = ChaCha8Rng::seed_from_u64(24);
        let mut wave = || {
            let frequencies = (0..dyes).map(|_| dice.sample::<f64, _>(StandardNormal) / LENGTH).collect();
            (frequencies, dice.random_range(0.0..TAU))
        };
        Self { dyes, waves: (0..FEATURES).map(|_| wave()).collect() }
    }

    pub const fn dyes(&self) -> usize {
        self.dyes
    }

    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let dyes = self.dyes;
        (0..dyes).flat_map(move |first| (first..dyes).map(move |second| (first, second)))
    }

    /// How many features there are.
    pub fn len(&self) -> usize {
        self.dyes + 1 + self.dyes * (self.dyes + 1) / 2 + FEATURES
    }

    /// Of a recipe, in shares of a full well.
    pub fn features(&self, shares: &[f64]) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.len());
        features.extend_from_slice(shares);
        features.push(1.0);
        features.extend(self.pairs().map(|(first, second)| shares[first] * shares[second]));
        let fade = (shares.iter().sum::<f64>() / FADE).min(1.0);
        let height = fade * (2.0 / FEATURES as f64).sqrt();
        features.extend(self.waves.iter().map(|(frequencies, phase)| {
            height
                * (frequencies.iter().zip(shares).map(|(frequency, share)| frequency * share).sum::<f64>() + phase)
                    .cos()
        }));
        features
    }

    /// The prior covariance of each feature's weight, given the dyes' and about how strong they are.
    pub fn covariances(&self, dyes: &[BandMatrix], strength: &[Bands], residual: f64) -> Vec<BandMatrix> {
        let near = near_bands();
        let mut all = Vec::with_capacity(self.len());
        all.extend_from_slice(dyes);
        all.push(BandMatrix::identity() * CONSTANT_SD.powi(2));
        all.extend(self.pairs().map(|(first, second)| {
            let sd = strength[first].zip_map(&strength[second], |a, b| CURVATURE * (a.max(0.05) * b.max(0.05)).sqrt());
            near.component_mul(&(sd * sd.transpose()))
        }));
        all.extend(std::iter::repeat_n(near * residual.powi(2), FEATURES));
        all
    }
}

/// The covariance of a well's absorbances by pipetting and reading. `slopes` are those of [`Optics::absorbance`].
pub fn noise(ul: &[f64], shares: &[f64], ratios: &Bands, slopes: &Bands, strength: &[Bands]) -> BandMatrix {
    let own = ratios.zip_map(&BRIGHTNESS, |ratio, brightness| {
        BAND_NOISE.powi(2)
            + 1.0 / (WHITE_COUNTS * brightness * ratio.max(FLOOR))
            + (DARK_NOISE / ratio.max(FLOOR)).powi(2)
    });
    let reading = BandMatrix::repeat(GAIN_NOISE.powi(2)) + BandMatrix::from_diagonal(&own);
    let pipetting = ul
        .iter()
        .zip(shares)
        .zip(strength)
        .map(|((ul, share), strength)| strength * strength.transpose() * (pipetting_cv(*ul) * share).powi(2));
    reading.component_mul(&(slopes * slopes.transpose())) + pipetting.sum::<BandMatrix>()
}

/// Coefficient of variation of an amount: 2.5 % at 20 µL, 1.5 % at 50, 0.7 % from 200 on (Opentrons' figures for the p300; the study),
/// between them by the logarithm of the amount.
fn pipetting_cv(ul: f64) -> f64 {
    let between = |(from, at_from): (f64, f64), (to, at_to): (f64, f64)| {
        let way = (ul / from).ln() / (to / from).ln();
        at_from + (at_to - at_from) * way
    };
    match ul {
        ul if ul < 20.0 => 0.025,
        ul if ul < 50.0 => between((20.0, 0.025), (50.0, 0.015)),
        ul if ul < 200.0 => between((50.0, 0.015), (200.0, 0.007)),
        _ => 0.007,
    }
}

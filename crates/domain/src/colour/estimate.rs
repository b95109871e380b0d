//! The colour that eight bands allow, and the map from bands to colour with the regression it comes from.

use super::{
    spaces::{Lab, WHITE, Xyz},
    srgb::Srgb,
};
use crate::reading::{BANDS, BasicCounts};
use serde::{Deserialize, Serialize};

/// A colour, measured or predicted, as far as eight bands tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub xyz: Xyz,
    pub lab: Lab,
    pub srgb: Srgb,
    /// Sample over white in each band, in order of [`crate::reading::BANDS`].
    #[serde(alias = "reflectance")]
    pub transmittance: [f64; 8],
}

impl Estimate {
    /// Decadic absorbance of each band: how many tenfold weakenings the light went through. Nothing where none came through.
    pub fn absorbance(&self) -> [Option<f64>; 8] {
        // −0 is no absorbance that anybody wants to read.
        self.transmittance.map(|share| (share > 0.0).then(|| 0.0 - share.log10()))
    }
}

/// Why a colour can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColourError {
    #[error("the white reference is dark in band {band}: read a clear well again, with the light on")]
    DarkWhite { band: &'static str },
    #[error("a reading holds something that is no number")]
    NotFinite,
}

/// How bands become a colour, for whoever reads a result.
pub const METHOD: &str = "fixed 3×8 map from AS7341 band ratios (sample less dark, over white less dark) to CIE XYZ (D65, CIE 1931 2°), by \
     regression over smooth spectra under a white LED";

/// Band ratios less one, to XYZ less the white point.
///
/// Regression over 3,000 random smooth spectra under a typical white LED (the test `the_map_is_its_regression` is the
/// recipe), so that a clear well is exactly white. The colour is the *device's*: on dye mixtures it differs from a
/// spectrophotometer's by ΔE2000 ≈ 0.1 under that very LED, by up to 1 under another, by about 1.7 in even light or daylight (3.1
/// in one of twenty). Regression to XYZ from known spectra is one of the ways that ams-OSRAM's application note AN000633 ("Spectral
/// Sensor Calibration Methods") gives; the spectra and the light are ours.
pub const BANDS_TO_XYZ: [[f64; 8]; 3] = [
    [0.046_899, 0.086_202, 0.053_490, -0.000_183, 0.163_961, 0.294_500, 0.287_701, 0.017_418],
    [-0.000_911, 0.007_895, 0.035_333, 0.266_742, 0.364_818, 0.203_933, 0.116_997, 0.004_892],
    [0.241_912, 0.371_251, 0.505_047, -0.056_675, 0.043_748, -0.025_367, 0.010_581, -0.002_415],
];

/// The colour of a sample against a white reference read through a clear well. Dark counts are the caller's to subtract:
/// [`crate::reading::Average::estimate`] does.
pub fn estimate(sample: &BasicCounts, white: &BasicCounts) -> Result<Estimate, ColourError> {
    let mut transmittance = [0.0; 8];
    let pairs = sample.bands.iter().zip(&white.bands).zip(&BANDS);
    for (ratio, ((sample, white), band)) in transmittance.iter_mut().zip(pairs) {
        if !sample.is_finite() || !white.is_finite() {
            return Err(ColourError::NotFinite);
        }
        if *white <= 0.0 {
            return Err(ColourError::DarkWhite { band: band.name });
        }
        // Where almost no light comes through, noise may leave less than the dark.
        *ratio = (sample / white).max(0.0);
    }
    Ok(of_ratios(transmittance))
}

/// The colour of a sample that has these shares of white in the eight bands.
pub(crate) fn of_ratios(transmittance: [f64; 8]) -> Estimate {
    let xyz = xyz_of_ratios(&transmittance);
    Estimate { xyz, lab: xyz.to_lab(), srgb: xyz.to_srgb(), transmittance }
}

fn xyz_of_ratios(ratios: &[f64; 8]) -> Xyz {
    let [x, y, z] =
        BANDS_TO_XYZ.map(|row| row.iter().zip(ratios).map(|(weight, ratio)| weight * (ratio - 1.0)).sum::<f64>());
    // Regression knows no black: very dark samples can come out a little below it.
    Xyz { x: (WHITE.x + x).max(0.0), y: (WHITE.y + y).max(0.0), z: (WHITE.z + z).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dye,
        reading::{Channels, Gain, Reading, SensorSettings},
        spectrum::{Spectrum, gaussian, white_led},
    };

    /// SplitMix64: a few lines, and the same numbers for ever, which the constants in this file rely on.
    struct Dice(u64);

    impl Dice {
        /// 0 to 1.
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }

        fn between(&mut self, low: f64, high: f64) -> f64 {
            low + (high - low) * self.roll()
        }
    }

    /// A clear liquid with one to four absorption bands of random place, width and strength.
    fn smooth_spectrum(dice: &mut Dice) -> Spectrum {
        let lobes: Vec<_> = (0..1 + (dice.roll() * 4.0) as usize)
            .map(|_| (dice.between(380.0, 740.0), dice.between(15.0, 60.0), 2.0 * dice.roll().powi(2)))
            .collect();
        Spectrum::sample(|nm| lobes.iter().map(|(centre, sigma, height)| height * gaussian(nm, *centre, *sigma)).sum())
            .map(|absorbance: f64| 10f64.powf(-absorbance))
    }

    fn ratios(transmittance: &Spectrum, light: &Spectrum) -> [f64; 8] {
        BANDS.map(|band| {
            let lit = band.response().times(light);
            transmittance.weighed_by(&lit) / lit.weighed_by(&Spectrum::flat(1.0))
        })
    }

    fn fit(light: &Spectrum) -> [[f64; 8]; 3] {
        let mut dice = Dice(1931);
        let (mut normal, mut right) = ([[0.0; 8]; 8], [[0.0; 8]; 3]);
        for _ in 0..3_000 {
            let spectrum = smooth_spectrum(&mut dice);
            let step = ratios(&spectrum, light).map(|ratio| ratio - 1.0);
            let Xyz { x, y, z } = Xyz::of_filtered_daylight(&spectrum);
            let targets = [x - WHITE.x, y - WHITE.y, z - WHITE.z];
            // Lightness is a cube root: an error counts for more in the dark.
            let weight = 1.0 / (y + 0.05).powf(4.0 / 3.0);
            for i in 0..8 {
                (0..8).for_each(|j| normal[i][j] += weight * step[i] * step[j]);
                (0..3).for_each(|k| right[k][i] += weight * step[i] * targets[k]);
            }
        }
        right.map(|right| solve(normal, right))
    }

    /// Gauss and Jordan, with the diagonal as pivot: the matrix is positive definite.
    fn solve(mut matrix: [[f64; 8]; 8], mut right: [f64; 8]) -> [f64; 8] {
        for pivot in 0..8 {
            for row in (0..8).filter(|row| *row != pivot) {
                let factor = matrix[row][pivot] / matrix[pivot][pivot];
                (pivot..8).for_each(|column| matrix[row][column] -= factor * matrix[pivot][column]);
                right[row] -= factor * right[pivot];
            }
        }
        std::array::from_fn(|row| right[row] / matrix[row][row])
    }

    fn sorted_errors(count: usize, light: &Spectrum, mut spectrum: impl FnMut() -> Spectrum) -> Vec<f64> {
        let mut errors: Vec<f64> = (0..count)
            .map(|_| {
                let spectrum = spectrum();
                let seen = xyz_of_ratios(&ratios(&spectrum, light)).to_lab();
                seen.delta_e_2000(Xyz::of_filtered_daylight(&spectrum).to_lab())
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        errors
    }

    fn dye_mixture(dice: &mut Dice) -> Spectrum {
        let amounts: Vec<_> =
            (0..3).map(|_| if dice.roll() < 0.25 { 0.0 } else { dice.between(20.0, 140.0) }).collect();
        let total = amounts.iter().sum::<f64>().max(dye::FULL_WELL_UL);
        let mixture: Vec<_> = dye::all().iter().zip(amounts).map(|(dye, amount)| (dye, amount / total)).collect();
        dye::mixture_transmittance(&mixture)
    }

    #[test]
    fn the_map_is_its_regression() {
        for (constant, fitted) in BANDS_TO_XYZ.iter().flatten().zip(fit(&white_led()).iter().flatten()) {
            assert!((constant - fitted).abs() < 1e-6, "the constant {constant} should be {fitted:.6}");
        }
    }

    #[test]
    fn an_estimate_is_near_what_the_eye_sees() {
        let mut dice = Dice(77);
        let unseen = sorted_errors(1_000, &white_led(), || smooth_spectrum(&mut dice));
        assert!(unseen[500] < 0.2 && unseen[900] < 0.5, "median {}, p90 {}", unseen[500], unseen[900]);
        let mut dice = Dice(7);
        let another_led = Spectrum::sample(|nm| gaussian(nm, 456.0, 12.0) + 0.5 * gaussian(nm, 548.0, 50.0));
        let by_another_led = sorted_errors(1_000, &another_led, || dye_mixture(&mut dice));
        let (median, p90) = (by_another_led[500], by_another_led[900]);
        assert!(median < 1.0 && p90 < 2.5, "median {median}, p90 {p90}");
    }

    fn counts(bands: [f64; 8]) -> BasicCounts {
        BasicCounts { bands, clear: Some(1.0), nir: Some(0.1) }
    }

    #[test]
    fn a_clear_well_is_white_and_a_black_one_black() {
        let white = counts([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let clear = estimate(&white, &white).expect("an estimate");
        assert_eq!((clear.srgb.to_string().as_str(), clear.transmittance), ("#ffffff", [1.0; 8]));
        let black = estimate(&counts([0.0; 8]), &white).expect("an estimate");
        assert!(black.lab.l < 2.0, "{:?}", black.lab);
    }

    #[test]
    fn a_dark_white_or_a_broken_number_is_an_error_and_never_nan() {
        let mut white = counts([1.0; 8]);
        white.bands[3] = 0.0;
        assert_eq!(estimate(&counts([0.5; 8]), &white), Err(ColourError::DarkWhite { band: "ch510" }));
        assert_eq!(estimate(&counts([f64::NAN; 8]), &counts([1.0; 8])), Err(ColourError::NotFinite));
        let dark = Reading::new(Channels::default(), SensorSettings::default()).basic_counts();
        assert!(estimate(&dark, &dark).is_err());
    }

    #[test]
    fn gain_changes_no_colour() {
        let at = |code, count: u16| {
            let settings = SensorSettings::new(Gain::from_code(code).expect("code"), 100, 999).expect("settings");
            Reading::new(Channels::new([count; 8], count, 10), settings).basic_counts()
        };
        let same = estimate(&at(8, 20_000), &at(8, 40_000)).expect("an estimate");
        let other = estimate(&at(7, 10_000), &at(8, 40_000)).expect("an estimate");
        assert_eq!(same, other);
    }
}

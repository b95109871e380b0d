//! Colour as people compare it: CIE XYZ, Lab and sRGB, the difference ΔE2000, and the estimate a colour sensor allows.

use crate::{
    Recipe, dye,
    reading::{BasicCounts, Reading},
    spectrum::{D65, Spectrum, observer, white_led},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, sync::LazyLock};

/// CIE 1931 tristimulus values under D65, relative to Y = 1 for white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Xyz {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

/// White under D65 for the 2° observer (IEC 61966-2-1).
pub const WHITE: Xyz = Xyz { x: 0.950_47, y: 1.0, z: 1.088_83 };

/// CIE 1976 L*a*b* under D65. L 0–100, a and b roughly −128 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lab {
    pub l: f64,
    pub a: f64,
    pub b: f64,
}

/// A screen colour; in text and JSON `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Srgb(pub [u8; 3]);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no colour: write it as #rrggbb")]
pub struct SrgbError(String);

impl Xyz {
    /// What the eye sees of daylight through a filter of this transmittance (or off a surface of this reflectance).
    ///
    /// A clear filter is exactly [`WHITE`]: the observer's fit is scaled to it, by less than half a percent.
    pub fn of_filtered_daylight(transmittance: &Spectrum) -> Self {
        let [x, y, z] = &*DAYLIGHT_OBSERVER;
        Self { x: transmittance.weighed_by(x), y: transmittance.weighed_by(y), z: transmittance.weighed_by(z) }
    }

    pub fn to_lab(self) -> Lab {
        let [x, y, z] = [self.x / WHITE.x, self.y / WHITE.y, self.z / WHITE.z].map(lightness_curve);
        Lab { l: 116.0 * y - 16.0, a: 500.0 * (x - y), b: 200.0 * (y - z) }
    }

    /// Colours no screen can show are brought to the nearest edge, channel by channel.
    pub fn to_srgb(self) -> Srgb {
        let Self { x, y, z } = self;
        Srgb([
            encoded(3.240_454_2 * x - 1.537_138_5 * y - 0.498_531_4 * z),
            encoded(-0.969_266_0 * x + 1.876_010_8 * y + 0.041_556_0 * z),
            encoded(0.055_643_4 * x - 0.204_025_9 * y + 1.057_225_2 * z),
        ])
    }
}

/// Observer times daylight, scaled so that their integrals are the white point.
static DAYLIGHT_OBSERVER: LazyLock<[Spectrum; 3]> = LazyLock::new(|| {
    let [x, y, z] = observer();
    let scaled = |curve: Spectrum, white: f64| {
        let lit = curve.times(&D65);
        let factor = white / lit.weighed_by(&Spectrum::flat(1.0));
        lit.map(|value| value * factor)
    };
    [scaled(x, WHITE.x), scaled(y, WHITE.y), scaled(z, WHITE.z)]
});

/// CIE's f(t): a cube root, straight near black.
fn lightness_curve(ratio: f64) -> f64 {
    const DELTA: f64 = 6.0 / 29.0;
    if ratio > DELTA.powi(3) { ratio.cbrt() } else { ratio / (3.0 * DELTA * DELTA) + 4.0 / 29.0 }
}

/// sRGB's transfer curve, to eight bits.
fn encoded(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let curved = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (curved * 255.0).round() as u8
}

impl Lab {
    pub fn to_xyz(self) -> Xyz {
        let y = (self.l + 16.0) / 116.0;
        let [x, y, z] = [y + self.a / 500.0, y, y - self.b / 200.0].map(ratio_of_lightness);
        Xyz { x: x * WHITE.x, y: y * WHITE.y, z: z * WHITE.z }
    }

    pub fn to_srgb(self) -> Srgb {
        self.to_xyz().to_srgb()
    }

    /// ΔE2000: how different two colours look. 1 is just noticeable side by side.
    ///
    /// Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research & Application 30(1), 2005.
    pub fn delta_e_2000(self, other: Self) -> f64 {
        let mean_chroma = f64::midpoint(self.a.hypot(self.b), other.a.hypot(other.b));
        let g = 0.5 * (1.0 - saturating_seventh(mean_chroma));
        let first = Polar::of(self, g);
        let second = Polar::of(other, g);

        let dl = other.l - self.l;
        let dc = second.chroma - first.chroma;
        let dh_degrees = first.hue_step_to(second);
        let dh = 2.0 * (first.chroma * second.chroma).sqrt() * (dh_degrees / 2.0).to_radians().sin();

        let l = f64::midpoint(self.l, other.l);
        let c = f64::midpoint(first.chroma, second.chroma);
        let h = first.mean_hue(second);
        let t = 1.0 - 0.17 * cos_degrees(h - 30.0) + 0.24 * cos_degrees(2.0 * h) + 0.32 * cos_degrees(3.0 * h + 6.0)
            - 0.20 * cos_degrees(4.0 * h - 63.0);
        let sl = 1.0 + 0.015 * (l - 50.0).powi(2) / (20.0 + (l - 50.0).powi(2)).sqrt();
        let sc = 1.0 + 0.045 * c;
        let sh = 1.0 + 0.015 * c * t;
        let rotation = 30.0 * (-((h - 275.0) / 25.0).powi(2)).exp();
        let rt = -2.0 * saturating_seventh(c) * (2.0 * rotation).to_radians().sin();
        ((dl / sl).powi(2) + (dc / sc).powi(2) + (dh / sh).powi(2) + rt * (dc / sc) * (dh / sh)).max(0.0).sqrt()
    }
}

fn ratio_of_lightness(value: f64) -> f64 {
    const DELTA: f64 = 6.0 / 29.0;
    if value > DELTA { value.powi(3) } else { 3.0 * DELTA * DELTA * (value - 4.0 / 29.0) }
}

/// √(c⁷ / (c⁷ + 25⁷)): 0 for greys, towards 1 for strong colours.
fn saturating_seventh(chroma: f64) -> f64 {
    let seventh = chroma.powi(7);
    (seventh / (seventh + 25f64.powi(7))).sqrt()
}

fn cos_degrees(degrees: f64) -> f64 {
    degrees.to_radians().cos()
}

/// Chroma and hue (degrees, 0–360) with a* stretched for greys, as ΔE2000 wants it.
#[derive(Clone, Copy)]
struct Polar {
    chroma: f64,
    hue: f64,
}

impl Polar {
    fn of(colour: Lab, g: f64) -> Self {
        let a = colour.a * (1.0 + g);
        let hue = if a == 0.0 && colour.b == 0.0 { 0.0 } else { colour.b.atan2(a).to_degrees().rem_euclid(360.0) };
        Self { chroma: a.hypot(colour.b), hue }
    }

    fn is_grey_beside(self, other: Self) -> bool {
        self.chroma * other.chroma == 0.0
    }

    /// From this hue to the other, the short way round.
    fn hue_step_to(self, other: Self) -> f64 {
        if self.is_grey_beside(other) {
            return 0.0;
        }
        match other.hue - self.hue {
            step if step > 180.0 => step - 360.0,
            step if step < -180.0 => step + 360.0,
            step => step,
        }
    }

    fn mean_hue(self, other: Self) -> f64 {
        let sum = self.hue + other.hue;
        if self.is_grey_beside(other) {
            return sum;
        }
        match (self.hue - other.hue).abs() > 180.0 {
            false => sum / 2.0,
            true if sum < 360.0 => (sum + 360.0) / 2.0,
            true => (sum - 360.0) / 2.0,
        }
    }
}

impl fmt::Display for Srgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([red, green, blue]) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl FromStr for Srgb {
    type Err = SrgbError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let digits = text
                .strip_prefix('#')
                .filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
            Some(Self([red, green, blue]))
        };
        parse().ok_or_else(|| SrgbError(text.chars().take(20).collect()))
    }
}

impl Serialize for Srgb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Srgb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

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

/// Why a colour can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColourError {
    #[error("the white reference is dark in band {band}: read a clear well again, with the light on")]
    DarkWhite { band: &'static str },
    #[error("a reading holds something that is no number")]
    NotFinite,
}

/// Band ratios less one, to XYZ less the white point.
///
/// Regression over 3,000 random smooth spectra under a typical white LED (the test `the_map_is_its_regression` is the
/// recipe), so that a clear well is exactly white. The colour is the *device's*: on dye mixtures it differs from a
/// spectrophotometer's by ΔE2000 ≈ 0.1 under that very LED, by up to 1 under another, by about 1.6 in even light.
const BANDS_TO_XYZ: [[f64; 8]; 3] = [
    [0.048_224, 0.084_503, 0.054_983, -0.001_710, 0.168_044, 0.289_651, 0.293_822, 0.012_738],
    [-0.000_048, 0.005_442, 0.036_029, 0.267_046, 0.364_231, 0.204_903, 0.115_945, 0.006_175],
    [0.240_672, 0.372_586, 0.504_513, -0.055_760, 0.043_686, -0.025_785, 0.010_603, -0.002_418],
];

/// The colour of a sample against a white reference read through a clear well. Dark counts are the caller's to subtract.
pub fn estimate(sample: &BasicCounts, white: &BasicCounts) -> Result<Estimate, ColourError> {
    let mut transmittance = [0.0; 8];
    let pairs = sample.bands.iter().zip(&white.bands).zip(&crate::reading::BANDS);
    for (ratio, ((sample, white), band)) in transmittance.iter_mut().zip(pairs) {
        if !sample.is_finite() || !white.is_finite() {
            return Err(ColourError::NotFinite);
        }
        if *white <= 0.0 {
            return Err(ColourError::DarkWhite { band: band.name });
        }
        *ratio = sample / white;
    }
    Ok(of_ratios(transmittance))
}

/// The colour of a sample that has these shares of white in the eight bands.
pub(crate) fn of_ratios(transmittance: [f64; 8]) -> Estimate {
    let xyz = xyz_of_ratios(&transmittance);
    Estimate { xyz, lab: xyz.to_lab(), srgb: xyz.to_srgb(), transmittance }
}

/// [`estimate`] from two readings, whatever their settings.
pub fn estimate_reading(sample: &Reading, white: &Reading) -> Result<Estimate, ColourError> {
    estimate(&sample.basic_counts(), &white.basic_counts())
}

fn xyz_of_ratios(ratios: &[f64; 8]) -> Xyz {
    let [x, y, z] =
        BANDS_TO_XYZ.map(|row| row.iter().zip(ratios).map(|(weight, ratio)| weight * (ratio - 1.0)).sum::<f64>());
    // Regression knows no black: very dark samples can come out a little below it.
    Xyz { x: (WHITE.x + x).max(0.0), y: (WHITE.y + y).max(0.0), z: (WHITE.z + z).max(0.0) }
}

/// What the sensor should say of a recipe: its dyes by the library, through the same eight bands, the same light and the
/// same map as a measurement. A preview, not a measurement. Dyes the library doesn't know count as water.
pub fn predict(recipe: &Recipe) -> Estimate {
    let known = |(name, volume): (&crate::DyeName, crate::Volume)| Some((dye::library(name.as_str())?, volume.ul()));
    expected(&recipe.iter().filter_map(known).collect::<Vec<_>>())
}

/// The same of any amounts, in µL.
pub(crate) fn expected(amounts: &[(&dye::Dye, f64)]) -> Estimate {
    let shares: Vec<_> = amounts.iter().map(|(dye, ul)| (*dye, ul / dye::FULL_WELL_UL)).collect();
    of_ratios(band_ratios(&dye::mixture_transmittance(&shares)))
}

/// The share of a clear well's light that each band sees through this transmittance, in order of [`crate::reading::BANDS`].
fn band_ratios(transmittance: &Spectrum) -> [f64; 8] {
    std::array::from_fn(|band| transmittance.weighed_by(&LIT_BANDS[band]))
}

/// Band response times the typical LED, each with an integral of 1.
static LIT_BANDS: LazyLock<[Spectrum; 8]> = LazyLock::new(|| {
    crate::reading::BANDS.map(|band| {
        let lit = band.response().times(&white_led());
        let whole = lit.weighed_by(&Spectrum::flat(1.0));
        lit.map(|value| value / whole)
    })
});

/// [`predict`] as a sum, for whoever has no spectra at hand: XYZ is the offset plus, over the samples of a spectrum,
/// transmittance times weight. (Below black it is cut off at 0.)
pub fn prediction_weights() -> ([f64; 3], [Spectrum; 3]) {
    let white = [WHITE.x, WHITE.y, WHITE.z];
    let offset = std::array::from_fn(|axis| white[axis] - BANDS_TO_XYZ[axis].iter().sum::<f64>());
    let weights = BANDS_TO_XYZ.map(|row| {
        let sum = row.iter().zip(&*LIT_BANDS).fold(Spectrum::flat(0.0), |sum, (weight, band)| sum.plus(band, *weight));
        sum.map(|value| value * crate::spectrum::STEP_NM)
    });
    (offset, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        DyeName, Volume,
        reading::{BANDS, Channels, Gain, SensorSettings},
        spectrum::gaussian,
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
        BasicCounts { bands, clear: 1.0, nir: 0.1 }
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
        let dark = Reading::new(Channels::default(), SensorSettings::default());
        assert!(estimate_reading(&dark, &dark).is_err());
    }

    #[test]
    fn gain_changes_no_colour() {
        let at = |code, count: u16| {
            let settings = SensorSettings::new(Gain::from_code(code).expect("code"), 100, 999).expect("settings");
            Reading::new(Channels::new([count; 8], count, 10), settings)
        };
        let same = estimate_reading(&at(8, 20_000), &at(8, 40_000)).expect("an estimate");
        let other = estimate_reading(&at(7, 10_000), &at(8, 40_000)).expect("an estimate");
        assert_eq!(same, other);
    }

    #[test]
    fn previews_look_like_their_dyes() {
        let colour = |amounts: &[(&str, u32)]| {
            let amounts =
                amounts.iter().map(|(name, ul)| (name.parse::<DyeName>().expect("a name"), Volume::from_whole_ul(*ul)));
            predict(&Recipe::new(amounts)).lab
        };
        let red = colour(&[("red", 100)]);
        assert!(red.a > 40.0, "{red:?}");
        assert!(colour(&[("yellow", 100)]).b > 40.0);
        let blue = colour(&[("blue", 60)]);
        assert!(blue.a < -15.0 && blue.b < -8.0, "{blue:?}");
        let green = colour(&[("yellow", 60), ("blue", 60)]);
        assert!(green.a < -30.0 && green.b > 0.0, "{green:?}");
        assert_eq!(colour(&[("water", 100)]).to_srgb(), Srgb([255; 3]));
        assert!(colour(&[("red", 200)]).l < red.l);
    }

    #[test]
    fn a_prediction_is_of_bands_and_not_of_single_wavelengths() {
        let blue = predict(&Recipe::new([("blue".parse().expect("dye"), Volume::from_whole_ul(200))]));
        // 680 nm is 52 nm wide: its foot sees the dye's absorption at 650 nm, though the dye is clear at 680 nm.
        assert!((0.3..0.6).contains(&blue.transmittance[7]), "{:?}", blue.transmittance);
        assert_eq!(predict(&Recipe::default()).srgb, Srgb([255; 3]));
    }

    #[test]
    fn a_prediction_is_also_a_weighted_sum() {
        let red = |ul: u32| Recipe::new([("red".parse().expect("dye"), Volume::from_whole_ul(ul))]);
        let (offset, weights) = prediction_weights();
        let spectrum = dye::mixture_transmittance(&[(dye::library("red").expect("red"), 0.3)]);
        let sum: Vec<f64> = offset
            .iter()
            .zip(&weights)
            .map(|(offset, weight)| {
                offset + spectrum.iter().zip(weight.iter()).map(|((_, t), (_, w))| t * w).sum::<f64>()
            })
            .collect();
        let Xyz { x, y, z } = predict(&red(90)).xyz;
        assert!(sum.iter().zip([x, y, z]).all(|(sum, direct)| (sum - direct).abs() < 1e-12), "{sum:?}");
    }

    #[test]
    fn delta_e_agrees_with_the_published_pairs() {
        // Sharma, Wu and Dalal 2005, table 1: pairs 1–3, 4–6, 7–16 (hue edge cases), 17–20, 25–34.
        let pairs = [
            ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
            ([50.0, 3.1571, -77.2803], [50.0, 0.0, -82.7485], 2.8615),
            ([50.0, 2.8361, -74.0200], [50.0, 0.0, -82.7485], 3.4412),
            ([50.0, -1.3802, -84.2814], [50.0, 0.0, -82.7485], 1.0000),
            ([50.0, -1.1848, -84.8006], [50.0, 0.0, -82.7485], 1.0000),
            ([50.0, -0.9009, -85.5211], [50.0, 0.0, -82.7485], 1.0000),
            ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
            ([50.0, -1.0, 2.0], [50.0, 0.0, 0.0], 2.3669),
            ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0009], 7.1792),
            ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0010], 7.1792),
            ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0011], 7.2195),
            ([50.0, 2.4900, -0.0010], [50.0, -2.4900, 0.0012], 7.2195),
            ([50.0, -0.0010, 2.4900], [50.0, 0.0009, -2.4900], 4.8045),
            ([50.0, -0.0010, 2.4900], [50.0, 0.0010, -2.4900], 4.8045),
            ([50.0, -0.0010, 2.4900], [50.0, 0.0011, -2.4900], 4.7461),
            ([50.0, 2.5, 0.0], [50.0, 0.0, -2.5], 4.3065),
            ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
            ([50.0, 2.5, 0.0], [61.0, -5.0, 29.0], 22.8977),
            ([50.0, 2.5, 0.0], [56.0, -27.0, -3.0], 31.9030),
            ([50.0, 2.5, 0.0], [58.0, 24.0, 15.0], 19.4535),
            ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
            ([63.0109, -31.0961, -5.8663], [62.8187, -29.7946, -4.0864], 1.2630),
            ([61.2901, 3.7196, -5.3901], [61.4292, 2.2480, -4.9620], 1.8731),
            ([35.0831, -44.1164, 3.7933], [35.0232, -40.0716, 1.5901], 1.8645),
            ([22.7233, 20.0904, -46.6940], [23.0331, 14.9730, -42.5619], 2.0373),
            ([36.4612, 47.8580, 18.3852], [36.2715, 50.5065, 21.2231], 1.4146),
            ([90.8027, -2.0831, 1.4410], [91.1528, -1.6435, 0.0447], 1.4441),
            ([90.9257, -0.5406, -0.9208], [88.6381, -0.8985, -0.7239], 1.5381),
            ([6.7747, -0.2908, -2.4247], [5.8714, -0.0985, -2.2286], 0.6377),
            ([2.0776, 0.0795, -1.1350], [0.9033, -0.0636, -0.5514], 0.9082),
        ];
        let lab = |[l, a, b]: [f64; 3]| Lab { l, a, b };
        for (first, second, published) in pairs {
            for (from, to) in [(first, second), (second, first)] {
                let difference = lab(from).delta_e_2000(lab(to));
                assert!((difference - published).abs() < 5e-5, "{from:?} {to:?}: {difference} for {published}");
            }
        }
    }

    #[test]
    fn conversions_return_to_where_they_came_from() {
        for lab in [Lab { l: 0.0, a: 0.0, b: 0.0 }, Lab { l: 5.0, a: 1.0, b: -2.0 }, Lab { l: 60.0, a: -40.0, b: 30.0 }]
        {
            let back = lab.to_xyz().to_lab();
            assert!((lab.l - back.l).hypot(lab.a - back.a).hypot(lab.b - back.b) < 1e-9);
        }
        assert_eq!(Srgb([255, 0, 16]).to_string().parse(), Ok(Srgb([255, 0, 16])));
        for text in ["", "ff0010", "#ff001", "#ff00100", "#gg0010", "#é0010"] {
            assert!(text.parse::<Srgb>().is_err(), "{text}");
        }
        // IEC 61966-2-1: mid grey, L* 53.585 is #808080.
        assert_eq!(Lab { l: 53.585, a: 0.0, b: 0.0 }.to_srgb().to_string(), "#808080");
    }
}

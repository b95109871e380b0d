//! What the sensor should say of a recipe.

use super::{
    estimate::{BANDS_TO_XYZ, Estimate, of_ratios},
    spaces::WHITE,
};
use crate::{
    DyeName, Recipe, Volume, dye,
    reading::BANDS,
    spectrum::{STEP_NM, Spectrum, white_led},
};
use std::sync::LazyLock;

/// What the sensor should say of a recipe: its dyes by the library, through the same eight bands, the same light and the
/// same map as a measurement. A preview, not a measurement. Dyes the library doesn't know count as water.
pub fn predict(recipe: &Recipe) -> Estimate {
    let known = |(name, volume): (&DyeName, Volume)| Some((dye::library(name.as_str())?, volume.ul()));
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
    BANDS.map(|band| {
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
        sum.map(|value| value * STEP_NM)
    });
    (offset, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::{Srgb, Xyz};

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
}

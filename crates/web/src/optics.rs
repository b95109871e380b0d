//! Predicted colours for previews, and the numbers with which the browser predicts them itself.

use domain::{
    DyeName, Recipe,
    colour::{self, Lab},
    dye::{self, Dye},
    spectrum::Spectrum,
};
use serde::Serialize;
use std::sync::LazyLock;

/// What a recipe should look like.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub hex: String,
    pub lab: Lab,
}

pub fn predict(recipe: &Recipe) -> Prediction {
    let colour::Estimate { lab, srgb, .. } = colour::predict(recipe);
    Prediction { hex: srgb.to_string(), lab }
}

/// The share of light a recipe should let through, by wavelength.
pub fn transmittance(recipe: &Recipe) -> Spectrum {
    let known = recipe
        .iter()
        .filter_map(|(name, volume)| Some((dye::library(name.as_str())?, volume.ul() / dye::FULL_WELL_UL)));
    dye::mixture_transmittance(&known.collect::<Vec<_>>())
}

/// The colour by which a dye is known on the page: a full well of it. A dye that the library doesn't know is grey.
pub fn emblem(name: &DyeName) -> String {
    let full = |dye: &Dye| dye::mixture_transmittance(&[(dye, 1.0)]);
    dye::library(name.as_str())
        .filter(|dye| dye.absorbance().peak() > 0.0)
        .map_or_else(|| "#b5b5b5".to_owned(), |dye| colour::Xyz::of_filtered_daylight(&full(dye)).to_srgb().to_string())
}

/// XYZ of a spectrum as the sensor would tell it: an offset, and a weight for each sample.
static WEIGHTS: LazyLock<([f64; 3], [Vec<f64>; 3])> = LazyLock::new(|| {
    let (offset, weights) = colour::prediction_weights();
    (offset.map(rounded), weights.map(|weights| weights.iter().map(|(_, value)| rounded(value)).collect()))
});

/// Six decimals: a tenth of what an eight-bit channel can show, and a third of the bytes.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// All that `assets/optics.js` needs to predict as [`predict`] does.
#[derive(Serialize)]
struct Optics<'a> {
    dyes: Vec<DyeOptics<'a>>,
    offset: [f64; 3],
    xyz: &'a [Vec<f64>; 3],
    full_well_ul: f64,
    capacity_ul: f64,
    least_ul: f64,
}

#[derive(Serialize)]
struct DyeOptics<'a> {
    name: &'a str,
    absorbance: Vec<f64>,
}

/// As JSON that may stand inside a `script` element. Volumes in µL.
pub fn json(dyes: &[DyeName], least_ul: f64, capacity_ul: f64) -> String {
    let absorbance = |name: &DyeName| {
        dye::library(name.as_str())
            .map_or_else(Vec::new, |dye| dye.absorbance().iter().map(|(_, value)| rounded(value)).collect())
    };
    let dyes = dyes.iter().map(|name| DyeOptics { name: name.as_str(), absorbance: absorbance(name) }).collect();
    let (offset, xyz) = &*WEIGHTS;
    let optics = Optics { dyes, offset: *offset, xyz, full_well_ul: dye::FULL_WELL_UL, capacity_ul, least_ul };
    serde_json::to_string(&optics).unwrap_or_default().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Volume;

    /// The same sums as `assets/optics.js`, from the numbers the browser gets.
    fn as_the_browser_does(red_ul: f64) -> [f64; 3] {
        let names = ["red".parse().expect("dye")];
        let optics: serde_json::Value = serde_json::from_str(&json(&names, 20.0, 300.0)).expect("json");
        let absorbance = optics["dyes"][0]["absorbance"].as_array().expect("a list");
        [0, 1, 2].map(|axis| {
            let offset = optics["offset"][axis].as_f64().expect("number");
            let lit: f64 = absorbance
                .iter()
                .zip(optics["xyz"][axis].as_array().expect("a list"))
                .map(|(a, w)| 10f64.powf(-a.as_f64().expect("number") * red_ul / 300.0) * w.as_f64().expect("number"))
                .sum();
            (offset + lit).max(0.0)
        })
    }

    #[test]
    fn the_browser_and_the_server_predict_the_same_colour() {
        for ul in [0, 20, 90, 300] {
            let recipe = Recipe::new([("red".parse().expect("dye"), Volume::from_whole_ul(ul))]);
            let [x, y, z] = as_the_browser_does(f64::from(ul));
            assert_eq!(colour::Xyz { x, y, z }.to_srgb().to_string(), predict(&recipe).hex, "{ul} µL");
        }
    }

    #[test]
    fn a_dye_nobody_knows_has_an_emblem_too() {
        assert_eq!(emblem(&"mystery".parse().expect("dye")), "#b5b5b5");
    }
}

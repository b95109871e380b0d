//! Other maps from bands to colour that somebody could have made by the same words (a regression on random smooth spectra, a clear well
//! is white), to see what it costs if the lab that tells the target has another than the solver.

use domain::{
    colour::{WHITE, Xyz},
    reading::BANDS,
    spectrum::{Spectrum, gaussian, white_led},
};
use matching::ColourMap;
use nalgebra::{SMatrix, SVector};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `own`; `unweighted`, in which light and dark spectra count alike; `reflectances`, of which the spectra aren't liquids but random
/// smooth shares of light; `even`, under even light.
pub fn by_name(name: &str) -> Option<ColourMap> {
    match name {
        "own" => Some(ColourMap::default()),
        "unweighted" => Some(regression(&white_led(), liquid)),
        "reflectances" => Some(regression(&white_led(), reflectance)),
        "even" => Some(regression(&Spectrum::flat(1.0), liquid)),
        _ => None,
    }
}

fn regression(light: &Spectrum, draw: fn(&mut ChaCha8Rng) -> Spectrum) -> ColourMap {
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    let lit = BANDS.map(|band| band.response().times(light));
    let (mut normal, mut right) = (SMatrix::<f64, 8, 8>::zeros(), SMatrix::<f64, 8, 3>::zeros());
    for _ in 0..3_000 {
        let spectrum = draw(&mut dice);
        let step = SVector::<f64, 8>::from_fn(|band, _| {
            spectrum.weighed_by(&lit[band]) / lit[band].weighed_by(&Spectrum::flat(1.0)) - 1.0
        });
        let Xyz { x, y, z } = Xyz::of_filtered_daylight(&spectrum);
        let target = SMatrix::<f64, 1, 3>::new(x - WHITE.x, y - WHITE.y, z - WHITE.z);
        normal += step * step.transpose();
        right += step * target;
    }
    let solved = normal.cholesky().expect("more spectra than bands").solve(&right);
    ColourMap::new(std::array::from_fn(|row| std::array::from_fn(|band| solved[(band, row)]))).expect("small weights")
}

fn liquid(dice: &mut ChaCha8Rng) -> Spectrum {
    let lobes: Vec<(f64, f64, f64)> = (0..dice.random_range(1..=4))
        .map(|_| (dice.random_range(380.0..740.0), dice.random_range(15.0..60.0), 2.0 * dice.random::<f64>().powi(2)))
        .collect();
    Spectrum::sample(|nm| lobes.iter().map(|(centre, sigma, height)| height * gaussian(nm, *centre, *sigma)).sum())
        .map(|absorbance: f64| 10f64.powf(-absorbance))
}

fn reflectance(dice: &mut ChaCha8Rng) -> Spectrum {
    let bells: Vec<(f64, f64, f64)> = (0..6)
        .map(|_| (dice.random_range(380.0..760.0), dice.random_range(30.0..80.0), dice.random_range(-3.0..3.0)))
        .collect();
    Spectrum::sample(|nm| {
        let sum: f64 = bells.iter().map(|(centre, sigma, height)| height * gaussian(nm, *centre, *sigma)).sum();
        1.0 / (1.0 + (-sum).exp())
    })
}

//! The dyes of the default lab and the law by which they mix: absorbances add (Beer and Lambert).
//!
//! Light goes down through the liquid, so the path is the liquid's height: a dye's absorbance in a well depends on
//! how much of it is in the well, not on how much water is with it.

use crate::spectrum::{Spectrum, gaussian};
use std::sync::LazyLock;

/// µL of a full well, to which strengths relate.
pub const FULL_WELL_UL: f64 = 300.0;

/// A dye's stock solution.
#[derive(Clone, Debug, PartialEq)]
pub struct Dye {
    name: &'static str,
    title: &'static str,
    /// Decadic absorbance of a full well of the stock.
    absorbance: Spectrum,
}

impl Dye {
    /// The name recipes use, as `red`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it is, as `FD&C Red 40 (Allura Red AC)`.
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Decadic absorbance of 300 µL of the stock in a well.
    pub const fn absorbance(&self) -> &Spectrum {
        &self.absorbance
    }
}

/// One bell of an absorbance spectrum: centre and standard deviation in nm, height.
struct Lobe(f64, f64, f64);

/// Peaks are published (Allura Red AC: 504 nm; tartrazine: 427 nm; Brilliant Blue FCF: 629 nm with a band at 408 nm,
/// all in water: JECFA monographs on food colours; shoulders at 533 and 594 nm from published spectra). Lobes are placed so that their sum peaks there. Widths are
/// approximations read off such spectra, not measurements, and the strengths are what food dye in a well looks like.
static LIBRARY: LazyLock<[Dye; 4]> = LazyLock::new(|| {
    [
        dye("red", "FD&C Red 40 (Allura Red AC)", 2.4, &[Lobe(500.0, 33.0, 1.0), Lobe(533.0, 17.0, 0.15)]),
        dye("yellow", "FD&C Yellow 5 (tartrazine)", 2.2, &[Lobe(427.0, 35.0, 1.0)]),
        dye(
            "blue",
            "FD&C Blue 1 (Brilliant Blue FCF)",
            2.6,
            &[Lobe(631.0, 18.0, 1.0), Lobe(594.0, 26.0, 0.35), Lobe(408.0, 14.0, 0.18)],
        ),
        dye("water", "water", 0.0, &[]),
    ]
});

fn dye(name: &'static str, title: &'static str, strength: f64, lobes: &[Lobe]) -> Dye {
    let shape = Spectrum::sample(|nm| {
        lobes.iter().map(|Lobe(centre, sigma, height)| height * gaussian(nm, *centre, *sigma)).sum()
    });
    let peak = shape.peak();
    let absorbance = if peak > 0.0 { shape.map(|value| strength * value / peak) } else { shape };
    Dye { name, title, absorbance }
}

/// The dye recipes call `name`: `red`, `yellow`, `blue` or `water`.
pub fn library(name: &str) -> Option<&'static Dye> {
    LIBRARY.iter().find(|dye| dye.name == name)
}

/// All of the library.
pub fn all() -> &'static [Dye] {
    LIBRARY.as_slice()
}

/// The share of light a well lets through at each wavelength, 0–1. Amounts are shares of a full well (µL / 300).
pub fn mixture_transmittance(amounts: &[(&Dye, f64)]) -> Spectrum {
    let absorbance = amounts.iter().fold(Spectrum::flat(0.0), |sum, (dye, share)| sum.plus(&dye.absorbance, *share));
    absorbance.map(|value| 10f64.powf(-value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak_nm(dye: &Dye) -> f64 {
        dye.absorbance().iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("samples").0
    }

    #[test]
    fn dyes_absorb_where_published() {
        for (name, nm, strength) in [("red", 504.0, 2.4), ("yellow", 427.0, 2.2), ("blue", 629.0, 2.6)] {
            let dye = library(name).expect("a library dye");
            assert!((peak_nm(dye) - nm).abs() <= 5.0, "{name} peaks at {}", peak_nm(dye));
            assert!((dye.absorbance().peak() - strength).abs() < 1e-9);
        }
        assert_eq!(library("water").expect("water").absorbance(), &Spectrum::flat(0.0));
        assert_eq!(library("green"), None);
    }

    #[test]
    fn absorbances_add_and_an_empty_well_is_clear() {
        let (red, blue) = (library("red").expect("red"), library("blue").expect("blue"));
        assert_eq!(mixture_transmittance(&[]), Spectrum::flat(1.0));
        let together = mixture_transmittance(&[(red, 0.2), (blue, 0.3)]);
        let one_by_one = mixture_transmittance(&[(red, 0.2)]).times(&mixture_transmittance(&[(blue, 0.3)]));
        assert!(together.iter().zip(one_by_one.iter()).all(|((_, a), (_, b))| (a - b).abs() < 1e-12));
    }
}

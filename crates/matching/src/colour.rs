//! From band ratios to the colour that people compare, by the lab's fixed map.

use crate::{model::Bands, task::TaskError};
use domain::colour::{BANDS_TO_XYZ, Lab, WHITE, Xyz};

/// Band ratios less one, to CIE XYZ (D65, 2°) less the white point: a clear well is exactly white, whatever the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourMap([[f64; 8]; 3]);

/// The lab's own: the regression over 3,000 random smooth spectra of `domain::colour`.
impl Default for ColourMap {
    fn default() -> Self {
        Self(BANDS_TO_XYZ)
    }
}

impl ColourMap {
    /// A lab's own, in rows of X, Y and Z.
    pub fn new(rows: [[f64; 8]; 3]) -> Result<Self, TaskError> {
        let sensible = |weight: &f64| weight.abs() <= 10.0;
        if rows.iter().flatten().all(sensible) { Ok(Self(rows)) } else { Err(TaskError::Map) }
    }

    pub fn lab(&self, ratios: &Bands) -> Lab {
        let [x, y, z] =
            self.0.map(|row| row.iter().zip(ratios.iter()).map(|(weight, ratio)| weight * (ratio - 1.0)).sum::<f64>());
        Xyz { x: (WHITE.x + x).max(0.0), y: (WHITE.y + y).max(0.0), z: (WHITE.z + z).max(0.0) }.to_lab()
    }

    /// ΔE2000 of what has these ratios to `target`.
    pub fn delta_e(&self, ratios: &Bands, target: Lab) -> f64 {
        self.lab(ratios).delta_e_2000(target)
    }
}

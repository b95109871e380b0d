//! What the eye sees of daylight.

use super::spaces::{WHITE, Xyz};
use crate::spectrum::{D65, OBSERVER, Spectrum};
use std::sync::LazyLock;

impl Xyz {
    /// What the eye sees of daylight through a filter of this transmittance (or off a surface of this reflectance).
    ///
    /// A clear filter is exactly [`WHITE`]: sums every 5 nm are scaled to it, by less than 0.01 %.
    pub fn of_filtered_daylight(transmittance: &Spectrum) -> Self {
        let [x, y, z] = &*DAYLIGHT_OBSERVER;
        Self { x: transmittance.weighed_by(x), y: transmittance.weighed_by(y), z: transmittance.weighed_by(z) }
    }
}

/// Observer times daylight, scaled so that their integrals are the white point.
static DAYLIGHT_OBSERVER: LazyLock<[Spectrum; 3]> = LazyLock::new(|| {
    let [x, y, z] = OBSERVER;
    let scaled = |curve: Spectrum, white: f64| {
        let lit = curve.times(&D65);
        let factor = white / lit.weighed_by(&Spectrum::flat(1.0));
        lit.map(|value| value * factor)
    };
    [scaled(x, WHITE.x), scaled(y, WHITE.y), scaled(z, WHITE.z)]
});

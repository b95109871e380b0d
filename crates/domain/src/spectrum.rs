//! Light by wavelength, and how an eye sees it: the CIE's daylight D65 and its 1931 observer.

/// First sampled wavelength, nm.
pub const FIRST_NM: f64 = 380.0;
/// Distance between samples, nm.
pub const STEP_NM: f64 = 5.0;
/// Samples, 380 to 780 nm.
pub const SAMPLES: usize = 81;

/// A quantity by wavelength, sampled from 380 to 780 nm every 5 nm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spectrum([f64; SAMPLES]);

impl Spectrum {
    /// The same value everywhere; `flat(1.0)` is a perfectly clear well.
    pub const fn flat(value: f64) -> Self {
        Self([value; SAMPLES])
    }

    /// `value` at every sampled wavelength in nm.
    pub fn sample(value: impl Fn(f64) -> f64) -> Self {
        Self(std::array::from_fn(|index| value(FIRST_NM + STEP_NM * index as f64)))
    }

    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self(self.0.map(change))
    }

    /// Wavelength in nm and value.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.0.iter().enumerate().map(|(index, value)| (FIRST_NM + STEP_NM * index as f64, *value))
    }

    /// Integral over wavelength of this times `weight` (rectangle rule, which a smooth spectrum doesn't mind).
    pub fn weighed_by(&self, weight: &Self) -> f64 {
        self.0.iter().zip(&weight.0).map(|(value, weight)| value * weight).sum::<f64>() * STEP_NM
    }

    /// The sum of this and `other` times `share`.
    #[must_use]
    pub fn plus(mut self, other: &Self, share: f64) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(value, more)| *value += more * share);
        self
    }

    /// The product with `other`, wavelength by wavelength.
    #[must_use]
    pub fn times(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(value, factor)| *value *= factor);
        self
    }

    pub fn peak(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// A bell of height 1 around `centre_nm`.
pub fn gaussian(wavelength_nm: f64, centre_nm: f64, sigma_nm: f64) -> f64 {
    (-0.5 * ((wavelength_nm - centre_nm) / sigma_nm).powi(2)).exp()
}

/// Full width at half maximum to standard deviation.
pub fn sigma_of_fwhm(fwhm: f64) -> f64 {
    fwhm / (2.0 * (2.0 * std::f64::consts::LN_2).sqrt())
}

/// CIE standard illuminant D65, relative power (CIE 15:2004, table T.1; 100 at 560 nm).
pub const D65: Spectrum = Spectrum([
    49.9755, 52.3118, 54.6482, 68.7015, 82.7549, 87.1204, 91.4860, 92.4589, 93.4318, 90.0570, 86.6823, 95.7736,
    104.865, 110.936, 117.008, 117.410, 117.812, 116.336, 114.861, 115.392, 115.923, 112.367, 108.811, 109.082,
    109.354, 108.578, 107.802, 106.296, 104.790, 106.239, 107.689, 106.047, 104.405, 104.225, 104.046, 102.023,
    100.000, 98.1671, 96.3342, 96.0611, 95.7880, 92.2368, 88.6856, 89.3459, 90.0062, 89.8026, 89.5991, 88.6489,
    87.6987, 85.4936, 83.2886, 83.4939, 83.6992, 81.8630, 80.0268, 80.1207, 80.2146, 81.2462, 82.2778, 80.2810,
    78.2842, 74.0027, 69.7213, 70.6652, 71.6091, 72.9790, 74.3490, 67.9765, 61.6040, 65.7448, 69.8856, 72.4863,
    75.0870, 69.3398, 63.5927, 55.0054, 46.4182, 56.6118, 66.8054, 65.0941, 63.3828,
]);

/// The CIE 1931 2° observer's x̄, ȳ, z̄, by the multi-lobe fit of Wyman, Sloan and Shirley, "Simple Analytic
/// Approximations to the CIE XYZ Color Matching Functions", JCGT 2(2), 2013.
pub fn observer() -> [Spectrum; 3] {
    let lobe =
        |nm: f64, centre: f64, below: f64, above: f64| gaussian(nm, centre, if nm < centre { below } else { above });
    [
        Spectrum::sample(|nm| {
            1.056 * lobe(nm, 599.8, 37.9, 31.0) + 0.362 * lobe(nm, 442.0, 16.0, 26.7)
                - 0.065 * lobe(nm, 501.1, 20.4, 26.2)
        }),
        Spectrum::sample(|nm| 0.821 * lobe(nm, 568.8, 46.9, 40.5) + 0.286 * lobe(nm, 530.9, 16.3, 31.1)),
        Spectrum::sample(|nm| 1.217 * lobe(nm, 437.0, 11.8, 36.0) + 0.681 * lobe(nm, 459.0, 26.0, 13.8)),
    ]
}

/// A white LED as on AS7341 boards, relative power: a blue die and a yellow phosphor. Typical, not any one LED.
pub fn white_led() -> Spectrum {
    Spectrum::sample(|nm| gaussian(nm, 450.0, 10.0) + 0.7 * gaussian(nm, 560.0, 55.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_observer_sees_daylight_as_d65_white() {
        let [x, y, z] = observer().map(|curve| curve.weighed_by(&D65));
        // Chromaticity of D65 (CIE 15): 0.31272, 0.32903. The fit is good to about 0.001.
        assert!((x / (x + y + z) - 0.312_72).abs() < 1.5e-3);
        assert!((y / (x + y + z) - 0.329_03).abs() < 1.5e-3);
    }

    #[test]
    fn samples_lie_where_they_say() {
        let wavelengths: Vec<_> = Spectrum::sample(|nm| nm).iter().collect();
        assert_eq!(wavelengths.len(), SAMPLES);
        assert!(wavelengths.iter().all(|(nm, value)| nm == value));
        assert_eq!(wavelengths.last(), Some(&(780.0, 780.0)));
        assert_eq!(D65.iter().find(|(nm, _)| *nm == 560.0), Some((560.0, 100.0)));
    }
}

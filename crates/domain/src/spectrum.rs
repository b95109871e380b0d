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

/// The CIE 1931 2° standard observer's x̄, ȳ, z̄: every fifth value of the CIE's table from 380 to 780 nm (CIE 018:2019, data
/// set `CIE_xyz_1931_2deg`; taken from colour-science 0.4.7).
pub const OBSERVER: [Spectrum; 3] = [
    Spectrum([
        0.001_368,
        0.002_236,
        0.004_243,
        0.007_65,
        0.014_31,
        0.023_19,
        0.043_51,
        0.077_63,
        0.134_38,
        0.214_77,
        0.2839,
        0.3285,
        0.348_28,
        0.348_06,
        0.3362,
        0.3187,
        0.2908,
        0.2511,
        0.195_36,
        0.1421,
        0.095_64,
        0.057_95,
        0.032_01,
        0.0147,
        0.0049,
        0.0024,
        0.0093,
        0.0291,
        0.063_27,
        0.1096,
        0.1655,
        0.225_749_9,
        0.2904,
        0.3597,
        0.433_449_9,
        0.512_050_1,
        0.5945,
        0.6784,
        0.7621,
        0.8425,
        0.9163,
        0.9786,
        1.0263,
        1.0567,
        1.0622,
        1.0456,
        1.0026,
        0.9384,
        0.854_449_9,
        0.7514,
        0.6424,
        0.5419,
        0.4479,
        0.3608,
        0.2835,
        0.2187,
        0.1649,
        0.1212,
        0.0874,
        0.0636,
        0.046_77,
        0.0329,
        0.0227,
        0.015_84,
        0.011_359_2,
        0.008_110_9,
        0.005_790_3,
        0.004_109_5,
        0.002_899_3,
        0.002_049_2,
        0.001_44,
        0.000_999_9,
        0.000_690_1,
        0.000_476,
        0.000_332_3,
        0.000_234_8,
        0.000_166_2,
        0.000_117_4,
        0.000_083_075,
        0.000_058_707,
        0.000_041_51,
    ]),
    Spectrum([
        0.000_039,
        0.000_064,
        0.000_12,
        0.000_217,
        0.000_396,
        0.000_64,
        0.001_21,
        0.002_18,
        0.004,
        0.0073,
        0.0116,
        0.016_84,
        0.023,
        0.0298,
        0.038,
        0.048,
        0.06,
        0.0739,
        0.090_98,
        0.1126,
        0.139_02,
        0.1693,
        0.208_02,
        0.2586,
        0.323,
        0.4073,
        0.503,
        0.6082,
        0.71,
        0.7932,
        0.862,
        0.914_850_1,
        0.954,
        0.9803,
        0.994_950_1,
        1.0,
        0.995,
        0.9786,
        0.952,
        0.9154,
        0.87,
        0.8163,
        0.757,
        0.6949,
        0.631,
        0.5668,
        0.503,
        0.4412,
        0.381,
        0.321,
        0.265,
        0.217,
        0.175,
        0.1382,
        0.107,
        0.0816,
        0.061,
        0.044_58,
        0.032,
        0.0232,
        0.017,
        0.011_92,
        0.008_21,
        0.005_723,
        0.004_102,
        0.002_929,
        0.002_091,
        0.001_484,
        0.001_047,
        0.000_74,
        0.000_52,
        0.000_361_1,
        0.000_249_2,
        0.000_171_9,
        0.000_12,
        0.000_084_8,
        0.000_06,
        0.000_042_4,
        0.000_03,
        0.000_021_2,
        0.000_014_99,
    ]),
    Spectrum([
        0.006_45,
        0.010_55,
        0.020_05,
        0.036_21,
        0.067_85,
        0.1102,
        0.2074,
        0.3713,
        0.6456,
        1.039_050_1,
        1.3856,
        1.622_96,
        1.747_06,
        1.7826,
        1.772_11,
        1.7441,
        1.6692,
        1.5281,
        1.287_64,
        1.0419,
        0.812_950_1,
        0.6162,
        0.465_18,
        0.3533,
        0.272,
        0.2123,
        0.1582,
        0.1117,
        0.078_25,
        0.057_25,
        0.042_16,
        0.029_84,
        0.0203,
        0.0134,
        0.008_75,
        0.005_75,
        0.0039,
        0.002_75,
        0.0021,
        0.0018,
        0.001_65,
        0.0014,
        0.0011,
        0.001,
        0.0008,
        0.0006,
        0.000_34,
        0.000_24,
        0.000_19,
        0.0001,
        0.000_05,
        0.000_03,
        0.000_02,
        0.000_01,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ]),
];

/// A white LED as on AS7341 boards, relative power: a blue die and a yellow phosphor. A guess at what is typical, no LED's
/// data sheet.
pub fn white_led() -> Spectrum {
    Spectrum::sample(|nm| gaussian(nm, 450.0, 10.0) + 0.7 * gaussian(nm, 560.0, 55.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_observer_sees_daylight_as_d65_white() {
        let [x, y, z] = OBSERVER.map(|curve| curve.weighed_by(&D65));
        // Chromaticity of D65 (CIE 15): 0.31272, 0.32903.
        assert!((x / (x + y + z) - 0.312_72).abs() < 1e-5);
        assert!((y / (x + y + z) - 0.329_03).abs() < 1e-5);
        // Luminous efficiency peaks at 555 nm.
        assert_eq!(OBSERVER[1].iter().find(|(_, value)| *value == OBSERVER[1].peak()), Some((555.0, 1.0)));
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

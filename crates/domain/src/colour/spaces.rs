//! The spaces a colour is told in, all of them under D65: CIE XYZ, L*a*b* and the screen's sRGB; and how different two
//! colours look. The mathematics is the crate `palette`'s, held against published figures below.

use super::srgb::Srgb;
use palette::{FromColor, color_difference::Ciede2000, convert::FromColorUnclamped, white_point::D65};
use serde::{Deserialize, Serialize};

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

impl Xyz {
    pub fn to_lab(self) -> Lab {
        palette::Lab::from_color_unclamped(palette::Xyz::from(self)).into()
    }

    /// Colours no screen can show are brought to the nearest edge, channel by channel.
    pub fn to_srgb(self) -> Srgb {
        let screen = palette::Srgb::<f64>::from_color(palette::Xyz::from(self)).into_format::<u8>();
        Srgb([screen.red, screen.green, screen.blue])
    }
}

impl Lab {
    pub fn to_xyz(self) -> Xyz {
        let palette::Xyz { x, y, z, .. } = palette::Xyz::from_color_unclamped(palette::Lab::from(self));
        Xyz { x, y, z }
    }

    pub fn to_srgb(self) -> Srgb {
        self.to_xyz().to_srgb()
    }

    /// ΔE2000: how different two colours look. 1 is just noticeable side by side.
    pub fn delta_e_2000(self, other: Self) -> f64 {
        // Of two colours that are all but the same, rounding can make it the root of a negative number.
        palette::Lab::from(self).difference(other.into()).max(0.0)
    }
}

impl Srgb {
    pub fn to_lab(self) -> Lab {
        palette::Lab::from_color_unclamped(palette::Srgb::from(self.0).into_format::<f64>()).into()
    }
}

impl From<Xyz> for palette::Xyz<D65, f64> {
    fn from(Xyz { x, y, z }: Xyz) -> Self {
        Self::new(x, y, z)
    }
}

impl From<Lab> for palette::Lab<D65, f64> {
    fn from(Lab { l, a, b }: Lab) -> Self {
        Self::new(l, a, b)
    }
}

impl From<palette::Lab<D65, f64>> for Lab {
    fn from(palette::Lab { l, a, b, .. }: palette::Lab<D65, f64>) -> Self {
        Self { l, a, b }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn delta_e_agrees_with_the_published_pairs() {
        // Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
        // mathematical observations", Color Research & Application 30(1), 2005, table 1: all 34 pairs, in its order.
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
            ([50.0, 2.5, 0.0], [50.0, 3.1736, 0.5854], 1.0000),
            ([50.0, 2.5, 0.0], [50.0, 3.2972, 0.0], 1.0000),
            ([50.0, 2.5, 0.0], [50.0, 1.8634, 0.5757], 1.0000),
            ([50.0, 2.5, 0.0], [50.0, 3.2592, 0.3350], 1.0000),
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
        assert_eq!(pairs.len(), 34);
        let lab = |[l, a, b]: [f64; 3]| Lab { l, a, b };
        for (first, second, published) in pairs {
            for (from, to) in [(first, second), (second, first)] {
                let difference = lab(from).delta_e_2000(lab(to));
                assert!((difference - published).abs() < 5e-5, "{from:?} {to:?}: {difference} for {published}");
            }
        }
    }
}

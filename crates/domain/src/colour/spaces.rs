//! The spaces a colour is told in, all of them under D65: CIE XYZ, L*a*b*, and the screen's sRGB.

use super::srgb::Srgb;
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

impl Lab {
    pub fn to_xyz(self) -> Xyz {
        let y = (self.l + 16.0) / 116.0;
        let [x, y, z] = [y + self.a / 500.0, y, y - self.b / 200.0].map(ratio_of_lightness);
        Xyz { x: x * WHITE.x, y: y * WHITE.y, z: z * WHITE.z }
    }

    pub fn to_srgb(self) -> Srgb {
        self.to_xyz().to_srgb()
    }
}

/// CIE's f(t): a cube root, straight near black.
fn lightness_curve(ratio: f64) -> f64 {
    const DELTA: f64 = 6.0 / 29.0;
    if ratio > DELTA.powi(3) { ratio.cbrt() } else { ratio / (3.0 * DELTA * DELTA) + 4.0 / 29.0 }
}

fn ratio_of_lightness(value: f64) -> f64 {
    const DELTA: f64 = 6.0 / 29.0;
    if value > DELTA { value.powi(3) } else { 3.0 * DELTA * DELTA * (value - 4.0 / 29.0) }
}

/// sRGB's transfer curve, to eight bits.
fn encoded(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let curved = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (curved * 255.0).round() as u8
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
}

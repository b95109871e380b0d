//! How different two colours look: ΔE2000.

use super::spaces::Lab;

impl Lab {
    /// ΔE2000: how different two colours look. 1 is just noticeable side by side.
    ///
    /// Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research & Application 30(1), 2005.
    pub fn delta_e_2000(self, other: Self) -> f64 {
        let mean_chroma = f64::midpoint(self.a.hypot(self.b), other.a.hypot(other.b));
        let g = 0.5 * (1.0 - saturating_seventh(mean_chroma));
        let first = Polar::of(self, g);
        let second = Polar::of(other, g);

        let dl = other.l - self.l;
        let dc = second.chroma - first.chroma;
        let dh_degrees = first.hue_step_to(second);
        let dh = 2.0 * (first.chroma * second.chroma).sqrt() * (dh_degrees / 2.0).to_radians().sin();

        let l = f64::midpoint(self.l, other.l);
        let c = f64::midpoint(first.chroma, second.chroma);
        let h = first.mean_hue(second);
        let t = 1.0 - 0.17 * cos_degrees(h - 30.0) + 0.24 * cos_degrees(2.0 * h) + 0.32 * cos_degrees(3.0 * h + 6.0)
            - 0.20 * cos_degrees(4.0 * h - 63.0);
        let sl = 1.0 + 0.015 * (l - 50.0).powi(2) / (20.0 + (l - 50.0).powi(2)).sqrt();
        let sc = 1.0 + 0.045 * c;
        let sh = 1.0 + 0.015 * c * t;
        let rotation = 30.0 * (-((h - 275.0) / 25.0).powi(2)).exp();
        let rt = -2.0 * saturating_seventh(c) * (2.0 * rotation).to_radians().sin();
        ((dl / sl).powi(2) + (dc / sc).powi(2) + (dh / sh).powi(2) + rt * (dc / sc) * (dh / sh)).max(0.0).sqrt()
    }
}

/// √(c⁷ / (c⁷ + 25⁷)): 0 for greys, towards 1 for strong colours.
fn saturating_seventh(chroma: f64) -> f64 {
    let seventh = chroma.powi(7);
    (seventh / (seventh + 25f64.powi(7))).sqrt()
}

fn cos_degrees(degrees: f64) -> f64 {
    degrees.to_radians().cos()
}

/// Chroma and hue (degrees, 0–360) with a* stretched for greys, as ΔE2000 wants it.
#[derive(Clone, Copy)]
struct Polar {
    chroma: f64,
    hue: f64,
}

impl Polar {
    fn of(colour: Lab, g: f64) -> Self {
        let a = colour.a * (1.0 + g);
        let hue = if a == 0.0 && colour.b == 0.0 { 0.0 } else { colour.b.atan2(a).to_degrees().rem_euclid(360.0) };
        Self { chroma: a.hypot(colour.b), hue }
    }

    fn is_grey_beside(self, other: Self) -> bool {
        self.chroma * other.chroma == 0.0
    }

    /// From this hue to the other, the short way round.
    fn hue_step_to(self, other: Self) -> f64 {
        if self.is_grey_beside(other) {
            return 0.0;
        }
        match other.hue - self.hue {
            step if step > 180.0 => step - 360.0,
            step if step < -180.0 => step + 360.0,
            step => step,
        }
    }

    fn mean_hue(self, other: Self) -> f64 {
        let sum = self.hue + other.hue;
        if self.is_grey_beside(other) {
            return sum;
        }
        match (self.hue - other.hue).abs() > 180.0 {
            false => sum / 2.0,
            true if sum < 360.0 => (sum + 360.0) / 2.0,
            true => (sum - 360.0) / 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delta_e_agrees_with_the_published_pairs() {
        // Sharma, Wu and Dalal 2005, table 1: pairs 1–3, 4–6, 7–16 (hue edge cases), 17–20, 25–34.
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
        let lab = |[l, a, b]: [f64; 3]| Lab { l, a, b };
        for (first, second, published) in pairs {
            for (from, to) in [(first, second), (second, first)] {
                let difference = lab(from).delta_e_2000(lab(to));
                assert!((difference - published).abs() < 5e-5, "{from:?} {to:?}: {difference} for {published}");
            }
        }
    }
}

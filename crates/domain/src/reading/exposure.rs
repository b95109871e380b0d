//! When a reading is to be taken again with another gain.

use super::{Gain, Reading};

/// A count of this share of full scale is as good as saturated: the next reading of the same may be a little higher.
const NEAR_FULL_SCALE: f64 = 0.95;
/// A white is weak where its brightest channel counts less than this share of full scale…
pub const WEAK_WHITE: f64 = 1.0 / 8.0;
/// …a sample where it has less than this: 2,000 counts of the usual full scale, of which shot noise is 2 %. A sample keeps its
/// white's gain as long as it can, since no two gains are quite in the ratio that they are named by.
pub const WEAK_SAMPLE: f64 = 1.0 / 32.0;
/// What more gain aims at, as a share of full scale.
const AIM: f64 = 0.5;
/// Steps of two down where a channel is saturated: nobody knows by how much.
const DOWN: i8 = -2;

impl Reading {
    /// The gain with which this would be read better, if there is one: less where a channel is saturated or nearly so, more
    /// where the brightest counts less than the share `weak` of full scale. Darkness isn't weak: no gain makes it light.
    pub fn better_gain(&self, weak: f64) -> Option<Gain> {
        let full = f64::from(self.settings.full_scale());
        let brightest = self.channels.named().map(|(_, count)| f64::from(count) / full).fold(0.0, f64::max);
        let steps = if self.saturated {
            DOWN
        } else if brightest >= NEAR_FULL_SCALE {
            -1
        } else if brightest < weak && !self.is_dark() {
            (AIM / brightest).log2().floor() as i8
        } else {
            0
        };
        let gain = self.settings.gain();
        Some(gain.stepped(steps)).filter(|better| *better != gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Channels, SensorSettings};

    fn reading(code: u8, brightest: u16) -> Reading {
        let settings = SensorSettings::default().with_gain(Gain::from_code(code).expect("a gain"));
        Reading::new(Channels::of_bands([200, 200, 200, 200, brightest, 200, 200, 200]), settings)
    }

    fn better(code: u8, brightest: u16) -> Option<u8> {
        reading(code, brightest).better_gain(WEAK_WHITE).map(Gain::code)
    }

    #[test]
    fn gain_goes_down_from_full_scale_and_up_from_weakness() {
        assert_eq!(better(8, u16::MAX), Some(6));
        assert_eq!(better(8, 63_000), Some(7));
        assert_eq!(better(8, 45_000), None);
        assert_eq!(better(8, 8_192), None);
        // 8,000 counts four times are 32,000.
        assert_eq!(better(8, 8_000), Some(10));
        assert_eq!(better(5, 500), Some(10));
        assert_eq!(reading(8, 8_000).better_gain(WEAK_SAMPLE), None);
        assert_eq!(reading(8, 2_000).better_gain(WEAK_SAMPLE).map(Gain::code), Some(10));
    }

    #[test]
    fn there_is_no_gain_beyond_the_chips_and_none_for_darkness() {
        assert_eq!((better(0, u16::MAX), better(1, u16::MAX), better(10, 500)), (None, Some(0), None));
        let dark = Reading::new(Channels::of_bands([4; 8]), SensorSettings::default());
        assert_eq!(dark.better_gain(WEAK_WHITE), None);
    }

    #[test]
    fn saturation_that_only_the_chip_noticed_counts_too() {
        let analogue = Reading { saturated: true, ..reading(8, 30_000) };
        assert_eq!(analogue.better_gain(WEAK_SAMPLE).map(Gain::code), Some(6));
    }
}

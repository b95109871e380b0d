//! A white reference: whether a reading may be one, and what samples are in comparison with it.

use super::{Average, BANDS, Band, BasicCounts, Reading};
use crate::colour::{ColourError, Estimate, estimate};

/// The least that every band of a white must count: shot noise of one exposure is a fifth of it then. A weak violet band is
/// weak, not dark: it counts a 170th of the brightest.
const LEAST_WHITE_COUNTS: f64 = 25.0;
/// The brightest band of a white must reach this share of full scale, else the light is off or something covers it.
const LEAST_WHITE_SHARE: f64 = 0.02;
/// A white that lost more than this in a band since the last one isn't the same light through the same empty well. LEDs
/// fade by less in years, plates differ by a few percent, and the least of a dye (20 µL) takes about as much of its band.
const MOST_LOST: f64 = 0.25;

/// Why a reading can't be the white reference.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WhiteFlaw {
    #[error("{channel} counted {count} by the sensor's light, and a white has at least {least}")]
    Dark { channel: &'static str, count: i32, least: u16 },
    #[error("{channel} is at the sensor's full scale ({count})")]
    Saturated { channel: &'static str, count: u16 },
    #[error("{channel} has only {percent} % of what it had in the last white reference")]
    Dimmed { channel: &'static str, percent: u32 },
}

/// What the room adds to a white, as a share of it, that is too little to be looked at over each sample: through a dark liquid it
/// is less than over the empty well, and what is taken off too much is a tenth of the darkest samples (3 % of white).
const LITTLE_LIGHT: f64 = 0.003;

impl Average {
    /// By the sensor's own light alone, as far as that is known. A sample that wasn't looked at in the dark itself has its white's.
    fn net(&self, counts: BasicCounts, white: &Self) -> BasicCounts {
        let dark = white.dark.as_ref().map(|of_white| self.dark.as_ref().unwrap_or(of_white));
        dark.map_or(counts, |dark| counts.less(&dark.basic_counts()))
    }

    fn net_white(&self) -> BasicCounts {
        self.net(self.basic_counts(), self)
    }

    /// What each band of this white counts by the sensor's own light, and what it counts without, in counts of its settings.
    pub(crate) fn lit_and_dark_counts(&self) -> [(f64, f64); 8] {
        let (lit, dark) = (self.net_white().bands, self.dark.as_ref().map(Reading::basic_counts));
        let exposure = self.reading.settings.exposure();
        std::array::from_fn(|band| (lit[band] * exposure, dark.map_or(0.0, |dark| dark.bands[band] * exposure)))
    }

    /// The colour of `sample` against this white, whatever the settings of either.
    pub fn estimate(&self, sample: &Self) -> Result<Estimate, ColourError> {
        estimate(&sample.net(sample.basic_counts(), self), &self.net_white())
    }

    /// How far the exposures of `sample` are from their mean: the standard deviation in ΔE2000. Nothing of a single one.
    pub fn scatter(&self, sample: &Self) -> Result<Option<f64>, ColourError> {
        let mean = self.estimate(sample)?.lab;
        let count = sample.reads().len();
        if count < 2 {
            return Ok(None);
        }
        let white = self.net_white();
        let mut squares = 0.0;
        for read in sample.each() {
            squares += estimate(&sample.net(read, self), &white)?.lab.delta_e_2000(mean).powi(2);
        }
        Ok(Some((squares / (count - 1) as f64).sqrt()))
    }

    /// Whether so much comes from the room that each sample needs a look in the dark itself.
    pub fn is_in_a_light_room(&self) -> bool {
        // What the chip counts by itself is the same over every well.
        let Some(dark) = self.dark.as_ref().filter(|dark| !dark.is_dark()) else { return false };
        dark.basic_counts().bands.iter().zip(self.net_white().bands).any(|(dark, white)| *dark > LITTLE_LIGHT * white)
    }

    /// Whether this may be the white to which samples are compared; `last` is the one before, where there is one to compare with.
    pub fn check_white(&self, last: Option<&Self>) -> Result<(), WhiteFlaw> {
        let settings = &self.reading.settings;
        if let Some((channel, count)) = self.reading.saturated_channel() {
            return Err(WhiteFlaw::Saturated { channel, count });
        }
        let basic = self.net_white().bands;
        let dark = |least: f64, (channel, count): (&'static str, f64)| WhiteFlaw::Dark {
            channel,
            count: count.round() as i32,
            least: least.round() as u16,
        };
        let bands = || BANDS.iter().map(|band| band.name).zip(basic.map(|basic| basic * settings.exposure()));
        let each = LEAST_WHITE_COUNTS.max(2.0 * self.reading.darkness());
        if let Some(band) = bands().find(|(_, count)| *count < each) {
            return Err(dark(each, band));
        }
        let brightest = f64::from(settings.full_scale()) * LEAST_WHITE_SHARE;
        let most = bands().max_by(|(_, one), (_, other)| one.total_cmp(other));
        if let Some(band) = most.filter(|(_, count)| *count < brightest) {
            return Err(dark(brightest, band));
        }
        let same_light = |last: &&Self| last.reading.settings.led_ma() == settings.led_ma();
        let Some(last) = last.filter(same_light) else { return Ok(()) };
        let then = last.net_white().bands;
        let left = BANDS.iter().enumerate().map(|(band, Band { name, .. })| (*name, basic[band] / then[band]));
        match left.min_by(|(_, one), (_, other)| one.total_cmp(other)) {
            Some((channel, left)) if left < 1.0 - MOST_LOST => {
                Err(WhiteFlaw::Dimmed { channel, percent: (left * 100.0).round() as u32 })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Channels, Gain, SensorSettings};

    const WHITE: [u16; 8] = [258, 5_710, 6_956, 16_251, 34_180, 43_021, 45_000, 8_401];

    fn usual(bands: [u16; 8]) -> Reading {
        Reading::new(Channels::new(bands, bands[4], 900), SensorSettings::default())
    }

    fn flaw(white: Reading, last: Option<Reading>) -> Option<WhiteFlaw> {
        let (white, last) = (Average::from(white), last.map(Average::from));
        white.check_white(last.as_ref()).err()
    }

    #[test]
    fn what_the_dock_shows_is_no_white_and_no_sample() {
        let dock = Reading::new(Channels::new([3, 5, 7, 4, 4, 3, 6, 5], 7, 4), SensorSettings::default());
        assert!(dock.is_dark());
        assert!(matches!(flaw(dock, None), Some(WhiteFlaw::Dark { .. })));
        assert!(!usual(WHITE).is_dark());
        assert_eq!(flaw(usual(WHITE), None), None);
    }

    #[test]
    fn one_dead_band_a_weak_light_and_too_much_light_are_refused() {
        let mut dead = WHITE;
        dead[2] = 0;
        assert_eq!(flaw(usual(dead), None), Some(WhiteFlaw::Dark { channel: "ch470", count: 0, least: 25 }));
        assert!(matches!(flaw(usual(WHITE.map(|count| count / 36)), None), Some(WhiteFlaw::Dark { .. })));
        assert!(matches!(flaw(usual([600; 8]), None), Some(WhiteFlaw::Dark { least: 1_311, .. })));
        let mut glare = WHITE;
        glare[4] = u16::MAX;
        assert!(matches!(flaw(usual(glare), None), Some(WhiteFlaw::Saturated { channel: "ch550", .. })));
        let analogue = Reading { saturated: true, ..usual(WHITE) };
        assert!(matches!(flaw(analogue, None), Some(WhiteFlaw::Saturated { channel: "ch620", count: 45_000 })));
    }

    #[test]
    fn a_white_that_lost_light_is_not_the_last_ones_like() {
        let last = Some(usual(WHITE));
        let faded = |share: f64| usual(WHITE.map(|count| (f64::from(count) * share) as u16));
        assert_eq!((flaw(faded(0.9), last), flaw(faded(1.1), last)), (None, None));
        assert!(matches!(flaw(faded(0.6), last), Some(WhiteFlaw::Dimmed { percent: 60, .. })));
        // Gains compare by their basic counts; another light doesn't.
        let gain = Gain::from_code(7).expect("code");
        let at = |counts: [u16; 8], settings| Reading::new(Channels::new(counts, 20_000, 450), settings);
        let lower = SensorSettings::default().with_gain(gain);
        assert_eq!(flaw(at(WHITE.map(|count| count / 2), lower), last), None);
        assert!(matches!(
            flaw(at(WHITE.map(|count| count / 4), lower), last),
            Some(WhiteFlaw::Dimmed { percent: 50, .. })
        ));
        assert_eq!(flaw(at(WHITE.map(|count| count / 4), lower.by_led()), last), None);
    }

    #[test]
    fn the_rooms_light_is_taken_off_white_and_sample_whatever_their_gains() {
        let lit = SensorSettings::default().by_led();
        let dark = Reading::new(Channels::of_bands([1_000; 8]), lit.without_led());
        let and_room = |white: [u16; 8]| Reading::new(Channels::of_bands(white.map(|count| count + 1_000)), lit);
        let white = Average::from(and_room(WHITE)).with_dark(Some(dark));
        assert_eq!(white.check_white(None), Ok(()));
        let quarter = lit.with_gain(Gain::from_code(6).expect("code"));
        let half = Reading::new(Channels::of_bands(WHITE.map(|count| count / 8 + 250)), quarter);
        let is_half = |sample: Average| {
            let seen = white.estimate(&sample).expect("a colour").transmittance;
            assert!(seen.iter().all(|share| (share - 0.5).abs() < 0.01), "{seen:?}");
        };
        is_half(half.into());
        // Over the sample itself less of the room's light was seen.
        let less = Reading { channels: Channels::of_bands([600; 8]), ..dark };
        let sample = Reading { channels: Channels::of_bands(WHITE.map(|count| count / 2 + 600)), ..and_room(WHITE) };
        is_half(Average::from(sample).with_dark(Some(less)));
        assert!(white.is_in_a_light_room());
        let night = Reading { channels: Channels::of_bands([4; 8]), ..dark };
        assert!(!Average::from(and_room(WHITE)).with_dark(Some(night)).is_in_a_light_room());
        // A light that is off leaves nothing but the room's.
        let unlit = Average::from(Reading { settings: lit, ..dark }).with_dark(Some(dark));
        assert!(matches!(unlit.check_white(None), Err(WhiteFlaw::Dark { count: 0, .. })));
    }

    #[test]
    fn scatter_is_how_far_exposures_are_from_their_mean() {
        let white = Average::from(usual(WHITE));
        let dimmed = |share: f64| usual(WHITE.map(|count| (f64::from(count) * share) as u16));
        let steady = Average::of(&[dimmed(0.5); 4]).expect("the same");
        assert_eq!(white.scatter(&steady), Ok(Some(0.0)));
        assert_eq!(white.scatter(&Average::from(dimmed(0.5))), Ok(None));
        let flickering = Average::of(&[dimmed(0.5), dimmed(0.4), dimmed(0.5), dimmed(0.4)]).expect("the same");
        let scatter = white.scatter(&flickering).expect("colours").expect("four");
        assert!((2.0..6.0).contains(&scatter), "{scatter}");
    }
}

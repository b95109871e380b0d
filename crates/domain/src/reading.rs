//! What an AS7341 colour sensor says: its bands, its settings, its counts.
//!
//! Figures are from the ams-OSRAM data sheet DS000504.

use crate::spectrum::{Spectrum, gaussian, sigma_of_fwhm};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One of the eight visible channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// As in results and messages, where the training lab's names are kept although the chip's centres differ.
    pub name: &'static str,
    pub centre_nm: f64,
    pub fwhm_nm: f64,
}

/// F1 to F8: centres and widths of the data sheet's typical responses.
pub const BANDS: [Band; 8] = [
    Band { name: "ch410", centre_nm: 415.0, fwhm_nm: 26.0 },
    Band { name: "ch440", centre_nm: 445.0, fwhm_nm: 30.0 },
    Band { name: "ch470", centre_nm: 480.0, fwhm_nm: 36.0 },
    Band { name: "ch510", centre_nm: 515.0, fwhm_nm: 39.0 },
    Band { name: "ch550", centre_nm: 555.0, fwhm_nm: 39.0 },
    Band { name: "ch583", centre_nm: 590.0, fwhm_nm: 40.0 },
    Band { name: "ch620", centre_nm: 630.0, fwhm_nm: 50.0 },
    Band { name: "ch670", centre_nm: 680.0, fwhm_nm: 52.0 },
];

impl Band {
    /// Relative response, 1 at the centre.
    pub fn response(&self) -> Spectrum {
        Spectrum::sample(|nm| gaussian(nm, self.centre_nm, sigma_of_fwhm(self.fwhm_nm)))
    }
}

/// Raw counts of one reading, 0–65,535 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    pub ch410: u16,
    pub ch440: u16,
    pub ch470: u16,
    pub ch510: u16,
    pub ch550: u16,
    pub ch583: u16,
    pub ch620: u16,
    pub ch670: u16,
    /// Left out, as the next, where the sensor's firmware tells only the bands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nir: Option<u16>,
}

impl Channels {
    /// From the eight bands in order of wavelength, clear and near infrared.
    pub const fn new(bands: [u16; 8], clear: u16, nir: u16) -> Self {
        let [ch410, ch440, ch470, ch510, ch550, ch583, ch620, ch670] = bands;
        Self { ch410, ch440, ch470, ch510, ch550, ch583, ch620, ch670, clear: Some(clear), nir: Some(nir) }
    }

    /// From the eight bands alone.
    pub const fn of_bands(bands: [u16; 8]) -> Self {
        Self { clear: None, nir: None, ..Self::new(bands, 0, 0) }
    }

    /// The eight bands in order of wavelength, as [`BANDS`].
    pub const fn bands(&self) -> [u16; 8] {
        [self.ch410, self.ch440, self.ch470, self.ch510, self.ch550, self.ch583, self.ch620, self.ch670]
    }

    /// Names and counts of all that there are, in order.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let bands = BANDS.iter().map(|band| band.name).zip(self.bands());
        let others = [("clear", self.clear), ("nir", self.nir)];
        bands.chain(others.into_iter().filter_map(|(name, count)| count.map(|count| (name, count))))
    }
}

/// Amplification: codes 0 to 10 for 0.5× to 512×. In JSON the factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gain {
    code: u8,
}

impl Gain {
    /// By the chip's code, 0–10.
    pub const fn from_code(code: u8) -> Option<Self> {
        if code <= 10 { Some(Self { code }) } else { None }
    }

    /// By factor: 0.5, 1, 2, 4, … 512.
    pub fn from_factor(factor: f64) -> Result<Self, SettingsError> {
        (0..=10).map(|code| Self { code }).find(|gain| gain.factor() == factor).ok_or(SettingsError::Gain(factor))
    }

    pub const fn code(self) -> u8 {
        self.code
    }

    /// How many times the signal is amplified.
    pub fn factor(self) -> f64 {
        0.5 * f64::from(1_u32 << self.code.min(10))
    }
}

/// Why settings can't be given to the chip.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0} is no gain of an AS7341: use 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256 or 512")]
    Gain(f64),
    #[error("ASTEP {0} is reserved: use 0 to 65534")]
    Step(u16),
    #[error("ATIME and ASTEP can't both be 0")]
    NoTime,
}

/// How a reading is taken. Default: gain 128×, ATIME 100, ASTEP 999, as the training lab has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorSettings {
    gain: Gain,
    atime: u8,
    astep: u16,
}

/// One integration step, ms.
const STEP_MS: f64 = 2.78e-3;

impl Default for SensorSettings {
    fn default() -> Self {
        Self { gain: Gain { code: 8 }, atime: 100, astep: 999 }
    }
}

impl SensorSettings {
    /// `astep` up to 65,534; not both `atime` and `astep` zero.
    pub const fn new(gain: Gain, atime: u8, astep: u16) -> Result<Self, SettingsError> {
        if astep == u16::MAX {
            return Err(SettingsError::Step(astep));
        }
        if atime == 0 && astep == 0 {
            return Err(SettingsError::NoTime);
        }
        Ok(Self { gain, atime, astep })
    }

    pub const fn gain(&self) -> Gain {
        self.gain
    }

    /// The same with another gain.
    #[must_use]
    pub const fn with_gain(self, gain: Gain) -> Self {
        Self { gain, ..self }
    }

    pub const fn atime(&self) -> u8 {
        self.atime
    }

    pub const fn astep(&self) -> u16 {
        self.astep
    }

    fn steps(&self) -> u32 {
        (u32::from(self.atime) + 1) * (u32::from(self.astep) + 1)
    }

    /// Integration of one pass in ms: (ATIME + 1)(ASTEP + 1) · 2.78 µs. A reading takes two passes.
    pub fn integration_ms(&self) -> f64 {
        (f64::from(self.steps()) * STEP_MS * 1_000.0).round() / 1_000.0
    }

    /// The most a channel can count.
    pub fn full_scale(&self) -> u16 {
        u16::try_from(self.steps()).unwrap_or(u16::MAX)
    }
}

#[derive(Serialize)]
struct SettingsOut {
    gain: f64,
    again_code: u8,
    atime: u8,
    astep: u16,
    integration_ms: f64,
}

#[derive(Deserialize)]
struct SettingsIn {
    gain: Option<f64>,
    atime: Option<u8>,
    astep: Option<u16>,
}

impl Serialize for SensorSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { gain, atime, astep } = *self;
        let integration_ms = self.integration_ms();
        SettingsOut { gain: gain.factor(), again_code: gain.code, atime, astep, integration_ms }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SensorSettings {
    /// What is missing is the default; what follows from the rest (`again_code`, `integration_ms`) is ignored.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = SettingsIn::deserialize(deserializer)?;
        let usual = Self::default();
        let gain = given.gain.map_or(Ok(usual.gain), Gain::from_factor).map_err(serde::de::Error::custom)?;
        let (atime, astep) = (given.atime.unwrap_or(usual.atime), given.astep.unwrap_or(usual.astep));
        Self::new(gain, atime, astep).map_err(serde::de::Error::custom)
    }
}

/// Counts made comparable between settings: raw / (gain × integration time in ms).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasicCounts {
    /// In order of [`BANDS`].
    pub bands: [f64; 8],
    pub clear: Option<f64>,
    pub nir: Option<f64>,
}

/// One reading, and all that is needed to understand it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub channels: Channels,
    pub settings: SensorSettings,
    /// At least one channel reached full scale: its count is a lower bound, not a measurement.
    pub saturated: bool,
}

impl Reading {
    /// Flags saturation by itself.
    pub fn new(channels: Channels, settings: SensorSettings) -> Self {
        let reading = Self { channels, settings, saturated: false };
        Self { saturated: reading.at_full_scale().is_some(), ..reading }
    }

    /// The first channel that counted all it can, and its count.
    pub fn at_full_scale(&self) -> Option<(&'static str, u16)> {
        let full = self.settings.full_scale();
        self.channels.named().find(|(_, count)| *count >= full)
    }

    pub fn basic_counts(&self) -> BasicCounts {
        let scale = self.settings.gain().factor() * self.settings.integration_ms();
        let basic = |count: u16| f64::from(count) / scale;
        BasicCounts {
            bands: self.channels.bands().map(basic),
            clear: self.channels.clear.map(basic),
            nir: self.channels.nir.map(basic),
        }
    }
}

/// Counts that a channel may make of darkness, per (gain × ms). The data sheet allows 5 counts at 512× and 98 ms (as
/// remembered, the sheet wasn't at hand); ten times that leaves room for warmth and amplifier offset, and is 36 counts at
/// the usual settings, a thousandth of a white.
const DARK_PER_GAIN_MS: f64 = 10.0 * 5.0 / (512.0 * 98.0);
/// The least that every band of a white must count: shot noise is a tenth of it then. A weak violet band is weak, not dark.
const LEAST_WHITE_COUNTS: f64 = 100.0;
/// The brightest band of a white must reach this share of full scale, else the light is off or something covers it.
const LEAST_WHITE_SHARE: f64 = 0.02;
/// A white that lost more than this in a band since the last one isn't the same light through the same empty well. LEDs
/// fade by less in years, plates differ by a few percent, and the least of a dye (20 µL) takes about as much of its band.
const MOST_LOST: f64 = 0.25;

/// Why a reading can't be the white reference.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WhiteFlaw {
    #[error("{channel} counted {count}, and a white has at least {least}")]
    Dark { channel: &'static str, count: u16, least: u16 },
    #[error("{channel} is at the sensor's full scale ({count})")]
    Saturated { channel: &'static str, count: u16 },
    #[error("{channel} has only {percent} % of what it had in the last white reference")]
    Dimmed { channel: &'static str, percent: u32 },
}

impl Reading {
    /// Whether nothing but darkness was seen: the sensor is in its dock, or its light is off.
    pub fn is_dark(&self) -> bool {
        let ceiling = self.dark_ceiling();
        self.channels.named().all(|(_, count)| f64::from(count) <= ceiling)
    }

    fn dark_ceiling(&self) -> f64 {
        DARK_PER_GAIN_MS * self.settings.gain().factor() * self.settings.integration_ms()
    }

    /// Whether this may be the white to which samples are compared; `last` is the one before, where there is one to
    /// compare with.
    pub fn check_white(&self, last: Option<&Self>) -> Result<(), WhiteFlaw> {
        let full = self.settings.full_scale();
        if let Some((channel, count)) = self.at_full_scale() {
            return Err(WhiteFlaw::Saturated { channel, count });
        }
        let bands = || BANDS.iter().map(|band| band.name).zip(self.channels.bands());
        let each = LEAST_WHITE_COUNTS.max(2.0 * self.dark_ceiling()).round() as u16;
        if let Some((channel, count)) = bands().find(|(_, count)| *count < each) {
            return Err(WhiteFlaw::Dark { channel, count, least: each });
        }
        let brightest = (f64::from(full) * LEAST_WHITE_SHARE).round() as u16;
        if let Some((channel, count)) = bands().max_by_key(|(_, count)| *count).filter(|(_, count)| *count < brightest)
        {
            return Err(WhiteFlaw::Dark { channel, count, least: brightest });
        }
        let Some(last) = last.filter(|last| last.settings == self.settings) else { return Ok(()) };
        let left = bands().zip(last.channels.bands()).map(|((channel, now), then)| (channel, share(now, then)));
        match left.min_by(|(_, one), (_, other)| one.total_cmp(other)) {
            Some((channel, left)) if left < 1.0 - MOST_LOST => {
                Err(WhiteFlaw::Dimmed { channel, percent: (left * 100.0).round() as u32 })
            }
            _ => Ok(()),
        }
    }
}

fn share(now: u16, then: u16) -> f64 {
    f64::from(now) / f64::from(then.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_follow_the_data_sheet() {
        let usual = SensorSettings::default();
        assert_eq!(usual.gain().factor(), 128.0);
        assert_eq!(usual.integration_ms(), 280.78);
        assert_eq!(usual.full_scale(), 65_535);
        let quick = SensorSettings::new(Gain::from_code(0).expect("code"), 9, 99).expect("settings");
        assert_eq!((quick.gain().factor(), quick.full_scale()), (0.5, 1_000));
        assert_eq!(Gain::from_factor(512.0).expect("gain").code(), 10);
    }

    #[test]
    fn what_the_chip_cant_do_is_refused() {
        assert_eq!(Gain::from_factor(100.0), Err(SettingsError::Gain(100.0)));
        assert!(Gain::from_factor(f64::NAN).is_err());
        assert_eq!(Gain::from_code(11), None);
        let gain = SensorSettings::default().gain();
        assert_eq!(SensorSettings::new(gain, 0, 0), Err(SettingsError::NoTime));
        assert_eq!(SensorSettings::new(gain, 0, u16::MAX), Err(SettingsError::Step(u16::MAX)));
        assert!(serde_json::from_str::<SensorSettings>(r#"{"gain":3}"#).is_err());
    }

    #[test]
    fn settings_survive_json_and_missing_ones_are_usual() {
        let settings = SensorSettings::new(Gain::from_code(6).expect("code"), 29, 599).expect("settings");
        let text = serde_json::to_string(&settings).expect("json");
        assert_eq!(text, r#"{"gain":32.0,"again_code":6,"atime":29,"astep":599,"integration_ms":50.04}"#);
        assert_eq!(serde_json::from_str::<SensorSettings>(&text).expect("back"), settings);
        assert_eq!(serde_json::from_str::<SensorSettings>("{}").expect("usual"), SensorSettings::default());
    }

    #[test]
    fn a_reading_at_full_scale_is_saturated_and_basic_counts_forget_the_settings() {
        let settings = SensorSettings::new(Gain::from_code(1).expect("code"), 9, 99).expect("settings");
        let at = |count| Reading::new(Channels::new([count; 8], 10, 10), settings);
        assert!(!at(999).saturated);
        assert!(at(1_000).saturated);
        let doubled = SensorSettings::new(Gain::from_code(2).expect("code"), 9, 99).expect("settings");
        let bright = Reading::new(Channels::new([1_000 - 2; 8], 20, 20), doubled);
        assert_eq!(at(499).basic_counts(), bright.basic_counts());
    }

    #[test]
    fn a_sensor_that_tells_only_its_bands_is_believed_without_the_rest() {
        let bands = Channels::of_bands([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bands.named().count(), 8);
        let text = serde_json::to_string(&bands).expect("json");
        assert!(!text.contains("clear") && !text.contains("nir"), "{text}");
        assert_eq!(serde_json::from_str::<Channels>(&text).expect("back"), bands);
        assert_eq!(Reading::new(bands, SensorSettings::default()).basic_counts().nir, None);
    }

    const WHITE: [u16; 8] = [3_641, 40_322, 25_729, 32_368, 45_000, 39_782, 25_892, 6_099];

    fn usual(bands: [u16; 8]) -> Reading {
        Reading::new(Channels::new(bands, bands[4], 900), SensorSettings::default())
    }

    #[test]
    fn what_the_dock_shows_is_no_white_and_no_sample() {
        let dock = Reading::new(Channels::new([3, 5, 7, 4, 4, 3, 6, 5], 7, 4), SensorSettings::default());
        assert!(dock.is_dark());
        assert!(matches!(dock.check_white(None), Err(WhiteFlaw::Dark { .. })));
        assert!(!usual(WHITE).is_dark());
        assert_eq!(usual(WHITE).check_white(None), Ok(()));
    }

    #[test]
    fn one_dead_band_a_weak_light_and_too_much_light_are_refused() {
        let mut dead = WHITE;
        dead[2] = 0;
        assert_eq!(usual(dead).check_white(None), Err(WhiteFlaw::Dark { channel: "ch470", count: 0, least: 100 }));
        assert!(matches!(usual(WHITE.map(|count| count / 36)).check_white(None), Err(WhiteFlaw::Dark { .. })));
        assert!(matches!(usual([600; 8]).check_white(None), Err(WhiteFlaw::Dark { least: 1_311, .. })));
        let mut glare = WHITE;
        glare[4] = u16::MAX;
        assert!(matches!(usual(glare).check_white(None), Err(WhiteFlaw::Saturated { channel: "ch550", .. })));
    }

    #[test]
    fn a_white_that_lost_light_is_not_the_last_ones_like() {
        let last = usual(WHITE);
        let faded = |share: f64| usual(WHITE.map(|count| (f64::from(count) * share) as u16));
        assert_eq!(faded(0.9).check_white(Some(&last)), Ok(()));
        assert_eq!(faded(1.1).check_white(Some(&last)), Ok(()));
        assert!(matches!(faded(0.6).check_white(Some(&last)), Err(WhiteFlaw::Dimmed { percent: 60, .. })));
        // Another gain is another scale.
        let other = SensorSettings::new(Gain::from_code(7).expect("code"), 100, 999).expect("settings");
        let half = Reading::new(Channels::new(WHITE.map(|count| count / 2), 20_000, 450), other);
        assert_eq!(half.check_white(Some(&last)), Ok(()));
    }
}

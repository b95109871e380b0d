//! What an AS7341 colour sensor says: its bands and its counts ([`Reading`]), how it was set ([`SensorSettings`]), what several
//! exposures say together ([`Average`]), when the gain should be another ([`Reading::better_gain`]), and what a sample is beside a
//! white ([`Average::estimate`]).
//!
//! Where figures are from is said at each. "The sheet" is ams-OSRAM's DS000504 v3-00. It wasn't at hand when this was written: its
//! figures are as drivers and applications in public repositories quote it.

mod average;
mod exposure;
mod reference;
mod settings;

pub use average::Average;
pub use exposure::{WEAK_SAMPLE, WEAK_WHITE};
pub use reference::WhiteFlaw;
pub use settings::{Gain, LED_MA, SensorSettings, SettingsError};

use crate::spectrum::{Spectrum, gaussian, sigma_of_fwhm};
use serde::{Deserialize, Serialize};

/// One of the eight visible channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// As in results and messages, where the training lab's names are kept although the chip's centres differ.
    pub name: &'static str,
    pub centre_nm: f64,
    pub fwhm_nm: f64,
    /// Irradiance responsivity at the centre, of use only beside the other bands'.
    pub responsivity: f64,
}

/// F1 to F8: the sheet's typical centres, widths and responsivities. (The responsivities as two programs quote them that know
/// nothing of each other; they differ by 25 times between violet and red.) The shape between is a guess: a bell.
pub const BANDS: [Band; 8] = [
    Band { name: "ch410", centre_nm: 415.0, fwhm_nm: 26.0, responsivity: 55.0 },
    Band { name: "ch440", centre_nm: 445.0, fwhm_nm: 30.0, responsivity: 110.0 },
    Band { name: "ch470", centre_nm: 480.0, fwhm_nm: 36.0, responsivity: 210.0 },
    Band { name: "ch510", centre_nm: 515.0, fwhm_nm: 39.0, responsivity: 390.0 },
    Band { name: "ch550", centre_nm: 555.0, fwhm_nm: 39.0, responsivity: 590.0 },
    Band { name: "ch583", centre_nm: 590.0, fwhm_nm: 40.0, responsivity: 840.0 },
    Band { name: "ch620", centre_nm: 630.0, fwhm_nm: 50.0, responsivity: 1_350.0 },
    Band { name: "ch670", centre_nm: 680.0, fwhm_nm: 52.0, responsivity: 1_070.0 },
];

impl Band {
    /// What it makes of light, by wavelength; of use only beside the other bands.
    pub fn response(&self) -> Spectrum {
        Spectrum::sample(|nm| self.responsivity * gaussian(nm, self.centre_nm, sigma_of_fwhm(self.fwhm_nm)))
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

/// Counts made comparable between settings: raw / (gain × integration time in ms).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasicCounts {
    /// In order of [`BANDS`].
    pub bands: [f64; 8],
    pub clear: Option<f64>,
    pub nir: Option<f64>,
}

impl BasicCounts {
    /// What the sensor's own light made of it, where `dark` is the same without that light.
    #[must_use]
    pub fn less(&self, dark: &Self) -> Self {
        let less = |lit: Option<f64>, dark: Option<f64>| Some(lit? - dark?);
        Self {
            bands: std::array::from_fn(|band| self.bands[band] - dark.bands[band]),
            clear: less(self.clear, dark.clear),
            nir: less(self.nir, dark.nir),
        }
    }
}

/// One reading, and all that is needed to understand it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub channels: Channels,
    pub settings: SensorSettings,
    /// At least one channel reached full scale: its count is a lower bound, not a measurement.
    pub saturated: bool,
    /// The sensor said nothing of its settings, which are believed to be those asked for. Nobody knows whether it would change them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settings_assumed: bool,
}

impl Reading {
    /// Flags saturation by itself.
    pub fn new(channels: Channels, settings: SensorSettings) -> Self {
        let reading = Self { channels, settings, saturated: false, settings_assumed: false };
        Self { saturated: reading.at_full_scale().is_some(), ..reading }
    }

    /// The first channel that counted all it can, and its count.
    fn at_full_scale(&self) -> Option<(&'static str, u16)> {
        let full = self.settings.full_scale();
        self.channels.named().find(|(_, count)| *count >= full)
    }

    /// A saturated channel and its count: at full scale, or the brightest where the chip noticed what its counts don't show.
    pub fn saturated_channel(&self) -> Option<(&'static str, u16)> {
        let brightest = || self.channels.named().max_by_key(|(_, count)| *count);
        self.at_full_scale().or_else(|| brightest().filter(|_| self.saturated))
    }

    pub fn basic_counts(&self) -> BasicCounts {
        let scale = self.settings.exposure();
        let basic = |count: u16| f64::from(count) / scale;
        BasicCounts {
            bands: self.channels.bands().map(basic),
            clear: self.channels.clear.map(basic),
            nir: self.channels.nir.map(basic),
        }
    }
}

/// Counts that the chip may make of darkness, per (gain × ms). The sheet allows 5 counts at 512× and 98 ms (as remembered).
const DARK_PER_GAIN_MS: f64 = 5.0 / (512.0 * 98.0);
/// How much more than that still is darkness: warmth, amplifier offset and a dock that isn't tight. A guess; it makes 36 counts
/// at the usual settings, a thousandth of a white.
const DARK_MARGIN: f64 = 10.0;

impl Reading {
    /// Whether nothing but darkness was seen: the sensor is in its dock, or its light is off in the dark.
    pub fn is_dark(&self) -> bool {
        let ceiling = DARK_MARGIN * self.darkness();
        self.channels.named().all(|(_, count)| f64::from(count) <= ceiling)
    }

    /// Counts that a channel may make of darkness, by the sheet.
    pub(crate) fn darkness(&self) -> f64 {
        DARK_PER_GAIN_MS * self.settings.exposure()
    }
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
}

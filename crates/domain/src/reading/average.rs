//! Several exposures of the same and one in the dark, and what they say together.

use super::{BasicCounts, Channels, Reading};
use serde::{Deserialize, Serialize};
use std::slice;

/// The mean of exposures that were taken one after the other with the same settings. What was stored as a single reading is an
/// average of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// Its counts are the means, rounded.
    #[serde(flatten)]
    pub reading: Reading,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reads: Vec<Channels>,
    /// The same without the sensor's own light: what the room and the chip add. Nothing where that light can't be switched, or
    /// where it was judged too little to look at each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dark: Option<Reading>,
}

impl From<Reading> for Average {
    fn from(reading: Reading) -> Self {
        Self { reading, reads: Vec::new(), dark: None }
    }
}

impl Average {
    /// Nothing where there are none, or where their settings differ.
    pub fn of(exposures: &[Reading]) -> Option<Self> {
        let (first, others) = exposures.split_first()?;
        if others.is_empty() {
            return Some(Self::from(*first));
        }
        let mut reading = *first;
        for other in others {
            if other.settings != first.settings {
                return None;
            }
            reading.saturated |= other.saturated;
            reading.settings_assumed |= other.settings_assumed;
        }
        let reads: Vec<Channels> = exposures.iter().map(|exposure| exposure.channels).collect();
        reading.channels = mean(&reads);
        Some(Self { reading, reads, dark: None })
    }

    /// With this exposure in the dark.
    #[must_use]
    pub fn with_dark(self, dark: Option<Reading>) -> Self {
        Self { dark, ..self }
    }

    /// Each exposure's raw counts.
    pub fn reads(&self) -> &[Channels] {
        if self.reads.is_empty() { slice::from_ref(&self.reading.channels) } else { &self.reads }
    }

    /// Each exposure by itself, in basic counts.
    pub fn each(&self) -> impl Iterator<Item = BasicCounts> + '_ {
        self.reads().iter().map(|channels| Reading { channels: *channels, ..self.reading }.basic_counts())
    }

    pub fn basic_counts(&self) -> BasicCounts {
        let count = self.reads().len() as f64;
        let mean =
            |of: &dyn Fn(BasicCounts) -> Option<f64>| self.each().map(of).sum::<Option<f64>>().map(|sum| sum / count);
        BasicCounts {
            bands: std::array::from_fn(|band| mean(&|read| Some(read.bands[band])).unwrap_or_default()),
            clear: mean(&|read| read.clear),
            nir: mean(&|read| read.nir),
        }
    }

    /// Standard deviation of the exposures in each band, as a share of their mean. Nothing of a single one.
    pub fn spread(&self) -> Option<[f64; 8]> {
        let count = self.reads().len();
        if count < 2 {
            return None;
        }
        let mean = self.basic_counts().bands;
        Some(std::array::from_fn(|band| {
            let squares: f64 = self.each().map(|read| (read.bands[band] - mean[band]).powi(2)).sum();
            let deviation = (squares / (count - 1) as f64).sqrt();
            if mean[band] > 0.0 { deviation / mean[band] } else { 0.0 }
        }))
    }
}

fn mean(reads: &[Channels]) -> Channels {
    let rounded = |sum: u64| (sum as f64 / reads.len() as f64).round() as u16;
    let of = |count: &dyn Fn(&Channels) -> Option<u16>| {
        reads.iter().map(|read| count(read).map(u64::from)).sum::<Option<u64>>().map(rounded)
    };
    let bands = std::array::from_fn(|band| of(&|read| Some(read.bands()[band])).unwrap_or_default());
    Channels { clear: of(&|read| read.clear), nir: of(&|read| read.nir), ..Channels::of_bands(bands) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Gain, SensorSettings};

    fn exposure(counts: [u16; 8]) -> Reading {
        Reading::new(Channels::new(counts, 1_000, 10), SensorSettings::default())
    }

    #[test]
    fn exposures_are_averaged_and_their_spread_is_told() {
        let average = Average::of(&[exposure([99; 8]), exposure([100; 8]), exposure([102; 8])]).expect("same settings");
        assert_eq!((average.reads().len(), average.reading.channels.ch410), (3, 100));
        let exact = 301.0 / 3.0 / SensorSettings::default().exposure();
        assert!((average.basic_counts().bands[0] - exact).abs() < 1e-12, "rounded only where it is shown");
        let spread = average.spread().expect("three")[7];
        assert!((spread - 1.527_525 / (301.0 / 3.0)).abs() < 1e-6, "{spread}");
        assert_eq!(average.basic_counts().clear, Some(1_000.0 / SensorSettings::default().exposure()));
    }

    #[test]
    fn one_is_no_spread_none_is_no_average_and_different_settings_are_not_averaged() {
        assert_eq!(Average::of(&[exposure([5; 8])]).expect("one").spread(), None);
        assert_eq!(Average::of(&[]), None);
        let other = exposure([5; 8]);
        let settings = other.settings.with_gain(Gain::from_code(3).expect("a gain"));
        assert_eq!(Average::of(&[exposure([5; 8]), Reading { settings, ..other }]), None);
        let flagged = Reading { saturated: true, ..other };
        assert!(
            Average::of(&[other, flagged]).expect("both").reading.saturated,
            "one saturated exposure spoils the mean"
        );
    }

    #[test]
    fn what_was_stored_as_one_reading_is_an_average_and_an_average_is_read_as_one_reading() {
        let single = exposure([7; 8]);
        let stored = serde_json::to_value(single).expect("JSON");
        assert_eq!(serde_json::from_value::<Average>(stored).expect("an average"), Average::from(single));
        let average = Average::of(&[exposure([6; 8]), exposure([8; 8])]).expect("same settings");
        let stored = serde_json::to_value(&average).expect("JSON");
        assert_eq!(serde_json::from_value::<Average>(stored.clone()).expect("itself"), average);
        assert_eq!(serde_json::from_value::<Reading>(stored).expect("a reading"), single);
    }
}

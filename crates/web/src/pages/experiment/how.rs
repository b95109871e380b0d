//! How a well was measured, for whoever opens it: what each band saw, how the sensor was set, and what it was compared with.

use domain::{
    WellName,
    colour::Xyz,
    reading::{BANDS, BasicCounts, Channels},
};
use serde::Deserialize;
use serde_json::Value;

/// What a result keeps of it. Results of earlier releases have less.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stored {
    reads: Option<Vec<Value>>,
    scatter: Option<f64>,
    settings: Option<Settings>,
    settings_assumed: bool,
    basic_counts: Option<BasicCounts>,
    absorbance: Option<[Option<f64>; 8]>,
    xyz: Option<Xyz>,
    white_reference: Option<White>,
    dark_reference: Option<Dark>,
    method: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Settings {
    gain: f64,
    integration_ms: f64,
    led_ma: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct White {
    well_id: Option<WellName>,
    age_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Dark {
    over: String,
}

/// What the page tells.
pub struct How {
    pub settings: Option<String>,
    pub channels: Vec<Channel>,
    /// Sentences: what, and what of it.
    pub facts: Vec<(&'static str, String)>,
}

/// One line of the table; a dash where there is nothing.
pub struct Channel {
    pub name: &'static str,
    /// What it sees.
    pub seen: String,
    pub count: u16,
    pub basic: String,
    pub through: String,
    pub absorbance: String,
}

const NOTHING: &str = "–";

impl Stored {
    pub fn told(&self, channels: &Channels, transmittance: Option<&[f64; 8]>) -> How {
        let line = |(name, count): (&'static str, u16)| self.channel(name, count, transmittance);
        How { settings: self.settings(), channels: channels.named().map(line).collect(), facts: self.facts() }
    }

    fn settings(&self) -> Option<String> {
        let Settings { gain, integration_ms, led_ma } = self.settings.as_ref()?;
        let light = match led_ma {
            Some(0) => ", its light off".to_owned(),
            Some(ma) => format!(", light {ma} mA"),
            None => String::new(),
        };
        let assumed = if self.settings_assumed { ", as asked for" } else { "" };
        Some(format!("gain {gain}×, {integration_ms:.1} ms a pass{light}{assumed}"))
    }

    fn channel(&self, name: &'static str, count: u16, transmittance: Option<&[f64; 8]>) -> Channel {
        let band = BANDS.iter().position(|band| band.name == name);
        let of_band = |values: Option<&[f64; 8]>| values?.get(band?).copied();
        let basic = self.basic_counts.as_ref().and_then(|basic| match name {
            "clear" => basic.clear,
            "nir" => basic.nir,
            _ => of_band(Some(&basic.bands)),
        });
        let absorbance = self.absorbance.and_then(|absorbance| absorbance.get(band?).copied().flatten());
        let told = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.digits$}").replace('-', "−"))
        };
        Channel {
            name,
            seen: band
                .and_then(|band| BANDS.get(band))
                .map_or_else(String::new, |band| format!("{:.0} nm", band.centre_nm)),
            count,
            basic: told(basic, 3),
            through: told(of_band(transmittance).map(|share| share * 100.0), 1),
            absorbance: told(absorbance, 3),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let Some(reads) = &self.reads {
            let apart = self.scatter.map_or_else(String::new, |scatter| format!(", ΔE00 {scatter:.2} apart"));
            facts.push(("Readings", format!("{}{apart}", reads.len())));
        }
        if let Some(Xyz { x, y, z }) = self.xyz {
            facts.push(("XYZ", format!("{x:.3} {y:.3} {z:.3}")));
        }
        if let Some(White { well_id, age_seconds }) = &self.white_reference {
            let over = well_id.map_or_else(|| "an empty well".to_owned(), |well| well.to_string());
            let age = age_seconds.map_or_else(String::new, |age| format!(", {age:.0} s before"));
            facts.push(("White", format!("over {over}{age}")));
        }
        // Before there were readings to average, nobody looked for the dark either.
        if self.reads.is_some() {
            let dark = match &self.dark_reference {
                Some(Dark { over }) if over == "sample" => "read over this well and taken off",
                Some(_) => "read with the white and taken off",
                None => "none: the sensor's light can't be switched",
            };
            facts.push(("Dark", dark.to_owned()));
        }
        facts.extend(self.method.clone().map(|method| ("Colour", method)));
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(data: Value) -> How {
        let stored: Stored = serde_json::from_value(data).expect("what was stored");
        stored.told(&Channels::new([1, 2, 3, 4, 5, 6, 7, 8], 9, 10), Some(&[0.5; 8]))
    }

    #[test]
    fn what_was_kept_is_told() {
        let bands = json!([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
        let how = told(json!({
            "reads": [{}, {}, {}, {}], "scatter": 0.314, "settings": { "gain": 32.0, "integration_ms": 280.78, "led_ma": 12 },
            "basic_counts": { "bands": bands, "clear": 0.9, "nir": null }, "absorbance": [0.301, null, 0, 0, 0, 0, 0, 0],
            "xyz": { "x": 0.1, "y": 0.2, "z": 0.3 }, "white_reference": { "well_id": "H12", "age_seconds": 35.4 },
            "dark_reference": { "over": "sample" }, "method": "a map",
        }));
        assert_eq!(how.settings.as_deref(), Some("gain 32×, 280.8 ms a pass, light 12 mA"));
        let first = &how.channels[0];
        let line = [first.seen.as_str(), &first.basic, &first.through, &first.absorbance];
        assert_eq!(line, ["415 nm", "0.100", "50.0", "0.301"]);
        assert_eq!((how.channels[1].absorbance.as_str(), how.channels[9].basic.as_str()), (NOTHING, NOTHING));
        let fact = |what: &str| how.facts.iter().find(|(fact, _)| *fact == what).map(|(_, told)| told.as_str());
        assert_eq!(fact("Readings"), Some("4, ΔE00 0.31 apart"));
        assert_eq!(fact("White"), Some("over H12, 35 s before"));
        assert_eq!(fact("Dark"), Some("read over this well and taken off"));
        assert_eq!((fact("XYZ"), fact("Colour")), (Some("0.100 0.200 0.300"), Some("a map")));
    }

    #[test]
    fn a_light_that_cant_be_switched_and_results_of_earlier_releases_are_told_as_they_are() {
        let by_room = told(
            json!({ "reads": [{}], "settings_assumed": true, "settings": { "gain": 128.0, "integration_ms": 280.78 } }),
        );
        assert!(by_room.settings.is_some_and(|settings| settings.ends_with("as asked for")));
        assert!(by_room.facts.iter().any(|(what, told)| *what == "Dark" && told.starts_with("none")));
        let old = told(json!({ "channels": {}, "white_reference": { "operation_id": "x", "well_id": "H12" } }));
        assert_eq!(old.facts, [("White", "over H12".to_owned())]);
        assert_eq!((old.settings, old.channels[0].count, old.channels[0].basic.as_str()), (None, 1, NOTHING));
    }
}

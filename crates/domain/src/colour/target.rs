//! The colour that a well is to have.

use super::{Lab, Srgb};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, value::MapAccessDeserializer},
};
use std::{fmt, str::FromStr};

/// A colour to aim at: L* 0–100, a* and b* −128 to 127, under D65, to 0.0001. Read from `#rrggbb` or from `{"l", "a", "b"}`; written as the
/// latter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Target(Lab);

/// Why something is no colour to aim at.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TargetError {
    #[error("'{0}' is no colour: write it as #rrggbb, or as an object with l, a and b")]
    Text(String),
    #[error("L* {l}, a* {a}, b* {b} is no colour: L* goes from 0 to 100, a* and b* from −128 to 127")]
    Range { l: f64, a: f64, b: f64 },
}

impl Target {
    /// Under which it is kept in a well's metadata.
    pub const KEPT_AS: &str = "target";

    pub const fn lab(self) -> Lab {
        self.0
    }
}

impl TryFrom<Lab> for Target {
    type Error = TargetError;

    fn try_from(lab: Lab) -> Result<Self, TargetError> {
        let Lab { l, a, b } = lab;
        let axis = -128.0..=127.0;
        let is_colour = (0.0..=100.0).contains(&l) && axis.contains(&a) && axis.contains(&b);
        // So that it is the same number once it was written and read; a zero has no sign.
        let kept = |value: f64| (value * 1e4).round() / 1e4 + 0.0;
        if is_colour {
            Ok(Self(Lab { l: kept(l), a: kept(a), b: kept(b) }))
        } else {
            Err(TargetError::Range { l, a, b })
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let screen: Srgb = text.parse().map_err(|_| TargetError::Text(text.chars().take(20).collect()))?;
        screen.to_lab().try_into()
    }
}

/// As a screen shows it, near enough to be known again.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.to_srgb().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a colour: #rrggbb, or an object with l, a and b")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            l: f64,
            a: f64,
            b: f64,
        }
        let Given { l, a, b } = Given::deserialize(MapAccessDeserializer::new(map))?;
        Lab { l, a, b }.try_into().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_colour_and_a_lab_are_read_and_written_as_lab() {
        let read = |json: &str| serde_json::from_str::<Target>(json);
        let grey = read("\"#808080\"").expect("a colour");
        // IEC 61966-2-1: mid grey, L* 53.585.
        assert!((grey.lab().l - 53.585).abs() < 1e-2 && grey.lab().a.abs() < 0.1, "{grey:?}");
        assert_eq!(grey.to_string(), "#808080");
        let ochre = read(r#"{"l":55,"a":20.5,"b":40}"#).expect("a colour");
        assert_eq!(serde_json::to_string(&ochre).expect("json"), r#"{"l":55.0,"a":20.5,"b":40.0}"#);
        for nonsense in
            ["\"red\"", "7", "null", r#"{"l":101,"a":0,"b":0}"#, r#"{"l":50,"a":0}"#, r#"{"l":1,"a":0,"b":0,"c":0}"#]
        {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}

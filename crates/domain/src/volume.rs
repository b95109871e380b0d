//! Liquid volumes, exact to a nanolitre, so that sums and limits compare without rounding surprises.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, iter::Sum, ops::Add};

/// A volume of liquid, from 0 to 4 L. Speaks µL outside (JSON, display) and counts nanolitres inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volume {
    nanolitres: u32,
}

/// Why a number is no volume.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum VolumeError {
    #[error("a volume must be a finite number of µL")]
    NotFinite,
    #[error("a volume can't be negative: {0} µL")]
    Negative(f64),
    #[error("a volume is a multiple of 0.1 µL, the finest step of a pipette: {0} µL isn't")]
    TooFine(f64),
    #[error("{0} µL is more than any vessel on the deck holds")]
    TooLarge(f64),
}

impl Volume {
    pub const ZERO: Self = Self { nanolitres: 0 };

    pub const fn from_nanolitres(nanolitres: u32) -> Self {
        Self { nanolitres }
    }

    /// Whole microlitres, for constants.
    pub const fn from_whole_ul(microlitres: u32) -> Self {
        Self { nanolitres: microlitres * 1_000 }
    }

    /// A volume a person asked for: finite, not negative, a multiple of 0.1 µL.
    pub fn from_ul(microlitres: f64) -> Result<Self, VolumeError> {
        if !microlitres.is_finite() {
            return Err(VolumeError::NotFinite);
        }
        if microlitres < 0.0 {
            return Err(VolumeError::Negative(microlitres));
        }
        if microlitres > 4_000_000.0 {
            return Err(VolumeError::TooLarge(microlitres));
        }
        let tenths = (microlitres * 10.0).round();
        if (microlitres * 10.0 - tenths).abs() > 1e-6 {
            return Err(VolumeError::TooFine(microlitres));
        }
        Ok(Self { nanolitres: tenths as u32 * 100 })
    }

    pub fn ul(self) -> f64 {
        f64::from(self.nanolitres) / 1_000.0
    }

    pub const fn nanolitres(self) -> u32 {
        self.nanolitres
    }

    pub const fn is_zero(self) -> bool {
        self.nanolitres == 0
    }

    /// As [`Volume::is_zero`], in the shape that serde asks for.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
    pub(crate) const fn is_zero_ref(&self) -> bool {
        self.is_zero()
    }

    /// `self − other`, or zero where `other` is more.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self { nanolitres: self.nanolitres.saturating_sub(other.nanolitres) }
    }
}

impl Add for Volume {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { nanolitres: self.nanolitres.saturating_add(other.nanolitres) }
    }
}

impl Sum for Volume {
    fn sum<I: Iterator<Item = Self>>(volumes: I) -> Self {
        volumes.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} µL", self.ul())
    }
}

impl Serialize for Volume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.nanolitres.is_multiple_of(1_000) {
            serializer.serialize_u32(self.nanolitres / 1_000)
        } else {
            serializer.serialize_f64(self.ul())
        }
    }
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_ul(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tenths_of_a_microlitre_survive_json(tenths in 0u32..3_001) {
            let volume = Volume::from_ul(f64::from(tenths) / 10.0).expect("a tenth of a µL");
            let text = serde_json::to_string(&volume).expect("json");
            prop_assert_eq!(serde_json::from_str::<Volume>(&text).expect("back"), volume);
            prop_assert_eq!(volume.nanolitres(), tenths * 100);
        }

        #[test]
        fn any_number_is_a_volume_or_an_error_and_never_a_panic(number in any::<f64>()) {
            if let Ok(volume) = Volume::from_ul(number) {
                prop_assert!((volume.ul() - number).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn what_no_pipette_can_do_is_refused() {
        assert_eq!(Volume::from_ul(f64::NAN), Err(VolumeError::NotFinite));
        assert_eq!(Volume::from_ul(-1.0), Err(VolumeError::Negative(-1.0)));
        assert_eq!(Volume::from_ul(20.05), Err(VolumeError::TooFine(20.05)));
        assert_eq!(Volume::from_ul(1e300), Err(VolumeError::TooLarge(1e300)));
    }
}

//! A body of liquid: µL of each dye, ideally mixed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a vessel or a tip holds. In JSON a map of dye to µL, whose sum is its volume. What evaporated is counted off `water`, of which there
/// may be less than nothing: the water that the dyes came with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Liquid {
    components: BTreeMap<String, f64>,
}

/// The diluent, and what evaporates of all others.
pub(crate) const WATER: &str = "water";

/// Volumes are kept to a tenth of a nanolitre: finer than anything real, coarse enough that JSON returns the same number.
const STEPS_PER_UL: f64 = 10_000.0;

pub(crate) fn rounded_ul(volume_ul: f64) -> f64 {
    (volume_ul * STEPS_PER_UL).round() / STEPS_PER_UL
}

/// Whether `name` may name a liquid.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= 40 && name.chars().all(allowed)
}

impl Liquid {
    /// `volume_ul` of one dye.
    pub fn pure(dye: &str, volume_ul: f64) -> Self {
        Self::from_components(BTreeMap::from([(dye.to_owned(), volume_ul)]))
    }

    pub(crate) fn from_components(components: BTreeMap<String, f64>) -> Self {
        let components = components.into_iter().map(|(dye, ul)| (dye, rounded_ul(ul))).filter(|(_, ul)| *ul != 0.0);
        Self { components: components.collect() }
    }

    /// µL altogether.
    pub fn volume_ul(&self) -> f64 {
        self.components.values().sum::<f64>().max(0.0)
    }

    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// Dye names and µL, in order of name; of what evaporated nothing.
    pub fn components(&self) -> impl Iterator<Item = (&str, f64)> {
        self.components.iter().map(|(dye, ul)| (dye.as_str(), *ul)).filter(|(_, ul)| *ul > 0.0)
    }

    /// µL of one dye.
    pub fn of(&self, dye: &str) -> f64 {
        self.components.get(dye).copied().unwrap_or(0.0)
    }

    /// What `volume_ul` of this would hold; all of it when there is less, and nothing of what has dried up. Changes nothing.
    pub(crate) fn part(&self, volume_ul: f64) -> Self {
        let total = self.volume_ul();
        if total <= 0.0 {
            return Self::default();
        }
        if volume_ul >= total {
            return self.clone();
        }
        let share = (volume_ul / total).max(0.0);
        Self::from_components(self.components.iter().map(|(dye, ul)| (dye.clone(), ul * share)).collect())
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (dye, ul) in &other.components {
            let held = self.components.entry(dye.clone()).or_insert(0.0);
            *held = rounded_ul(*held + ul);
        }
        self.components.retain(|_, ul| *ul != 0.0);
    }

    /// Takes `other` out; of a dye what isn't there can't be taken.
    pub(crate) fn remove(&mut self, other: &Self) {
        for (dye, ul) in &other.components {
            let held = self.components.entry(dye.clone()).or_insert(0.0);
            let left = rounded_ul(*held - ul);
            *held = if dye == WATER { left } else { left.max(0.0) };
        }
        self.components.retain(|_, ul| *ul != 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lost_water_is_stronger_and_what_dried_up_comes_back_with_water() {
        let mut liquid = Liquid::pure("red", 100.0);
        liquid.remove(&Liquid::pure(WATER, 50.0));
        assert_eq!((liquid.volume_ul(), liquid.of("red")), (50.0, 100.0));
        let drawn = liquid.part(10.0);
        assert_eq!((drawn.volume_ul(), drawn.of("red")), (10.0, 20.0));
        liquid.remove(&drawn);
        liquid.remove(&Liquid::pure(WATER, 40.0));
        assert_eq!((liquid.volume_ul(), liquid.of("red")), (0.0, 80.0));
        assert!(liquid.part(5.0).is_empty(), "nothing flows");
        liquid.add(&Liquid::pure(WATER, 20.0));
        assert_eq!((liquid.volume_ul(), liquid.of("red")), (20.0, 80.0));
    }
}

//! What a person asks for: so much of each dye in one well.

use crate::{Deck, Volume};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The name of a dye or diluent on the deck: 1–32 of `a–z 0–9 _ -`, starting with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DyeName(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' can't name a dye: use 1–32 of a–z, 0–9, _ and -, starting with a letter")]
pub struct DyeNameError(String);

impl DyeName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DyeName {
    type Err = DyeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(DyeNameError(text.chars().take(40).collect())) }
    }
}

impl fmt::Display for DyeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DyeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for DyeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DyeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Amounts by dye for one well. Holds no zero amounts; check it against a deck with [`Recipe::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Recipe(BTreeMap<DyeName, Volume>);

/// Why a deck can't mix a recipe. Each says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    #[error("the well is empty: give at least one dye more than 0 µL")]
    Empty,
    #[error("there is no dye '{dye}' on the deck; it has {on_deck}")]
    UnknownDye { dye: DyeName, on_deck: String },
    #[error("{volume} of {dye} is less than the mounted pipette measures: use 0 or at least {least}")]
    BelowMinimum { dye: DyeName, volume: Volume, least: Volume },
    #[error("{volume} of {dye} is more than its vial can ever give, which is {most}: ask for at most that")]
    MoreThanAVial { dye: DyeName, volume: Volume, most: Volume },
    #[error("the amounts add up to {total}; a well takes at most {most}, so take {excess} away", excess = total.saturating_sub(*most))]
    Overfull { total: Volume, most: Volume },
}

impl RecipeError {
    /// That this deck has no such dye.
    pub fn unknown(dye: &DyeName, deck: &Deck) -> Self {
        let on_deck = deck.dyes.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
        Self::UnknownDye { dye: dye.clone(), on_deck }
    }

    /// The dye to change, where it is one.
    pub const fn dye(&self) -> Option<&DyeName> {
        match self {
            Self::UnknownDye { dye, .. } | Self::BelowMinimum { dye, .. } | Self::MoreThanAVial { dye, .. } => {
                Some(dye)
            }
            Self::Empty | Self::Overfull { .. } => None,
        }
    }
}

impl Recipe {
    /// From amounts as given; zeros are dropped.
    pub fn new(amounts: impl IntoIterator<Item = (DyeName, Volume)>) -> Self {
        Self(amounts.into_iter().filter(|(_, volume)| !volume.is_zero()).collect())
    }

    /// The amount of one dye, zero where it isn't used.
    pub fn amount(&self, dye: &DyeName) -> Volume {
        self.0.get(dye).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&DyeName, Volume)> {
        self.0.iter().map(|(dye, volume)| (dye, *volume))
    }

    pub fn total(&self) -> Volume {
        self.0.values().copied().sum()
    }

    /// Whether this deck, with its dyes and pipettes, can mix this recipe in one well; if not, the first reason.
    pub fn check(&self, deck: &Deck) -> Result<(), RecipeError> {
        self.objections(deck).into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that keeps this deck from mixing this recipe in one well; empty when it can.
    pub fn objections(&self, deck: &Deck) -> Vec<RecipeError> {
        if self.0.is_empty() {
            return vec![RecipeError::Empty];
        }
        let mut objections: Vec<_> = self.iter().filter_map(|(dye, volume)| objection(dye, volume, deck)).collect();
        let (total, most) = (self.total(), deck.well_capacity);
        if total > most {
            objections.push(RecipeError::Overfull { total, most });
        }
        objections
    }
}

/// What is wrong with one amount, whatever else is in the well.
fn objection(dye: &DyeName, volume: Volume, deck: &Deck) -> Option<RecipeError> {
    let Some(vial) = deck.dye(dye) else { return Some(RecipeError::unknown(dye, deck)) };
    if deck.pipette_for(volume).is_none() {
        return Some(RecipeError::BelowMinimum { dye: dye.clone(), volume, least: deck.least_volume() });
    }
    let most = vial.volume.saturating_sub(deck.vial_reserve);
    (volume > most).then(|| RecipeError::MoreThanAVial { dye: dye.clone(), volume, most })
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<DyeName, Volume>::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(amounts: &[(&str, f64)]) -> Recipe {
        Recipe::new(amounts.iter().map(|(dye, ul)| (dye.parse().expect("dye"), Volume::from_ul(*ul).expect("volume"))))
    }

    #[test]
    fn the_default_deck_takes_what_the_lab_takes() {
        let deck = Deck::default();
        for good in
            [&[("red", 60.0), ("yellow", 30.0), ("blue", 60.0)][..], &[("red", 300.0)], &[("red", 20.0), ("blue", 0.0)]]
        {
            assert_eq!(recipe(good).check(&deck), Ok(()), "{good:?}");
        }
        assert_eq!(recipe(&[("red", 0.0)]).check(&deck), Err(RecipeError::Empty));
        assert!(matches!(recipe(&[("green", 60.0)]).check(&deck), Err(RecipeError::UnknownDye { .. })));
        assert!(matches!(recipe(&[("red", 5.0)]).check(&deck), Err(RecipeError::BelowMinimum { .. })));
        assert!(matches!(recipe(&[("red", 300.0), ("blue", 20.0)]).check(&deck), Err(RecipeError::Overfull { .. })));
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let objections = recipe(&[("blue", 5.0), ("green", 60.0), ("red", 300.0)]).objections(&Deck::default());
        assert!(
            matches!(
                objections.as_slice(),
                [RecipeError::BelowMinimum { .. }, RecipeError::UnknownDye { .. }, RecipeError::Overfull { .. }]
            ),
            "{objections:?}"
        );
    }

    #[test]
    fn a_p20_makes_small_amounts_possible() {
        assert_eq!(recipe(&[("red", 5.0)]).check(&Deck::with_p20()), Ok(()));
        assert!(recipe(&[("red", 0.5)]).check(&Deck::with_p20()).is_err());
    }

    #[test]
    fn no_vial_gives_what_it_must_keep() {
        let mut deck = Deck::default();
        deck.dyes[0].volume = Volume::from_whole_ul(600);
        assert_eq!(recipe(&[("red", 100.0)]).check(&deck), Ok(()));
        let error = recipe(&[("red", 100.1)]).check(&deck).expect_err("no refill makes this possible");
        assert!(matches!(error, RecipeError::MoreThanAVial { .. }) && error.to_string().contains("100 µL"), "{error}");
        assert_eq!(recipe(&[("blue", 300.0)]).check(&deck), Ok(()));
    }

    #[test]
    fn errors_tell_a_person_what_to_change() {
        let error = recipe(&[("red", 300.0), ("blue", 20.0)]).check(&Deck::default()).expect_err("too much");
        assert_eq!(error.to_string(), "the amounts add up to 320 µL; a well takes at most 300 µL, so take 20 µL away");
    }
}

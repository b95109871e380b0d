//! What an experiment asks of a robot and its deck, and what they lack for it.

use crate::{Deck, DyeName, Grain, Handling, Recipe, Volume};
use std::{collections::BTreeSet, fmt};

/// What an experiment asks of whichever robot is to mix it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub dyes: BTreeSet<DyeName>,
    /// Its least amount of a dye in a well.
    pub least: Volume,
    /// What its fullest well takes.
    pub fullest: Volume,
    /// Its liquids are handled otherwise than usual, which only a robot that is told each stroke can do.
    pub strokes: bool,
}

/// What an experiment is mixed with: a deck, and how finely its robot is told what to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bench<'a> {
    pub deck: &'a Deck,
    pub grain: Grain,
}

/// What a bench lacks for an experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lack {
    /// Dyes that aren't on it.
    pub dyes: Vec<DyeName>,
    /// The amount that no mounted pipette measures.
    pub pipette_for: Option<Volume>,
    /// The amount that its wells don't take.
    pub well_for: Option<Volume>,
    /// Its robot can't be told how liquids are handled.
    pub strokes: bool,
}

impl Needs {
    pub fn of<'a>(recipes: impl IntoIterator<Item = &'a Recipe>) -> Self {
        let mut needs = Self::default();
        for recipe in recipes {
            for (dye, volume) in recipe.iter() {
                needs.dyes.insert(dye.clone());
                needs.least = if needs.least.is_zero() { volume } else { needs.least.min(volume) };
            }
            needs.fullest = needs.fullest.max(recipe.total());
        }
        needs
    }

    /// The same, with its liquids handled so.
    #[must_use]
    pub fn handled(self, handling: &Handling) -> Self {
        Self { strokes: *handling != Handling::default(), ..self }
    }
}

impl Deck {
    /// This deck with a robot that is told so finely what to do.
    pub const fn told(&self, grain: Grain) -> Bench<'_> {
        Bench { deck: self, grain }
    }
}

impl Bench<'_> {
    /// What it lacks for an experiment; nothing where it can mix it.
    pub fn lacks(&self, needs: &Needs) -> Option<Lack> {
        let deck = self.deck;
        let lack = Lack {
            dyes: needs.dyes.iter().filter(|dye| deck.dye(dye).is_none()).cloned().collect(),
            pipette_for: (deck.pipettes.is_empty() || needs.least < deck.least_volume()).then_some(needs.least),
            well_for: (needs.fullest > deck.well_capacity).then_some(needs.fullest),
            strokes: needs.strokes && !self.handles_as_asked(),
        };
        (lack != Lack::default()).then_some(lack)
    }

    /// Whether its robot can be told how liquids are handled: one that is told whole mixtures does that its own way.
    pub fn handles_as_asked(&self) -> bool {
        self.grain == Grain::Strokes
    }
}

impl fmt::Display for Lack {
    /// Like "no green and no pipette for 5 µL".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dyes = self.dyes.iter().map(|dye| format!("no {dye}"));
        let pipette = self.pipette_for.map(|volume| format!("no pipette for {volume}"));
        let well = self.well_for.map(|volume| format!("no well that takes {volume}"));
        let strokes = self.strokes.then(|| "no handling of liquids but its own".to_owned());
        f.write_str(&dyes.chain(pipette).chain(well).chain(strokes).collect::<Vec<_>>().join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TipPolicy;
    use proptest::prelude::*;

    fn recipe(amounts: &[(&str, u32)]) -> Recipe {
        Recipe::new(
            amounts.iter().map(|(dye, tenths)| (dye.parse().expect("dye"), Volume::from_nanolitres(tenths * 100))),
        )
    }

    #[test]
    fn a_lack_names_everything_that_is_missing() {
        let needs = Needs::of(&[recipe(&[("red", 600), ("green", 50)]), recipe(&[("red", 2_900), ("umber", 200)])]);
        let lack = Deck::default().told(Grain::Strokes).lacks(&needs).expect("a lack");
        assert_eq!(lack.to_string(), "no green and no umber and no pipette for 5 µL and no well that takes 310 µL");
        assert_eq!(Deck::with_p20().told(Grain::Strokes).lacks(&Needs::of(&[recipe(&[("red", 50)])])), None);
    }

    #[test]
    fn only_a_robot_that_is_told_each_stroke_handles_liquids_as_asked() {
        let (deck, recipes) = (Deck::default(), [recipe(&[("red", 600)])]);
        let usual = Needs::of(&recipes).handled(&Handling::default());
        let new_tips = Needs::of(&recipes).handled(&Handling { tips: TipPolicy::PerDye, ..Handling::default() });
        let lacks = |grain, needs| deck.told(grain).lacks(needs).map(|lack| lack.to_string());
        assert_eq!(lacks(Grain::Strokes, &new_tips), None);
        assert_eq!(lacks(Grain::Mixtures, &usual), None);
        assert_eq!(lacks(Grain::Mixtures, &new_tips).as_deref(), Some("no handling of liquids but its own"));
    }

    proptest! {
        /// What the needs say of all recipes together is what each of them says by itself.
        #[test]
        fn a_deck_lacks_nothing_for_what_it_can_mix(
            wells in prop::collection::vec(prop::collection::btree_map("red|yellow|green", 1u32..3_200, 1..3), 1..6),
            p20: bool,
        ) {
            let deck = if p20 { Deck::with_p20() } else { Deck::default() };
            let recipes: Vec<_> = wells
                .iter()
                .map(|well| recipe(&well.iter().map(|(dye, tenths)| (dye.as_str(), *tenths)).collect::<Vec<_>>()))
                .collect();
            let mixes_all = recipes.iter().all(|recipe| recipe.check(&deck).is_ok());
            prop_assert_eq!(deck.told(Grain::Strokes).lacks(&Needs::of(&recipes)).is_none(), mixes_all);
        }
    }
}

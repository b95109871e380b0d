//! What an experiment that wasn't begun will be like: which pipette gives what and how exactly, and what its order saves.

use crate::travel::Travel;
use domain::{Deck, DyeName, Mount, PipetteModel, Step, Volume, WellId};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Only those that give something, the one on the left first.
    pub pipettes: Vec<PipetteUse>,
    pub travel: Travel,
}

/// What one pipette gives.
#[derive(Clone, Debug, PartialEq)]
pub struct PipetteUse {
    pub mount: Mount,
    pub model: PipetteModel,
    /// A dye in a well each, at least 1.
    pub amounts: usize,
    /// At least one an amount.
    pub strokes: usize,
    pub smallest: Volume,
    pub largest: Volume,
    /// How far the worst of its amounts may be off by what is published, µL.
    pub error_ul: f64,
}

impl Outlook {
    /// Of these steps.
    pub fn of(deck: &Deck, steps: &[Step]) -> Self {
        let mut amounts: BTreeMap<(Mount, WellId, &DyeName), (Volume, usize)> = BTreeMap::new();
        for step in steps {
            if let Step::Dispense { mount, dye, well, volume, .. } = step {
                let amount = amounts.entry((*mount, *well, dye)).or_default();
                *amount = (amount.0 + *volume, amount.1 + 1);
            }
        }
        let of_mount = |mount: Mount| {
            let given: Vec<_> =
                amounts.iter().filter(|((on, ..), _)| *on == mount).map(|(_, amount)| *amount).collect();
            PipetteUse::of(deck, mount, &given)
        };
        let pipettes = [Mount::Left, Mount::Right].into_iter().filter_map(of_mount).collect();
        Self { pipettes, travel: Travel::of(deck, steps) }
    }

    /// For a person. "p20_single_gen2 gives 3 amounts of 1.5 to 20 µL, at most 0.3 µL off".
    pub fn sentences(&self) -> Vec<String> {
        self.pipettes.iter().map(PipetteUse::sentence).chain(self.travel.sentence()).collect()
    }
}

impl PipetteUse {
    fn of(deck: &Deck, mount: Mount, given: &[(Volume, usize)]) -> Option<Self> {
        let pipette = deck.pipette(mount)?;
        let volumes = || given.iter().map(|(volume, _)| *volume);
        Some(Self {
            mount,
            model: pipette.model,
            amounts: given.len(),
            strokes: given.iter().map(|(_, strokes)| strokes).sum(),
            smallest: volumes().min()?,
            largest: volumes().max()?,
            error_ul: volumes().map(|volume| pipette.error_ul(volume)).fold(0.0, f64::max),
        })
    }

    fn sentence(&self) -> String {
        let Self { model, amounts, strokes, smallest, largest, error_ul, .. } = self;
        let of = if smallest == largest { format!("{largest}") } else { format!("{} to {largest}", smallest.ul()) };
        let what = if *amounts == 1 { "1 amount".to_owned() } else { format!("{amounts} amounts") };
        let split = if strokes == amounts { String::new() } else { format!(" in {strokes} strokes") };
        format!("{model} gives {what} of {of}{split}, at most {error_ul:.1} µL off")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::WellName;

    #[test]
    fn each_pipettes_amounts_are_counted_whole() {
        let deck = Deck::with_p20();
        let (well, at) = (WellId::new(), WellName::all().next().expect("a well"));
        let give = |mount, dye: &str, ul| Step::Dispense {
            mount,
            dye: dye.parse().expect("a dye"),
            well,
            at,
            volume: Volume::from_whole_ul(ul),
        };
        let steps = [
            give(Mount::Right, "red", 110),
            give(Mount::Left, "yellow", 15),
            give(Mount::Left, "yellow", 15),
            give(Mount::Left, "blue", 5),
        ];
        let said = Outlook::of(&deck, &steps).sentences();
        assert_eq!(
            said,
            [
                "p20_single_gen2 gives 2 amounts of 5 to 30 µL in 3 strokes, at most 0.5 µL off",
                "p300_single_gen2 gives 1 amount of 110 µL, at most 1.4 µL off",
            ]
        );
        assert_eq!(Outlook::of(&deck, &[]).pipettes, []);
    }
}

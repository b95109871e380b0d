//! The planner for robots that are told no less than a whole mixture ([`Grain::Mixtures`]): well after well, each
//! mixed, read and left with the sensor in its dock.
//!
//! From the journal's fold, as in [`crate::plan`]. What such a robot does in between is its own.
//!
//! [`Grain::Mixtures`]: domain::Grain::Mixtures

use crate::{
    mixture::Mixture,
    plan::{Reference, Shortage, WELLS_BETWEEN_WHITES},
};
use domain::{Deck, Docking, DyeVial, Mount, Pipette, Portion, Step, Tip, Tool, WellName};

/// The steps from here to the last measurement. First the sensor over whatever is looked at before anything is dispensed: the
/// white reference and the `unseen` wells, which should be empty.
pub fn steps(
    deck: &Deck,
    mixtures: &[Mixture],
    known_tips: &[Tip],
    reference: Reference,
    unseen: &[WellName],
) -> Result<Vec<Step>, Shortage> {
    let mount = deck.sensor_mount;
    let white = match reference {
        Reference::First(over) | Reference::Over(over) => Some(over),
        Reference::Known(_) | Reference::Last => None,
    };
    let mut plan: Vec<Step> = Vec::new();
    plan.extend(white.into_iter().flat_map(|over| look(mount, over, Step::Read { over, well: None })));
    let others = unseen.iter().copied().filter(|over| white != Some(*over));
    plan.extend(others.flat_map(|over| look(mount, over, Step::CheckBlank { over })));
    for wells in mixtures.chunks(WELLS_BETWEEN_WHITES) {
        for mixture in wells {
            plan.extend(mix_and_read(deck, mixture, known_tips)?);
        }
        let again = reference.again_after(wells.len());
        plan.extend(again.into_iter().flat_map(|over| look(mount, over, Step::Read { over, well: None })));
    }
    Ok(plan)
}

fn mix_and_read(deck: &Deck, mixture: &Mixture, known_tips: &[Tip]) -> Result<[Step; 3], Shortage> {
    let portions = portions(deck, mixture, known_tips)?;
    let Mixture { well, at, .. } = *mixture;
    let mount = deck.sensor_mount;
    let mix = match portions.is_empty() {
        true => Step::PresentSensor { mount, over: at },
        false => Step::Mix { mount, well, at, portions },
    };
    let read = Step::Read { over: at, well: Some(well) };
    Ok([mix, read, Step::DockSensor { mount, after: Docking::Reading }])
}

fn look(mount: Mount, over: WellName, reading: Step) -> [Step; 3] {
    [Step::PresentSensor { mount, over }, reading, Step::DockSensor { mount, after: Docking::Reading }]
}

/// What a mixture still lacks, dye by dye, each in one stroke with the dye's own tip: such a robot knows no other.
fn portions(deck: &Deck, mixture: &Mixture, known_tips: &[Tip]) -> Result<Vec<Portion>, Shortage> {
    let lacking = deck.dyes.iter().filter(|dye| !mixture.missing(&dye.name).is_zero());
    lacking.map(|dye| portion(deck, dye, mixture, known_tips)).collect()
}

fn portion(deck: &Deck, dye: &DyeVial, mixture: &Mixture, known_tips: &[Tip]) -> Result<Portion, Shortage> {
    let DyeVial { name, vial, tip, .. } = dye;
    let volume = mixture.missing(name);
    let measures = |pipette: &&Pipette| volume >= pipette.model.least() && volume <= pipette.most();
    let pipette = deck.pipette(deck.sensor_mount).filter(measures);
    let pipette = pipette.ok_or_else(|| Shortage::Pipette { dye: name.clone(), volume })?;
    let is_other =
        |known: &Tip| known.slot == pipette.tip_slot && known.tip == *tip && known.dye.as_ref() != Some(name);
    if known_tips.iter().any(is_other) {
        return Err(Shortage::Tips { slot: pipette.tip_slot, dye: name.clone() });
    }
    Ok(Portion { dye: name.clone(), vial: *vial, tip: *tip, volume })
}

/// The steps that leave nothing on the nozzle. Nothing where somebody has to say first what hangs there: such a robot can't be
/// told to let go of a tip, and would do with it what it does with the sensor.
pub fn make_safe(tool: &Tool) -> Option<Vec<Step>> {
    match tool {
        Tool::Nothing => Some(Vec::new()),
        Tool::Sensor { mount, certain: true } => {
            Some(vec![Step::DockSensor { mount: *mount, after: Docking::Trouble }])
        }
        Tool::Sensor { certain: false, .. } | Tool::Tip { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{DyeName, Ending, Recipe, Slot, Volume, WellId, WellStatus};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn dye(name: &str) -> DyeName {
        name.parse().expect("dye")
    }

    fn mixture(index: usize, amounts: &[(&str, u32)]) -> Mixture {
        let recipe =
            Recipe::new(amounts.iter().map(|(name, tenths)| (dye(name), Volume::from_nanolitres(tenths * 100))));
        let at = WellName::all().nth(index).expect("on the plate");
        Mixture::new(WellId::new(), at, WellStatus::Pending, recipe)
    }

    /// Nothing, or tenths of a µL that a p300 measures.
    fn mixtures() -> impl Strategy<Value = Vec<Mixture>> {
        let amount = || prop_oneof![Just(0), 200..=1_000u32];
        prop::collection::vec((amount(), amount(), amount()), 1..=90).prop_map(|wells| {
            let wells = wells.into_iter().filter(|(red, yellow, blue)| red + yellow + blue > 0).enumerate();
            wells.map(|(index, (r, y, b))| mixture(index, &[("red", r), ("yellow", y), ("blue", b)])).collect()
        })
    }

    /// Carries a plan out in thought: what each well got. The sensor hangs over the well that is read, and nowhere else.
    fn carry_out(plan: &[Step]) -> BTreeMap<WellName, Vec<Portion>> {
        let (mut wells, mut tool, mut over) = (BTreeMap::new(), Tool::Nothing, None);
        for step in plan {
            match step {
                Step::Mix { at, portions, .. } => {
                    assert_eq!(tool, Tool::Nothing, "{step:?}");
                    assert!(wells.insert(*at, portions.clone()).is_none(), "{at} is mixed twice");
                    over = Some(*at);
                }
                Step::PresentSensor { over: there, .. } => {
                    assert_eq!(tool, Tool::Nothing, "{step:?}");
                    over = Some(*there);
                }
                Step::Read { over: there, .. } | Step::CheckBlank { over: there } => assert_eq!(over, Some(*there)),
                Step::DockSensor { .. } => assert!(over.take().is_some()),
                step => panic!("{step:?} is nothing for it"),
            }
            tool = tool.after(step, Ending::Done);
        }
        assert_eq!(tool, Tool::Nothing, "the machine is left safe");
        wells
    }

    proptest! {
        #[test]
        fn each_well_is_mixed_once_and_read_and_after_an_interruption_just_the_rest(wells in mixtures(), cut in 0usize..300) {
            let (deck, mut wells) = (Deck::default(), wells);
            let white = Reference::Over(WellName::all().next_back().expect("a well"));
            let plan = steps(&deck, &wells, &[], white, &[]).expect("a plan");
            let mut given = carry_out(&plan);
            for step in plan.iter().take(cut) {
                if let Step::Mix { well, .. } = step {
                    wells.iter_mut().find(|mixture| mixture.well == *well).expect("a well").count(step);
                }
            }
            let rest = steps(&deck, &wells, &[], white, &[]).expect("the rest");
            let done: Vec<_> = wells.iter().filter(|mixture| mixture.is_complete()).map(|mixture| mixture.at).collect();
            let rest = carry_out(&rest);
            prop_assert!(done.iter().all(|at| !rest.contains_key(at)));
            given.retain(|at, _| !done.contains(at));
            prop_assert_eq!(rest, given);
        }
    }

    #[test]
    fn a_tip_that_may_not_be_there_is_not_counted_on_and_one_stroke_must_do() {
        let (deck, wells) = (Deck::default(), [mixture(0, &[("red", 600)])]);
        let lost = Tip { slot: Slot(9), tip: "B1".parse().expect("tip"), dye: None };
        let own = Tip { dye: Some(dye("red")), ..lost.clone() };
        assert!(matches!(steps(&deck, &wells, &[lost], Reference::Known(None), &[]), Err(Shortage::Tips { .. })));
        assert!(steps(&deck, &wells, &[own], Reference::Known(None), &[]).is_ok());
        let little = [mixture(0, &[("red", 199)])];
        assert!(matches!(steps(&deck, &little, &[], Reference::Known(None), &[]), Err(Shortage::Pipette { .. })));
    }

    #[test]
    fn only_a_sensor_that_is_known_to_hang_there_is_docked_blindly() {
        let mount = Mount::Right;
        let docked = make_safe(&Tool::Sensor { mount, certain: true }).expect("a way");
        assert_eq!(docked, [Step::DockSensor { mount, after: Docking::Trouble }]);
        assert_eq!(make_safe(&Tool::Sensor { mount, certain: false }), None);
        assert_eq!(make_safe(&Tool::Nothing), Some(Vec::new()));
    }
}

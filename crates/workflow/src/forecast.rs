//! When does something run out? The consumables on a deck held against the queue as it stands.

use crate::{estimate, mixture::Mixture, plan};
use chrono::{DateTime, Utc};
use domain::{Deck, DyeName, ExperimentId, Handling, Inventory, Recipe, Vial, Volume, WellId, WellName, WellStatus};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What an open 15 mL vial loses to the air in an hour, as the training lab observed it.
pub const EVAPORATION_UL_PER_HOUR: f64 = 5.0;

/// What one waiting experiment will use, in the order in which lanes take them.
#[derive(Clone, Debug)]
pub struct Demand {
    pub experiment: ExperimentId,
    pub recipes: Vec<Recipe>,
    pub handling: Handling,
}

impl From<store::Demand> for Demand {
    fn from(demand: store::Demand) -> Self {
        let store::Demand { experiment, recipes, metadata } = demand;
        Self { experiment, recipes, handling: crate::handling_in(&metadata) }
    }
}

impl Demand {
    /// Nominal seconds that it takes.
    fn seconds(&self, deck: &Deck) -> f64 {
        let usual = estimate::experiment_seconds(self.recipes.len() as u64, 1);
        if self.handling == Handling::default() {
            return usual;
        }
        usual + plan::handling_seconds(deck, &self.handling, &self.mixtures())
    }

    /// New tips that it takes of the rack in a slot.
    fn new_tips(&self, deck: &Deck, slot: domain::Slot) -> f64 {
        if self.handling == Handling::default() {
            return 0.0;
        }
        plan::new_tips(deck, &self.handling, &self.mixtures()).get(&slot).copied().unwrap_or_default() as f64
    }

    /// Its wells, wherever they will be.
    fn mixtures(&self) -> Vec<Mixture> {
        let wells = self.recipes.iter().zip(WellName::all());
        wells.map(|(recipe, at)| Mixture::new(WellId::new(), at, WellStatus::Pending, recipe.clone())).collect()
    }
}

/// One consumable and how long it lasts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Supply {
    /// Like "red (B1)", "plate" or "tips (slot 9)".
    pub name: String,
    /// `µL`, `wells` or `tips`.
    pub unit: &'static str,
    /// What can still be used: of a vial, what is above its reserve.
    pub left: f64,
    /// What it holds when new.
    pub full: f64,
    /// What the queue will use of it.
    pub needed: f64,
    pub runs_out: Option<RunsOut>,
}

/// The first waiting experiment that doesn't fit any more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RunsOut {
    pub experiment_id: ExperimentId,
    /// 1 is next.
    pub queue_position: usize,
    pub in_seconds: f64,
}

/// What a vial still holds: what was drawn from it and what went into the air since it was filled are gone.
pub fn left_in(vial: &Vial, at: DateTime<Utc>) -> Volume {
    let hours = (at - vial.filled_at).num_seconds().max(0) as f64 / 3_600.0;
    let evaporated = (hours * EVAPORATION_UL_PER_HOUR * 1_000.0).min(f64::from(u32::MAX));
    vial.volume.saturating_sub(Volume::from_nanolitres(evaporated as u32))
}

/// `pace` is real seconds a nominal second of this robot.
pub fn forecast(deck: &Deck, inventory: &Inventory, queue: &[Demand], now: DateTime<Utc>, pace: f64) -> Vec<Supply> {
    let starts = starts(deck, queue, pace);
    let mut supplies: Vec<_> = deck.dyes.iter().map(|vial| dye(deck, vial, inventory, queue, &starts, now)).collect();
    supplies.push(plate(inventory, queue, &starts));
    supplies.extend(deck.pipettes.iter().map(|pipette| tips(deck, pipette.tip_slot, inventory, queue, &starts)));
    supplies
}

/// Seconds until each experiment of the queue begins, one after another.
fn starts(deck: &Deck, queue: &[Demand], pace: f64) -> Vec<f64> {
    let mut begin = 0.0;
    let each = queue.iter().map(|demand| {
        let this = begin;
        begin += demand.seconds(deck) * pace;
        this
    });
    each.collect()
}

/// The first experiment up to which, with it, more is used than is left; `evaporating` is lost in each second of waiting.
fn runs_out(
    left: f64,
    evaporating: f64,
    queue: &[Demand],
    starts: &[f64],
    use_of: impl Fn(&Demand) -> f64,
) -> (f64, Option<RunsOut>) {
    let mut needed = 0.0;
    let mut first = None;
    for (index, (demand, start)) in queue.iter().zip(starts).enumerate() {
        let used = use_of(demand);
        needed += used;
        if first.is_none() && used > 0.0 && needed + evaporating * start > left {
            first = Some(RunsOut { experiment_id: demand.experiment, queue_position: index + 1, in_seconds: *start });
        }
    }
    (needed, first)
}

fn dye(
    deck: &Deck,
    vial: &domain::DyeVial,
    inventory: &Inventory,
    queue: &[Demand],
    starts: &[f64],
    now: DateTime<Utc>,
) -> Supply {
    let held =
        inventory.vials.iter().find(|held| held.vial == vial.vial).map(|held| left_in(held, now)).unwrap_or_default();
    let left = held.saturating_sub(deck.vial_reserve).ul();
    let use_of = |demand: &Demand| demand.recipes.iter().map(|recipe| recipe.amount(&vial.name).ul()).sum();
    let (needed, runs_out) = runs_out(left, EVAPORATION_UL_PER_HOUR / 3_600.0, queue, starts, use_of);
    let full = vial.volume.saturating_sub(deck.vial_reserve).ul();
    Supply { name: format!("{} ({})", vial.name, vial.vial), unit: "µL", left, full, needed, runs_out }
}

/// Experiments aren't split over plates: one that doesn't fit the rest of a plate begins a new one.
fn plate(inventory: &Inventory, queue: &[Demand], starts: &[f64]) -> Supply {
    let full = domain::PLATE_WELLS as f64;
    let left = inventory.free_wells() as f64;
    let (needed, runs_out) = runs_out(left, 0.0, queue, starts, |demand| demand.recipes.len() as f64);
    Supply { name: "plate".to_owned(), unit: "wells", left, full, needed, runs_out }
}

/// Tips are re-used, where an experiment doesn't ask for new ones: then one is needed only when one is lost, which no queue
/// foretells. One that a dye has is as good as new to that dye alone.
fn tips(deck: &Deck, slot: domain::Slot, inventory: &Inventory, queue: &[Demand], starts: &[f64]) -> Supply {
    let spoken_for: BTreeSet<_> = inventory.tips.iter().filter(|tip| tip.slot == slot).map(|tip| tip.tip).collect();
    let assigned: BTreeMap<&DyeName, ()> =
        inventory.tips.iter().filter(|tip| tip.slot == slot).filter_map(|tip| Some((tip.dye.as_ref()?, ()))).collect();
    let full = domain::PLATE_WELLS as f64;
    let new = full - spoken_for.len() as f64;
    let (needed, runs_out) = runs_out(new, 0.0, queue, starts, |demand| demand.new_tips(deck, slot));
    let left = new + assigned.len() as f64;
    Supply { name: format!("tips (slot {})", slot.0), unit: "tips", left, full, needed, runs_out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use domain::PlateId;

    fn demand(wells: usize, red_ul: u32) -> Demand {
        let recipe = Recipe::new([("red".parse().expect("dye"), Volume::from_whole_ul(red_ul))]);
        Demand { experiment: ExperimentId::new(), recipes: vec![recipe; wells], handling: Handling::default() }
    }

    fn inventory(red_ul: u32, now: DateTime<Utc>) -> Inventory {
        let deck = Deck::default();
        let vial = Vial {
            vial: deck.dyes[0].vial,
            dye: "red".parse().expect("dye"),
            volume: Volume::from_whole_ul(red_ul),
            filled_at: now,
            batch: None,
        };
        Inventory { plate: Some(PlateId::new()), vials: vec![vial], ..Inventory::default() }
    }

    #[test]
    fn the_first_experiment_that_does_not_fit_is_named() {
        let now = Utc::now();
        let queue = [demand(8, 100), demand(8, 100), demand(8, 100)];
        let supplies = forecast(&Deck::default(), &inventory(500 + 2_000, now), &queue, now, 1.0);
        let red = &supplies[0];
        assert_eq!((red.left, red.needed), (2_000.0, 2_400.0));
        let out = red.runs_out.expect("it runs out");
        assert_eq!((out.queue_position, out.experiment_id), (3, queue[2].experiment));
        assert!(out.in_seconds > 0.0);
        assert_eq!(supplies[3].runs_out, None, "24 of 96 wells");
    }

    #[test]
    fn new_tips_and_the_time_that_handling_takes_are_foretold() {
        let now = Utc::now();
        let handling = Handling { tips: domain::TipPolicy::PerTransfer, touch_tip: true, ..Handling::default() };
        let queue = [Demand { handling, ..demand(60, 20) }, demand(8, 20), Demand { handling, ..demand(60, 20) }];
        let supplies = forecast(&Deck::default(), &inventory(14_000, now), &queue, now, 1.0);
        let tips = supplies.last().expect("tips");
        assert_eq!((tips.left, tips.needed), (96.0, 120.0));
        let out = tips.runs_out.expect("they run out");
        assert_eq!((out.queue_position, out.experiment_id), (3, queue[2].experiment));
        let usual = estimate::experiment_seconds(60, 1) + estimate::experiment_seconds(8, 1);
        assert!(out.in_seconds > usual + 60.0 * 5.0, "60 more pick-ups at 5 s: {}", out.in_seconds);
    }

    #[test]
    fn a_vial_dries_out_by_itself() {
        let now = Utc::now();
        let mut inventory = inventory(1_000, now - TimeDelta::hours(100));
        assert_eq!(left_in(&inventory.vials[0], now - TimeDelta::hours(100)), Volume::from_whole_ul(1_000));
        inventory.vials[0].filled_at = now - TimeDelta::hours(100);
        assert_eq!(left_in(&inventory.vials[0], now), Volume::from_whole_ul(500));
        let supplies = forecast(&Deck::default(), &inventory, &[demand(1, 20)], now, 1.0);
        assert_eq!(supplies[0].runs_out.map(|out| out.queue_position), Some(1));
    }

    #[test]
    fn a_clock_that_jumps_back_adds_nothing() {
        let now = Utc::now();
        let vial = inventory(1_000, now + TimeDelta::days(1)).vials.remove(0);
        assert_eq!(left_in(&vial, now), Volume::from_whole_ul(1_000));
    }
}

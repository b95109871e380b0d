//! How far the gantry goes, and the order of wells in which it goes least.
//!
//! Dye by dye, a tip is fetched once for all the wells that get it; then the sensor, once for all of them. Between two
//! transfers it goes to the vial and back in any order; the sensor goes from well to well, by the shortest way.

use crate::estimate::Pace;
use domain::{Deck, Slot, Step, WellName};
use std::collections::BTreeSet;

/// How fast the gantry goes between two places, mm/s (Opentrons' `robot_configs`). Starting, stopping and heights are the same in any order.
const GANTRY_MM_S: f64 = 400.0;
/// From one slot to the next, mm (Opentrons' deck definition).
const SLOT_PITCH_MM: (f64, f64) = (132.5, 90.5);
/// A1 of a plate from its slot's front left corner, and from one well to the next, mm.
const A1_MM: (f64, f64) = (14.38, 74.24);
const WELL_PITCH_MM: f64 = 9.0;

/// Less of the sensor's way isn't worth a word, s.
const LEAST_SAVED_S: f64 = 0.1;

/// Where something stands on the deck, mm right of and behind its front left corner.
type Place = (f64, f64);

/// What an experiment's order saves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Travel {
    /// The sensor's way over the wells, s, without the heights.
    pub seconds: f64,
    /// If it went in the order of the plate.
    pub in_plate_order: f64,
    /// Nominal seconds that fetching tips and the sensor and putting them back would take beyond what it does, if each well were
    /// finished before the next was begun.
    pub fetching_saved: f64,
}

impl Travel {
    /// On the sensor's way.
    pub fn saved(&self) -> f64 {
        (self.in_plate_order - self.seconds).max(0.0)
    }

    /// For a person; nothing where it saves nothing worth a word. "dye by dye instead of well by well saves 44 min of fetching tips
    /// and the sensor, the sensor's shortest way 1.6 s".
    pub fn sentence(&self) -> Option<String> {
        let fetching = match self.fetching_saved {
            saved if saved < 1.0 => None,
            saved if saved < 120.0 => Some(format!("{saved:.0} s")),
            saved => Some(format!("{:.0} min", saved / 60.0)),
        };
        let way = (self.saved() >= LEAST_SAVED_S).then(|| format!("{:.1} s", self.saved()));
        let order = "dye by dye instead of well by well saves";
        match (fetching, way) {
            (None, None) => None,
            (Some(fetching), None) => Some(format!("{order} {fetching} of fetching tips and the sensor")),
            (None, Some(way)) => Some(format!("the sensor’s shortest way saves {way}")),
            (Some(fetching), Some(way)) => {
                Some(format!("{order} {fetching} of fetching tips and the sensor, the sensor’s shortest way {way}"))
            }
        }
    }

    /// Of these steps.
    pub fn of(deck: &Deck, steps: &[Step]) -> Self {
        let mut travel = Self { fetching_saved: fetching_saved(steps), ..Self::default() };
        let rounds = steps.split(|step| matches!(step, Step::PickUpSensor { .. } | Step::ParkSensor { .. }));
        for round in rounds {
            // The white reference is read first in either order, and again on the way after as many wells.
            let is_white = |pair: &[Step]| matches!(pair, [_, Step::Read { well: None, .. }]);
            let first = round.get(..2).filter(|pair| is_white(pair)).and_then(|pair| over(&pair[0]));
            let mut wells: Vec<_> =
                round.windows(2).filter(|pair| !is_white(pair)).filter_map(|pair| over(&pair[0])).collect();
            if wells.is_empty() {
                continue;
            }
            travel.seconds += round_mm(deck, first, &wells) / GANTRY_MM_S;
            wells.sort();
            travel.in_plate_order += round_mm(deck, first, &wells) / GANTRY_MM_S;
        }
        travel
    }
}

/// Of each tip's and the sensor's rounds: what fetching it anew for every well but the first would take.
fn fetching_saved(steps: &[Step]) -> f64 {
    let pace = Pace::unknown();
    let mut saved = 0.0;
    let (mut wells, mut fetching) = (BTreeSet::new(), 0.0);
    for step in steps {
        match step {
            Step::PickUpTip { .. } | Step::PickUpSensor { .. } => {
                (wells, fetching) = (BTreeSet::new(), pace.seconds([step]));
            }
            Step::Dispense { well, .. } | Step::Read { well: Some(well), .. } => {
                wells.insert(*well);
            }
            Step::BlowOut { .. } | Step::MoveToTrash { .. } => fetching += pace.seconds([step]),
            Step::ReturnTip { .. } | Step::DropInPlace { .. } | Step::ParkSensor { .. } => {
                let again = wells.len().saturating_sub(1) as f64;
                saved += again * (fetching + pace.seconds([step]));
            }
            _ => {}
        }
    }
    saved
}

const fn over(step: &Step) -> Option<WellName> {
    match step {
        Step::MoveSensor { over, .. } => Some(*over),
        _ => None,
    }
}

/// What lies at wells in the order in which the sensor goes least from its dock, over `first` if it goes there first, and back:
/// the best of row by row and column by column, back and forth, from any corner. The order of the plate where none is better.
pub fn shortest<'a, T>(
    deck: &Deck,
    first: Option<WellName>,
    things: &'a [T],
    at: impl Fn(&T) -> WellName,
) -> Vec<&'a T> {
    let mut best: Vec<&'a T> = things.iter().collect();
    best.sort_by_key(|thing| at(thing));
    let length = |order: &[&T]| round_mm(deck, first, &order.iter().map(|thing| at(thing)).collect::<Vec<_>>());
    let mut least = length(&best);
    for corner in 0..8u8 {
        let mut order = best.clone();
        order.sort_by_key(|thing| back_and_forth(corner, at(thing)));
        let way = length(&order);
        if way < least - 1e-6 {
            (best, least) = (order, way);
        }
    }
    best
}

/// The place of a well in one of the eight ways to go through a plate back and forth.
fn back_and_forth(corner: u8, well: WellName) -> (u8, u8) {
    let (row, column) = (well.row(), well.column());
    let (outer, inner, last_outer, last_inner) =
        if corner & 1 == 0 { (row, column, 7, 11) } else { (column, row, 11, 7) };
    let outer = if corner & 2 == 0 { outer } else { last_outer - outer };
    let is_back = (outer % 2 == 1) != (corner & 4 != 0);
    (outer, if is_back { last_inner - inner } else { inner })
}

/// From the dock over these wells and back, mm.
fn round_mm(deck: &Deck, first: Option<WellName>, wells: &[WellName]) -> f64 {
    let dock = corner(deck.sensor_slot);
    let mut here = dock;
    let mut way = 0.0;
    for place in first.iter().chain(wells).map(|well| well_place(deck.plate_slot, *well)).chain([dock]) {
        way += (place.0 - here.0).hypot(place.1 - here.1);
        here = place;
    }
    way
}

fn corner(slot: Slot) -> Place {
    let index = slot.0.saturating_sub(1);
    (f64::from(index % 3) * SLOT_PITCH_MM.0, f64::from(index / 3) * SLOT_PITCH_MM.1)
}

fn well_place(slot: Slot, well: WellName) -> Place {
    let (x, y) = corner(slot);
    let (column, row) = (f64::from(well.column()), f64::from(well.row()));
    (x + A1_MM.0 + WELL_PITCH_MM * column, y + A1_MM.1 - WELL_PITCH_MM * row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Mount, Volume, WellId};
    use proptest::prelude::*;

    fn steps(wells: &[WellName]) -> Vec<Step> {
        let mount = Mount::Right;
        let moves =
            wells.iter().flat_map(|over| [Step::MoveSensor { mount, over: *over }, Step::CheckBlank { over: *over }]);
        std::iter::once(Step::PickUpSensor { mount }).chain(moves).chain([Step::ParkSensor { mount }]).collect()
    }

    #[test]
    fn a_whole_plate_is_gone_through_back_and_forth() {
        let deck = Deck::default();
        let wells: Vec<_> = WellName::all().collect();
        let order: Vec<_> = shortest(&deck, None, &wells, |well| *well).into_iter().copied().collect();
        let apart = |pair: &[WellName]| {
            let (one, other) = (well_place(Slot(1), pair[0]), well_place(Slot(1), pair[1]));
            (one.0 - other.0).hypot(one.1 - other.1)
        };
        assert!(order.windows(2).all(|pair| apart(pair) < 9.001), "each next to the one before");
        let travel = Travel::of(&deck, &steps(&order));
        assert!(travel.saved() > 1.0 && travel.seconds < travel.in_plate_order * 0.7, "{travel:?}");
    }

    #[test]
    fn a_tip_and_the_sensor_are_fetched_once_for_all_wells() {
        let (mount, dye) = (Mount::Right, "red".parse::<domain::DyeName>().expect("a dye"));
        let (vial, volume) = (WellName::all().next().expect("a well"), Volume::from_whole_ul(60));
        let wells: Vec<_> = WellName::all().take(3).map(|at| (WellId::new(), at)).collect();
        let mut steps = vec![Step::PickUpTip { mount, tip: vial, dye: dye.clone() }];
        for (well, at) in wells.clone() {
            steps.push(Step::Aspirate { mount, dye: dye.clone(), vial, volume });
            steps.push(Step::Dispense { mount, dye: dye.clone(), well, at, volume });
        }
        steps.extend([Step::BlowOut { mount }, Step::ReturnTip { mount, tip: vial }, Step::PickUpSensor { mount }]);
        for (well, over) in wells {
            steps.extend([Step::MoveSensor { mount, over }, Step::Read { over, well: Some(well) }]);
        }
        steps.push(Step::ParkSensor { mount });
        let saved = Travel::of(&Deck::default(), &steps).fetching_saved;
        assert!((saved - 2.0 * (5.0 + 3.0 + 4.0) - 2.0 * (5.0 + 4.0)).abs() < 1e-9, "{saved} s");
    }

    #[test]
    fn what_is_saved_is_said_where_it_is_worth_a_word() {
        let said = |fetching_saved, way| {
            let travel = Travel { seconds: 1.0, in_plate_order: 1.0 + way, fetching_saved };
            travel.sentence().unwrap_or_default()
        };
        assert_eq!(said(0.0, 0.05), "");
        assert_eq!(said(0.0, 0.4), "the sensor’s shortest way saves 0.4 s");
        assert_eq!(said(42.0, 0.0), "dye by dye instead of well by well saves 42 s of fetching tips and the sensor");
        assert!(
            said(2_637.0, 1.6)
                .ends_with("saves 44 min of fetching tips and the sensor, the sensor’s shortest way 1.6 s")
        );
    }

    proptest! {
        #[test]
        fn no_order_is_longer_than_the_plates_and_none_is_lost(
            chosen in prop::sample::subsequence(WellName::all().collect::<Vec<_>>(), 1..=96),
            first in prop::option::of(0usize..96),
        ) {
            let deck = Deck::default();
            let first = first.and_then(|index| WellName::all().nth(index));
            let order: Vec<_> = shortest(&deck, first, &chosen, |well| *well).into_iter().copied().collect();
            prop_assert!(round_mm(&deck, first, &order) <= round_mm(&deck, first, &chosen) + 1e-6);
            let mut sorted = order.clone();
            sorted.sort();
            prop_assert_eq!(sorted, chosen);
            let again: Vec<_> = shortest(&deck, first, &order, |well| *well).into_iter().copied().collect();
            prop_assert_eq!(again, order, "the same wells in the same order, however they are named");
        }
    }
}

//! What can be mixed now: the dyes and limits of the robots' decks.

use crate::optics;
use domain::{Deck, DyeName, Recipe, Volume};
use store::Robot;

/// The dyes and limits the form offers.
#[derive(Debug)]
pub struct Bench {
    pub names: Vec<DyeName>,
    pub dyes: Vec<BenchDye>,
    /// The least of one dye, µL.
    pub least_ul: f64,
    /// The most in one well, µL.
    pub capacity_ul: f64,
    /// Like `red, yellow, blue`.
    pub dye_list: String,
    /// What an empty well looks like.
    pub water_hex: String,
    /// For the browser's own prediction.
    pub optics: String,
}

#[derive(Debug)]
pub struct BenchDye {
    pub name: String,
    pub hex: String,
}

impl Bench {
    /// Every dye of any robot's deck. Which deck can mix a recipe is checked when it is sent.
    pub fn of(robots: &[Robot]) -> Self {
        let fallback = Deck::default();
        let decks: Vec<&Deck> =
            if robots.is_empty() { vec![&fallback] } else { robots.iter().map(|robot| &robot.deck).collect() };
        let mut names: Vec<DyeName> = Vec::new();
        for dye in decks.iter().flat_map(|deck| &deck.dyes) {
            if !names.contains(&dye.name) {
                names.push(dye.name.clone());
            }
        }
        let least_ul = decks.iter().map(|deck| deck.least_volume()).min().unwrap_or_default().ul();
        let capacity_ul = decks.iter().map(|deck| deck.well_capacity).max().unwrap_or_default().ul();
        Self {
            dyes: names.iter().map(|name| BenchDye { name: name.to_string(), hex: optics::emblem(name) }).collect(),
            dye_list: names.iter().map(DyeName::as_str).collect::<Vec<_>>().join(", "),
            water_hex: optics::predict(&Recipe::default()).hex,
            optics: optics::json(&names, least_ul, capacity_ul),
            names,
            least_ul,
            capacity_ul,
        }
    }

    /// Twelve wells around the circle of the first three dyes, in amounts every pipette can measure.
    pub fn wheel(&self) -> Vec<Recipe> {
        const STEPS: [(u32, u32); 4] = [(120, 0), (90, 30), (60, 60), (30, 90)];
        let ring: Vec<_> = self.names.iter().take(3).collect();
        let pairs = ring.iter().zip(ring.iter().cycle().skip(1));
        pairs
            .flat_map(|(from, to)| {
                STEPS.map(|(first, second)| {
                    Recipe::new([
                        ((*from).clone(), Volume::from_whole_ul(first)),
                        ((*to).clone(), Volume::from_whole_ul(second)),
                    ])
                })
            })
            .collect()
    }
}

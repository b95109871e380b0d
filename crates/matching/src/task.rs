//! What is asked: a colour, how near, with which dyes and by which rules of pipetting; and the wells that were mixed for it.

use crate::{ColourMap, dyes::Dye};
use domain::colour::Lab;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Dyes that a task may have. One dye has nothing to be matched with; seven are more than a deck holds beside the rest.
pub const DYES: std::ops::RangeInclusive<usize> = 2..=6;
/// Wells that a task may spend: four plates.
pub const MOST_WELLS: usize = 384;
/// A recipe's amounts are multiples of this, µL: finer than any pipette of the OT-2 repeats.
pub const STEP_UL: f64 = 0.1;
/// Below this share of white a ratio is no noise of a dark well but an error.
const DARKEST_RATIO: f64 = -0.02;
/// A sample that is so much brighter than clear liquid is an error, too.
const BRIGHTEST_RATIO: f64 = 3.0;

/// What a well may be given: of each dye nothing or at least `minimum_ul`, together at most `most_ul`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    minimum_ul: f64,
    most_ul: f64,
}

impl Rules {
    pub fn new(minimum_ul: f64, most_ul: f64) -> Result<Self, TaskError> {
        let sensible = minimum_ul.is_finite() && most_ul.is_finite() && minimum_ul > 0.0;
        if !sensible || most_ul > 10_000.0 || minimum_ul < STEP_UL || minimum_ul * 2.0 > most_ul {
            return Err(TaskError::Rules { minimum_ul, most_ul });
        }
        Ok(Self { minimum_ul, most_ul })
    }

    /// The least amount of a dye that a pipette measures, µL.
    pub const fn minimum_ul(&self) -> f64 {
        self.minimum_ul
    }

    /// What a well holds, µL.
    pub const fn most_ul(&self) -> f64 {
        self.most_ul
    }

    /// Amounts as shares of a full well.
    pub(crate) fn shares(&self, ul: &[f64]) -> Vec<f64> {
        ul.iter().map(|ul| ul / self.most_ul).collect()
    }

    /// Whether a robot can mix this.
    pub fn allow(&self, ul: &[f64]) -> bool {
        let total: f64 = ul.iter().sum();
        let each = |ul: &f64| *ul == 0.0 || *ul >= self.minimum_ul - 1e-9;
        ul.iter().all(|ul| ul.is_finite() && each(ul)) && total > 0.0 && total <= self.most_ul + 1e-6
    }

    /// The nearest amounts that a robot can mix: below half the minimum nothing, else at least the minimum; too full a well is
    /// thinned in proportion. None where nothing is left.
    pub fn nearest(&self, ul: &[f64]) -> Option<Vec<f64>> {
        let mut ul: Vec<f64> = ul.iter().map(|ul| self.nearest_amount(*ul)).collect();
        // Thinning may bring another amount below the minimum: at most once for each dye.
        for _ in 0..ul.len() {
            let total: f64 = ul.iter().sum();
            if total <= self.most_ul + 1e-6 {
                break;
            }
            let factor = self.most_ul / total;
            ul.iter_mut().for_each(|ul| *ul = self.nearest_amount((*ul * factor / STEP_UL).floor() * STEP_UL));
        }
        self.allow(&ul).then_some(ul)
    }

    fn nearest_amount(&self, ul: f64) -> f64 {
        let step = |ul: f64| (ul / STEP_UL).round() / (1.0 / STEP_UL);
        if !ul.is_finite() || ul < self.minimum_ul / 2.0 { 0.0 } else { step(ul.max(self.minimum_ul)) }
    }
}

/// A well that was mixed and read.
#[derive(Clone, Debug, PartialEq)]
pub struct Well {
    /// µL of each dye, in the task's order.
    pub ul: Vec<f64>,
    /// Sample over white in the eight bands of [`domain::reading::BANDS`], dark taken off.
    pub ratios: [f64; 8],
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Task {
    pub dyes: Vec<Dye>,
    pub rules: Rules,
    pub target: Lab,
    /// ΔE2000 to the target that is near enough.
    pub tolerance: f64,
    /// Wells that may be mixed in all.
    pub budget: usize,
    /// The same seed and the same wells give the same answer.
    pub seed: u64,
    /// How the lab's readings become the colour that the target is told in.
    pub map: ColourMap,
}

/// Why a question can't be answered. Each says what to change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TaskError {
    #[error("{0} dyes can't be matched: give 2 to 6")]
    Dyes(usize),
    #[error(
        "a well of at most {most_ul} µL with at least {minimum_ul} µL of a dye can't be mixed: the minimum is at least 0.1 µL and at most half of what a well takes, which is at most 10000 µL"
    )]
    Rules { minimum_ul: f64, most_ul: f64 },
    #[error("L*a*b* {l}, {a}, {b} is no colour: L is 0 to 100, a and b are −200 to 200")]
    Target { l: f64, a: f64, b: f64 },
    #[error("a map from bands to XYZ has three rows of eight weights between −10 and 10")]
    Map,
    #[error("a tolerance of ΔE {0} means nothing: give more than 0 and at most 50")]
    Tolerance(f64),
    #[error("a budget of {0} wells can't be spent: give 1 to {MOST_WELLS}")]
    Budget(usize),
    #[error("{0} wells are more than the {MOST_WELLS} that can be looked at")]
    TooManyWells(usize),
    #[error("well {well} has {found} amounts for {dyes} dyes: give one for each")]
    Amounts { well: usize, found: usize, dyes: usize },
    #[error("well {well} can't hold {ul:?} µL: amounts are 0 or more, together more than 0 and at most {most_ul}")]
    Recipe { well: usize, ul: Vec<f64>, most_ul: f64 },
    #[error(
        "well {well} has a ratio of {ratio}: a ratio to white is a number from 0 to {BRIGHTEST_RATIO}, or a little below 0 by noise"
    )]
    Ratio { well: usize, ratio: f64 },
    #[error("these wells allow no conclusion: read the white and the wells again")]
    Undecided,
    #[error("well {well} is black in all bands, as if the sensor's light were off: read it again")]
    Black { well: usize },
}

impl Task {
    /// Chance after so many wells.
    pub(crate) fn dice(&self, wells: usize) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed ^ ((wells as u64) << 32))
    }

    /// Whether this and its wells can be worked with.
    pub fn check(&self, wells: &[Well]) -> Result<(), TaskError> {
        if !DYES.contains(&self.dyes.len()) {
            return Err(TaskError::Dyes(self.dyes.len()));
        }
        let Lab { l, a, b } = self.target;
        if !((0.0..=100.0).contains(&l) && a.abs() <= 200.0 && b.abs() <= 200.0) {
            return Err(TaskError::Target { l, a, b });
        }
        if !(self.tolerance > 0.0 && self.tolerance <= 50.0) {
            return Err(TaskError::Tolerance(self.tolerance));
        }
        if !(1..=MOST_WELLS).contains(&self.budget) {
            return Err(TaskError::Budget(self.budget));
        }
        if wells.len() > MOST_WELLS {
            return Err(TaskError::TooManyWells(wells.len()));
        }
        wells.iter().enumerate().try_for_each(|(index, well)| self.check_well(index + 1, well))
    }

    fn check_well(&self, number: usize, well: &Well) -> Result<(), TaskError> {
        self.check_recipe(number, &well.ul)?;
        if let Some(ratio) = well.ratios.iter().find(|ratio| !(DARKEST_RATIO..=BRIGHTEST_RATIO).contains(*ratio)) {
            return Err(TaskError::Ratio { well: number, ratio: *ratio });
        }
        if well.ratios.iter().all(|ratio| *ratio <= 0.0) {
            return Err(TaskError::Black { well: number });
        }
        Ok(())
    }

    pub(crate) fn check_recipe(&self, number: usize, ul: &[f64]) -> Result<(), TaskError> {
        let (dyes, found) = (self.dyes.len(), ul.len());
        if dyes != found {
            return Err(TaskError::Amounts { well: number, found, dyes });
        }
        let most_ul = self.rules.most_ul;
        let total: f64 = ul.iter().sum();
        // A hundredth more than a well takes: other programs round.
        if !ul.iter().all(|ul| ul.is_finite() && *ul >= 0.0) || total <= 0.0 || total > 1.01 * most_ul {
            return Err(TaskError::Recipe { well: number, ul: ul.to_vec(), most_ul });
        }
        Ok(())
    }
}

//! Ask and tell: a solver is told the wells so far, and answers with the next recipes or with why it stops. It remembers nothing, so
//! that a restart changes nothing.

use crate::{
    dyes::Dye,
    hypotheses::{Belief, Hypothesis},
    propose::{self, Outlook},
    task::{Task, TaskError, Well},
};
use rand_chacha::ChaCha8Rng;

/// Why no further well is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A well was measured within the tolerance, and is believed.
    Reached,
    /// No recipe comes within the tolerance.
    Unreachable,
    /// All wells are spent.
    Budget,
    /// Nothing that could be tried is better than what was.
    Stalled,
}

impl Reason {
    /// One word, as `reached`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Unreachable => "unreachable",
            Self::Budget => "budget",
            Self::Stalled => "stalled",
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Mix these, µL of each dye, and ask again.
    Next(Vec<Vec<f64>>),
    Stop {
        reason: Reason,
        recipe: Vec<f64>,
        /// ΔE2000 to the target: as measured where the recipe was, else as expected.
        delta_e: f64,
        /// The probability that any recipe comes within the tolerance.
        reachable_probability: f64,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub step: Step,
    /// Wells, from 0, that aren't believed: a dye was missed, or there was a bubble.
    pub spoilt: Vec<usize>,
    /// What the dyes are taken for.
    pub hypothesis: Hypothesis,
}

pub trait Solver {
    /// As a table says it.
    fn name(&self) -> &'static str;

    /// What to do after these wells. The same question has the same answer.
    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError>;
}

/// The model of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct BeerLambert;

/// Draws by which a measured well is judged.
const PROOF: usize = 200;
/// A measured well is near enough if its true colour is so with this probability. (A perfect recipe has about 0.9; the race.)
const SURE: f64 = 0.8;
/// Out of reach is what so few draws reach, after this many wells and after one less (the study's rule).
const HARDLY: f64 = 0.05;
const ENOUGH: usize = 5;
/// No tolerance below what one well can mean makes a colour unreachable (the study).
const LEAST_TOLERANCE: f64 = 1.0;
/// So far, as a share of a well, is a recipe from another that is to tell something new: 8 µL of 300 (the study).
const APART: f64 = 0.027;
/// Wells without progress after which whatever is doubtful is given up.
const PATIENCE: usize = 8;

impl Solver for BeerLambert {
    fn name(&self) -> &'static str {
        "Beer–Lambert"
    }

    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError> {
        task.check(wells)?;
        if wells.is_empty() && task.dyes.iter().all(|dye| *dye == Dye::Unknown) {
            let mut batch = propose::calibration(task.dyes.len(), task.rules);
            batch.truncate(task.budget);
            return Ok(Answer { step: Step::Next(batch), spoilt: vec![], hypothesis: Hypothesis::AsTold });
        }
        View::new(task, wells)?.answer()
    }
}

/// What is believed after some wells, and what could be mixed.
struct View<'a> {
    task: &'a Task,
    wells: &'a [Well],
    belief: Belief,
    outlook: Outlook,
    dice: ChaCha8Rng,
}

impl<'a> View<'a> {
    fn new(task: &'a Task, wells: &'a [Well]) -> Result<Self, TaskError> {
        let belief = Belief::of(task, wells)?;
        let mut dice = task.dice(wells.len());
        let outlook = Outlook::new(task, &belief, &mut dice);
        Ok(Self { task, wells, belief, outlook, dice })
    }

    fn answer(mut self) -> Result<Answer, TaskError> {
        let step = self.step()?;
        let best = self.belief.best();
        let spoilt = (0..self.wells.len()).filter(|well| best.fit.spoilt[*well]).collect();
        Ok(Answer { step, spoilt, hypothesis: best.hypothesis.clone() })
    }

    fn step(&mut self) -> Result<Step, TaskError> {
        let measured: Vec<f64> = self.belief.data.measured(self.task).map(|(delta_e, _)| delta_e).collect();
        if let Some(stop) = self.reached(&measured) {
            return Ok(stop);
        }
        if self.out_of_reach(&measured)? {
            return self.give_up(Reason::Unreachable);
        }
        if self.wells.len() >= self.task.budget {
            return self.give_up(Reason::Budget);
        }
        if without_progress(&measured, PATIENCE) && self.reachable() < 0.5 {
            return self.give_up(Reason::Stalled);
        }
        Ok(Step::Next(self.next(&measured)))
    }

    /// After each second well without progress something else is tried.
    fn next(&self, measured: &[f64]) -> Vec<Vec<f64>> {
        if measured.len() >= 2
            && self.reachable() < HARDLY
            && let Some(ul) = self.probe()
        {
            return vec![ul];
        }
        if measured.len().is_multiple_of(2) && without_progress(measured, 2) {
            let apart = APART * self.task.rules.most_ul();
            if let Some(ul) = self.outlook.elsewhere(self.wells.iter().map(|well| &well.ul), apart) {
                return vec![ul];
            }
        }
        self.outlook.choose(1, self.task.tolerance.min(LEAST_TOLERANCE))
    }

    /// Dyes that were in fewer than two wells: of these a word, or a spoilt well, may have told anything.
    fn hardly_seen(&self) -> impl Iterator<Item = usize> {
        let seen = |dye: usize| self.wells.iter().filter(|well| well.ul[dye] > 0.0).count();
        (0..self.task.dyes.len()).filter(move |dye| seen(*dye) < 2)
    }

    /// A sixth of a well of each dye that was hardly seen: before a colour is called out of reach, all dyes are to be known.
    fn probe(&self) -> Option<Vec<f64>> {
        let mut ul = vec![0.0; self.task.dyes.len()];
        self.hardly_seen().for_each(|dye| ul[dye] = self.task.rules.most_ul() / 6.0);
        self.task.rules.nearest(&ul)
    }

    fn reachable(&self) -> f64 {
        self.outlook.reachable(self.task.tolerance.max(LEAST_TOLERANCE))
    }

    fn out_of_reach(&self, measured: &[f64]) -> Result<bool, TaskError> {
        // What was measured counts for more than what a model holds to be possible.
        let spoilt = &self.belief.best().fit.spoilt;
        let near = measured.iter().zip(spoilt).any(|(delta_e, spoilt)| !spoilt && *delta_e <= self.task.tolerance);
        let too_early = near || self.hardly_seen().next().is_some();
        let Some((_, before)) = self.wells.split_last().filter(|_| !too_early && measured.len() >= ENOUGH) else {
            return Ok(false);
        };
        Ok(self.reachable() < HARDLY && Self::new(self.task, before)?.reachable() < HARDLY)
    }

    fn give_up(&self, reason: Reason) -> Result<Step, TaskError> {
        let best = self.outlook.best().ok_or(TaskError::Undecided)?;
        Ok(Step::Stop {
            reason,
            recipe: best.ul.clone(),
            delta_e: best.mean(),
            reachable_probability: self.reachable(),
        })
    }

    /// The well that most surely is near enough, of those that were measured to be. Where the model doubts, a second such well of about the
    /// same recipe is proof enough.
    fn reached(&mut self, measured: &[f64]) -> Option<Step> {
        let spoilt = &self.belief.best().fit.spoilt;
        let near: Vec<usize> =
            (0..measured.len()).filter(|well| !spoilt[*well] && measured[*well] <= self.task.tolerance).collect();
        let draws = if near.is_empty() { return None } else { self.belief.draws(PROOF, &mut self.dice) };
        let sure = |well: &usize| {
            let judged = propose::judge(self.task, &self.belief, &draws, self.wells[*well].ul.clone());
            (*well, judged.within(self.task.tolerance))
        };
        let (well, sure) = near.iter().map(sure).max_by(|a, b| a.1.total_cmp(&b.1))?;
        let step = |recipe: &Vec<f64>| Step::Stop {
            reason: Reason::Reached,
            recipe: recipe.clone(),
            delta_e: measured[well],
            reachable_probability: sure,
        };
        let apart = APART * self.task.rules.most_ul();
        let twice = near
            .iter()
            .any(|other| *other != well && propose::distance(&self.wells[*other].ul, &self.wells[well].ul) < apart);
        (sure >= SURE || twice).then(|| step(&self.wells[well].ul))
    }
}

/// Whether the last `count` wells were no better than the best before them, of which there is one at least for each.
fn without_progress(measured: &[f64], count: usize) -> bool {
    let (before, last) = measured.split_at(measured.len().saturating_sub(count));
    let best = before.iter().copied().fold(f64::INFINITY, f64::min);
    before.len() >= 2 && last.iter().all(|delta_e| *delta_e >= best)
}

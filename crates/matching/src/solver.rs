//! Ask and tell: a solver is told the wells so far, and answers with the next recipes or with why it stops. It remembers nothing, so
//! that a restart changes nothing.

use crate::{
    dyes::Dye,
    hypotheses::{Belief, Hypothesis},
    posterior::Data,
    propose::{self, Outlook},
    task::{Task, TaskError, Well},
};
use rand::SeedableRng;
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
    fn name(&self) -> &str;
    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError>;
}

/// The model of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct BeerLambert;

/// Draws by which a measured well is judged.
const PROOF: usize = 200;

impl Solver for BeerLambert {
    fn name(&self) -> &str {
        "Beer–Lambert"
    }

    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError> {
        task.check(wells)?;
        if wells.is_empty() && task.dyes.iter().all(|dye| *dye == Dye::Unknown) {
            let mut batch = propose::calibration(task.dyes.len(), task.rules);
            batch.truncate(task.budget);
            return Ok(Answer { step: Step::Next(batch), spoilt: vec![], hypothesis: Hypothesis::AsTold });
        }
        let now = View::new(task, wells);
        let step = now.step();
        let best = now.belief.best();
        let spoilt = (0..wells.len()).filter(|well| best.fit.spoilt[*well]).collect();
        Ok(Answer { step, spoilt, hypothesis: best.hypothesis.clone() })
    }
}

/// What is believed after some wells.
struct View<'a> {
    task: &'a Task,
    wells: &'a [Well],
    belief: Belief,
    dice: ChaCha8Rng,
}

impl<'a> View<'a> {
    fn new(task: &'a Task, wells: &'a [Well]) -> Self {
        let data = Data::new(task.dyes.len(), task.rules.most_ul(), wells);
        let belief = Belief::new(&task.dyes, data).expect("checked");
        let dice = ChaCha8Rng::seed_from_u64(task.seed ^ ((wells.len() as u64) << 32));
        Self { task, wells, belief, dice }
    }

    fn step(mut self: &Self) -> Step {
        let _ = &mut self;
        let mut dice = self.dice.clone();
        let outlook = Outlook::new(self.task, &self.belief, &mut dice);
        let reachable = outlook.reachable(self.task.tolerance.max(1.0));
        if let Some((recipe, delta_e)) = self.reached(&mut dice) {
            return Step::Stop { reason: Reason::Reached, recipe, delta_e, reachable_probability: 1.0 };
        }
        if self.wells.len() >= 5 && reachable < 0.05 {
            let before = &self.wells[..self.wells.len() - 1];
            let earlier = View::new(self.task, before);
            let mut dice = earlier.dice.clone();
            let was = Outlook::new(self.task, &earlier.belief, &mut dice).reachable(self.task.tolerance.max(1.0));
            if was < 0.05 {
                return self.give_up(Reason::Unreachable, &outlook, reachable);
            }
        }
        if self.wells.len() >= self.task.budget {
            return self.give_up(Reason::Budget, &outlook, reachable);
        }
        let tried: Vec<Vec<f64>> = self.wells.iter().map(|well| well.ul.clone()).collect();
        if self.stalls() {
            if let Some(ul) = outlook.elsewhere(&tried, 0.027 * self.task.rules.most_ul()) {
                return Step::Next(vec![ul]);
            }
        }
        Step::Next(outlook.choose(1, self.task.tolerance.min(1.0)))
    }

    fn give_up(&self, reason: Reason, outlook: &Outlook, reachable: f64) -> Step {
        let best = outlook.best().expect("a pool");
        Step::Stop { reason, recipe: best.ul.clone(), delta_e: best.mean(), reachable_probability: reachable }
    }

    fn reached(&self, dice: &mut ChaCha8Rng) -> Option<(Vec<f64>, f64)> {
        let spoilt = &self.belief.best().fit.spoilt;
        let near = |index: &usize| !spoilt[*index];
        let measured: Vec<(f64, Vec<f64>)> = self.belief.data.measured(self.task).collect();
        let within: Vec<usize> = (0..measured.len()).filter(near).filter(|index| measured[*index].0 <= self.task.tolerance).collect();
        if within.is_empty() {
            return None;
        }
        let draws = self.belief.draws(PROOF, dice);
        within
            .into_iter()
            .map(|index| (index, propose::judge(self.task, &self.belief, &draws, measured[index].1.clone())))
            .map(|(index, judged)| (index, judged.within(self.task.tolerance), judged))
            .filter(|(_, sure, _)| *sure >= 0.5)
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(index, _, judged)| (judged.ul, measured[index].0))
    }

    /// Two wells without progress.
    fn stalls(&self) -> bool {
        let measured: Vec<f64> = self.belief.data.measured(self.task).map(|(delta_e, _)| delta_e).collect();
        let count = measured.len();
        if count < 4 {
            return false;
        }
        let best_before = measured[..count - 2].iter().copied().fold(f64::INFINITY, f64::min);
        measured[count - 2..].iter().all(|delta_e| *delta_e >= best_before) && count % 2 == 0
    }
}

//! What a recipe will read, as far as the wells tell: for whoever isn't looking for a colour but wants to know of one.

use crate::{
    dyes::Absorptivity,
    hypotheses::Belief,
    propose::Judged,
    task::{Task, TaskError, Well},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Draws that a prediction is made of.
const DRAWS: usize = 200;

/// What a recipe's true colour is thought to be; one reading of one well has the sensor's noise beside.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Mean and standard deviation of the ratios to white.
    pub ratios: [f64; 8],
    pub ratios_sd: [f64; 8],
    /// ΔE2000 to the task's target: mean, and what it lies between with a probability of 0.9.
    pub delta_e: f64,
    pub delta_e_between: (f64, f64),
    /// The probability that it is within the task's tolerance.
    pub within: f64,
}

/// Predicts recipes, µL of each dye, from the wells so far (which may be none).
pub fn predict(task: &Task, wells: &[Well], recipes: &[Vec<f64>]) -> Result<Vec<Prediction>, TaskError> {
    task.check(wells)?;
    recipes.iter().enumerate().try_for_each(|(index, ul)| task.check_recipe(index + 1, ul))?;
    let belief = Belief::of(task, wells)?;
    let draws = belief.draws(DRAWS, &mut ChaCha8Rng::seed_from_u64(task.seed));
    let prediction = |ul: &Vec<f64>| {
        let features = belief.features(ul, task.rules);
        let drawn: Vec<_> = draws.iter().map(|draw| draw.ratios(&features)).collect();
        let mean = drawn.iter().sum::<crate::Bands>() / drawn.len() as f64;
        let variance =
            drawn.iter().map(|ratios| (ratios - mean).map(|off| off * off)).sum::<crate::Bands>() / drawn.len() as f64;
        let judged = Judged::by(task, ul.clone(), drawn.iter().copied());
        Prediction {
            ratios: mean.into(),
            ratios_sd: variance.map(f64::sqrt).into(),
            delta_e: judged.mean(),
            delta_e_between: (judged.quantile(0.05), judged.quantile(0.95)),
            within: judged.within(task.tolerance),
        }
    };
    Ok(recipes.iter().map(prediction).collect())
}

/// What these wells tell of each dye: what [`crate::Dye::Known`] takes for the next task with the same stocks.
pub fn learned(task: &Task, wells: &[Well]) -> Result<Vec<Absorptivity>, TaskError> {
    task.check(wells)?;
    let belief = Belief::of(task, wells)?;
    Ok(belief.best().fit.learned(&belief.data))
}

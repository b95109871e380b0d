//! Solvers that know nothing of dyes, to compare with: by chance, by a Latin hypercube, and by a Gaussian process with expected
//! improvement, the usual Bayesian optimisation.

use crate::{
    hypotheses::Hypothesis,
    propose::at_random,
    solver::{Answer, Reason, Solver, Step},
    task::{Task, TaskError, Well},
};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::{PI, SQRT_2};

/// Recipes by chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

/// Recipes that divide each dye's range evenly.
#[derive(Clone, Copy, Debug, Default)]
pub struct LatinHypercube;

/// A Gaussian process over recipes that predicts ΔE, and the recipe with the most expected improvement.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpectedImprovement;

impl Solver for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError> {
        task.check(wells)?;
        Ok(stop(task, wells)
            .unwrap_or_else(|| next(at_random(task.dyes.len(), task.rules, &mut task.dice(wells.len())))))
    }
}

impl Solver for LatinHypercube {
    fn name(&self) -> &'static str {
        "Latin hypercube"
    }

    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError> {
        task.check(wells)?;
        Ok(stop(task, wells).unwrap_or_else(|| next(latin(task, wells.len()))))
    }
}

impl Solver for ExpectedImprovement {
    fn name(&self) -> &'static str {
        "Gaussian process, expected improvement"
    }

    fn ask(&self, task: &Task, wells: &[Well]) -> Result<Answer, TaskError> {
        task.check(wells)?;
        if let Some(answer) = stop(task, wells) {
            return Ok(answer);
        }
        // Two wells for each dye to begin with, and one: as few as leave a process something to learn from.
        if wells.len() <= 2 * task.dyes.len() {
            return Ok(next(latin(task, wells.len())));
        }
        let mut dice = task.dice(wells.len());
        let pool: Vec<Vec<f64>> = (0..POOL).map(|_| at_random(task.dyes.len(), task.rules, &mut dice)).collect();
        let process = Process::fitted(task, wells);
        let best =
            pool.iter().map(|ul| (process.improvement(&task.rules.shares(ul)), ul)).max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(next(best.map_or_else(|| latin(task, wells.len()), |(_, ul)| ul.clone())))
    }
}

const POOL: usize = 2_000;
/// Lengths of a process in shares of a well, and noise as a share of its variance: the likeliest are taken.
const LENGTHS: [f64; 5] = [0.1, 0.2, 0.3, 0.5, 0.8];
const NOISES: [f64; 3] = [0.001, 0.01, 0.05];

fn next(ul: Vec<f64>) -> Answer {
    Answer { step: Step::Next(vec![ul]), spoilt: vec![], hypothesis: Hypothesis::AsTold }
}

fn measured(task: &Task, well: &Well) -> f64 {
    task.map.delta_e(&well.ratios.into(), task.target)
}

/// What knows no model believes each well.
fn stop(task: &Task, wells: &[Well]) -> Option<Answer> {
    let best = wells.iter().map(|well| (measured(task, well), well)).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let reason = match best.0 {
        delta_e if delta_e <= task.tolerance => Reason::Reached,
        _ if wells.len() >= task.budget => Reason::Budget,
        _ => return None,
    };
    let reachable_probability = if reason == Reason::Reached { 1.0 } else { 0.5 };
    let step = Step::Stop { reason, recipe: best.1.ul.clone(), delta_e: best.0, reachable_probability };
    Some(Answer { step, spoilt: vec![], hypothesis: Hypothesis::AsTold })
}

/// One recipe of a design that has as many as the budget.
fn latin(task: &Task, index: usize) -> Vec<f64> {
    let mut dice = ChaCha8Rng::seed_from_u64(task.seed);
    let strata = task.budget.max(1);
    let ul: Vec<f64> = task
        .dyes
        .iter()
        .map(|_| {
            let mut order: Vec<usize> = (0..strata).collect();
            order.shuffle(&mut dice);
            (order[index % strata] as f64 + dice.random::<f64>()) / strata as f64 * task.rules.most_ul()
        })
        .collect();
    task.rules.nearest(&ul).unwrap_or_else(|| at_random(task.dyes.len(), task.rules, &mut dice))
}

/// A Gaussian process with a squared exponential kernel, of values with mean 0 and variance 1.
struct Process {
    points: Vec<Vec<f64>>,
    length: f64,
    factor: Cholesky<f64, Dyn>,
    solved: DVector<f64>,
    best: f64,
}

impl Process {
    fn fitted(task: &Task, wells: &[Well]) -> Self {
        let points: Vec<Vec<f64>> = wells.iter().map(|well| task.rules.shares(&well.ul)).collect();
        let raw = DVector::from_iterator(wells.len(), wells.iter().map(|well| measured(task, well)));
        let (mean, sd) = (raw.mean(), raw.variance().sqrt().max(1e-9));
        let values = raw.map(|value| (value - mean) / sd);
        let settings = LENGTHS.iter().flat_map(|length| NOISES.map(|noise| (*length, noise)));
        let fits = settings.filter_map(|(length, noise)| Self::given(&points, &values, length, noise));
        fits.max_by(|a, b| a.0.total_cmp(&b.0)).expect("a kernel with noise has a root").1
    }

    fn given(points: &[Vec<f64>], values: &DVector<f64>, length: f64, noise: f64) -> Option<(f64, Self)> {
        let count = points.len();
        let same = |i: usize, j: usize| if i == j { noise } else { 0.0 };
        let kernel = DMatrix::from_fn(count, count, |i, j| kernel(&points[i], &points[j], length) + same(i, j));
        let factor = Cholesky::new(kernel)?;
        let solved = factor.solve(values);
        let evidence = -0.5 * (values.dot(&solved) + factor.ln_determinant());
        Some((evidence, Self { points: points.to_vec(), length, factor, solved, best: values.min() }))
    }

    fn improvement(&self, at: &[f64]) -> f64 {
        let near =
            DVector::from_iterator(self.points.len(), self.points.iter().map(|point| kernel(point, at, self.length)));
        let mean = near.dot(&self.solved);
        let sd = (1.0 - near.dot(&self.factor.solve(&near))).max(1e-12).sqrt();
        let ahead = (self.best - mean) / sd;
        let density = (-0.5 * ahead * ahead).exp() / (2.0 * PI).sqrt();
        sd * (ahead * normal_below(ahead) + density)
    }
}

fn kernel(one: &[f64], other: &[f64], length: f64) -> f64 {
    let squared: f64 = one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
    (-0.5 * squared / (length * length)).exp()
}

/// The normal distribution up to `x` (Abramowitz and Stegun 7.1.26, good to 1.5e-7).
fn normal_below(x: f64) -> f64 {
    let z = x.abs() / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = 0.5 * series * (-z * z).exp();
    if x > 0.0 { 1.0 - tail } else { tail }
}

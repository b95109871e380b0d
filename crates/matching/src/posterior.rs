//! What the wells say about the weights of the model, under one hypothesis about the dyes: a Gaussian, its evidence, and the wells that
//! it can't believe.

use crate::{
    dyes::Absorptivity,
    model::{BandMatrix, Bands, Design, Optics, noise},
    task::{Rules, Task, Well},
};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// Of a hundred wells this many are spoilt by a missed dispense or a bubble: what the study's labs have.
const OUTLIERS: f64 = 0.03;

/// Wells as the model sees them.
#[derive(Clone, Debug)]
pub struct Data {
    pub design: Design,
    pub shares: Vec<Vec<f64>>,
    ul: Vec<Vec<f64>>,
    features: Vec<Vec<f64>>,
    ratios: Vec<Bands>,
}

impl Data {
    pub fn new(dyes: usize, rules: Rules, wells: &[Well]) -> Self {
        let design = Design::new(dyes);
        let shares: Vec<Vec<f64>> = wells.iter().map(|well| rules.shares(&well.ul)).collect();
        let features = shares.iter().map(|shares| design.features(shares)).collect();
        // What a pipette's error depends on is µL, whatever the well holds.
        let ul = wells.iter().map(|well| well.ul.clone()).collect();
        let ratios = wells.iter().map(|well| Bands::from(well.ratios)).collect();
        Self { design, shares, ul, features, ratios }
    }

    pub fn len(&self) -> usize {
        self.ratios.len()
    }

    /// Whether all readings can be, given these optics.
    pub fn admit(&self, optics: Optics) -> bool {
        self.ratios.iter().all(|ratios| ratios.iter().all(|ratio| optics.admits(*ratio)))
    }

    /// Of each well, ΔE to the target as measured, and what is in it.
    pub fn measured(&self, task: &Task) -> impl Iterator<Item = (f64, Vec<f64>)> {
        self.ratios.iter().zip(&self.ul).map(|(ratios, ul)| (task.map.delta_e(ratios, task.target), ul.clone()))
    }
}

/// What is assumed beside the dyes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumed {
    pub optics: Optics,
    /// Standard deviation of the residual, in absorbance.
    pub residual: f64,
}

impl Assumed {
    pub const FIRST: Self = Self { optics: Optics::DEFAULT, residual: 0.02 };
}

/// The posterior of the weights.
#[derive(Clone, Debug)]
pub struct Fit {
    pub assumed: Assumed,
    /// Log evidence of the readings, with what the outliers cost.
    pub evidence: f64,
    /// By well: whether it was found to be spoilt.
    pub spoilt: Vec<bool>,
    /// Posterior mean of each feature's weights.
    mean: Vec<Bands>,
    prior_mean: Vec<Bands>,
    covariances: Vec<BandMatrix>,
    noises: Vec<BandMatrix>,
    spoilt_noises: Vec<BandMatrix>,
    factor: Option<Cholesky<f64, Dyn>>,
    absorbances: DVector<f64>,
}

/// One draw of the weights.
#[derive(Clone, Debug)]
pub struct Draw {
    optics: Optics,
    weights: Vec<Bands>,
}

impl Draw {
    /// The ratios of what has these features.
    pub fn ratios(&self, features: &[f64]) -> Bands {
        ratios(&self.optics, &self.weights, features)
    }
}

fn ratios(optics: &Optics, weights: &[Bands], features: &[f64]) -> Bands {
    let absorbance: Bands = weights.iter().zip(features).map(|(weight, feature)| weight * *feature).sum();
    absorbance.map(|absorbance| optics.ratio(absorbance))
}

/// Fits, with these wells taken for spoilt, twice: curvature and pipetting errors are in proportion to the dyes' strengths, which the
/// first fit finds.
pub fn fit(data: &Data, dyes: &[Absorptivity], assumed: Assumed, spoilt: &[usize]) -> Option<Fit> {
    let prior: Vec<Bands> = dyes.iter().map(|dye| dye.mean).collect();
    let first = fit_as_strong(data, dyes, assumed, spoilt, &prior)?;
    if data.len() == 0 {
        return Some(first);
    }
    fit_as_strong(data, dyes, assumed, spoilt, first.strength())
}

/// The same with strengths that are about known.
pub fn fit_as_strong(
    data: &Data,
    dyes: &[Absorptivity],
    assumed: Assumed,
    spoilt: &[usize],
    strength: &[Bands],
) -> Option<Fit> {
    let mut fit = Fit::given(data, dyes, assumed, strength);
    spoilt.iter().for_each(|well| fit.disbelieve(*well));
    fit.solve(data)?;
    Some(fit)
}

impl Fit {
    fn given(data: &Data, dyes: &[Absorptivity], assumed: Assumed, strength: &[Bands]) -> Self {
        let design = &data.design;
        let of_dyes: Vec<BandMatrix> = dyes.iter().map(|dye| dye.covariance).collect();
        let covariances = design.covariances(&of_dyes, strength, assumed.residual);
        let mut prior_mean = vec![Bands::zeros(); design.len()];
        prior_mean.iter_mut().zip(dyes).for_each(|(mean, dye)| *mean = dye.mean);
        let read = Read::new(data, assumed.optics, strength);
        Self {
            assumed,
            evidence: read.jacobian + data.len() as f64 * (1.0 - OUTLIERS).ln(),
            spoilt: vec![false; data.len()],
            mean: prior_mean.clone(),
            prior_mean,
            covariances,
            noises: read.noises,
            spoilt_noises: data.shares.iter().map(|shares| spoilt_noise(shares, strength)).collect(),
            factor: None,
            absorbances: read.absorbances,
        }
    }

    /// Takes a well for spoilt: it tells next to nothing.
    fn disbelieve(&mut self, well: usize) {
        self.spoilt[well] = true;
        self.noises[well] += self.spoilt_noises[well];
        self.evidence += OUTLIERS.ln() - (1.0 - OUTLIERS).ln();
    }

    /// Conditions on the readings.
    fn solve(&mut self, data: &Data) -> Option<()> {
        if data.len() == 0 {
            return Some(());
        }
        let residual = &self.absorbances - self.expected(data, &self.prior_mean);
        let factor = Cholesky::new(with_noise(self.signal(data), &self.noises))?;
        let solved = factor.solve(&residual);
        self.evidence -= 0.5 * (residual.dot(&solved) + factor.ln_determinant() + residual.len() as f64 * TAU.ln());
        self.mean = self.updated(data, &self.prior_mean, &solved);
        self.factor = Some(factor);
        Some(())
    }

    /// Of each well, the log odds that it is spoilt, as the others see it. (The inverse of the covariance holds what they expect of
    /// it: its block is the precision of that expectation.)
    pub fn doubts(&self, data: &Data) -> Vec<f64> {
        let Some(factor) = &self.factor else { return vec![] };
        let inverse = factor.inverse();
        let solved = factor.solve(&(&self.absorbances - self.expected(data, &self.prior_mean)));
        let odds = |well: usize| -> Option<f64> {
            let covariance = inverse.fixed_view::<8, 8>(8 * well, 8 * well).into_owned().try_inverse()?;
            let off: Bands = covariance * solved.fixed_rows::<8>(8 * well);
            let spoilt = log_normal(&off, &(covariance + self.spoilt_noises[well]))?;
            Some(spoilt - log_normal(&off, &covariance)? + OUTLIERS.ln() - (1.0 - OUTLIERS).ln())
        };
        (0..data.len()).map(|well| odds(well).unwrap_or(f64::NEG_INFINITY)).collect()
    }

    /// The prior covariance of all absorbances.
    fn signal(&self, data: &Data) -> DMatrix<f64> {
        let wells = data.len();
        let mut matrix = DMatrix::zeros(8 * wells, 8 * wells);
        for i in 0..wells {
            for j in 0..=i {
                let products = data.features[i].iter().zip(&data.features[j]).map(|(a, b)| a * b);
                let block: BandMatrix = products.zip(&self.covariances).map(|(product, block)| block * product).sum();
                matrix.fixed_view_mut::<8, 8>(8 * i, 8 * j).copy_from(&block);
                matrix.fixed_view_mut::<8, 8>(8 * j, 8 * i).copy_from(&block.transpose());
            }
        }
        matrix
    }

    fn expected(&self, data: &Data, weights: &[Bands]) -> DVector<f64> {
        let of_well = |features: &Vec<f64>| -> Bands {
            weights.iter().zip(features).map(|(weight, feature)| weight * *feature).sum()
        };
        let all: Vec<f64> = data.features.iter().flat_map(|features| of_well(features).as_slice().to_vec()).collect();
        DVector::from_vec(all)
    }

    /// Weights moved by what is left over of the readings, `solved` = K⁻¹ (readings − expected).
    fn updated(&self, data: &Data, weights: &[Bands], solved: &DVector<f64>) -> Vec<Bands> {
        let pull = |feature: usize| -> Bands {
            (0..data.len()).map(|well| solved.fixed_rows::<8>(8 * well) * data.features[well][feature]).sum()
        };
        weights
            .iter()
            .zip(&self.covariances)
            .enumerate()
            .map(|(feature, (weight, block))| weight + block * pull(feature))
            .collect()
    }

    /// The absorptivities as they are thought to be.
    pub fn strength(&self) -> &[Bands] {
        &self.mean
    }

    /// The ratios expected of what has these features.
    pub fn ratios(&self, features: &[f64]) -> Bands {
        ratios(&self.assumed.optics, &self.mean, features)
    }

    /// Draws from the posterior, by Matheron's rule: a draw from the prior, moved by how far its readings would be from the real ones.
    pub fn draws(&self, data: &Data, count: usize, dice: &mut ChaCha8Rng) -> Vec<Draw> {
        let (of_weights, of_noise) = (roots(&self.covariances), roots(&self.noises));
        (0..count).map(|_| self.draw(data, &of_weights, &of_noise, dice)).collect()
    }

    fn draw(&self, data: &Data, of_weights: &[BandMatrix], of_noise: &[BandMatrix], dice: &mut ChaCha8Rng) -> Draw {
        let mut normal = || Bands::from_fn(|_, _| dice.sample::<f64, _>(StandardNormal));
        let mut weights: Vec<Bands> =
            self.prior_mean.iter().zip(of_weights).map(|(mean, root)| mean + root * normal()).collect();
        if let Some(factor) = &self.factor {
            let mut off = &self.absorbances - self.expected(data, &weights);
            for (well, root) in of_noise.iter().enumerate() {
                let mut rows = off.fixed_rows_mut::<8>(8 * well);
                rows += root * normal();
            }
            weights = self.updated(data, &weights, &factor.solve(&off));
        }
        Draw { optics: self.assumed.optics, weights }
    }

    /// What is known now of each dye, for the next match.
    pub fn learned(&self, data: &Data) -> Vec<Absorptivity> {
        (0..data.design.dyes())
            .map(|dye| Absorptivity { mean: self.mean[dye], covariance: self.covariance_of(data, dye) })
            .collect()
    }

    fn covariance_of(&self, data: &Data, feature: usize) -> BandMatrix {
        let block = self.covariances[feature];
        let Some(factor) = &self.factor else { return block };
        let mut cross = DMatrix::zeros(8 * data.len(), 8);
        for well in 0..data.len() {
            cross.fixed_view_mut::<8, 8>(8 * well, 0).copy_from(&(block * data.features[well][feature]));
        }
        let explained = cross.transpose() * factor.solve(&cross);
        block - explained.fixed_view::<8, 8>(0, 0)
    }
}

/// The readings as absorbances.
struct Read {
    absorbances: DVector<f64>,
    noises: Vec<BandMatrix>,
    /// ln |d absorbance / d ln ratio|, summed: evidence is of ratios, however they are looked at.
    jacobian: f64,
}

impl Read {
    fn new(data: &Data, optics: Optics, strength: &[Bands]) -> Self {
        let mut absorbances = DVector::zeros(8 * data.len());
        let (mut noises, mut jacobian) = (Vec::with_capacity(data.len()), 0.0);
        for (well, ratios) in data.ratios.iter().enumerate() {
            let pairs = ratios.map(|ratio| optics.absorbance(ratio));
            let (seen, slopes) = (pairs.map(|pair| pair.0), pairs.map(|pair| pair.1));
            absorbances.fixed_rows_mut::<8>(8 * well).copy_from(&seen);
            jacobian += slopes.iter().map(|slope| slope.ln()).sum::<f64>();
            noises.push(noise(&data.ul[well], &data.shares[well], ratios, &slopes, strength));
        }
        Self { absorbances, noises, jacobian }
    }
}

/// How far off a spoilt well may be: a bubble dims or brightens all bands, a missed dispense leaves out most of a dye, anything
/// else happens in any band.
fn spoilt_noise(shares: &[f64], strength: &[Bands]) -> BandMatrix {
    let missed =
        shares.iter().zip(strength).map(|(share, strength)| strength * strength.transpose() * (0.7 * share).powi(2));
    missed.sum::<BandMatrix>() + BandMatrix::repeat(0.3 * 0.3) + BandMatrix::identity() * (0.05 * 0.05)
}

fn with_noise(mut matrix: DMatrix<f64>, noises: &[BandMatrix]) -> DMatrix<f64> {
    for (well, noise) in noises.iter().enumerate() {
        let mut block = matrix.fixed_view_mut::<8, 8>(8 * well, 8 * well);
        block += noise;
    }
    matrix
}

/// Triangular roots of covariances, of which neighbours are often the same.
fn roots(covariances: &[BandMatrix]) -> Vec<BandMatrix> {
    let mut roots: Vec<BandMatrix> = Vec::with_capacity(covariances.len());
    for (index, covariance) in covariances.iter().enumerate() {
        let same = index.checked_sub(1).filter(|before| covariances[*before] == *covariance);
        // Where rounding leaves no root, the weight stays at its mean.
        let root = || {
            Cholesky::new(covariance + BandMatrix::identity() * 1e-9)
                .map_or_else(BandMatrix::zeros, |factor| factor.l())
        };
        roots.push(same.map_or_else(root, |before| roots[before]));
    }
    roots
}

fn log_normal(off: &Bands, covariance: &BandMatrix) -> Option<f64> {
    let factor = Cholesky::new(*covariance)?;
    Some(-0.5 * (off.dot(&factor.solve(off)) + factor.ln_determinant() + 8.0 * TAU.ln()))
}

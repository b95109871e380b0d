//! Which recipes to mix next: those that most probably come near enough, over all that the weights may still be.

use crate::{
    hypotheses::Belief,
    model::Bands,
    posterior::Draw,
    task::{Rules, Task},
};
use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Recipes looked at: at random, round the best wells, and refined round those that look best.
const AT_RANDOM: usize = 800;
const ROUND_A_WELL: usize = 40;
const REFINED: usize = 10;
const PER_REFINED: usize = 12;
/// Steps of refining, as shares of a well: 15, 5, 2 and 1 µL of 300.
const STEPS: [f64; 4] = [0.05, 0.017, 0.007, 0.003];
/// Recipes that are judged by draws, and how many draws.
const JUDGED: usize = 240;
const DRAWS: usize = 96;
/// How sharply near enough is told from not: measured ΔE is off by some 0.3 (the study).
const SOFT: f64 = 0.35;

/// A recipe with the ΔE to the target that it would have, draw by draw.
#[derive(Clone, Debug)]
pub struct Judged {
    pub ul: Vec<f64>,
    pub delta_e: Vec<f64>,
}

/// Recipes worth mixing, judged by the same draws.
#[derive(Clone, Debug)]
pub struct Outlook {
    pub judged: Vec<Judged>,
}

impl Outlook {
    pub fn new(task: &Task, belief: &Belief, dice: &mut ChaCha8Rng) -> Self {
        let pool = pool(task, belief, dice);
        let draws = belief.draws(DRAWS, dice);
        let judged = pool.into_iter().map(|ul| judge(task, belief, &draws, ul)).collect();
        Self { judged }
    }

    /// The probability that any recipe comes within `tolerance`.
    pub fn reachable(&self, tolerance: f64) -> f64 {
        let draws = self.judged.first().map_or(0, |first| first.delta_e.len());
        let reached = |draw: &usize| self.judged.iter().any(|judged| judged.delta_e[*draw] <= tolerance);
        (0..draws).filter(reached).count() as f64 / draws.max(1) as f64
    }

    /// The recipe with the least expected ΔE.
    pub fn best(&self) -> Option<&Judged> {
        self.judged.iter().min_by(|a, b| a.mean().total_cmp(&b.mean()))
    }

    /// `count` recipes of which one is as probably as can be within `aim`.
    pub fn choose(&self, count: usize, aim: f64) -> Vec<Vec<f64>> {
        let draws = self.judged.first().map_or(0, |first| first.delta_e.len());
        let mut reached = vec![0.0_f64; draws];
        let mut chosen: Vec<Vec<f64>> = vec![];
        for _ in 0..count {
            let worth = |judged: &Judged| {
                let near =
                    judged.delta_e.iter().zip(&reached).map(|(delta_e, so_far)| utility(*delta_e, aim).max(*so_far));
                near.sum::<f64>() / draws.max(1) as f64 - 0.002 * judged.mean()
            };
            let fresh = self.judged.iter().filter(|judged| !chosen.contains(&judged.ul));
            let Some((best, _)) = fresh.map(|judged| (judged, worth(judged))).max_by(|a, b| a.1.total_cmp(&b.1)) else {
                break;
            };
            reached
                .iter_mut()
                .zip(&best.delta_e)
                .for_each(|(so_far, delta_e)| *so_far = so_far.max(utility(*delta_e, aim)));
            chosen.push(best.ul.clone());
        }
        chosen
    }

    /// The recipe away from all that was tried whose luckiest tenth of draws comes nearest: what cures a dye that was never tried.
    pub fn elsewhere<'a>(&self, tried: impl Iterator<Item = &'a Vec<f64>> + Clone, apart_ul: f64) -> Option<Vec<f64>> {
        let away = |judged: &&Judged| tried.clone().all(|ul| distance(ul, &judged.ul) >= apart_ul);
        self.judged
            .iter()
            .filter(away)
            .min_by(|a, b| a.quantile(0.1).total_cmp(&b.quantile(0.1)))
            .map(|best| best.ul.clone())
    }
}

impl Judged {
    /// By the ratios that it has in each draw.
    pub fn by(task: &Task, ul: Vec<f64>, drawn: impl Iterator<Item = Bands>) -> Self {
        Self { ul, delta_e: drawn.map(|ratios| task.map.delta_e(&ratios, task.target)).collect() }
    }

    pub fn mean(&self) -> f64 {
        self.delta_e.iter().sum::<f64>() / self.delta_e.len().max(1) as f64
    }

    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.delta_e.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share).round() as usize]
    }

    /// The share of draws within `tolerance`.
    pub fn within(&self, tolerance: f64) -> f64 {
        self.delta_e.iter().filter(|delta_e| **delta_e <= tolerance).count() as f64 / self.delta_e.len().max(1) as f64
    }
}

/// What a recipe would be, draw by draw.
pub fn judge(task: &Task, belief: &Belief, draws: &[Draw], ul: Vec<f64>) -> Judged {
    let features = belief.features(&ul, task.rules);
    Judged::by(task, ul, draws.iter().map(|draw| draw.ratios(&features)))
}

fn utility(delta_e: f64, aim: f64) -> f64 {
    1.0 / (1.0 + ((delta_e - aim) / SOFT).exp())
}

/// µL between two recipes.
pub fn distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Any recipe that can be mixed: some of the dyes, any amounts.
pub fn at_random(dyes: usize, rules: Rules, dice: &mut ChaCha8Rng) -> Vec<f64> {
    loop {
        let used = dice.random_range(1..=dyes.min((rules.most_ul() / rules.minimum_ul()) as usize));
        let mut which: Vec<usize> = (0..dyes).collect();
        which.shuffle(dice);
        // Cuts of what is left beside the minima; the last piece is diluent.
        let free = rules.most_ul() - used as f64 * rules.minimum_ul();
        let mut cuts: Vec<f64> = (0..used).map(|_| dice.random::<f64>() * free).collect();
        cuts.sort_by(f64::total_cmp);
        let mut ul = vec![0.0; dyes];
        let mut before = 0.0;
        for (dye, cut) in which.into_iter().zip(cuts) {
            ul[dye] = rules.minimum_ul() + cut - before;
            before = cut;
        }
        if let Some(ul) = rules.nearest(&ul) {
            return ul;
        }
    }
}

/// Recipes worth judging: the best by what the likeliest explanations expect.
fn pool(task: &Task, belief: &Belief, dice: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let dyes = task.dyes.len();
    let mut start: Vec<Vec<f64>> = (0..AT_RANDOM * dyes / 3).map(|_| at_random(dyes, task.rules, dice)).collect();
    start.extend(round_best_wells(task, belief, dice));
    let mut chosen = vec![];
    for explanation in belief.explanations.iter().take(3) {
        let share = ((JUDGED as f64 * explanation.probability) as usize).max(JUDGED / 10);
        let expected = |ul: &Vec<f64>| {
            let features = belief.features(ul, task.rules);
            task.map.delta_e(&explanation.fit.ratios(&features), task.target)
        };
        let mut ranked: Vec<(f64, Vec<f64>)> = start.iter().map(|ul| (expected(ul), ul.clone())).collect();
        sort(&mut ranked);
        for step in STEPS {
            let near: Vec<Vec<f64>> = ranked
                .iter()
                .take(REFINED)
                .flat_map(|(_, ul)| std::iter::repeat_n(ul, PER_REFINED))
                .filter_map(|ul| moved(ul, step, task.rules, dice))
                .collect();
            ranked.extend(near.into_iter().map(|ul| (expected(&ul), ul)));
            sort(&mut ranked);
        }
        chosen.extend(spread_out(ranked, share));
    }
    chosen.sort_by(|a, b| {
        a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    chosen.dedup();
    chosen
}

/// The best two thirds, and of all others every so many: the best of one draw isn't the best of the mean.
fn spread_out(ranked: Vec<(f64, Vec<f64>)>, count: usize) -> Vec<Vec<f64>> {
    let best = count * 2 / 3;
    let step = ((ranked.len().saturating_sub(best)) / (count - best).max(1) / 3).max(1);
    let (first, rest): (Vec<_>, Vec<_>) = ranked.into_iter().enumerate().partition(|(index, _)| *index < best);
    first.into_iter().chain(rest.into_iter().step_by(step).take(count - best)).map(|(_, (_, ul))| ul).collect()
}

fn sort(ranked: &mut [(f64, Vec<f64>)]) {
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
}

fn round_best_wells(task: &Task, belief: &Belief, dice: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let mut wells: Vec<(f64, Vec<f64>)> = belief.data.measured(task).collect();
    sort(&mut wells);
    let steps = [0.08, 0.027, 0.01];
    let near = |(_, ul): &(f64, Vec<f64>)| ul.clone();
    let centres: Vec<Vec<f64>> = wells.iter().take(2).map(near).collect();
    let mut found = vec![];
    for ul in &centres {
        for step in steps {
            found.extend((0..ROUND_A_WELL).filter_map(|_| moved(ul, step, task.rules, dice)));
        }
    }
    found
}

fn moved(ul: &[f64], step: f64, rules: Rules, dice: &mut ChaCha8Rng) -> Option<Vec<f64>> {
    let step_ul = step * rules.most_ul();
    let moved: Vec<f64> = ul.iter().map(|ul| ul + step_ul * dice.sample::<f64, _>(StandardNormal)).collect();
    rules.nearest(&moved)
}

/// The first wells where nothing is known: of each dye a third of a well with a tenth of the next, so that all are seen
/// alone and together (the study).
pub fn calibration(dyes: usize, rules: Rules) -> Vec<Vec<f64>> {
    let most = rules.most_ul();
    let (much, little) = ((most / 3.0).max(rules.minimum_ul()), (most / 10.0).max(rules.minimum_ul()));
    (0..dyes)
        .map(|dye| {
            let mut ul = vec![0.0; dyes];
            ul[dye] = much;
            ul[(dye + 1) % dyes] = little;
            rules.nearest(&ul).unwrap_or(ul)
        })
        .collect()
}

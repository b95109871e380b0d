//! What the dyes may be: as told, in each other's reservoirs, or nothing that the words would say. The wells decide.

use crate::{
    dyes::{Absorptivity, Dye},
    model::Optics,
    posterior::{Assumed, Data, Draw, Fit, fit},
};
use rand_chacha::ChaCha8Rng;

/// Log odds against two reservoirs having been swapped, and against words that say nothing true, beside words that do (the study).
const SWAPPED: f64 = -3.0;
const UNTRUE: f64 = -4.0;
/// A hypothesis that has less than this share of the best's probability isn't looked at further.
const NEGLIGIBLE: f64 = 0.02;

/// What the dyes are taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hypothesis {
    /// Each reservoir holds what it is said to.
    AsTold,
    /// Reservoir `i` holds what was said of reservoir `order[i]`.
    Swapped(Vec<usize>),
    /// The words say nothing true.
    Unknown,
}

/// A hypothesis with what the wells make of it.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub hypothesis: Hypothesis,
    /// 0 to 1; together 1.
    pub probability: f64,
    pub fit: Fit,
}

struct Candidate {
    hypothesis: Hypothesis,
    log_odds: f64,
    dyes: Vec<Absorptivity>,
}

fn candidates(dyes: &[Dye]) -> Vec<Candidate> {
    let told: Vec<Absorptivity> = dyes.iter().map(Dye::absorptivity).collect();
    let mut all = vec![];
    if dyes.iter().all(|dye| *dye == Dye::Unknown) {
        return vec![Candidate { hypothesis: Hypothesis::AsTold, log_odds: 0.0, dyes: told }];
    }
    for order in orders(dyes.len()) {
        let swapped: Vec<&Dye> = order.iter().map(|from| &dyes[*from]).collect();
        if swapped.iter().zip(dyes).any(|(one, other)| *one != other) {
            let dyes = order.iter().map(|from| told[*from].clone()).collect();
            all.push(Candidate { hypothesis: Hypothesis::Swapped(order), log_odds: SWAPPED, dyes });
        }
    }
    let unknown = Dye::Unknown.absorptivity();
    all.push(Candidate { hypothesis: Hypothesis::Unknown, log_odds: UNTRUE, dyes: vec![unknown; dyes.len()] });
    all.insert(0, Candidate { hypothesis: Hypothesis::AsTold, log_odds: 0.0, dyes: told });
    all
}

/// All orders of three reservoirs; of more, two that are swapped (720 orders of six would be looked at for one mistake).
fn orders(dyes: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![];
    for first in 0..dyes {
        for second in first + 1..dyes {
            let mut order: Vec<usize> = (0..dyes).collect();
            order.swap(first, second);
            orders.push(order);
        }
    }
    if dyes == 3 {
        orders.extend([vec![1, 2, 0], vec![2, 0, 1]]);
    }
    orders
}

/// What the wells say, over all that the dyes may be.
#[derive(Clone, Debug)]
pub struct Belief {
    pub data: Data,
    /// The likeliest first; none is negligible.
    pub explanations: Vec<Explanation>,
}

impl Belief {
    /// None if the numbers admit no answer, which checked wells don't.
    pub fn new(dyes: &[Dye], data: Data) -> Option<Self> {
        let mut weighed: Vec<(f64, Candidate, Fit)> = candidates(dyes)
            .into_iter()
            .filter_map(|candidate| {
                let fit = fit(&data, &candidate.dyes, Assumed::FIRST)?;
                Some((candidate.log_odds + fit.evidence, candidate, fit))
            })
            .collect();
        keep_likely(&mut weighed, (NEGLIGIBLE / 10.0).ln());
        for (log_odds, candidate, fit) in &mut weighed {
            *fit = assume(&data, &candidate.dyes, fit.clone());
            *log_odds = candidate.log_odds + fit.evidence;
        }
        keep_likely(&mut weighed, NEGLIGIBLE.ln());
        let best = weighed.first()?.0;
        let sum: f64 = weighed.iter().map(|(log_odds, ..)| (log_odds - best).exp()).sum();
        let explanations = weighed
            .into_iter()
            .map(|(log_odds, Candidate { hypothesis, .. }, fit)| Explanation {
                hypothesis,
                probability: (log_odds - best).exp() / sum,
                fit,
            })
            .collect();
        Some(Self { data, explanations })
    }

    pub fn best(&self) -> &Explanation {
        &self.explanations[0]
    }

    /// Draws of the weights, of each explanation as many as it is likely.
    pub fn draws(&self, count: usize, dice: &mut ChaCha8Rng) -> Vec<Draw> {
        let mut draws = Vec::with_capacity(count);
        let mut likely = 0.0;
        for explanation in &self.explanations {
            likely += explanation.probability;
            while (draws.len() as f64) + 0.5 < likely * count as f64 {
                draws.push(explanation.fit.draw(&self.data, dice));
            }
        }
        draws
    }
}

fn keep_likely(weighed: &mut Vec<(f64, Candidate, Fit)>, within: f64) {
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = weighed.first().map_or(0.0, |first| first.0);
    weighed.retain(|(log_odds, ..)| *log_odds >= best + within);
}

/// Finds the optics and the residual that the wells speak for, one after the other. Few wells can't tell, and get the textbook's.
fn assume(data: &Data, dyes: &[Absorptivity], first: Fit) -> Fit {
    let mut best = first;
    if data.len() <= 3 {
        return best;
    }
    let mut consider = |change: &dyn Fn(&mut Assumed)| {
        let mut assumed = best.assumed;
        change(&mut assumed);
        if let Some(fit) = fit(data, dyes, assumed).filter(|fit| fit.evidence > best.evidence) {
            best = fit;
        }
    };
    for stray in [0.02, 0.05, 0.1] {
        consider(&|assumed| assumed.optics.stray = stray);
    }
    for residual in [0.01, 0.04, 0.08] {
        consider(&|assumed| assumed.residual = residual);
    }
    let _ = Optics::DEFAULT;
    best
}

//! What the dyes may be: as told, in each other's reservoirs, or nothing that the words would say. The wells decide.

use crate::{
    dyes::{Absorptivity, Dye},
    model::Optics,
    posterior::{Assumed, Data, Draw, Fit, fit, fit_as_strong},
    task::{Rules, Task, TaskError, Well},
};
use rand_chacha::ChaCha8Rng;
use std::rc::Rc;

/// Log odds against two reservoirs having been swapped, and against words that say nothing true, beside words that do (the study).
const SWAPPED: f64 = -3.0;
const UNTRUE: f64 = -4.0;
/// A hypothesis that has less than this share of the best's probability isn't looked at further.
const NEGLIGIBLE: f64 = 0.02;

/// So many wells may tell how light comes to the sensor, and what is tried: beside the textbook's, up to what the study's hard labs have.
const TELLING: usize = 4;
const STRAY: [f64; 3] = [0.03, 0.06, 0.1];
const POWER: [f64; 2] = [0.93, 0.86];
const SATURATION: [f64; 2] = [0.1, 0.2];
const RESIDUAL: [f64; 3] = [0.01, 0.04, 0.08];

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
    /// What checked wells make believe.
    pub fn of(task: &Task, wells: &[Well]) -> Result<Self, TaskError> {
        Self::new(&task.dyes, Data::new(task.dyes.len(), task.rules, wells)).ok_or(TaskError::Undecided)
    }

    fn new(dyes: &[Dye], data: Data) -> Option<Self> {
        let mut weighed: Vec<Weighed> = candidates(dyes)
            .into_iter()
            .filter_map(|candidate| {
                let spoilt = greedily_spoilt(&data, &candidate.dyes)?;
                Weighed::new(&data, Rc::new(candidate), Assumed::FIRST, spoilt)
            })
            .collect();
        keep_likely(&mut weighed, (NEGLIGIBLE / 10.0).ln());
        let mut weighed: Vec<Weighed> = weighed.iter().flat_map(|one| with_suspects(&data, one)).collect();
        keep_likely(&mut weighed, (NEGLIGIBLE / 10.0).ln());
        let mut weighed: Vec<Weighed> = weighed.into_iter().filter_map(|one| assume(&data, one)).collect();
        keep_likely(&mut weighed, NEGLIGIBLE.ln());
        let best = weighed.first()?.log_odds();
        let sum: f64 = weighed.iter().map(|one| (one.log_odds() - best).exp()).sum();
        let explanation = |one: Weighed| Explanation {
            hypothesis: one.candidate.hypothesis.clone(),
            probability: (one.log_odds() - best).exp() / sum,
            fit: one.fit,
        };
        Some(Self { data, explanations: weighed.into_iter().map(explanation).collect() })
    }

    /// The features of a recipe.
    pub fn features(&self, ul: &[f64], rules: Rules) -> Vec<f64> {
        let shares = rules.shares(ul);
        self.data.design.features(&shares)
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
            let share = ((likely * count as f64).round() as usize).saturating_sub(draws.len());
            draws.extend(explanation.fit.draws(&self.data, share, dice));
        }
        draws
    }
}

/// A candidate with the wells that are taken for spoilt.
struct Weighed {
    candidate: Rc<Candidate>,
    spoilt: Vec<usize>,
    fit: Fit,
}

impl Weighed {
    fn new(data: &Data, candidate: Rc<Candidate>, assumed: Assumed, spoilt: Vec<usize>) -> Option<Self> {
        let fit = fit(data, &candidate.dyes, assumed, &spoilt)?;
        Some(Self { candidate, spoilt, fit })
    }

    fn log_odds(&self) -> f64 {
        self.candidate.log_odds + self.fit.evidence
    }
}

fn keep_likely(weighed: &mut Vec<Weighed>, within: f64) {
    weighed.sort_by(|a, b| b.log_odds().total_cmp(&a.log_odds()));
    let best = weighed.first().map_or(0.0, Weighed::log_odds);
    weighed.retain(|one| one.log_odds() >= best + within);
}

/// Wells that are rather spoilt than good, the worst first; a third of all at most.
fn greedily_spoilt(data: &Data, dyes: &[Absorptivity]) -> Option<Vec<usize>> {
    let mut spoilt = vec![];
    while 3 * (spoilt.len() + 1) <= data.len() {
        let doubts = fit(data, dyes, Assumed::FIRST, &spoilt)?.doubts(data);
        let worst =
            (0..data.len()).filter(|well| !spoilt.contains(well)).max_by(|a, b| doubts[*a].total_cmp(&doubts[*b]));
        match worst.filter(|well| doubts[*well] > 0.0) {
            Some(well) => spoilt.push(well),
            None => break,
        }
    }
    Some(spoilt)
}

/// This, and the same with other wells spoilt: of few wells it isn't clear which is to be believed.
fn with_suspects(data: &Data, one: &Weighed) -> Vec<Weighed> {
    let mut sets = vec![one.spoilt.clone()];
    if data.len() > 2
        && data.len() <= 10
        && let Some(clean) = fit(data, &one.candidate.dyes, Assumed::FIRST, &[])
    {
        let doubts = clean.doubts(data);
        let mut suspects: Vec<usize> = (0..data.len()).filter(|well| doubts[*well] > NEGLIGIBLE.ln()).collect();
        suspects.sort_by(|a, b| doubts[*b].total_cmp(&doubts[*a]));
        sets.push(vec![]);
        sets.extend(suspects.into_iter().take(3).map(|well| vec![well]));
        sets.sort();
        sets.dedup();
    }
    sets.into_iter()
        .filter_map(|spoilt| Weighed::new(data, Rc::clone(&one.candidate), Assumed::FIRST, spoilt))
        .collect()
}

/// Finds the optics and the residual that the wells speak for, one after the other. Few wells can't tell, and get the textbook's.
fn assume(data: &Data, first: Weighed) -> Option<Weighed> {
    if data.len() < TELLING {
        return Some(first);
    }
    let Weighed { candidate, spoilt, fit: start } = first;
    let (mut assumed, mut evidence) = (Assumed::FIRST, start.evidence);
    let mut consider = |changed: Assumed| {
        // Light that isn't there can't have passed the liquid by, and evidence can't tell: such readings are cut off.
        if !data.admit(changed.optics) {
            return assumed;
        }
        let fit = fit_as_strong(data, &candidate.dyes, changed, &spoilt, start.strength());
        if let Some(fit) = fit.filter(|fit| fit.evidence > evidence) {
            (assumed, evidence) = (changed, fit.evidence);
        }
        assumed
    };
    let mut so_far = Assumed::FIRST;
    for stray in STRAY {
        so_far = consider(Assumed { optics: Optics { stray, ..so_far.optics }, ..so_far });
    }
    for power in POWER {
        so_far = consider(Assumed { optics: Optics { power, ..so_far.optics }, ..so_far });
    }
    for saturation in SATURATION {
        so_far = consider(Assumed { optics: Optics { saturation, ..so_far.optics }, ..so_far });
    }
    for residual in RESIDUAL {
        so_far = consider(Assumed { residual, ..so_far });
    }
    Weighed::new(data, candidate, so_far, spoilt)
}

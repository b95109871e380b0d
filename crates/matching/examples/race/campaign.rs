//! One campaign: a solver, a virtual lab and a target, until the solver stops.

use crate::lab::{Kind, Lab, Nature};
use matching::{ColourMap, Dye, Reason, Rules, Solver, Step, Task, Well};
use std::time::{Duration, Instant};

/// What the solver is told of the dyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Words,
    Nothing,
    /// The words, each of them at the wrong reservoir.
    WrongOrder,
}

impl Told {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Nothing => "nothing",
            Self::WrongOrder => "wrong order",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub kind: Kind,
    pub natures: &'a [Nature],
    pub told: Told,
    pub tolerance: f64,
    /// The target is out of reach by at least this ΔE.
    pub out_of_reach: Option<f64>,
    /// The map by which the lab's colours are told; the solver has its own.
    pub map: ColourMap,
    pub budget: usize,
    /// Tells each answer on standard error.
    pub told_aloud: bool,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub reason: Option<Reason>,
    /// Wells mixed until the stop, and until one was measured within the tolerance.
    pub wells: usize,
    pub until_measured: Option<usize>,
    /// ΔE2000 of the recipe that was recommended, free of errors.
    pub true_delta_e: f64,
    pub robot_time: f64,
    /// The longest that an answer took.
    pub slowest: Duration,
    pub asked: usize,
    pub thought: Duration,
}

pub fn run(solver: &dyn Solver, case: &Case, seed: u64) -> Outcome {
    let rules = Rules::new(20.0, 300.0).expect("rules");
    let mut lab = Lab::new(case.kind, case.natures, rules, seed);
    let target = match case.out_of_reach {
        Some(apart) => lab.unreachable(&case.map, apart),
        None => lab.reachable(&case.map).0,
    };
    let mut words: Vec<&str> = case.natures.iter().map(|nature| nature.word).collect();
    match case.told {
        Told::Words => {}
        Told::Nothing => words.fill("?"),
        Told::WrongOrder => {
            let by = 1 + seed as usize % (words.len() - 1);
            words.rotate_left(by);
        }
    }
    let dyes = words.into_iter().map(Dye::of_name).collect();
    let task =
        Task { dyes, rules, target, tolerance: case.tolerance, budget: case.budget, seed, map: ColourMap::default() };
    let mut outcome = Outcome {
        reason: None,
        wells: 0,
        until_measured: None,
        true_delta_e: f64::NAN,
        robot_time: 0.0,
        slowest: Duration::ZERO,
        asked: 0,
        thought: Duration::ZERO,
    };
    let mut wells: Vec<Well> = vec![];
    loop {
        let began = Instant::now();
        let answer = solver.ask(&task, &wells).expect("a sound task");
        let took = began.elapsed();
        outcome.slowest = outcome.slowest.max(took);
        outcome.thought += took;
        outcome.asked += 1;
        if case.told_aloud {
            let last = wells.last().map(|well| (well.ul.clone(), case.map.delta_e(&well.ratios.into(), target)));
            eprintln!("{seed}: {target:?} after {} wells, the last {last:.2?}: {answer:.2?}", wells.len());
        }
        match answer.step {
            Step::Next(recipes) => {
                assert!(!recipes.is_empty());
                outcome.robot_time += 1.0 + 0.171 * (recipes.len() - 1) as f64;
                lab.read_white();
                for ul in recipes {
                    assert!(rules.allow(&ul), "{ul:?}");
                    wells.push(lab.mix(&ul));
                }
                let within = |well: &Well| case.map.delta_e(&well.ratios.into(), target) <= case.tolerance;
                if outcome.until_measured.is_none() && wells.iter().any(within) {
                    outcome.until_measured = Some(wells.len());
                }
            }
            Step::Stop { reason, recipe, .. } => {
                outcome.reason = Some(reason);
                outcome.wells = wells.len();
                outcome.true_delta_e = case.map.delta_e(&lab.truth(&recipe).into(), target);
                return outcome;
            }
        }
    }
}

/// What the recipe of the target itself reads: ΔE2000 of one well.
pub fn perfect(case: &Case, seed: u64) -> f64 {
    let mut lab = Lab::new(case.kind, case.natures, Rules::new(20.0, 300.0).expect("rules"), seed);
    let (target, ul) = lab.reachable(&case.map);
    lab.read_white();
    case.map.delta_e(&lab.mix(&ul).ratios.into(), target)
}

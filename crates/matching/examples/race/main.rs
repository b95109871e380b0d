//! The race: solvers against virtual labs, campaign by campaign, as a table of `docs/matching.md`.
//!
//! ```sh
//! cargo run -p tincture-matching --release --example race                                 # the model, all labs, 200 campaigns each
//! cargo run -p tincture-matching --release --example race -- --only "hard other,words" --cases 50 --seed 7
//! cargo run -p tincture-matching --release --example race -- --solver random              # or latin, improvement
//! cargo run -p tincture-matching --release --example race -- --map unweighted             # the lab's colours by another map
//! cargo run -p tincture-matching --release --example race -- --aloud yes --cases 1 --seed 8  # each answer, on standard error
//! ```

mod campaign;
mod lab;
mod maps;

use campaign::{Case, Outcome, Told, perfect, run};
use lab::{Kind, Mode, Nature, PRIMARY, SIX};
use matching::{BeerLambert, ColourMap, ExpectedImprovement, LatinHypercube, Random, Reason, Solver};

struct Options {
    cases: u64,
    seed: u64,
    only: String,
    solver: Box<dyn Solver>,
    map: ColourMap,
    aloud: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        cases: 200,
        seed: 20_000,
        only: String::new(),
        solver: Box::new(BeerLambert),
        map: ColourMap::default(),
        aloud: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} needs a number"));
        match word.as_str() {
            "--cases" => options.cases = number()?.max(1),
            "--seed" => options.seed = number()?,
            "--solver" => options.solver = solver(&value)?,
            "--map" => options.map = maps::by_name(&value).ok_or(format!("no map is called {value}"))?,
            "--aloud" => options.aloud = value == "yes",
            "--only" => options.only = value,
            _ => return Err(format!("{word} is no option: --cases, --seed, --only, --solver, --map, --aloud")),
        }
    }
    Ok(options)
}

fn solver(name: &str) -> Result<Box<dyn Solver>, String> {
    match name {
        "beer-lambert" => Ok(Box::new(BeerLambert)),
        "random" => Ok(Box::new(Random)),
        "latin" => Ok(Box::new(LatinHypercube)),
        "improvement" => Ok(Box::new(ExpectedImprovement)),
        _ => Err(format!("no solver is called {name}: beer-lambert, random, latin, improvement")),
    }
}

/// What the labs of a line have in common.
struct Line {
    name: &'static str,
    mode: Mode,
    other: bool,
    natures: &'static [Nature],
}

const LINES: [Line; 6] = [
    Line { name: "hard other", mode: Mode::Hard, other: true, natures: &PRIMARY },
    Line { name: "mismatch", mode: Mode::Mismatch, other: false, natures: &PRIMARY },
    Line { name: "mismatch other", mode: Mode::Mismatch, other: true, natures: &PRIMARY },
    Line { name: "nominal", mode: Mode::Nominal, other: false, natures: &PRIMARY },
    Line { name: "4 inks, hard other", mode: Mode::Hard, other: true, natures: SIX.split_at(4).0 },
    Line { name: "6 inks, hard other", mode: Mode::Hard, other: true, natures: &SIX },
];

fn main() -> Result<(), String> {
    let options = options()?;
    println!("{}, {} campaigns a row from seed {}\n", options.solver.name(), options.cases, options.seed);
    println!(
        "| lab | told | ΔE | stopped at well | measured at well | no stop by 24 | true ΔE within | said unreachable by 5, ever | robot time | ms, mean/most |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for line in &LINES {
        for told in [Told::Words, Told::Nothing, Told::WrongOrder] {
            for (tolerance, out_of_reach) in [(2.0, None), (1.0, None), (2.0, Some(4.0))] {
                let away = if out_of_reach.is_some() { ", out of reach" } else { "" };
                let label = format!("{} | {}{away} | {tolerance}", line.name, told.name());
                if !options.only.split(',').all(|part| format!("| {label} |").contains(part)) {
                    continue;
                }
                let kind = Kind { mode: line.mode, other: line.other, spoilt: 0.03 };
                let case = Case {
                    kind,
                    natures: line.natures,
                    told,
                    tolerance,
                    out_of_reach,
                    map: options.map,
                    budget: 24,
                    told_aloud: options.aloud,
                };
                let seeds = options.seed..options.seed + options.cases;
                let outcomes: Vec<Outcome> = seeds.map(|seed| run(&*options.solver, &case, seed)).collect();
                println!("| {label} | {} |", row(&outcomes, tolerance));
            }
        }
        if format!("| {} | perfect |", line.name).contains(&options.only) {
            println!("\n{}: the target's own recipe reads {}\n", line.name, floor(line, &options));
        }
    }
    Ok(())
}

/// What no solver can beat.
fn floor(line: &Line, options: &Options) -> String {
    let kind = Kind { mode: line.mode, other: line.other, spoilt: 0.0 };
    let (natures, map) = (line.natures, options.map);
    let case = Case {
        kind,
        natures,
        told: Told::Words,
        tolerance: 1.0,
        out_of_reach: None,
        map,
        budget: 24,
        told_aloud: options.aloud,
    };
    let mut read: Vec<f64> = (0..400).map(|index| perfect(&case, options.seed + index)).collect();
    read.sort_by(f64::total_cmp);
    let within = read.iter().filter(|delta_e| **delta_e <= 1.0).count();
    format!("ΔE {:.2} (median), {:.2} (p90), within 1 in {} %", read[200], read[360], within / 4)
}

fn row(outcomes: &[Outcome], tolerance: f64) -> String {
    let percent = |part: usize, whole: usize| format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64);
    let count = |test: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| test(outcome)).count();
    let reached = |outcome: &Outcome| outcome.reason == Some(Reason::Reached);
    let unreachable = |outcome: &Outcome| outcome.reason == Some(Reason::Unreachable);
    let stopped = quantiles(outcomes, &|outcome| reached(outcome).then_some(outcome.wells as f64));
    let measured = quantiles(outcomes, &|outcome| outcome.until_measured.map(|wells| wells as f64));
    let time = quantiles(outcomes, &|outcome| reached(outcome).then_some(outcome.robot_time));
    let late = count(&|outcome| !reached(outcome) && !unreachable(outcome));
    let honest = count(&|outcome| reached(outcome) && outcome.true_delta_e <= tolerance);
    let early = count(&|outcome| unreachable(outcome) && outcome.wells <= 5);
    let asked: usize = outcomes.iter().map(|outcome| outcome.asked).sum();
    let thought: f64 = outcomes.iter().map(|outcome| outcome.thought.as_secs_f64() * 1e3).sum();
    let slowest = outcomes.iter().map(|outcome| outcome.slowest.as_secs_f64() * 1e3).fold(0.0, f64::max);
    let whole = outcomes.len();
    format!(
        "{stopped} | {measured} | {} | {} | {}, {} | {time} | {:.0}/{slowest:.0}",
        percent(late, whole),
        percent(honest, count(&reached)),
        percent(early, whole),
        percent(count(&unreachable), whole),
        thought / asked as f64,
    )
}

/// Median and 90th percentile, of which those without a value are the worst.
fn quantiles(outcomes: &[Outcome], value: &dyn Fn(&Outcome) -> Option<f64>) -> String {
    let mut all: Vec<f64> = outcomes.iter().map(|outcome| value(outcome).unwrap_or(f64::INFINITY)).collect();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| match all[((all.len() as f64 * share).ceil() as usize).clamp(1, all.len()) - 1] {
        value if value.is_finite() => format!("{:.2}", value).trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => "–".to_owned(),
    };
    format!("{}/{}", at(0.5), at(0.9))
}

//! The race: solvers on virtual labs, campaign by campaign, as a table. `--cases N`, `--seed N`, `--only TEXT`.

mod campaign;
mod lab;

use campaign::{Case, Outcome, Told, run};
use lab::{Kind, Mode, PRIMARY};
use matching::{BeerLambert, ColourMap, Reason, Solver};

fn main() {
    let mut cases = 200;
    let mut seed = 5_000;
    let mut only = String::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word.as_str() {
            "--cases" => cases = value.parse().expect("a number"),
            "--seed" => seed = value.parse().expect("a number"),
            "--only" => only = value,
            _ => panic!("unknown: {word}"),
        }
    }
    println!("| lab | told | tolerance | wells, median/p90 | measured, median/p90 | beyond 24 | true within | unreachable | robot time | ms mean/max |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let labs = [("mismatch", Mode::Mismatch, false), ("hard other", Mode::Hard, true), ("mismatch other", Mode::Mismatch, true)];
    for (name, mode, other) in labs {
        let kind = Kind { mode, other, spoilt: 0.0 };
        let case = Case { kind, natures: &PRIMARY, told: Told::Words, tolerance: 1.0, out_of_reach: None, map: ColourMap::default(), budget: 24 };
        let mut floor: Vec<f64> = (0..400).map(|index| campaign::perfect(&case, seed + index)).collect();
        floor.sort_by(f64::total_cmp);
        println!("{name}: a perfect recipe reads {:.2} median, {:.2} p90; ≤ 1 {:.3}", floor[200], floor[360], floor.iter().filter(|f| **f <= 1.0).count() as f64 / 400.0);
        for told in [Told::Words, Told::Nothing, Told::WrongOrder] {
            for tolerance in [2.0, 1.0] {
                for out_of_reach in [None, Some(4.0)] {
                    let label = format!("{name} | {told:?}{} | ≤ {tolerance}", if out_of_reach.is_some() { ", out of reach" } else { "" });
                    if !only.split(',').all(|part| label.contains(part)) || (out_of_reach.is_some() && tolerance < 2.0) {
                        continue;
                    }
                    let kind = Kind { mode, other, spoilt: 0.03 };
                    let case = Case { kind, natures: &PRIMARY, told, tolerance, out_of_reach, map: ColourMap::default(), budget: 24 };
                    let outcomes: Vec<Outcome> = (0..cases).map(|index| run(&BeerLambert as &dyn Solver, &case, seed + index)).collect();
                    println!("| {label} | {} |", row(&outcomes, tolerance));
                }
            }
        }
    }
}

fn row(outcomes: &[Outcome], tolerance: f64) -> String {
    let count = outcomes.len() as f64;
    let share = |test: &dyn Fn(&&Outcome) -> bool| 100.0 * outcomes.iter().filter(test).count() as f64 / count;
    let quantiles = |value: &dyn Fn(&Outcome) -> f64| {
        let mut all: Vec<f64> = outcomes.iter().map(value).collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all[((all.len() as f64 * share).ceil() as usize).clamp(1, all.len()) - 1];
        (at(0.5), at(0.9), all.iter().map(|value| value.min(25.0)).sum::<f64>() / count)
    };
    let reached = |o: &Outcome| o.reason == Some(Reason::Reached);
    let wells = quantiles(&|o| if reached(o) { o.wells as f64 } else { f64::INFINITY });
    let measured = quantiles(&|o| o.until_measured.map_or(f64::INFINITY, |wells| wells as f64));
    let time = quantiles(&|o| if reached(o) { o.robot_time } else { f64::INFINITY });
    let stops: Vec<&Outcome> = outcomes.iter().filter(|o| reached(o)).collect();
    let honest = 100.0 * stops.iter().filter(|o| o.true_delta_e <= tolerance).count() as f64 / stops.len().max(1) as f64;
    let early = share(&|o| o.reason == Some(Reason::Unreachable) && o.wells <= 5);
    let unreachable = share(&|o| o.reason == Some(Reason::Unreachable));
    let mean = outcomes.iter().map(|o| o.thought.as_secs_f64() * 1e3 / o.asked as f64).sum::<f64>() / count;
    let slowest = outcomes.iter().map(|o| o.slowest.as_secs_f64() * 1e3).fold(0.0, f64::max);
    format!(
        "{}/{} ({:.2}) | {}/{} ({:.2}) | {:.1} % | {honest:.1} % | {early:.1}, {unreachable:.1} % | {:.2}/{:.2} | {mean:.0}/{slowest:.0}",
        wells.0, wells.1, wells.2, measured.0, measured.1, measured.2,
        share(&|o| !reached(o) && o.reason != Some(Reason::Unreachable)),
        time.0, time.1
    )
}

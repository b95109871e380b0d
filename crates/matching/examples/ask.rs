//! Asks the solver from any language: one JSON document on standard input, one on standard output.
//!
//! ```sh
//! echo '{"dyes":["red","yellow","blue"],"minimum_ul":20,"most_ul":300,"target":{"lab":[60,20,-10]},"tolerance":2.0,"budget":24,
//!        "seed":7,"wells":[]}' | cargo run -p tincture-matching --release --example ask
//! ```
//!
//! Exit codes: 0 with an answer, 2 where the question is wrong (standard error says what to change), 1 where it can't be read or written.

use domain::colour::Lab;
use matching::{BeerLambert, ColourMap, Dye, Hypothesis, Rules, Solver, Step, Task, Well};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

/// A question of 384 wells has about 100 kB.
const MOST_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// Colour words, or `?` where nothing is known.
    dyes: Vec<String>,
    minimum_ul: f64,
    most_ul: f64,
    target: Target,
    tolerance: f64,
    budget: usize,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    wells: Vec<Mixed>,
    /// Band ratios less one, to XYZ less white (D65), where it isn't the lab's own map.
    map: Option<[[f64; 8]; 3]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    lab: [f64; 3],
}

#[derive(Deserialize)]
struct Mixed {
    ul: Vec<f64>,
    ratios: Vec<f64>,
}

#[derive(Serialize)]
struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Vec<Vec<f64>>>,
    #[serde(flatten)]
    stop: Option<Stop>,
    /// Wells, from 0, that aren't believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spoilt: Vec<usize>,
    /// Where reservoirs look swapped: what was said of each, by where it seems to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    swapped: Option<Vec<String>>,
    /// The words seem to say nothing true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    words_untrue: bool,
}

#[derive(Serialize)]
struct Stop {
    stop: &'static str,
    recipe: Vec<f64>,
    delta_e: f64,
    reachable_probability: f64,
}

fn main() -> ExitCode {
    let mut text = String::new();
    if let Err(error) = io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text) {
        eprintln!("can't read the question: {error}");
        return ExitCode::from(1);
    }
    match reply(&text) {
        Ok(reply) => match writeln!(io::stdout(), "{reply}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(1),
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

pub fn reply(text: &str) -> Result<String, String> {
    let question: Question = serde_json::from_str(text).map_err(|error| format!("this is no question: {error}"))?;
    let names = question.dyes.clone();
    let (task, wells) = task(question)?;
    let answer = BeerLambert.ask(&task, &wells).map_err(|error| error.to_string())?;
    let (next, stop) = match answer.step {
        Step::Next(recipes) => (Some(recipes), None),
        Step::Stop { reason, recipe, delta_e, reachable_probability } => {
            (None, Some(Stop { stop: reason.name(), recipe, delta_e, reachable_probability }))
        }
    };
    let swapped = match &answer.hypothesis {
        Hypothesis::Swapped(order) => Some(order.iter().map(|from| names[*from].clone()).collect()),
        _ => None,
    };
    let words_untrue = answer.hypothesis == Hypothesis::Unknown;
    let reply = Reply { next, stop, spoilt: answer.spoilt, swapped, words_untrue };
    serde_json::to_string(&reply).map_err(|error| error.to_string())
}

fn task(question: Question) -> Result<(Task, Vec<Well>), String> {
    let rules = Rules::new(question.minimum_ul, question.most_ul).map_err(|error| error.to_string())?;
    let [l, a, b] = question.target.lab;
    let well = |(index, Mixed { ul, ratios }): (usize, Mixed)| {
        let ratios = ratios.try_into().map_err(|found: Vec<f64>| {
            format!(
                "well {} has {} ratios: give one for each of the eight bands, 415 to 680 nm",
                index + 1,
                found.len()
            )
        })?;
        Ok(Well { ul, ratios })
    };
    let wells = question.wells.into_iter().enumerate().map(well).collect::<Result<Vec<Well>, String>>()?;
    let map = match question.map {
        Some(rows) => ColourMap::new(rows).map_err(|error| error.to_string())?,
        None => ColourMap::default(),
    };
    let task = Task {
        dyes: question.dyes.iter().map(|name| Dye::of_name(name)).collect(),
        rules,
        target: Lab { l, a, b },
        tolerance: question.tolerance,
        budget: question.budget,
        seed: question.seed,
        map,
    };
    Ok((task, wells))
}

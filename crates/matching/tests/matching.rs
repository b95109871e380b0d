//! The solver through its public face: rules that hold for any question, labs with known answers, and a short race.

#[path = "../examples/ask.rs"]
#[allow(dead_code)]
mod ask;
#[path = "../examples/race/campaign.rs"]
#[allow(dead_code)]
mod campaign;
#[path = "../examples/race/lab.rs"]
#[allow(dead_code)]
mod lab;

use campaign::{Case, Outcome, Told, run};
use domain::{colour::Lab, reading::BANDS, spectrum::gaussian};
use lab::{Kind, Mode, PRIMARY, SIX};
use matching::{
    Answer, BeerLambert, ColourMap, Dye, ExpectedImprovement, Hypothesis, LatinHypercube, Random, Reason, Rules,
    Solver, Step, Task, TaskError, Well, learned, predict,
};
use proptest::prelude::*;

/// Absorbs exactly by Beer and Lambert, and reads exactly. Each dye is one bell over the bands.
struct Textbook {
    dyes: Vec<[f64; 8]>,
    most_ul: f64,
}

impl Textbook {
    fn new(centres_nm: &[f64]) -> Self {
        let dye = |centre: &f64| BANDS.map(|band| 5.0 * gaussian(band.centre_nm, *centre, 38.0));
        Self { dyes: centres_nm.iter().map(dye).collect(), most_ul: 300.0 }
    }

    /// A red, a yellow and a blue.
    fn primary() -> Self {
        Self::new(&[505.0, 430.0, 625.0])
    }

    fn well(&self, ul: &[f64]) -> Well {
        Well { ul: ul.to_vec(), ratios: self.ratios(ul) }
    }

    fn ratios(&self, ul: &[f64]) -> [f64; 8] {
        let absorbance =
            |band: usize| self.dyes.iter().zip(ul).map(|(dye, ul)| dye[band] * ul / self.most_ul).sum::<f64>();
        std::array::from_fn(|band| (-absorbance(band)).exp())
    }

    fn colour(&self, ul: &[f64]) -> Lab {
        ColourMap::default().lab(&self.ratios(ul).into())
    }
}

fn task(words: &[&str], target: Lab, tolerance: f64) -> Task {
    Task {
        dyes: words.iter().map(|word| Dye::of_name(word)).collect(),
        rules: Rules::new(20.0, 300.0).expect("rules"),
        target,
        tolerance,
        budget: 24,
        seed: 7,
        map: ColourMap::default(),
    }
}

const WORDS: [&str; 3] = ["red", "yellow", "blue"];

/// Mixes until the solver stops.
fn chase(solver: &dyn Solver, lab: &Textbook, task: &Task) -> (Answer, Vec<Well>) {
    let mut wells = vec![];
    loop {
        let answer = solver.ask(task, &wells).expect("an answer");
        match &answer.step {
            Step::Next(recipes) => wells.extend(recipes.iter().map(|ul| lab.well(ul))),
            Step::Stop { .. } => return (answer, wells),
        }
    }
}

fn reason(answer: &Answer) -> Option<Reason> {
    match answer.step {
        Step::Stop { reason, .. } => Some(reason),
        Step::Next(_) => None,
    }
}

#[test]
fn a_textbook_lab_is_matched_in_a_few_wells() {
    let lab = Textbook::primary();
    for recipe in [[60.0, 30.0, 60.0], [0.0, 120.0, 25.0], [150.0, 80.0, 0.0], [20.0, 20.0, 20.0]] {
        for (words, most) in [(WORDS, 5), (["?"; 3], 7)] {
            let task = task(&words, lab.colour(&recipe), 1.0);
            let (answer, wells) = chase(&BeerLambert, &lab, &task);
            let Step::Stop { reason: Reason::Reached, recipe: found, .. } = &answer.step else {
                panic!("{recipe:?}, {words:?}: {answer:?}");
            };
            assert!(wells.len() <= most, "{recipe:?}, {words:?}: {} wells", wells.len());
            assert!(lab.colour(found).delta_e_2000(task.target) <= 1.0);
            assert_eq!(answer.spoilt, Vec::<usize>::new());
        }
    }
}

#[test]
fn two_to_six_dyes_are_matched() {
    let centres = [505.0, 430.0, 625.0, 550.0, 590.0, 470.0];
    let words = ["red", "yellow", "blue", "magenta", "violet", "orange"];
    for count in 2..=6 {
        let lab = Textbook::new(&centres[..count]);
        let mut recipe = vec![0.0; count];
        (recipe[0], recipe[count - 1]) = (40.0, 55.0);
        let (answer, wells) = chase(&BeerLambert, &lab, &task(&words[..count], lab.colour(&recipe), 2.0));
        assert_eq!(reason(&answer), Some(Reason::Reached), "{count} dyes: {answer:?}");
        assert!(wells.len() <= 8, "{count} dyes: {} wells", wells.len());
    }
}

#[test]
fn a_missed_dispense_is_found_and_not_believed() {
    let lab = Textbook::primary();
    let task = task(&WORDS, lab.colour(&[60.0, 30.0, 60.0]), 1.0);
    let recipes = [
        [90.0, 30.0, 30.0],
        [40.0, 70.0, 40.0],
        [30.0, 30.0, 90.0],
        [80.0, 50.0, 60.0],
        [50.0, 40.0, 50.0],
        [70.0, 25.0, 40.0],
    ];
    let mut wells: Vec<Well> = recipes.iter().map(|ul| lab.well(ul)).collect();
    assert_eq!(BeerLambert.ask(&task, &wells).expect("an answer").spoilt, Vec::<usize>::new());
    wells[3].ratios = lab.ratios(&[80.0, 50.0, 0.0]);
    assert_eq!(BeerLambert.ask(&task, &wells).expect("an answer").spoilt, [3]);
    wells[3].ratios = lab.ratios(&recipes[3]).map(|ratio| ratio * 0.7);
    assert_eq!(BeerLambert.ask(&task, &wells).expect("an answer").spoilt, [3]);
}

#[test]
fn a_spoilt_well_that_looks_right_is_no_match() {
    let lab = Textbook::primary();
    let (intended, asked) = ([60.0, 30.0, 60.0], [60.0, 90.0, 60.0]);
    let task = task(&WORDS, lab.colour(&intended), 2.0);
    let recipes = [[90.0, 30.0, 30.0], [40.0, 70.0, 40.0], [30.0, 30.0, 90.0], [100.0, 50.0, 60.0], [50.0, 80.0, 80.0]];
    let mut wells: Vec<Well> = recipes.iter().map(|ul| lab.well(ul)).collect();
    wells.push(Well { ul: asked.to_vec(), ratios: lab.ratios(&intended) });
    let answer = BeerLambert.ask(&task, &wells).expect("an answer");
    assert_eq!((reason(&answer), answer.spoilt), (None, vec![5]));
}

#[test]
fn swapped_reservoirs_are_named_and_matched() {
    let lab = Textbook::primary();
    // Yellow is in the reservoir that is called red, and so on: what was said of reservoir 1 holds for 0.
    for (said, order) in [(["blue", "red", "yellow"], vec![1, 2, 0]), (["yellow", "red", "blue"], vec![1, 0, 2])] {
        let task = task(&said, lab.colour(&[60.0, 30.0, 60.0]), 1.0);
        let (answer, wells) = chase(&BeerLambert, &lab, &task);
        assert_eq!(answer.hypothesis, Hypothesis::Swapped(order));
        assert_eq!(reason(&answer), Some(Reason::Reached));
        assert!(wells.len() <= 7, "{} wells", wells.len());
    }
}

#[test]
fn out_of_reach_is_said_early_with_the_best_there_is() {
    let lab = Textbook::primary();
    // Paler than any well with the least of a dye, and far too vivid.
    for target in [Lab { l: 97.0, a: 25.0, b: -25.0 }, Lab { l: 60.0, a: -90.0, b: 60.0 }] {
        for words in [WORDS, ["?"; 3]] {
            let task = task(&words, target, 2.0);
            let (answer, wells) = chase(&BeerLambert, &lab, &task);
            let Step::Stop { reason, recipe, delta_e, reachable_probability } = &answer.step else { panic!("a stop") };
            assert_eq!(*reason, Reason::Unreachable);
            assert!(wells.len() <= 6 && *reachable_probability < 0.05, "{} wells", wells.len());
            let truly = lab.colour(recipe).delta_e_2000(target);
            let best = wells.iter().map(|well| lab.colour(&well.ul).delta_e_2000(target)).fold(f64::INFINITY, f64::min);
            assert!(truly <= best + 0.3 && (delta_e - truly).abs() < 2.0, "{delta_e} said, {truly} true, {best} mixed");
        }
    }
}

#[test]
fn what_was_learned_makes_the_next_match_shorter() {
    let lab = Textbook::primary();
    let first = task(&WORDS, lab.colour(&[60.0, 30.0, 60.0]), 1.0);
    let (_, wells) = chase(&BeerLambert, &lab, &first);
    let dyes = learned(&first, &wells).expect("knowledge").into_iter().map(|dye| Dye::Known(Box::new(dye))).collect();
    let second = Task { dyes, target: lab.colour(&[45.0, 50.0, 30.0]), tolerance: 2.0, ..first };
    let (answer, wells) = chase(&BeerLambert, &lab, &second);
    assert_eq!((reason(&answer), answer.hypothesis), (Some(Reason::Reached), Hypothesis::AsTold));
    assert!(wells.len() <= 2, "{} wells", wells.len());
}

#[test]
fn a_prediction_says_how_sure_it_is_and_wells_make_it_surer() {
    let lab = Textbook::primary();
    let recipe = vec![60.0, 30.0, 60.0];
    let task = task(&WORDS, lab.colour(&recipe), 1.0);
    let before = predict(&task, &[], std::slice::from_ref(&recipe)).expect("a prediction").remove(0);
    let (_, wells) = chase(&BeerLambert, &lab, &task);
    let after = predict(&task, &wells, std::slice::from_ref(&recipe)).expect("a prediction").remove(0);
    let truth = lab.ratios(&recipe);
    for (band, truth) in truth.iter().enumerate() {
        assert!((before.ratios[band] - truth).abs() <= 3.0 * before.ratios_sd[band], "band {band}: {before:?}");
        assert!((after.ratios[band] - truth).abs() <= 3.0 * after.ratios_sd[band], "band {band}: {after:?}");
        assert!(after.ratios_sd[band] < before.ratios_sd[band]);
    }
    assert!(after.delta_e < before.delta_e && after.within > before.within);
    assert!(after.delta_e_between.0 <= after.delta_e && after.delta_e <= after.delta_e_between.1);
}

#[test]
fn baselines_play_by_the_same_rules() {
    let lab = Textbook::primary();
    let mut task = task(&WORDS, lab.colour(&[60.0, 30.0, 60.0]), 0.05);
    task.budget = 12;
    for solver in [&Random as &dyn Solver, &LatinHypercube, &ExpectedImprovement] {
        let (answer, wells) = chase(solver, &lab, &task);
        assert_eq!((reason(&answer), wells.len()), (Some(Reason::Budget), 12), "{}", solver.name());
        assert!(wells.iter().all(|well| task.rules.allow(&well.ul)), "{}", solver.name());
        assert_eq!(solver.ask(&task, &wells), solver.ask(&task, &wells));
        let near = Task { tolerance: 40.0, ..task.clone() };
        assert_eq!(reason(&solver.ask(&near, &wells).expect("an answer")), Some(Reason::Reached), "{}", solver.name());
    }
}

fn any_words() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec!["red", "yellow", "blue", "green", "cyan", "Sunset Orange", "violet", "?", "dye-7"]),
        2..=6,
    )
}

prop_compose! {
    fn any_question()(
        words in any_words(),
        minimum in 1.0..40.0_f64,
        most in 100.0..400.0_f64,
        target in (5.0..95.0_f64, -80.0..80.0_f64, -80.0..80.0_f64),
        tolerance in 0.3..5.0_f64,
        wells in 0..7_usize,
        seed in any::<u64>(),
    ) -> (Task, Vec<Well>) {
        let mut task = task(&words, Lab { l: target.0, a: target.1, b: target.2 }, tolerance);
        task.rules = Rules::new(minimum, most).expect("rules");
        task.seed = seed;
        let mut dice = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(seed);
        let mut well = || Well {
            ul: matching::at_random(words.len(), task.rules, &mut dice),
            // Any readings, as no lab would give them.
            ratios: std::array::from_fn(|_| rand::RngExt::random_range(&mut dice, 0.0..1.3)),
        };
        let wells = (0..wells).map(|_| well()).collect();
        (task, wells)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_can_be_mixed_and_is_given_again((task, wells) in any_question()) {
        let answer = BeerLambert.ask(&task, &wells).expect("an answer");
        match &answer.step {
            Step::Next(recipes) => {
                prop_assert!(!recipes.is_empty());
                prop_assert!(recipes.iter().all(|ul| task.rules.allow(ul)), "{recipes:?}");
            }
            Step::Stop { recipe, delta_e, reachable_probability, .. } => {
                prop_assert!(task.rules.allow(recipe), "{recipe:?}");
                prop_assert!(delta_e.is_finite() && (0.0..=1.0).contains(reachable_probability));
            }
        }
        prop_assert_eq!(BeerLambert.ask(&task, &wells), Ok(answer));
    }

    #[test]
    fn the_nearest_recipe_is_allowed_and_near(
        ul in prop::collection::vec(0.0..200.0_f64, 2..=6),
        minimum in 0.1..40.0_f64,
    ) {
        let rules = Rules::new(minimum, 300.0).expect("rules");
        if let Some(nearest) = rules.nearest(&ul) {
            prop_assert!(rules.allow(&nearest), "{nearest:?}");
            prop_assert_eq!(rules.nearest(&nearest), Some(nearest.clone()));
            if ul.iter().sum::<f64>() + minimum * ul.len() as f64 <= 300.0 {
                prop_assert!(ul.iter().zip(&nearest).all(|(ul, near)| (ul - near).abs() <= minimum.max(0.2)));
            }
        }
    }

    #[test]
    fn the_order_of_wells_is_no_evidence(turn in 1..5_usize) {
        let lab = Textbook::primary();
        let task = task(&WORDS, lab.colour(&[60.0, 30.0, 60.0]), 1.0);
        let recipes = [[90.0, 30.0, 30.0], [40.0, 70.0, 40.0], [30.0, 30.0, 90.0], [80.0, 50.0, 60.0], [50.0, 40.0, 50.0]];
        let wells: Vec<Well> = recipes.iter().map(|ul| lab.well(ul)).collect();
        let mut turned = wells.clone();
        turned.rotate_left(turn);
        let asked = [vec![70.0, 20.0, 50.0]];
        let (one, other) = (predict(&task, &wells, &asked).expect("one"), predict(&task, &turned, &asked).expect("other"));
        prop_assert!((one[0].delta_e - other[0].delta_e).abs() < 0.1, "{one:?} {other:?}");
    }
}

#[test]
fn a_larger_plate_of_the_same_shape_needs_the_same_shares() {
    let lab = Textbook::primary();
    let small = task(&WORDS, lab.colour(&[60.0, 30.0, 60.0]), 1.0);
    let large = Task { rules: Rules::new(40.0, 600.0).expect("rules"), ..small.clone() };
    let recipes = [[90.0, 30.0, 30.0], [40.0, 70.0, 40.0], [30.0, 30.0, 90.0], [80.0, 50.0, 60.0]];
    let wells: Vec<Well> = recipes.iter().map(|ul| lab.well(ul)).collect();
    let doubled = |ul: &[f64]| ul.iter().map(|ul| 2.0 * ul).collect::<Vec<f64>>();
    let as_large: Vec<Well> = wells.iter().map(|well| Well { ul: doubled(&well.ul), ratios: well.ratios }).collect();
    let ul = [70.0, 20.0, 50.0];
    let in_small = predict(&small, &wells, &[ul.to_vec()]).expect("small").remove(0);
    let in_large = predict(&large, &as_large, &[doubled(&ul)]).expect("large").remove(0);
    // Larger amounts are pipetted better, and so believed a little more.
    for (one, other) in in_small.ratios.iter().zip(in_large.ratios) {
        assert!((one - other).abs() < 0.01, "{in_small:?} {in_large:?}");
    }
}

#[test]
fn what_cant_be_asked_is_refused_with_what_to_change() {
    let good = r#"{"dyes":["red","yellow","blue"],"minimum_ul":20,"most_ul":300,"target":{"lab":[60,20,-10]},"tolerance":2.0,
        "budget":24,"seed":7,"wells":[{"ul":[60,30,60],"ratios":[0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5]}]}"#;
    let reply: serde_json::Value = serde_json::from_str(&ask::reply(good).expect("a reply")).expect("JSON");
    assert_eq!(reply["next"][0].as_array().map(Vec::len), Some(3), "{reply}");
    assert_eq!(reply.as_object().map(serde_json::Map::len), Some(1), "{reply}");
    for (part, instead, says) in [
        (r#""red","yellow","blue""#, r#""red""#, "1 dyes"),
        (r#""red","yellow","blue""#, r#""a","b","c","d","e","f","g""#, "7 dyes"),
        (r#""minimum_ul":20"#, r#""minimum_ul":-1"#, "can't be mixed"),
        (r#""most_ul":300"#, r#""most_ul":1e300"#, "can't be mixed"),
        ("[60,20,-10]", "[160,20,-10]", "no colour"),
        ("[60,20,-10]", "[60,20]", "no question"),
        (r#""tolerance":2.0"#, r#""tolerance":0"#, "tolerance"),
        (r#""budget":24"#, r#""budget":0"#, "budget"),
        (r#""budget":24"#, r#""budget":-3"#, "no question"),
        ("[60,30,60]", "[60,30]", "2 amounts for 3 dyes"),
        ("[60,30,60]", "[0,0,0]", "can't hold"),
        ("[60,30,60]", "[60,-30,60]", "can't hold"),
        ("[60,30,60]", "[160,130,160]", "can't hold"),
        ("[0.5,", "[", "7 ratios"),
        ("[0.5,", "[-0.5,", "ratio of -0.5"),
        ("[0.5,", "[9,", "ratio of 9"),
        ("[0.5,", "[NaN,", "no question"),
        ("[0.5,", "[null,", "no question"),
        ("0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5", "0,0,0,0,0,0,0,0", "black in all bands"),
        (r#""seed":7"#, r#""seeds":7"#, "unknown field"),
    ] {
        let bad = good.replacen(part, instead, 1);
        assert_ne!(bad, good, "{part}");
        let error = ask::reply(&bad).expect_err(&bad);
        assert!(error.contains(says), "{instead}: {error}");
    }
    assert!(ask::reply("").is_err());
    let mut task = task(&WORDS, Lab { l: f64::NAN, a: 0.0, b: 0.0 }, 1.0);
    assert!(matches!(BeerLambert.ask(&task, &[]), Err(TaskError::Target { .. })));
    task.target = Lab { l: 50.0, a: 0.0, b: 0.0 };
    task.tolerance = f64::NAN;
    assert!(matches!(BeerLambert.ask(&task, &[]), Err(TaskError::Tolerance(_))));
}

#[test]
fn names_of_dyes_tell_what_colour_words_are_in_them() {
    let known = |name: &str| matches!(Dye::of_name(name), Dye::Word(_));
    assert!(
        ["red", "Brilliant Blue", "light-green", "MAGENTA", "dye_violet_2", "pink", "Cyan."].into_iter().all(known)
    );
    assert!(!["?", "", "dye-7", "redundant", "é"].into_iter().any(known));
    assert_eq!(Dye::of_name("Brilliant Blue"), Dye::of_name("azure"));
}

/// A few campaigns of the race on its hardest labs. What the race says of hundreds is in docs/matching.md.
#[test]
fn a_short_race_is_won() {
    let kind = Kind { mode: Mode::Hard, other: true, spoilt: 0.03 };
    let case = |told, natures| Case {
        kind,
        natures,
        told,
        tolerance: 2.0,
        out_of_reach: None,
        map: ColourMap::default(),
        budget: 24,
        told_aloud: false,
    };
    let race = |case: Case, count: u64| {
        let mut wells: Vec<usize> = (0..count)
            .map(|seed| run(&BeerLambert, &case, 40_000 + seed))
            .map(|Outcome { reason, wells, .. }| if reason == Some(Reason::Reached) { wells } else { usize::MAX })
            .collect();
        wells.sort_unstable();
        (wells[count as usize / 2], wells[count as usize * 8 / 10])
    };
    let words = race(case(Told::Words, &PRIMARY), 15);
    assert!(words.0 <= 3 && words.1 <= 5, "told words, median and 8th of 10: {words:?}");
    let nothing = race(case(Told::Nothing, &PRIMARY), 10);
    assert!(nothing.0 <= 5 && nothing.1 <= 7, "told nothing: {nothing:?}");
    let wrong = race(case(Told::WrongOrder, &PRIMARY), 10);
    assert!(wrong.0 <= 4 && wrong.1 <= 6, "told the wrong order: {wrong:?}");
    let six = race(case(Told::Words, &SIX), 5);
    assert!(six.1 <= 8, "six inks: {six:?}");
}

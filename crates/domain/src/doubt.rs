//! Whether a measured well is to be believed: how far it is from its prediction, how far this lab's own errors could take
//! it, and what the wells that aren't believed have in common.
//!
//! Read it in this order: [`judge`] is for one well, [`shared`] for all wells of an experiment.

use crate::{
    Deck, DyeName, Recipe, WellName,
    colour::{ColourError, Estimate, Lab, expected, of_ratios},
    dye::{self, Dye},
    pipetting::{BIAS_SHARE, BIAS_UL},
    reading::Average,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// Standard deviations that an honest well may be off. Four, since colours have three dimensions and a plate 96 wells.
const SIGMAS: f64 = 4.0;
/// Noise of a band's count in proportion to it, besides shot noise, for LED and amplifier. A guess, the lab's simulation study's.
const PROPORTIONAL_NOISE: f64 = 0.005;
/// An empty well further off the white reference than this (ΔE2000), and than the sensor's noise explains (about 5 at the
/// usual settings), isn't empty: 20 µL of any dye of the library is 8 off.
const BLANK_DELTA_E: f64 = 3.0;
/// By another light than a white LED's, one of twenty mixtures is further than this from its prediction (ΔE2000, of the library's
/// dyes in even light, in daylight and by a warm white LED).
const UNKNOWN_LIGHT_DELTA_E: f64 = 3.1;
/// Exposures of one well further apart than this (standard deviation, ΔE2000) weren't all of the same: twice what is just
/// noticeable side by side…
const SCATTER_DELTA_E: f64 = 2.0;
/// …and than so many standard deviations of the sensor's noise. Of four exposures the deviation is estimated to about a third.
const SCATTER_SIGMAS: f64 = 2.5;
/// A white that is further than this (ΔE2000) from what it was isn't the white of the wells between: what a perfect recipe's
/// well stays below in 92 of 100 cases (the lab's simulation study), and 4 % of the light.
const DRIFT_DELTA_E: f64 = 1.0;

/// A measured well, and what is to be thought of it.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub measured: Estimate,
    /// Nothing where the recipe has a dye that the library doesn't know.
    pub predicted: Option<Estimate>,
    /// ΔE2000 between the two.
    pub delta_e: Option<f64>,
    pub doubt: Option<Doubt>,
}

/// Why a measured well isn't to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// How far off, ΔE2000, where that can be told: from the prediction, of the exposures among themselves, or of the white
    /// reference from itself…
    pub delta_e: Option<f64>,
    /// …and how much of it this lab's errors explain.
    pub limit: Option<f64>,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The colour is further from the prediction than the lab's errors explain.
    FarFromPrediction,
    /// A band reached the sensor's full scale: its count is a lower bound. Only of results of earlier releases: such a reading
    /// isn't kept any more.
    Saturated,
    /// The exposures of the well are further apart than noise explains.
    Unsteady,
    /// The white reference, read again after the well, isn't what it was before.
    Drifted,
}

impl fmt::Display for Doubt {
    /// One sentence for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.why, self.delta_e, self.limit) {
            (Why::FarFromPrediction, Some(delta_e), Some(limit)) => {
                write!(f, "It is ΔE00 {delta_e:.1} from its prediction; this lab's errors explain at most {limit:.1}.")
            }
            (Why::FarFromPrediction, ..) => f.write_str("It is far from its prediction."),
            (Why::Unsteady, Some(delta_e), Some(limit)) => write!(
                f,
                "Its readings, taken one after the other, are ΔE00 {delta_e:.1} apart; the sensor's noise explains at most {limit:.1}."
            ),
            (Why::Unsteady, ..) => f.write_str("Its readings, taken one after the other, are far apart."),
            (Why::Drifted, Some(delta_e), Some(limit)) => write!(
                f,
                "The white reference was ΔE00 {delta_e:.1} off when it was read again after this well; at most {limit:.1} is usual."
            ),
            (Why::Drifted, ..) => {
                f.write_str("The white reference was another when it was read again after this well.")
            }
            (Why::Saturated, ..) => f.write_str("A band reached the sensor's full scale, so the colour is a guess."),
        }
    }
}

/// The colour of one well by its reading and its plate's white reference, held against what its recipe should give.
pub fn judge(recipe: &Recipe, deck: &Deck, sample: &Average, white: &Average) -> Result<Judgement, ColourError> {
    let measured = white.estimate(sample)?;
    let mixture = Mixture::of(recipe, deck);
    let predicted = mixture.as_ref().map(|mixture| expected(&mixture.amounts()));
    let delta_e = predicted.map(|predicted| measured.lab.delta_e_2000(predicted.lab));
    let limit = mixture.map(|mixture| {
        let allowed = deck.doubt_delta_e.max(SIGMAS * mixture.repeatability(white));
        if sample.reading.settings.is_lit() { allowed } else { allowed + UNKNOWN_LIGHT_DELTA_E }
    });
    let far = delta_e.zip(limit).filter(|(delta_e, limit)| delta_e > limit).map(|_| Why::FarFromPrediction);
    let doubt = if sample.reading.saturated {
        Some(Doubt { delta_e, limit, why: Why::Saturated })
    } else if let Some(unsteady) = unsteady(sample, white)? {
        Some(unsteady)
    } else {
        far.map(|why| Doubt { delta_e, limit, why })
    };
    Ok(Judgement { measured, predicted, delta_e, doubt })
}

/// Whether the exposures of one reading are further apart than the sensor's noise explains. Of a white, hand it in twice.
pub fn unsteady(sample: &Average, white: &Average) -> Result<Option<Doubt>, ColourError> {
    let Some(scatter) = white.scatter(sample)? else { return Ok(None) };
    let colour = white.estimate(sample)?;
    let noise = noise(&colour, white, |sample, _, dark| of_exposure(sample, dark));
    let limit = SCATTER_DELTA_E.max(SCATTER_SIGMAS * noise.sqrt());
    Ok((scatter > limit).then_some(Doubt { delta_e: Some(scatter), limit: Some(limit), why: Why::Unsteady }))
}

/// How far a white that was read again is from what it was, and whether that is too far: in lightness, of which the strong bands
/// tell more than the violet's noise hides, or else in colour.
pub fn drift(again: &Average, white: &Average) -> Result<Drift, ColourError> {
    let water = expected(&[]);
    let seen = white.estimate(again)?.lab;
    let lightness = Drift { delta_e: Lab { l: seen.l, ..water.lab }.delta_e_2000(water.lab), limit: DRIFT_DELTA_E };
    if lightness.delta_e > lightness.limit {
        return Ok(lightness);
    }
    let limit = DRIFT_DELTA_E.max(SIGMAS * sensor_spread(&water, white).sqrt());
    Ok(Drift { delta_e: seen.delta_e_2000(water.lab), limit })
}

/// What became of a white reference between two looks at the same empty well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// ΔE2000 between the two.
    pub delta_e: f64,
    /// How much of it noise explains, or doesn't matter.
    pub limit: f64,
}

impl Drift {
    /// What is to be thought of the wells between, if it is too far.
    pub fn doubt(&self) -> Option<Doubt> {
        let (delta_e, limit) = (Some(self.delta_e), Some(self.limit));
        (self.delta_e > self.limit).then_some(Doubt { delta_e, limit, why: Why::Drifted })
    }
}

/// Whether a well that should be empty looks like the white reference; if not, how far off it is.
pub fn check_blank(sample: &Average, white: &Average) -> Result<Option<f64>, ColourError> {
    let water = expected(&[]);
    let delta_e = white.estimate(sample)?.lab.delta_e_2000(water.lab);
    let limit = BLANK_DELTA_E.max(SIGMAS * sensor_spread(&water, white).sqrt());
    Ok((delta_e > limit).then_some(delta_e))
}

/// A recipe of dyes that the library knows.
struct Mixture<'a> {
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    dye: &'a Dye,
    ul: f64,
    /// Standard deviation of the amount, µL.
    spread_ul: f64,
}

impl<'a> Mixture<'a> {
    fn of(recipe: &Recipe, deck: &Deck) -> Option<Mixture<'a>> {
        let part = |(name, volume): (&DyeName, crate::Volume)| {
            let spread_ul = deck.pipette_for(volume).map_or(0.0, |pipette| pipette.model.spread_ul(volume));
            Some(Part { dye: dye::library(name.as_str())?, ul: volume.ul(), spread_ul })
        };
        Some(Mixture { parts: recipe.iter().map(part).collect::<Option<_>>()? })
    }

    fn amounts(&self) -> Vec<(&'a Dye, f64)> {
        self.with(|part| part.ul)
    }

    fn with(&self, ul: impl Fn(&Part<'a>) -> f64) -> Vec<(&'a Dye, f64)> {
        self.parts.iter().map(|part| (part.dye, ul(part))).collect()
    }

    /// Root mean square of ΔE2000 between this recipe's wells and its prediction: each error (one stroke's spread, the
    /// instrument's bias, each band's noise) alone, by one standard deviation, squared and added.
    fn repeatability(&self, white: &Average) -> f64 {
        let nominal = expected(&self.amounts());
        let off = |amounts: &[(&Dye, f64)]| expected(amounts).lab.delta_e_2000(nominal.lab).powi(2);
        let strokes: f64 = (0..self.parts.len())
            .map(|one| {
                let mut amounts = self.amounts();
                if let (Some(amount), Some(part)) = (amounts.get_mut(one), self.parts.get(one)) {
                    amount.1 += part.spread_ul;
                }
                off(&amounts)
            })
            .sum();
        // A bias that is anywhere within ± b has a standard deviation of b/√3.
        let bias = off(&self.with(|part| part.ul + (part.ul * BIAS_SHARE + BIAS_UL) / 3f64.sqrt()));
        (strokes + bias + sensor_spread(&nominal, white)).sqrt()
    }
}

/// Mean square of ΔE2000 that the sensor's noise makes of this colour, when it is read as often as this white and against it.
fn sensor_spread(colour: &Estimate, white: &Average) -> f64 {
    let reads = white.reads().len() as f64;
    // The dark is read once.
    let of_mean = |lit: f64, dark: f64| of_exposure(lit, dark) / reads + dark / lit.powi(2);
    noise(colour, white, |sample, white, dark| of_mean(sample, dark) + of_mean(white, dark))
}

/// Relative variance of what one exposure counts by the sensor's light: shot noise, and what is in proportion, of all that it counts.
fn of_exposure(lit: f64, dark: f64) -> f64 {
    let all = lit + dark;
    (all + (PROPORTIONAL_NOISE * all).powi(2)) / lit.powi(2)
}

/// Mean square of ΔE2000 where the relative variance of a band's ratio is what `variance` says of the counts of sample, white
/// and dark.
fn noise(colour: &Estimate, white: &Average, variance: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let counts = white.lit_and_dark_counts();
    (0..colour.transmittance.len())
        .map(|band| {
            let mut ratios = colour.transmittance;
            let (white, dark) = (counts[band].0.max(1.0), counts[band].1.max(0.0));
            let sample = (ratios[band] * white).max(1.0);
            ratios[band] += ratios[band].max(1.0 / white) * variance(sample, white, dark).sqrt();
            of_ratios(ratios).lab.delta_e_2000(colour.lab).powi(2)
        })
        .sum()
}

/// One measured well of an experiment, as [`shared`] wants it.
#[derive(Clone, Debug)]
pub struct Witness {
    pub at: WellName,
    pub measured_at: DateTime<Utc>,
    pub is_doubtful: bool,
    /// The robot's plate before this one had liquid in the well of this name.
    pub was_used_before: bool,
    pub dyes: BTreeSet<DyeName>,
    /// Tips that gave into it.
    pub tips: BTreeSet<TipUse>,
}

/// A tip, by its place in the rack, and the dye that it gave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TipUse {
    pub tip: WellName,
    pub dye: DyeName,
}

/// What sets the doubtful wells of an experiment apart from the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Shared {
    /// They lie where the plate before this one was used: perhaps it is the same plate.
    UsedWells {
        wells: Vec<WellName>,
    },
    Dye {
        dye: DyeName,
    },
    /// One of several tips that gave the same dye.
    Tip(TipUse),
    /// All wells from then on.
    Since {
        at: DateTime<Utc>,
    },
}

impl fmt::Display for Shared {
    /// One sentence for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedWells { .. } => f.write_str(
                "They lie where the plate before this one was used by an earlier experiment. Was the plate new?",
            ),
            Self::Dye { dye } => write!(f, "They all have {dye} in them. Is the {dye} vial what it should be?"),
            Self::Tip(TipUse { tip, dye }) => write!(f, "They all got their {dye} from the tip of {tip}."),
            Self::Since { at } => write!(f, "They are all those measured since {} UTC.", at.format("%H:%M:%S")),
        }
    }
}

/// Of wells that an earlier plate used, at most one in so many comes out right by chance.
const RIGHT_BY_CHANCE: usize = 4;

/// What all the doubtful wells have in common and the others don't; nothing where nothing is doubtful, or where nothing
/// sets them apart. The likeliest cause first.
pub fn shared(wells: &[Witness]) -> Vec<Shared> {
    let (doubtful, good): (Vec<&Witness>, Vec<&Witness>) = wells.iter().partition(|well| well.is_doubtful);
    let mut found = Vec::new();
    found.extend(used_wells(&doubtful, &good));
    // One well shares everything with itself.
    if doubtful.len() > 1 {
        let tips = set_apart(&doubtful, &good, |well| &well.tips).into_iter();
        found.extend(tips.filter(|tip| gave_part_of_its_dye(tip, wells)).map(Shared::Tip));
        found.extend(set_apart(&doubtful, &good, |well| &well.dyes).into_iter().map(|dye| Shared::Dye { dye }));
        found.extend(since(&doubtful, &good));
    }
    found
}

fn used_wells(doubtful: &[&Witness], good: &[&Witness]) -> Option<Shared> {
    let right = good.iter().filter(|well| well.was_used_before).count();
    let explains = !doubtful.is_empty() && doubtful.iter().all(|well| well.was_used_before);
    (explains && right * RIGHT_BY_CHANCE <= doubtful.len() + right)
        .then(|| Shared::UsedWells { wells: doubtful.iter().map(|well| well.at).collect() })
}

/// What every doubtful well has and no good one; where all are doubtful, what not everything else is shared like.
fn set_apart<T: Ord + Clone>(
    doubtful: &[&Witness],
    good: &[&Witness],
    of: impl Fn(&Witness) -> &BTreeSet<T>,
) -> Vec<T> {
    let everything: BTreeSet<&T> = doubtful.iter().flat_map(|well| of(well)).collect();
    let common: Vec<&T> =
        everything.iter().copied().filter(|one| doubtful.iter().all(|well| of(well).contains(*one))).collect();
    if good.is_empty() && common.len() == everything.len() {
        return Vec::new();
    }
    common.into_iter().filter(|one| !good.iter().any(|well| of(well).contains(*one))).cloned().collect()
}

/// A dye has one tip as a rule, which then says no more than the dye.
fn gave_part_of_its_dye(tip: &TipUse, wells: &[Witness]) -> bool {
    wells.iter().any(|well| well.dyes.contains(&tip.dye) && !well.tips.contains(tip))
}

fn since(doubtful: &[&Witness], good: &[&Witness]) -> Option<Shared> {
    let first = doubtful.iter().map(|well| well.measured_at).min()?;
    let last_good = good.iter().map(|well| well.measured_at).max()?;
    (last_good < first).then_some(Shared::Since { at: first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Volume,
        reading::{Channels, Reading, SensorSettings},
    };
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn dye(name: &str) -> DyeName {
        name.parse().expect("dye")
    }

    fn recipe(amounts: &[(&str, u32)]) -> Recipe {
        Recipe::new(amounts.iter().map(|(name, ul)| (dye(name), Volume::from_whole_ul(*ul))))
    }

    const WHITE: [u16; 8] = [197, 4_597, 6_165, 15_553, 31_741, 40_529, 45_000, 9_615];

    fn exposure(ratios: [f64; 8]) -> Reading {
        let bands = std::array::from_fn(|band| (f64::from(WHITE[band]) * ratios[band]).round() as u16);
        Reading::new(Channels::new(bands, 30_000, 900), SensorSettings::default().by_led())
    }

    /// Four exposures without noise.
    fn reading(ratios: [f64; 8]) -> Average {
        Average::of(&[exposure(ratios); 4]).expect("the same")
    }

    fn judge_by_white(asked: &Recipe, deck: &Deck, sample: &Average) -> Judgement {
        judge(asked, deck, sample, &reading([1.0; 8])).expect("a colour")
    }

    fn judged(asked: &Recipe, is: &Recipe) -> Judgement {
        let sample = reading(crate::colour::predict(is).transmittance);
        judge_by_white(asked, &Deck::default(), &sample)
    }

    #[test]
    fn a_well_as_predicted_is_believed_and_one_with_something_else_in_it_is_not() {
        let asked = recipe(&[("red", 60), ("blue", 60)]);
        let honest = judged(&asked, &asked);
        assert!(honest.doubt.is_none() && honest.delta_e.is_some_and(|off| off < 0.2), "{honest:?}");
        let on_top = judged(&asked, &recipe(&[("red", 60), ("blue", 60), ("yellow", 60)]));
        let doubt = on_top.doubt.expect("a doubt");
        assert_eq!(doubt.why, Why::FarFromPrediction);
        assert!(doubt.delta_e > doubt.limit && doubt.limit >= Some(3.0), "{doubt:?}");
        assert!(doubt.to_string().starts_with("It is ΔE00 "), "{doubt}");
    }

    #[test]
    fn dyes_unlike_the_librarys_are_allowed_for_or_not_judged() {
        let asked = recipe(&[("red", 60)]);
        let sample = reading(crate::colour::predict(&recipe(&[("red", 100)])).transmittance);
        let judge_on = |deck: &Deck, asked: &Recipe| judge_by_white(asked, deck, &sample);
        assert!(judge_on(&Deck::default(), &asked).doubt.is_some());
        let tolerant = Deck { doubt_delta_e: 40.0, ..Deck::default() };
        assert_eq!(judge_on(&tolerant, &asked).doubt, None);
        let unknown = judge_on(&Deck::default(), &recipe(&[("mauve", 60)]));
        assert!(unknown.predicted.is_none() && unknown.doubt.is_none(), "{unknown:?}");
    }

    #[test]
    fn a_saturated_reading_is_doubtful_wherever_it_lies() {
        let mut bands = WHITE;
        bands[4] = u16::MAX;
        let saturated = Reading::new(Channels::new(bands, 30_000, 900), SensorSettings::default().by_led()).into();
        let verdict = judge_by_white(&Recipe::default(), &Deck::default(), &saturated);
        assert_eq!(verdict.doubt.map(|doubt| doubt.why), Some(Why::Saturated));
    }

    #[test]
    fn twenty_microlitres_of_any_dye_are_seen_in_a_well_that_should_be_empty() {
        let white = reading([1.0; 8]);
        let check = |sample: &Average, white: &Average| check_blank(sample, white).expect("a colour");
        assert_eq!(check(&white, &white), None);
        for name in ["red", "yellow", "blue"] {
            let used = reading(crate::colour::predict(&recipe(&[(name, 20)])).transmittance);
            let off = check(&used, &white).expect("not empty");
            assert!(off > 8.0, "{name}: {off}");
            // And where the white was read over the used well instead, the clean one shows.
            assert!(check(&white, &used).is_some(), "{name}");
        }
    }

    #[test]
    fn exposures_that_are_far_apart_make_a_well_doubtful() {
        let dim =
            |share: f64| exposure(crate::colour::predict(&recipe(&[("red", 60)])).transmittance.map(|t| t * share));
        let sample = Average::of(&[dim(1.0), dim(0.8), dim(1.0), dim(0.8)]).expect("the same settings");
        let asked = recipe(&[("mauve", 60)]);
        let doubt = judge_by_white(&asked, &Deck::default(), &sample).doubt.expect("a doubt");
        assert_eq!(doubt.why, Why::Unsteady);
        assert!(doubt.delta_e > doubt.limit && doubt.to_string().starts_with("Its readings"), "{doubt}");
        let steady = Average::of(&[dim(1.0), dim(0.99), dim(1.0), dim(0.99)]).expect("the same settings");
        assert_eq!(judge_by_white(&asked, &Deck::default(), &steady).doubt, None);
    }

    #[test]
    fn a_white_that_changed_is_a_drift_and_noise_is_none() {
        let white = reading([1.0; 8]);
        let off = |share: f64| drift(&reading([share; 8]), &white).expect("a colour");
        assert_eq!(off(0.98).doubt(), None);
        let doubt = [off(0.95), off(1.05)].map(|drift| drift.doubt().map(|doubt| doubt.why));
        assert_eq!(doubt, [Some(Why::Drifted); 2]);
    }

    #[test]
    fn in_a_light_that_nobody_knows_more_is_allowed() {
        let asked = recipe(&[("red", 60)]);
        let in_light = |settings: SensorSettings, ul: u32| {
            let of = |ratios| Average::of(&[Reading { settings, ..exposure(ratios) }; 4]).expect("the same");
            let sample = of(crate::colour::predict(&recipe(&[("red", ul)])).transmittance);
            judge(&asked, &Deck::default(), &sample, &of([1.0; 8])).expect("a colour").doubt
        };
        let known = SensorSettings::default().by_led();
        let first = (60..300).find(|ul| in_light(known, *ul).is_some()).expect("too much red is seen");
        assert_eq!((in_light(known.with_unknown_led(), first), in_light(known.without_led(), first)), (None, None));
        assert!(in_light(known.with_unknown_led(), 300).is_some(), "but not everything");
    }

    fn witness(index: usize, is_doubtful: bool, dyes: &[&str]) -> Witness {
        Witness {
            at: WellName::all().nth(index).expect("a well"),
            measured_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(index as i64),
            is_doubtful,
            was_used_before: false,
            dyes: dyes.iter().map(|name| dye(name)).collect(),
            tips: dyes.iter().map(|name| tip("B1", name)).collect(),
        }
    }

    fn tip(at: &str, name: &str) -> TipUse {
        TipUse { tip: at.parse().expect("a tip"), dye: dye(name) }
    }

    #[test]
    fn a_used_plate_is_named_by_its_wells() {
        let used = |index, doubtful| Witness { was_used_before: true, ..witness(index, doubtful, &["red"]) };
        let found = shared(&[used(8, true), used(9, true), witness(20, false, &["red"])]);
        assert!(matches!(&found[0], Shared::UsedWells { wells } if wells.len() == 2), "{found:?}");
        assert!(found[0].to_string().contains("used by an earlier experiment"), "{}", found[0]);
        // A plate that was full before tells nothing: of a new one, every name was used before.
        let of_a_new_plate: Vec<_> = (0..8).map(|index| used(index, index == 3)).collect();
        assert_eq!(shared(&of_a_new_plate), []);
    }

    #[test]
    fn a_dye_a_tip_and_a_moment_are_told_apart() {
        let wells = [
            witness(0, false, &["red"]),
            witness(1, true, &["red", "blue"]),
            witness(2, true, &["blue"]),
            witness(3, false, &["yellow"]),
        ];
        assert_eq!(shared(&wells), [Shared::Dye { dye: dye("blue") }]);
        let all_wrong = [witness(0, true, &["red", "blue"]), witness(1, true, &["blue"])];
        assert_eq!(shared(&all_wrong), [Shared::Dye { dye: dye("blue") }]);
        assert_eq!(shared(&[witness(0, true, &["red"]), witness(1, true, &["red"])]), [], "everything is shared");

        let mut second_tip = witness(1, true, &["red"]);
        second_tip.tips = [tip("A1", "red")].into();
        let third = Witness { at: "C1".parse().expect("well"), ..second_tip.clone() };
        let found = shared(&[witness(0, false, &["red"]), second_tip, third, witness(9, false, &["red"])]);
        assert_eq!(found, [Shared::Tip(tip("A1", "red"))]);

        let late = [witness(0, false, &["red"]), witness(1, true, &["red"]), witness(2, true, &["red"])];
        assert_eq!(shared(&late), [Shared::Since { at: late[1].measured_at }]);
    }

    prop_compose! {
        fn any_witness()(index in 0usize..96, second in 0i64..500, is_doubtful: bool, was_used_before: bool, red: bool, blue: bool, other_tip: bool) -> Witness {
            let names: Vec<_> = [("red", red), ("blue", blue)].into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
            let at = if other_tip { "A1" } else { "B1" };
            Witness {
                measured_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
                was_used_before,
                tips: names.iter().map(|name| tip(at, name)).collect(),
                ..witness(index, is_doubtful, &names)
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_shared_is_had_by_every_doubtful_well_and_blames_no_good_one(wells in prop::collection::vec(any_witness(), 0..40)) {
            let found = shared(&wells);
            let (doubtful, good): (Vec<&Witness>, Vec<&Witness>) = wells.iter().partition(|well| well.is_doubtful);
            prop_assert!(found.is_empty() || !doubtful.is_empty());
            for cause in &found {
                let has = |well: &Witness| match cause {
                    Shared::UsedWells { wells } => well.was_used_before && (!well.is_doubtful || wells.contains(&well.at)),
                    Shared::Dye { dye } => well.dyes.contains(dye),
                    Shared::Tip(tip) => well.tips.contains(tip),
                    Shared::Since { at } => well.measured_at >= *at,
                };
                prop_assert!(doubtful.iter().all(|well| has(well)), "{cause:?}");
                let excused = good.iter().filter(|well| has(well)).count();
                let allowed = if matches!(cause, Shared::UsedWells { .. }) { (doubtful.len() + excused) / 4 } else { 0 };
                prop_assert!(excused <= allowed, "{cause:?}");
            }
        }
    }
}

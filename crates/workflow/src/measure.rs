//! From raw counts to what a person calls the result, with everything needed to doubt it later.

use crate::mixture::Mixture;
use chrono::{DateTime, Utc};
use domain::{
    Deck, ExperimentId, OperationId, PlateId, Step, WellName,
    colour::{ColourError, METHOD, Target},
    doubt::{self, Drift},
    reading::{Average, BANDS, Reading, WhiteFlaw},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A reading over an empty well, to which this plate's samples are compared. Kept with the robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhiteReference {
    pub operation: OperationId,
    pub experiment: ExperimentId,
    pub plate: PlateId,
    pub over: WellName,
    pub at: DateTime<Utc>,
    pub reading: Average,
    /// Wells of this plate that were seen to be empty before anything was dispensed into them.
    #[serde(default)]
    pub blank: Vec<WellName>,
    /// Later whites were found unlike it and somebody was told: the next one is taken as it comes.
    #[serde(default)]
    pub is_outdated: bool,
    /// How far it is from the white before it, where that was read over the same well for the same experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
}

impl WhiteReference {
    /// How far `reading` is from this, if it is of the same light through the same empty well.
    pub fn drift_to(&self, reading: &Average, experiment: ExperimentId, over: WellName) -> Option<Drift> {
        let is_same = self.experiment == experiment && self.over == over && !self.is_outdated;
        is_same.then(|| doubt::drift(reading, &self.reading).ok()).flatten()
    }
}

/// Of an empty well, a share of white that no noise explains. (In the weakest band that is looked at, 4,600 counts, four exposures
/// are good to 1 %.)
const BRIGHTER_THAN_WHITE: f64 = 1.15;

/// Why a reading is worth nothing, wherever it was taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Flaw {
    #[error("every channel is as dark as in the sensor's dock")]
    Dark,
    #[error("{channel} is at the sensor's full scale ({count}), and no lower gain helps")]
    Saturated { channel: &'static str, count: u16 },
    /// Of a look at an empty well, which would be taken for a stained one.
    #[error("{channel} has {percent} % of what it had in the white reference")]
    Glaring { channel: &'static str, percent: u32 },
    /// Of a white or an empty well.
    #[error("its readings, taken one after the other, are ΔE00 {delta_e:.1} apart; noise explains at most {limit:.1}")]
    Unsteady { delta_e: f64, limit: f64 },
    #[error(transparent)]
    White(#[from] WhiteFlaw),
}

/// Whether a reading may be used for what this step of this experiment takes it for; `last` is the robot's white reference.
pub fn check(
    step: &Step,
    experiment: Option<ExperimentId>,
    reading: &Average,
    last: Option<&WhiteReference>,
) -> Result<(), Flaw> {
    if reading.reading.is_dark() {
        return Err(Flaw::Dark);
    }
    match step {
        Step::Read { well: None, .. } => {
            // Of one that this experiment has read before, it is to be seen how far off it is.
            let former = last.filter(|white| !white.is_outdated && Some(white.experiment) != experiment);
            reading.check_white(former.map(|white| &white.reading))?;
            steady(reading, reading)
        }
        Step::CheckBlank { .. } => {
            unsaturated(reading)?;
            match last {
                Some(white) => glareless(reading, &white.reading).and_then(|()| steady(reading, &white.reading)),
                None => Ok(()),
            }
        }
        _ => unsaturated(reading),
    }
}

fn unsaturated(reading: &Average) -> Result<(), Flaw> {
    match reading.reading.saturated_channel() {
        Some((channel, count)) => Err(Flaw::Saturated { channel, count }),
        None => Ok(()),
    }
}

fn glareless(reading: &Average, white: &Average) -> Result<(), Flaw> {
    let Ok(seen) = white.estimate(reading) else { return Ok(()) };
    // The violet band counts too little for one look to say so of it alone.
    let bright = BANDS.iter().zip(seen.transmittance).skip(1).find(|(_, share)| *share > BRIGHTER_THAN_WHITE);
    match bright {
        Some((band, share)) => Err(Flaw::Glaring { channel: band.name, percent: (share * 100.0).round() as u32 }),
        None => Ok(()),
    }
}

fn steady(reading: &Average, white: &Average) -> Result<(), Flaw> {
    let unsteady = doubt::unsteady(reading, white).ok().flatten();
    match unsteady.and_then(|doubt| doubt.delta_e.zip(doubt.limit)) {
        Some((delta_e, limit)) => Err(Flaw::Unsteady { delta_e, limit }),
        None => Ok(()),
    }
}

/// How far a well that should be empty is off the white reference, if it is too far.
pub fn stain(reading: &Average, white: &WhiteReference) -> Option<f64> {
    doubt::check_blank(reading, &white.reading).ok().flatten()
}

/// The document behind a result, as in the API: raw counts of each exposure, settings, basic counts, references, the colour
/// estimated from them, the colour predicted from the recipe, how far it is from the one aimed at, and whether the well is doubtful.
pub fn measurement(
    operation: OperationId,
    sample: &Average,
    white: &WhiteReference,
    (mixture, deck): (&Mixture, &Deck),
    at: DateTime<Utc>,
) -> Result<Value, ColourError> {
    let judgement = doubt::judge(&mixture.recipe, deck, sample, &white.reading)?;
    let colour = judgement.measured;
    let mut document = json!({
        "operation_id": operation,
        "measured_at": at,
        "channels": sample.reading.channels,
        "reads": sample.reads(),
        "spread": sample.spread(),
        "scatter": white.reading.scatter(sample)?,
        "settings": sample.reading.settings,
        "settings_assumed": sample.reading.settings_assumed,
        "saturated": sample.reading.saturated,
        "basic_counts": sample.basic_counts(),
        "white_reference": white_told(white, at),
        "dark_reference": dark_told(sample, white, at),
        "transmittance": colour.transmittance,
        "absorbance": colour.absorbance(),
        "xyz": colour.xyz,
        "lab": colour.lab,
        "srgb": colour.srgb,
        "predicted": judgement.predicted,
        "delta_e": judgement.delta_e,
        "method": METHOD,
    });
    if let Some(doubt) = judgement.doubt {
        document["doubt"] = json!(doubt);
    }
    if let Some(target) = mixture.target.map(Target::lab) {
        document["target"] = json!({ "lab": target, "srgb": target.to_srgb() });
        document["delta_e_target"] = json!(colour.lab.delta_e_2000(target));
    }
    Ok(document)
}

fn white_told(white: &WhiteReference, at: DateTime<Utc>) -> Value {
    json!({
        "operation_id": white.operation,
        "well_id": white.over,
        "at": white.at,
        "age_seconds": seconds(at, white.at),
        "channels": white.reading.reading.channels,
        "settings": white.reading.reading.settings,
        "basic_counts": white.reading.basic_counts(),
        "drift": white.drift,
    })
}

/// The look in the dark that was taken off the sample: its own, or the white's. Null where the light can't be switched.
fn dark_told(sample: &Average, white: &WhiteReference, at: DateTime<Utc>) -> Value {
    let told = |dark: &Reading, over: &str, age_seconds: f64| {
        json!({
            "over": over, "age_seconds": age_seconds,
            "channels": dark.channels, "settings": dark.settings, "basic_counts": dark.basic_counts(),
        })
    };
    match (&white.reading.dark, &sample.dark) {
        (None, _) => Value::Null,
        (Some(_), Some(own)) => told(own, "sample", 0.0),
        (Some(of_white), None) => told(of_white, "white", seconds(at, white.at)),
    }
}

fn seconds(now: DateTime<Utc>, then: DateTime<Utc>) -> f64 {
    (now - then).num_milliseconds().max(0) as f64 / 1_000.0
}

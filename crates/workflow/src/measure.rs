//! From raw counts to what a person calls the result, with everything needed to doubt it later.

use chrono::{DateTime, Utc};
use domain::{
    Deck, ExperimentId, OperationId, PlateId, Recipe, Step, WellName,
    colour::ColourError,
    doubt,
    reading::{Reading, WhiteFlaw},
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
    pub reading: Reading,
    /// Wells of this plate that were seen to be empty before anything was dispensed into them.
    #[serde(default)]
    pub blank: Vec<WellName>,
    /// Later whites were found unlike it and somebody was told: the next one is taken as it comes.
    #[serde(default)]
    pub is_outdated: bool,
}

/// Why a reading is worth nothing, wherever it was taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Flaw {
    #[error("every channel is as dark as in the sensor's dock")]
    Dark,
    /// Of a look at an empty well: the clearest of wells would be taken for a stained one.
    #[error("{channel} is at the sensor's full scale ({count})")]
    Glaring { channel: &'static str, count: u16 },
    #[error(transparent)]
    White(#[from] WhiteFlaw),
}

/// Whether a reading may be used for what this step takes it for; `last` is the robot's white reference.
pub fn check(step: &Step, reading: &Reading, last: Option<&WhiteReference>) -> Result<(), Flaw> {
    if reading.is_dark() {
        return Err(Flaw::Dark);
    }
    match step {
        Step::Read { well: None, .. } => {
            let comparable = last.filter(|white| !white.is_outdated).map(|white| &white.reading);
            Ok(reading.check_white(comparable)?)
        }
        Step::CheckBlank { .. } => match reading.at_full_scale() {
            Some((channel, count)) => Err(Flaw::Glaring { channel, count }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// How far a well that should be empty is off the white reference, if it is too far.
pub fn stain(reading: &Reading, white: &WhiteReference) -> Option<f64> {
    doubt::check_blank(reading, &white.reading).ok().flatten()
}

/// The document behind a result, as in the API: raw channels, settings, reference, the colour estimated from them, the
/// colour predicted from the recipe, and whether the well is doubtful.
pub fn measurement(
    operation: OperationId,
    reading: &Reading,
    white: &WhiteReference,
    (recipe, deck): (&Recipe, &Deck),
    at: DateTime<Utc>,
) -> Result<Value, ColourError> {
    let judgement = doubt::judge(recipe, deck, reading, &white.reading)?;
    let colour = judgement.measured;
    let mut document = json!({
        "operation_id": operation,
        "measured_at": at,
        "channels": reading.channels,
        "settings": reading.settings,
        "saturated": reading.saturated,
        "white_reference": { "operation_id": white.operation, "well_id": white.over, "at": white.at, "channels": white.reading.channels },
        "transmittance": colour.transmittance,
        "xyz": colour.xyz,
        "lab": colour.lab,
        "srgb": colour.srgb,
        "predicted": judgement.predicted,
        "delta_e": judgement.delta_e,
        "method": "fixed 3×8 map from AS7341 band ratios to CIE XYZ (D65, 2°)",
    });
    if let (Some(doubt), Some(fields)) = (judgement.doubt, document.as_object_mut()) {
        fields.insert("doubt".to_owned(), json!(doubt));
    }
    Ok(document)
}

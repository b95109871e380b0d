//! From raw counts to what a person calls the result, with everything needed to doubt it later.

use chrono::{DateTime, Utc};
use domain::{
    ExperimentId, OperationId, PlateId, WellName,
    colour::{ColourError, estimate_reading},
    reading::Reading,
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
}

/// The document behind a result, as in the API: raw channels, settings, reference, and the colour estimated from them.
pub fn measurement(
    operation: OperationId,
    reading: &Reading,
    white: &WhiteReference,
    at: DateTime<Utc>,
) -> Result<Value, ColourError> {
    let colour = estimate_reading(reading, &white.reading)?;
    Ok(json!({
        "operation_id": operation,
        "measured_at": at,
        "channels": reading.channels,
        "settings": reading.settings,
        "saturated": reading.saturated,
        "white_reference": { "operation_id": white.operation, "well_id": white.over, "at": white.at, "channels": white.reading.channels },
        "transmittance": colour.reflectance,
        "xyz": colour.xyz,
        "lab": colour.lab,
        "srgb": colour.srgb,
        "method": "fixed 3×8 map from AS7341 band ratios to CIE XYZ (D65, 2°)",
    }))
}

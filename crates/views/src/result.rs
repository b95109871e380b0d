//! A measurement as it is shown, whatever version stored it.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::colour::Srgb;
use serde_json::Value;
use store::Measurement;
use utoipa::ToSchema;

/// A measurement under today's names, with the time it was taken.
pub fn result(measurement: Measurement) -> Value {
    let mut data = measurement.measurement_data;
    if let Some(fields) = data.as_object_mut() {
        let taken = measurement.created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        fields.entry("measured_at").or_insert_with(|| taken.into());
        // What older versions stored has the quantity under a name that it isn't.
        if let Some(shares) = fields.remove("reflectance") {
            fields.entry("transmittance").or_insert(shares);
        }
    }
    data
}

/// The measured screen colour (`#rrggbb`), if what is stored is one.
pub fn measured_colour(measurement: &Measurement) -> Option<String> {
    colour(measurement.measurement_data.get("srgb")?.as_str()?)
}

/// Only what is a colour is shown as one: it goes into drawings.
pub(crate) fn colour(text: &str) -> Option<String> {
    text.parse::<Srgb>().ok().map(|srgb| srgb.to_string())
}

/// A measurement (for the documentation; what is stored is passed through, with more fields than these).
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct ResultSchema {
    /// What the sensor counted in each band: the means of `reads`, rounded.
    channels: ChannelsSchema,
    /// The raw counts of each reading, taken one after the other. This and what is optional below is missing from results of
    /// earlier releases.
    reads: Option<Vec<ChannelsSchema>>,
    /// Standard deviation of the readings in each band, as a share of their mean. Null for a single one.
    spread: Option<Vec<f64>>,
    /// The same in colour: the readings' standard deviation in ΔE2000.
    scatter: Option<f64>,
    settings: Option<SettingsSchema>,
    /// The sensor said nothing of its settings: `settings` is what it was asked for.
    settings_assumed: Option<bool>,
    basic_counts: Option<BasicCountsSchema>,
    white_reference: Option<WhiteReferenceSchema>,
    /// The reading without the sensor's own light that was taken off sample and white. Null where that light can't be switched.
    dark_reference: Option<DarkReferenceSchema>,
    /// Decadic absorbance of each band, −log10 of its transmittance. Null in a band where no light came through.
    absorbance: Option<Vec<Option<f64>>>,
    xyz: Option<XyzSchema>,
    /// How bands became a colour.
    method: Option<String>,
    /// The share of light that each band lets through, sample over white, 1 is all of it: at 415, 445, 480, 515, 555,
    /// 590, 630 and 680 nm. Called so on the page and in the CSV, too (`transmittance_415` …).
    #[schema(example = json!([0.27, 0.26, 0.22, 0.23, 0.48, 0.5, 0.33, 0.67]))]
    transmittance: [f64; 8],
    /// CIE L*a*b*, D65, 2°.
    lab: LabSchema,
    #[schema(example = "#a0522d")]
    srgb: String,
    /// What the recipe should give through the same sensor; null where a dye is unknown to the library.
    predicted: Option<PredictionSchema>,
    /// ΔE2000 between the measured and the predicted colour.
    delta_e: Option<f64>,
    /// The colour that the well is to have, where one was named.
    target: Option<TargetSchema>,
    /// ΔE2000 between the measured colour and the target.
    delta_e_target: Option<f64>,
    /// Only where the result isn't to be believed.
    doubt: Option<DoubtSchema>,
    /// Whether a channel reached the sensor's full scale.
    saturated: bool,
    measured_at: DateTime<Utc>,
}

/// A predicted colour: the eight bands, and what the same map makes of them.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct PredictionSchema {
    transmittance: Vec<f64>,
    lab: LabSchema,
    #[schema(example = "#a0522d")]
    srgb: String,
}

/// A colour to aim at.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct TargetSchema {
    lab: LabSchema,
    #[schema(example = "#a0522d")]
    srgb: String,
}

/// Why a measured well isn't to be believed.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct DoubtSchema {
    /// How far off, ΔE2000: from the prediction, of the readings among themselves, or of the white reference from itself…
    delta_e: Option<f64>,
    /// …and how much of it the lab's own errors explain.
    limit: Option<f64>,
    /// `far_from_prediction`, `unsteady` (the readings are apart), `drifted` (the white reference was another when it was read
    /// again after the well) or, in results of earlier releases, `saturated`
    #[schema(example = "far_from_prediction")]
    why: String,
}

/// How the sensor was set.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct SettingsSchema {
    #[schema(example = 128.0)]
    gain: f64,
    /// Integration time of one pass, ms.
    #[schema(example = 280.78)]
    integration_ms: f64,
    /// Current of the sensor's own light, mA; 0 is off. Left out where it can't be switched.
    led_ma: Option<u16>,
}

/// Counts made comparable between settings: raw / (gain × integration time in ms). Nothing is taken off them.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct BasicCountsSchema {
    /// At 415, 445, 480, 515, 555, 590, 630 and 680 nm.
    bands: Vec<f64>,
    clear: Option<f64>,
    nir: Option<f64>,
}

/// The reading over an empty well that a sample was compared with.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct WhiteReferenceSchema {
    operation_id: Option<String>,
    /// Where on the plate.
    #[schema(example = "H12")]
    well_id: Option<String>,
    at: Option<DateTime<Utc>>,
    /// How much older than the sample's reading.
    age_seconds: Option<f64>,
    channels: Option<ChannelsSchema>,
    settings: Option<SettingsSchema>,
    basic_counts: Option<BasicCountsSchema>,
    /// How far it is from the white before it, over the same well.
    drift: Option<DriftSchema>,
}

/// A white reference beside the one before it.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct DriftSchema {
    /// ΔE2000 between the two.
    delta_e: f64,
    /// How much of it is usual.
    limit: f64,
}

/// A reading without the sensor's own light.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct DarkReferenceSchema {
    /// `sample`, or `white` where the room is so dark that one look was enough for all wells.
    #[schema(example = "sample")]
    over: String,
    age_seconds: f64,
    channels: ChannelsSchema,
    settings: SettingsSchema,
    basic_counts: BasicCountsSchema,
}

/// A colour in CIE XYZ, D65, 2°, relative to Y = 1 for white.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct XyzSchema {
    x: f64,
    y: f64,
    z: f64,
}

/// What the AS7341 counted in its eight visible bands F1 to F8, and mostly clear and near infrared. The names are those of the
/// training lab's sensors, kept for the programs that read them; where a band really lies is said at each.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct ChannelsSchema {
    /// F1, at 415 nm.
    ch410: f64,
    /// F2, at 445 nm.
    ch440: f64,
    /// F3, at 480 nm.
    ch470: f64,
    /// F4, at 515 nm.
    ch510: f64,
    /// F5, at 555 nm.
    ch550: f64,
    /// F6, at 590 nm.
    ch583: f64,
    /// F7, at 630 nm.
    ch620: f64,
    /// F8, at 680 nm.
    ch670: f64,
    /// Left out, as `nir`, where the sensor's firmware tells only the eight bands.
    clear: Option<f64>,
    /// Near infrared, at 910 nm.
    nir: Option<f64>,
}

/// A colour in CIE L*a*b*.
#[derive(Clone, Debug, ToSchema)]
#[allow(dead_code, reason = "describes stored JSON to OpenAPI")]
pub struct LabSchema {
    l: f64,
    a: f64,
    b: f64,
}

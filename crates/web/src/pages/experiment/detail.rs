//! One well in full, and all of them as a table.

use super::{
    how::{self, How},
    predicted, usual_order,
};
use crate::{chart, sentences};
use domain::{DyeName, Volume, WellId, WellStatus, colour::Lab, reading::Channels};
use serde::Deserialize;
use std::collections::HashMap;
use store::{ExperimentDetail, Measurement, Well};
use views::FaultView;
use workflow::doubt_of;

/// What of a measurement the page shows. All optional: what is stored may be older or newer than this page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    channels: Option<Channels>,
    lab: Option<Lab>,
    transmittance: Option<[f64; 8]>,
    #[serde(flatten)]
    how: how::Stored,
}

fn stored(measurement: Option<&Measurement>) -> Stored {
    measurement
        .and_then(|measurement| serde_json::from_value(views::result(measurement.clone())).ok())
        .unwrap_or_default()
}

/// The well that is looked at.
pub struct WellDetail {
    pub name: String,
    pub status: &'static str,
    pub recipe: Vec<(String, String)>,
    pub predicted_hex: String,
    pub predicted_lab: String,
    /// The colour it is to have.
    pub target: Option<String>,
    pub measured: Option<Measured>,
    pub fault: Option<FaultView>,
    /// What lies in a well that won't be measured, for whoever cleans up.
    pub left_in_it: Option<String>,
    /// It makes up for a well that was set aside.
    pub is_replacement: bool,
}

pub struct Measured {
    pub hex: String,
    pub lab: Option<[String; 3]>,
    /// ΔE2000 from the prediction.
    pub difference: Option<String>,
    /// ΔE2000 from the target.
    pub off_target: Option<String>,
    pub spectrum: Option<chart::Spectrum>,
    pub how: Option<How>,
    /// Why it isn't to be believed.
    pub doubt: Option<String>,
}

/// One line of the table.
pub struct ResultRow {
    pub id: String,
    pub name: String,
    pub status: &'static str,
    pub amounts: Vec<String>,
    pub predicted: String,
    pub measured: Option<String>,
    pub lab: Option<[String; 3]>,
    pub difference: Option<String>,
    pub target: Option<String>,
    pub off_target: Option<String>,
    pub is_doubtful: bool,
}

pub fn find(detail: &ExperimentDetail, liquid: &HashMap<WellId, Volume>, id: &str) -> Option<WellDetail> {
    let (well, measurement) = detail.wells.iter().find(|(well, _)| well.id.to_string() == id)?;
    let prediction = predicted(&well.recipe);
    let mut recipe: Vec<_> = well.recipe.iter().collect();
    recipe.sort_by_key(|(dye, _)| usual_order(dye));
    Some(WellDetail {
        name: name(well),
        status: well.status.as_str(),
        recipe: recipe.into_iter().map(|(dye, volume)| (dye.to_string(), volume.to_string())).collect(),
        predicted_lab: said(prediction.lab).join("  "),
        predicted_hex: prediction.hex,
        target: well.target.map(|target| target.to_string()),
        measured: measured(well, measurement.as_ref()),
        fault: well.fault.clone().map(sentences::fault),
        left_in_it: left_in_it(well, liquid),
        is_replacement: well.replaces.is_some(),
    })
}

fn left_in_it(well: &Well, liquid: &HashMap<WellId, Volume>) -> Option<String> {
    if !matches!(well.status, WellStatus::Cancelled | WellStatus::Failed | WellStatus::Quarantined) {
        return None;
    }
    Some(match liquid.get(&well.id) {
        Some(held) => format!("Up to {held} of liquid lie in it."),
        None => "Nothing was put into it.".to_owned(),
    })
}

fn name(well: &Well) -> String {
    well.well_id.map_or_else(|| (well.position + 1).to_string(), |name| name.to_string())
}

fn measured(well: &Well, measurement: Option<&Measurement>) -> Option<Measured> {
    let hex = views::measured_colour(measurement?)?;
    let data = stored(measurement);
    Some(Measured {
        hex,
        lab: data.lab.map(said),
        difference: difference(well, data.lab).map(|difference| format!("{difference:.1}")),
        off_target: off_target(well, data.lab).map(|difference| format!("{difference:.1}")),
        spectrum: data.transmittance.map(|shares| chart::spectrum(&shares, &well.recipe)),
        how: data.channels.map(|channels| data.how.told(&channels, data.transmittance.as_ref())),
        doubt: measurement.and_then(doubt_of).map(|doubt| doubt.to_string()),
    })
}

fn said(lab: Lab) -> [String; 3] {
    // A minus as wide as the digits; a zero has no sign.
    [lab.l, lab.a, lab.b].map(|value| format!("{:.1}", if value.abs() < 0.05 { 0.0 } else { value }).replace('-', "−"))
}

fn difference(well: &Well, measured: Option<Lab>) -> Option<f64> {
    Some(predicted(&well.recipe).lab.delta_e_2000(measured?))
}

fn off_target(well: &Well, measured: Option<Lab>) -> Option<f64> {
    Some(well.target?.lab().delta_e_2000(measured?))
}

/// The mean ΔE2000 between what was predicted and what was measured.
pub fn average_difference(detail: &ExperimentDetail) -> Option<f64> {
    let measured = detail.wells.iter().filter(|(well, _)| well.status == WellStatus::Measured);
    let differences: Vec<_> =
        measured.filter_map(|(well, result)| difference(well, stored(result.as_ref()).lab)).collect();
    (!differences.is_empty()).then(|| differences.iter().sum::<f64>() / differences.len() as f64)
}

/// How near a well came to its target, ΔE2000: the nearest of them, or a dash. Nothing where there is no target.
pub fn nearest_to_target(detail: &ExperimentDetail) -> Option<String> {
    let aiming = || detail.wells.iter().filter(|(well, _)| well.target.is_some());
    aiming().next()?;
    let nearest =
        aiming().filter_map(|(well, result)| off_target(well, stored(result.as_ref()).lab)).min_by(f64::total_cmp);
    Some(nearest.map_or_else(|| "—".to_owned(), |nearest| format!("{nearest:.1}")))
}

pub fn rows(detail: &ExperimentDetail, dyes: &[DyeName]) -> Vec<ResultRow> {
    detail.wells.iter().map(|(well, measurement)| row(well, measurement.as_ref(), dyes)).collect()
}

fn row(well: &Well, measurement: Option<&Measurement>, dyes: &[DyeName]) -> ResultRow {
    let lab = stored(measurement).lab;
    ResultRow {
        id: well.id.to_string(),
        name: name(well),
        status: well.status.as_str(),
        amounts: dyes
            .iter()
            .map(|dye| well.recipe.amount(dye).ul())
            .map(|ul| if ul > 0.0 { ul.to_string() } else { "·".to_owned() })
            .collect(),
        predicted: predicted(&well.recipe).hex,
        measured: measurement.and_then(views::measured_colour),
        lab: lab.map(said),
        difference: difference(well, lab).map(|difference| format!("{difference:.1}")),
        target: well.target.map(|target| target.to_string()),
        off_target: off_target(well, lab).map(|difference| format!("{difference:.1}")),
        is_doubtful: measurement.and_then(doubt_of).is_some(),
    }
}

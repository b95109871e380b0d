//! Results as a CSV file (RFC 4180) that is safe to open in a spreadsheet.

use chrono::SecondsFormat;
use domain::{
    DyeName,
    colour::{Lab, Target},
    reading::BANDS,
};
use serde_json::Value;
use std::collections::BTreeSet;
use store::{ExperimentDetail, Measurement, Well};
use views::csv_field;
use workflow::{Doubts, doubt_of};

/// The sensor's channels in the order of the contract: eight bands, clear and near infrared, by the names that the API
/// has for their counts. The bands' true wavelengths are in the headings of their transmittances.
const CHANNELS: [&str; 10] = ["ch410", "ch440", "ch470", "ch510", "ch550", "ch583", "ch620", "ch670", "clear", "nir"];

/// One line a well, in the request's order; a column `<dye>_ul` for each dye of the experiment.
/// `doubts` says what the doubtful ones share.
pub fn results(detail: &ExperimentDetail, doubts: Option<&Doubts>) -> String {
    let dyes: BTreeSet<&DyeName> =
        detail.wells.iter().flat_map(|(well, _)| well.recipe.iter().map(|(dye, _)| dye)).collect();
    let mut lines = vec![header(&dyes)];
    let shared = doubts.map(Doubts::causes).unwrap_or_default();
    lines.extend(detail.wells.iter().map(|(well, result)| line(detail, &dyes, well, result.as_ref(), &shared)));
    lines.push(String::new());
    lines.join("\r\n")
}

fn header(dyes: &BTreeSet<&DyeName>) -> String {
    let mut columns: Vec<String> = ["experiment_id", "well_id", "position", "status"].map(str::to_owned).into();
    columns.extend(dyes.iter().map(|dye| format!("{dye}_ul")));
    columns.extend(CHANNELS.map(str::to_owned));
    columns.extend(BANDS.iter().map(|band| format!("transmittance_{:.0}", band.centre_nm)));
    columns.extend(["L", "a", "b", "srgb", "measured_at", "experiment_name"].map(str::to_owned));
    columns.extend(["predicted_L", "predicted_a", "predicted_b", "delta_e", "doubtful", "doubt"].map(str::to_owned));
    columns.extend(
        ["reads", "scatter", "gain", "integration_ms", "led_ma", "dark_over", "white_age_s"].map(str::to_owned),
    );
    columns.extend(BANDS.iter().map(|band| format!("basic_{:.0}", band.centre_nm)));
    columns.extend(BANDS.iter().map(|band| format!("absorbance_{:.0}", band.centre_nm)));
    columns.extend(["X", "Y", "Z"].map(str::to_owned));
    columns.extend(["target_L", "target_a", "target_b", "delta_e_target"].map(str::to_owned));
    columns.join(",")
}

fn line(
    detail: &ExperimentDetail,
    dyes: &BTreeSet<&DyeName>,
    well: &Well,
    result: Option<&Measurement>,
    shared: &str,
) -> String {
    let data = result.map_or(Value::Null, |result| views::result(result.clone()));
    let number =
        |value: Option<&Value>| value.filter(|value| value.is_number()).map_or_else(String::new, Value::to_string);
    let mut fields = vec![
        detail.experiment.id.to_string(),
        well.well_id.map_or_else(String::new, |at| at.to_string()),
        well.position.to_string(),
        well.status.to_string(),
    ];
    fields.extend(dyes.iter().map(|dye| well.recipe.amount(dye).ul().to_string()));
    fields
        .extend(CHANNELS.iter().map(|channel| number(data.get("channels").and_then(|channels| channels.get(channel)))));
    let shares = data.get("transmittance");
    fields.extend((0..BANDS.len()).map(|band| number(shares.and_then(|shares| shares.get(band)))));
    fields.extend(["l", "a", "b"].map(|axis| number(data.get("lab").and_then(|lab| lab.get(axis)))));
    fields.push(csv_field(data.get("srgb").and_then(Value::as_str).unwrap_or_default()).into_owned());
    fields
        .push(result.map_or_else(String::new, |result| result.created_at.to_rfc3339_opts(SecondsFormat::Millis, true)));
    fields.push(csv_field(detail.experiment.name.as_deref().unwrap_or_default()).into_owned());
    fields.extend(["l", "a", "b"].map(|axis| number(data.pointer("/predicted/lab").and_then(|lab| lab.get(axis)))));
    fields.push(number(data.get("delta_e")));
    let doubt = result.and_then(doubt_of);
    fields.push(result.map_or("", |_| if doubt.is_some() { "yes" } else { "no" }).to_owned());
    let why = doubt.map_or_else(String::new, |doubt| format!("{doubt} {shared}"));
    fields.push(csv_field(why.trim_end()).into_owned());
    fields.extend(how(&data));
    let target = well.target.map(Target::lab);
    fields.extend(
        target.map_or_else(|| [const { String::new() }; 3], |Lab { l, a, b }| [l, a, b].map(|axis| axis.to_string())),
    );
    fields.push(number(data.get("delta_e_target")));
    fields.join(",")
}

/// How it was measured; empty fields where an earlier release kept less.
fn how(data: &Value) -> Vec<String> {
    let number = |pointer: &str| data.pointer(pointer).filter(|value| value.is_number()).map(Value::to_string);
    let reads = data.get("reads").and_then(Value::as_array).map(|reads| reads.len().to_string());
    let over = data.pointer("/dark_reference/over").and_then(Value::as_str);
    let mut fields = vec![reads, number("/scatter")];
    fields.extend(["gain", "integration_ms", "led_ma"].map(|setting| number(&format!("/settings/{setting}"))));
    fields.push(over.map(|over| csv_field(over).into_owned()));
    fields.push(number("/white_reference/age_seconds"));
    for of_band in ["/basic_counts/bands", "/absorbance"] {
        fields.extend((0..BANDS.len()).map(|band| number(&format!("{of_band}/{band}"))));
    }
    fields.extend(["x", "y", "z"].map(|axis| number(&format!("/xyz/{axis}"))));
    fields.into_iter().map(Option::unwrap_or_default).collect()
}

//! What happened lately, from the same events that live clients follow.

use crate::error::PageError;
use chrono::Utc;
use domain::ExperimentId;
use serde_json::Value;
use std::collections::HashMap;
use store::{Event, ExperimentDetail, Store};

use crate::when::When;

/// Events looked back at, and moments shown of them.
const LOOK_BACK: i64 = 120;
const SHOWN: usize = 60;
/// Those of them that are open to the eye.
const RECENT: usize = 8;

/// Newest first in both.
pub struct Timeline {
    pub recent: Vec<Moment>,
    pub earlier: Vec<Moment>,
}

pub struct Moment {
    pub at: When,
    pub sentence: String,
    /// Worth reading first.
    pub is_major: bool,
}

/// The sequence of the newest event.
pub async fn latest_sequence(store: &Store, id: ExperimentId) -> Result<i64, PageError> {
    let mut latest = 0;
    for kind in ["status", "well", "result", "operation", "progress"] {
        let event = store.latest_event(id, kind).await?;
        latest = latest.max(event.map_or(0, |event| event.sequence));
    }
    Ok(latest)
}

pub async fn timeline(store: &Store, detail: &ExperimentDetail, latest: i64) -> Result<Timeline, PageError> {
    let after = (latest - LOOK_BACK).max(0);
    let events = store.events(detail.experiment.id, after, 200).await?;
    let names: HashMap<String, String> =
        detail.wells.iter().filter_map(|(well, _)| Some((well.id.to_string(), well.well_id?.to_string()))).collect();
    let mut recent: Vec<_> = events.iter().rev().filter_map(|event| moment(event, &names)).take(SHOWN).collect();
    let earlier = recent.split_off(recent.len().min(RECENT));
    Ok(Timeline { recent, earlier })
}

fn moment(event: &Event, names: &HashMap<String, String>) -> Option<Moment> {
    let (sentence, is_major) = sentence(&event.kind, &event.data, names)?;
    let mut letters = sentence.chars();
    let sentence = letters.next().map(|first| first.to_uppercase().chain(letters).collect())?;
    Some(Moment { at: When::new(event.at, Utc::now()), sentence, is_major })
}

/// How its robot stands from then on.
fn robot(data: &Value) -> String {
    let is = |key: &str| data.get(key).and_then(Value::as_bool) == Some(true);
    let mode = data.get("mode").and_then(Value::as_str).unwrap_or_default();
    let said = match mode {
        "paused" => "the robot was paused",
        "stopped" => "the robot was stopped",
        _ if is("asks") => "the robot asks its operator",
        _ if is("unusable") => "the robot can’t be used at the moment",
        "draining" => "the robot takes nothing new after this",
        _ => "the robot goes on",
    };
    said.to_owned()
}

fn sentence(kind: &str, data: &Value, names: &HashMap<String, String>) -> Option<(String, bool)> {
    let text = |key: &str| data.get(key).and_then(Value::as_str);
    let fault = data.pointer("/fault/what").and_then(Value::as_str).map(|what| format!(": {what}")).unwrap_or_default();
    match kind {
        "status" => Some((format!("{}{fault}", text("status")?), true)),
        "operation" => Some((text("sentence")?.to_owned(), false)),
        "result" => {
            let well = text("well_id").or_else(|| names.get(text("well")?).map(String::as_str)).unwrap_or("a well");
            let doubt = if data.get("doubt").is_some() { ", and doubtful" } else { "" };
            Some((format!("{well} is {}{doubt}", text("srgb").unwrap_or("measured")), true))
        }
        "robot" => Some((robot(data), true)),
        "doubts" => Some((text("sentence")?.to_owned(), true)),
        "well" if matches!(text("status"), Some("quarantined" | "failed")) => {
            Some((format!("{} {}{fault}", text("well_id").unwrap_or("a well"), text("status")?), true))
        }
        _ => None,
    }
}

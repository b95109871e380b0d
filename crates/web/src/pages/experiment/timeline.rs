//! What happened lately, from the same events that live clients follow.

use crate::error::PageError;
use chrono::Utc;
use domain::{ExperimentEvent, Fault, RobotMode, WellId, WellName, WellStatus};
use request::AppState;
use serde_json::Value;
use std::collections::HashMap;
use store::{Event, ExperimentDetail};

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
    /// Where there is nothing any more: how long it was kept.
    pub forgotten: Option<String>,
}

pub struct Moment {
    pub at: When,
    pub sentence: String,
    /// Worth reading first.
    pub is_major: bool,
}

pub async fn timeline(state: &AppState, detail: &ExperimentDetail, latest: i64) -> Result<Timeline, PageError> {
    let after = (latest - LOOK_BACK).max(0);
    let events = state.store.events(detail.experiment.id, after, 200).await?;
    let names = detail.wells.iter().filter_map(|(well, _)| Some((well.id, well.well_id?))).collect();
    let mut recent: Vec<_> = events.iter().rev().filter_map(|event| moment(event, &names)).take(SHOWN).collect();
    let earlier = recent.split_off(recent.len().min(RECENT));
    let forgotten = || views::forgotten(&detail.experiment, state.retention.events, Utc::now());
    let forgotten = if recent.is_empty() { forgotten() } else { None };
    Ok(Timeline { recent, earlier, forgotten })
}

fn moment(event: &Event, names: &HashMap<WellId, WellName>) -> Option<Moment> {
    let (sentence, is_major) = sentence(event.read()?, names)?;
    let mut letters = sentence.chars();
    let sentence = letters.next().map(|first| first.to_uppercase().chain(letters).collect())?;
    Some(Moment { at: When::new(event.at, Utc::now()), sentence, is_major })
}

/// How its robot stands from then on.
const fn standing(mode: RobotMode, asks: bool, unusable: bool) -> &'static str {
    match mode {
        RobotMode::Paused => "the robot was paused",
        RobotMode::Stopped => "the robot was stopped",
        _ if asks => "the robot asks its operator",
        _ if unusable => "the robot can’t be used at the moment",
        RobotMode::Draining => "the robot takes nothing new after this",
        RobotMode::Active => "the robot goes on",
    }
}

fn sentence(event: ExperimentEvent, names: &HashMap<WellId, WellName>) -> Option<(String, bool)> {
    let because = |fault: Option<Fault>| fault.map(|fault| format!(": {}", fault.what)).unwrap_or_default();
    let named = |well: Option<WellName>| well.map_or_else(|| "a well".to_owned(), |well| well.to_string());
    match event {
        ExperimentEvent::Status { status, fault } => Some((format!("{status}{}", because(fault)), true)),
        ExperimentEvent::Operation { sentence, .. } => Some((sentence, false)),
        ExperimentEvent::Result { well, well_id, srgb, doubt, .. } => {
            let well = named(well_id.or_else(|| names.get(&well).copied()));
            let colour = srgb.as_ref().and_then(Value::as_str).unwrap_or("measured");
            let doubtful = if doubt.is_some() { ", and doubtful" } else { "" };
            Some((format!("{well} is {colour}{doubtful}"), true))
        }
        ExperimentEvent::Robot { mode, asks, unusable } => Some((standing(mode, asks, unusable).to_owned(), true)),
        ExperimentEvent::Doubts { sentence, .. } => Some((sentence, true)),
        ExperimentEvent::Well {
            well_id,
            status: status @ (WellStatus::Quarantined | WellStatus::Failed),
            fault,
            ..
        } => Some((format!("{} {status}{}", named(well_id), because(fault)), true)),
        _ => None,
    }
}

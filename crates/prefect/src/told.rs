//! What is told to Prefect, in words.

use crate::api::{NewState, QUEUED};
use chrono::{DateTime, Utc};
use domain::{ExperimentEvent, ExperimentStatus, Fault, RobotMode, WellName, WellStatus};
use serde_json::{Value, json};
use store::{Event, ExperimentDetail};
use workflow::WellRequest;

/// Levels of Python's logging.
const INFO: u8 = 20;
const WARNING: u8 = 30;
const ERROR: u8 = 40;

/// A line of the run's log, if the event has one; with its own time.
pub(crate) fn line(event: &Event) -> Option<(u8, String, DateTime<Utc>)> {
    let (level, text) = match event.read()? {
        ExperimentEvent::Status { status, fault } => {
            let level = if status == ExperimentStatus::Failed { ERROR } else { INFO };
            (level, fault.map_or_else(|| sentence(status, None), |fault| in_full(&fault)))
        }
        ExperimentEvent::Well { well_id, status, fault, .. } => {
            let place = place(well_id);
            match (status, fault) {
                (_, Some(fault)) => (WARNING, format!("{place}: {}", in_full(&fault))),
                (WellStatus::Mixed, None) => (INFO, format!("{place} is mixed.")),
                _ => return None,
            }
        }
        ExperimentEvent::Result { well_id, srgb, .. } => {
            (INFO, format!("{} is {}.", place(well_id), srgb.as_ref().and_then(Value::as_str).unwrap_or("measured")))
        }
        ExperimentEvent::Doubts { sentence, .. } => (WARNING, sentence),
        ExperimentEvent::Operation { sentence, .. } => (INFO, sentence),
        ExperimentEvent::Fault(fault) => (WARNING, in_full(&fault)),
        ExperimentEvent::Robot { asks: true, .. } => (WARNING, "The robot asks its operator something.".to_owned()),
        ExperimentEvent::Robot { unusable: true, .. } => (WARNING, "The robot can't be used at the moment.".to_owned()),
        ExperimentEvent::Robot { mode, .. } => (INFO, robot(mode).to_owned()),
        ExperimentEvent::Progress(_) => return None,
    };
    Some((level, text, event.at))
}

const fn robot(mode: RobotMode) -> &'static str {
    match mode {
        RobotMode::Active => "The robot works.",
        RobotMode::Paused => "The robot is paused.",
        RobotMode::Draining => "The robot takes nothing new after this.",
        RobotMode::Stopped => "The robot is stopped.",
    }
}

fn place(well: Option<WellName>) -> String {
    well.map_or_else(|| "A well without a place".to_owned(), |well| well.to_string())
}

fn in_full(fault: &Fault) -> String {
    [&fault.what, &fault.cause, &fault.done, &fault.next].map(|part| part.trim()).join(" ")
}

fn sentence(status: ExperimentStatus, robot: Option<&str>) -> String {
    match (status, robot) {
        (ExperimentStatus::Queued, _) => "It waits for a robot.".to_owned(),
        (ExperimentStatus::Running, Some(robot)) => format!("{robot} has it in hand."),
        (ExperimentStatus::Running, None) => "A robot has it in hand.".to_owned(),
        (ExperimentStatus::Paused, _) => "It is paused.".to_owned(),
        (ExperimentStatus::Completed, _) => "Its wells are measured.".to_owned(),
        (ExperimentStatus::Failed, _) => "It came to no result.".to_owned(),
        (ExperimentStatus::Cancelled, _) => "It was cancelled.".to_owned(),
    }
}

/// What a run is whose experiment stands so.
pub(crate) const fn kind(status: ExperimentStatus) -> &'static str {
    match status {
        ExperimentStatus::Queued => "SCHEDULED",
        ExperimentStatus::Running => "RUNNING",
        ExperimentStatus::Paused => "PAUSED",
        ExperimentStatus::Completed => "COMPLETED",
        ExperimentStatus::Failed => "FAILED",
        ExperimentStatus::Cancelled => "CANCELLED",
    }
}

pub(crate) fn state(status: ExperimentStatus, fault: Option<&Fault>, robot: Option<&str>) -> NewState<'static> {
    let name = match status {
        ExperimentStatus::Queued => QUEUED,
        ExperimentStatus::Running => "Running",
        ExperimentStatus::Paused => "Paused",
        ExperimentStatus::Completed => "Completed",
        ExperimentStatus::Failed => "Failed",
        ExperimentStatus::Cancelled => "Cancelled",
    };
    NewState { kind: kind(status), name, message: fault.map_or_else(|| sentence(status, robot), in_full) }
}

/// As a person calls it.
pub(crate) fn name(detail: &ExperimentDetail) -> String {
    let experiment = &detail.experiment;
    let wells = detail.wells.iter().filter(|(well, _)| well.replaces.is_none()).count();
    let wells = if wells == 1 { "1 well".to_owned() } else { format!("{wells} wells") };
    experiment.name.as_ref().map_or_else(|| format!("Experiment of {wells}"), |name| format!("{name} ({wells})"))
}

/// As somebody there would ask for it again.
pub(crate) fn parameters(detail: &ExperimentDetail) -> Value {
    let asked = detail.wells.iter().filter(|(well, _)| well.replaces.is_none());
    let wells: Vec<_> = asked.map(|(well, _)| WellRequest::of(&well.recipe, well.target)).collect();
    let mut parameters = json!({ "wells": wells });
    if let Some(name) = &detail.experiment.name {
        parameters["name"] = json!(name);
    }
    parameters
}

/// One line a measured well.
pub(crate) fn results(detail: &ExperimentDetail) -> Vec<Value> {
    let line = |(well, measurement): &(store::Well, Option<store::Measurement>)| {
        let measurement = measurement.as_ref()?;
        let data = &measurement.measurement_data;
        let volumes: Vec<_> = well.recipe.iter().map(|(dye, volume)| format!("{dye} {} µL", volume.ul())).collect();
        Some(json!({
            "well": well.well_id.map(|at| at.to_string()),
            "recipe": volumes.join(", "),
            "srgb": data.get("srgb"),
            "lab": data.get("lab").map(ToString::to_string),
            "doubtful": data.get("doubt").is_some(),
        }))
    };
    detail.wells.iter().filter_map(line).collect()
}

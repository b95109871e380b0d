//! `/settings` and the calibration status: how this robot is set up. What is set is kept until it is switched off, and but for the
//! door's safety switch nothing depends on it.

use super::{
    deck::standard_deck,
    exchange::{Answer, LegacyBody, ok},
};
use crate::robot_server::{
    Robot,
    body::{Fields, not_permitted},
    error::ApiError,
    lock,
    settings::{DOOR_SAFETY, Settings},
};
use axum::{extract::State, http::StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const FLAGS: &[(&str, Option<&str>, &str, &str)] = &[
    (
        "shortFixedTrash",
        Some("short-fixed-trash"),
        "Short (55mm) fixed trash",
        "Trash box is 55mm tall (rather than the 77mm default)",
    ),
    (
        "deckCalibrationDots",
        Some("dots-deck-type"),
        "Deck calibration to dots",
        "Perform deck calibration to dots rather than crosses, for robots that do not have crosses etched on the deck",
    ),
    (
        "disableHomeOnBoot",
        Some("disable-home-on-boot"),
        "Disable home on boot",
        "Prevent robot from homing motors on boot",
    ),
    (
        "useOldAspirationFunctions",
        None,
        "Use older aspirate behavior",
        "Aspirate with the less accurate volumetric calibrations that were used before version 3.7.0. Use this \
         if you need consistency with pre-v3.7.0 results. This only affects GEN1 P10S, P10M, P50S, P50M, and P300S \
         pipettes.",
    ),
    (
        DOOR_SAFETY,
        None,
        "Enable robot door safety switch",
        "Automatically pause protocols when robot door opens. Opening the robot door during a run will pause your robot \
         only after it has completed its current motion.",
    ),
];

pub async fn get(State(robot): State<Arc<Robot>>) -> Answer {
    ok(told(&robot.hardware.settings()))
}

fn told(settings: &Settings) -> Value {
    let flag = |(id, old_id, title, description): &(&str, Option<&str>, &str, &str)| {
        json!({
            "id": id,
            "old_id": old_id,
            "title": title,
            "description": description,
            "restart_required": false,
            "value": settings.get(id),
        })
    };
    json!({"settings": FLAGS.iter().map(flag).collect::<Vec<_>>(), "links": {}})
}

/// Sets a flag; `null` puts it back.
pub async fn change(State(robot): State<Arc<Robot>>, LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "");
    let id = fields.text("id");
    let value = fields.optional_truth("value");
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    if let Some((flag, ..)) = FLAGS.iter().find(|(known, ..)| *known == id) {
        let mut settings = robot.hardware.settings();
        settings.set(flag, value);
        return ok(told(&settings));
    }
    let id: String = id.chars().take(100).collect();
    let message = format!("{id} is not recognized");
    Err(ApiError::Legacy { status: StatusCode::BAD_REQUEST, message })
}

pub async fn robot() -> Answer {
    ok(json!({
        "model": "OT-2 Standard",
        "name": "Ada Lovelace",
        "version": 4,
        "gantry_steps_per_mm": {"X": 80, "Y": 80, "Z": 400, "A": 400},
        "acceleration": {"X": 3000, "Y": 2000, "Z": 1500, "A": 1500, "B": 200, "C": 200},
        "serial_speed": 115_200,
        "default_pipette_configs": {"homePosition": 220, "stepsPerMM": 768, "maxTravel": 30},
        "default_current": currents([1.25, 1.25, 0.5, 0.5, 0.05, 0.05], [1.25, 1.25, 0.8, 0.8, 0.05, 0.05]),
        "low_current": currents([0.7, 0.7, 0.1, 0.1, 0.05, 0.05], [0.3, 0.3, 0.1, 0.1, 0.05, 0.05]),
        "high_current": currents([1.25, 1.25, 0.5, 0.5, 0.05, 0.05], [1.25, 1.25, 0.8, 0.8, 0.05, 0.05]),
        "default_max_speed": {"X": 600, "Y": 400, "Z": 125, "A": 125, "B": 40, "C": 40},
        "log_level": "INFO",
        "z_retract_distance": 2,
        "left_mount_offset": [-34, 0, 0],
    }))
}

/// Motor currents in ampere, by axis, for the first boards and for board 2.1.
fn currents(default: [f64; 6], board_2_1: [f64; 6]) -> Value {
    let by_axis = |currents: [f64; 6]| {
        let pairs = ["X", "Y", "Z", "A", "B", "C"].into_iter().zip(currents);
        pairs.map(|(axis, current)| (axis.to_owned(), json!(current))).collect::<serde_json::Map<_, _>>()
    };
    json!({"default": by_axis(default), "2.1": by_axis(board_2_1)})
}

/// What an OT-2 can forget: an id, a name, and what is lost.
const RESETS: &[(&str, &str, &str)] = &[
    ("bootScripts", "Boot Scripts", "Clear custom boot scripts"),
    ("deckCalibration", "Deck Calibration", "Clear deck calibration (will also clear pipette offset)"),
    ("pipetteOffsetCalibrations", "Pipette Offset Calibrations", "Clear pipette offset calibrations"),
    (
        "tipLengthCalibrations",
        "Tip Length Calibrations",
        "Clear tip length calibrations (will also clear pipette offset)",
    ),
    ("runsHistory", "Clear Runs History", "Erase this device's stored history of protocols and runs."),
    (DECK_CONFIGURATION, "Deck Configuration", "Clear deck configuration"),
    ("authorizedKeys", "SSH Authorized Keys", "Clear the ssh authorized keys"),
];
const DECK_CONFIGURATION: &str = "deckConfiguration";
/// What only a Flex can forget.
const FLEX_RESETS: &[&str] = &["gripperOffsetCalibrations", "onDeviceDisplay", "moduleCalibration"];

pub async fn reset_options() -> Answer {
    let option =
        |(id, name, description): &(&str, &str, &str)| json!({"id": id, "name": name, "description": description});
    ok(json!({"options": RESETS.iter().map(option).collect::<Vec<_>>()}))
}

/// `{"deckConfiguration": true}`. The deck's configuration is all that there is to forget here; runs, which the real server forgets
/// at its next start, are forgotten then by themselves.
pub async fn reset(State(robot): State<Arc<Robot>>, LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "body");
    let mut asked = Vec::new();
    for id in fields.given().keys() {
        let of_ot2 = RESETS.iter().map(|(known, ..)| *known).find(|known| known == id);
        let Some(known) = of_ot2.or_else(|| FLEX_RESETS.iter().copied().find(|known| known == id)) else {
            let known: Vec<_> = RESETS.iter().map(|(known, ..)| *known).chain(FLEX_RESETS.iter().copied()).collect();
            fields.complain("__key__", not_permitted(&known));
            continue;
        };
        asked.push((known, fields.truth(known)));
    }
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    let of_flex: Vec<_> = asked.iter().map(|(id, _)| *id).filter(|id| FLEX_RESETS.contains(id)).collect();
    if !of_flex.is_empty() {
        let message = format!("{} is not a valid reset option.", of_flex.join(" "));
        return Err(ApiError::Legacy { status: StatusCode::FORBIDDEN, message });
    }
    let wanted: Vec<_> = asked.iter().filter(|(_, wanted)| *wanted).map(|(id, _)| *id).collect();
    if wanted.contains(&DECK_CONFIGURATION) {
        *lock(&robot.deck) = standard_deck();
    }
    let message = match wanted.as_slice() {
        [] => "Nothing to do".to_owned(),
        wanted => format!("Options '{}' were reset", wanted.join(", ")),
    };
    ok(json!({"message": message}))
}

pub async fn log_level(LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "body");
    let level = fields.optional_choice("log_level", &["debug", "info", "warning", "error"]);
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    match level {
        Some(level) => ok(json!({"message": format!("log_level set to LogLevels.{level}")})),
        None => Err(ApiError::legacy_invalid("log_level must be set".to_owned())),
    }
}

pub async fn log_level_upstream(LegacyBody(_): LegacyBody) -> Answer {
    let message = "API Discontinued - log streaming removed".to_owned();
    Err(ApiError::Legacy { status: StatusCode::GONE, message })
}

pub async fn calibration() -> Answer {
    let untouched = || json!({"single": [0, 0, 0], "multi": [0, 0, 0]});
    ok(json!({
        "deckCalibration": {
            "status": "IDENTITY",
            "data": {
                "type": "attitude",
                "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
                "lastModified": null,
                "pipetteCalibratedWith": null,
                "tiprack": null,
                "source": "default",
                "status": {"markedBad": false, "source": null, "markedAt": null},
            },
        },
        "instrumentCalibration": {"right": untouched(), "left": untouched()},
    }))
}

//! `/settings` and the calibration status: how this robot is set up. Nothing of it can be changed.

use super::exchange::{Answer, LegacyBody, ok};
use crate::robot_server::{body::Fields, error::ApiError};
use serde_json::{Value, json};

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
        "enableDoorSafetySwitch",
        None,
        "Enable robot door safety switch",
        "Automatically pause protocols when robot door opens. Opening the robot door during a run will pause your robot \
         only after it has completed its current motion.",
    ),
];

pub async fn get() -> Answer {
    let flag = |(id, old_id, title, description): &(&str, Option<&str>, &str, &str)| {
        json!({
            "id": id,
            "old_id": old_id,
            "title": title,
            "description": description,
            "restart_required": false,
            "value": null,
        })
    };
    ok(json!({"settings": FLAGS.iter().map(flag).collect::<Vec<_>>(), "links": {}}))
}

/// Takes a change of a known flag and keeps the robot as it is: no flag concerns a virtual robot.
pub async fn change(LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "");
    let id = fields.text("id");
    fields.optional_truth("value");
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    if FLAGS.iter().any(|(known, ..)| *known == id) {
        return get().await;
    }
    let id: String = id.chars().take(100).collect();
    let message = format!("{id} is not recognized");
    Err(ApiError::Legacy { status: axum::http::StatusCode::BAD_REQUEST, message })
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

pub async fn reset_options() -> Answer {
    ok(json!({"options": []}))
}

pub async fn pipettes() -> Answer {
    ok(json!({}))
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

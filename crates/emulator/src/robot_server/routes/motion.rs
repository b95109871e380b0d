//! The oldest routes: lights, homing, moving, motors.

use super::exchange::{Answer, LegacyBody, Query, ok};
use crate::robot_server::{Robot, error::ApiError};
use crate::{
    robot_server::body::Fields,
    world::{self, Action, Travel},
};
use axum::{extract::State, http::StatusCode};
use domain::Mount;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

pub async fn identify(query: Query) -> Answer {
    match query.text("seconds").map(|seconds| seconds.trim().parse::<i64>()) {
        Some(Ok(_)) => {}
        Some(Err(_)) => return Err(ApiError::legacy_invalid("query.seconds: value is not a valid integer")),
        None => return Err(ApiError::legacy_invalid("query.seconds: field required")),
    }
    ok(json!({"message": "identifying"}))
}

pub async fn get_lights(State(robot): State<Arc<Robot>>) -> Answer {
    ok(json!({"on": robot.hardware.lights()}))
}

pub async fn set_lights(State(robot): State<Arc<Robot>>, LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "");
    let on = fields.truth("on");
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    robot.hardware.switch_lights(on);
    ok(json!({"on": on}))
}

pub async fn home(State(robot): State<Arc<Robot>>, LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "");
    let target = fields.choice("target", &["robot", "pipette"]);
    let mount = fields.optional_choice("mount", &["left", "right"]);
    if target == "pipette" && fields.raw("mount").is_none() {
        fields.complain("__root__", "mount must be specified if target is pipette");
    }
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    let (action, message) = match (target, mount) {
        ("pipette", Some("left")) => (Action::RaiseMount { mount: Mount::Left }, "Pipette on left homed successfully"),
        ("pipette", _) => (Action::RaiseMount { mount: Mount::Right }, "Pipette on right homed successfully"),
        _ => (Action::Home, "Homing robot."),
    };
    move_on_its_own(robot, action).await?;
    ok(json!({"message": message}))
}

/// A mount isn't sent lower, mm: its pipette would reach the deck.
const LOWEST_MOUNT_Z: f64 = 30.0;
/// The real server's words.
const TOO_LOW: &str = "Sending a mount to a z position lower than 30 can cause a collision with the deck or reach the \
                       end of the Z axis  movement screw. Z values for mount movement must be >= 30";

pub async fn go(State(robot): State<Arc<Robot>>, LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "");
    let target = fields.choice("target", &["pipette", "mount"]);
    let mount = if fields.choice("mount", &["left", "right"]) == "left" { Mount::Left } else { Mount::Right };
    let point: Option<[f64; 3]> = serde_json::from_value(fields.raw("point").cloned().unwrap_or_default()).ok();
    if point.is_none() {
        fields.complain("point", "Point must be 3 coordinates");
    }
    if target == "mount" && point.is_some_and(|[.., z]| z < LOWEST_MOUNT_Z) {
        fields.complain("__root__", TOO_LOW);
    }
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    let [x, y, z] = point.unwrap_or_default();
    let travel = Travel::Over { nozzle_z_mm: z };
    let action = Action::MoveNozzle { mount, to: world::Point::new(x, y, z), travel, speed_mm_s: None };
    move_on_its_own(robot, action).await?;
    ok(json!({"message": format!("Move complete. New position: ({x:?}, {y:?}, {z:?})")}))
}

pub async fn positions() -> Answer {
    ok(json!({"positions": {
        "change_pipette": {"target": "mount", "left": [300, 40, 30], "right": [95, 40, 30]},
        "attach_tip": {"target": "pipette", "point": [200, 90, 150]},
    }}))
}

pub async fn engaged() -> Answer {
    let on = || json!({"enabled": true});
    ok(json!({"x": on(), "y": on(), "z_l": on(), "z_r": on(), "p_l": on(), "p_r": on(), "q": null, "g": null}))
}

pub async fn disengage(LegacyBody(body): LegacyBody) -> Answer {
    let axes = body.get("axes").and_then(Value::as_array);
    let Some(axes) = axes.filter(|axes| axes.len() <= 8 && axes.iter().all(Value::is_string)) else {
        return Err(ApiError::legacy_invalid("body.axes: field required"));
    };
    let names: Vec<_> = axes.iter().filter_map(Value::as_str).collect();
    ok(json!({"message": format!("Disengaged axes: {}", names.join(", "))}))
}

/// Moves to the end even if the client goes away meanwhile.
async fn move_on_its_own(robot: Arc<Robot>, action: Action) -> Result<(), ApiError> {
    let (moved, answer) = oneshot::channel();
    let hardware = Arc::clone(&robot.hardware);
    robot.hardware.power().run(async move {
        let _gantry = hardware.gantry().await;
        let outcome = hardware.act(&action, None).await.map_err(|error| error.to_string());
        // A client that went away doesn't want to know.
        drop(moved.send(outcome));
    });
    let failed = |message| ApiError::Legacy { status: StatusCode::INTERNAL_SERVER_ERROR, message };
    answer.await.unwrap_or_else(|_| Err("the robot was switched off".to_owned())).map_err(failed)
}

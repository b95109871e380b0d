//! What is attached: pipettes, modules, the door.

use super::exchange::{Answer, LegacyBody, ok};
use crate::robot_server::{
    Robot,
    body::Fields,
    engine::{PipetteFacts, facts},
    error::ApiError,
    meta, version,
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use domain::Mount;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn get(State(robot): State<Arc<Robot>>) -> Answer {
    let mounted = robot.hardware.mounted();
    let left = mounted.on(Mount::Left).map(|model| instrument("left", &facts(model)));
    let right = mounted.on(Mount::Right).map(|model| instrument("right", &facts(model)));
    let attached: Vec<_> = left.into_iter().chain(right).collect();
    let meta = meta(0, attached.len());
    ok(json!({"data": attached, "meta": meta}))
}

fn instrument(mount: &str, facts: &PipetteFacts) -> Value {
    json!({
        "mount": mount,
        "instrumentType": "pipette",
        "instrumentModel": facts.model,
        "serialNumber": facts.serial,
        "subsystem": format!("pipette_{mount}"),
        "ok": true,
        "data": {"channels": 1, "min_volume": facts.min_volume, "max_volume": facts.max_volume},
        "instrumentName": facts.name,
    })
}

pub async fn pipettes(State(robot): State<Arc<Robot>>) -> Answer {
    let mounted = robot.hardware.mounted();
    ok(json!({
        "left": pipette(mounted.on(Mount::Left).map(facts), "z", "b"),
        "right": pipette(mounted.on(Mount::Right).map(facts), "a", "c"),
    }))
}

fn pipette(facts: Option<PipetteFacts>, mount_axis: &str, plunger_axis: &str) -> Value {
    json!({
        "model": facts.map(|facts| facts.model),
        "name": facts.map(|facts| facts.name),
        "tip_length": facts.map(|_| 0.0),
        "mount_axis": mount_axis,
        "plunger_axis": plunger_axis,
        "id": facts.map(|facts| facts.serial),
    })
}

/// None hang on this robot. Version 2 of the API has another shape for them.
pub async fn modules(headers: HeaderMap) -> Answer {
    if version::spoken(&headers) <= 2 {
        return ok(json!({"modules": []}));
    }
    ok(json!({"data": [], "meta": meta(0, 0)}))
}

/// The version of the API without commands to a module by its serial number.
const COMMANDS_REMOVED_IN: u32 = 3;

pub async fn command_module(headers: HeaderMap, LegacyBody(body): LegacyBody) -> Answer {
    let mut fields = Fields::of(&body, "");
    fields.text("command_type");
    fields.finish().map_err(|problems| ApiError::legacy_invalid_fields(&problems))?;
    if version::spoken(&headers) >= COMMANDS_REMOVED_IN {
        let message = "This endpoint has been removed. Use POST /commands instead.".to_owned();
        return Err(ApiError::Legacy { status: StatusCode::GONE, message });
    }
    Err(ApiError::Legacy { status: StatusCode::NOT_FOUND, message: "No connected modules".to_owned() })
}

pub async fn update_module(Path(serial): Path<String>) -> Answer {
    Err(ApiError::Legacy { status: StatusCode::NOT_FOUND, message: format!("Module {serial} not found") })
}

pub async fn door(State(robot): State<Arc<Robot>>) -> Answer {
    let status = if robot.hardware.door_is_open() { "open" } else { "closed" };
    let is_required = robot.hardware.settings().needs_closed_door();
    ok(json!({"data": {"status": status, "doorRequiredClosedForProtocol": is_required}}))
}

//! What is attached: pipettes, modules, the door.

use super::exchange::{Answer, ok};
use crate::robot_server::{
    Robot,
    engine::{PipetteFacts, facts},
    meta, version,
};
use axum::{extract::State, http::HeaderMap};
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

pub async fn door(State(robot): State<Arc<Robot>>) -> Answer {
    let status = if robot.hardware.door_is_open() { "open" } else { "closed" };
    let is_required = robot.hardware.settings().needs_closed_door();
    ok(json!({"data": {"status": status, "doorRequiredClosedForProtocol": is_required}}))
}

//! `/clientData`: a client's notes to itself and to others, forgotten at a restart.

use super::exchange::{Answer, Body, ok};
use crate::robot_server::{
    Robot,
    error::{ApiError, FieldProblem, python_meta},
    lock,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;
use std::sync::Arc;

const MOST_KEYS: usize = 100;
const MOST_BYTES: usize = 256 * 1024;

pub async fn put(State(robot): State<Arc<Robot>>, Path(key): Path<String>, Body(body): Body) -> Answer {
    let Some(data) = body.get("data").filter(|data| data.is_object()) else {
        let problem = FieldProblem { at: "data".to_owned(), detail: "field required".to_owned() };
        return Err(ApiError::invalid_fields(vec![problem]));
    };
    let mut kept = lock(&robot.client_data);
    let full = kept.len() >= MOST_KEYS && !kept.contains_key(&key);
    if full || data.to_string().len() > MOST_BYTES {
        let detail = "This emulator keeps 100 keys of at most 256 KiB: delete some, or store less.";
        return Err(ApiError::modern(StatusCode::UNPROCESSABLE_ENTITY, "InvalidRequest", "Invalid Request", detail));
    }
    kept.insert(key, data.clone());
    ok(json!({"data": data}))
}

pub async fn get(State(robot): State<Arc<Robot>>, Path(key): Path<String>) -> Answer {
    let kept = lock(&robot.client_data);
    let data = kept.get(&key).ok_or_else(|| missing(&key))?;
    ok(json!({"data": data}))
}

pub async fn delete(State(robot): State<Arc<Robot>>, Path(key): Path<String>) -> Answer {
    lock(&robot.client_data).remove(&key).ok_or_else(|| missing(&key))?;
    ok(json!({}))
}

pub async fn delete_all(State(robot): State<Arc<Robot>>) -> Answer {
    lock(&robot.client_data).clear();
    ok(json!({}))
}

fn missing(key: &str) -> ApiError {
    let detail = format!("KeyError: '{key}'");
    ApiError::not_found("ClientDataKeyDoesNotExist", "Client Data Key Does Not Exist", detail.clone())
        .with_meta(python_meta("KeyError", &detail, &format!("('{key}',)")))
}

//! `/sessions`: the App's calibrations. A virtual robot is where it should be, so there are none, and none can be begun.

use super::exchange::{Answer, Body, ok};
use crate::robot_server::{body::Fields, error::ApiError};
use axum::{extract::Path, http::StatusCode};
use serde_json::json;

const TYPES: &[&str] = &["calibrationCheck", "tipLengthCalibration", "deckCalibration", "pipetteOffsetCalibration"];

pub async fn list() -> Answer {
    ok(json!({"data": []}))
}

pub async fn create(Body(body): Body) -> Answer {
    let mut fields = Fields::of(&body, "");
    fields.object("data", |data| {
        data.choice("sessionType", TYPES);
    });
    fields.finish().map_err(ApiError::invalid_fields)?;
    let detail = "This virtual robot needs no calibration and has no sessions for one.";
    Err(ApiError::modern(StatusCode::FORBIDDEN, "UncategorizedError", "Exception", detail))
}

pub async fn missing(Path(id): Path<String>) -> Answer {
    Err(no_such(&id))
}

pub async fn missing_for_command(Path(id): Path<String>, Body(_): Body) -> Answer {
    Err(no_such(&id))
}

fn no_such(id: &str) -> ApiError {
    let id: String = id.chars().take(100).collect();
    let detail = format!("Resource type 'session' with id '{id}' was not found");
    ApiError::not_found("UncategorizedError", "Resource Not Found", detail)
}

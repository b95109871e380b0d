//! The machine around the robot: its clock, logs and network, and the lists that are always empty here.

use super::exchange::{Answer, ok};
use crate::robot_server::{command::timestamp, error::ApiError, meta, version};
use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

const LOGS: &[&str] = &[
    "api.log",
    "serial.log",
    "can_bus.log",
    "server.log",
    "combined_api_server.log",
    "update_server.log",
    "touchscreen.log",
];

pub async fn time() -> Answer {
    ok(json!({
        "data": {"systemTime": timestamp(), "id": "time"},
        "links": {"self": {"href": "/system/time", "meta": null}},
    }))
}

/// There is no log of the robot's own: an empty one, as a simulated robot-server has.
pub async fn logs(Path(name): Path<String>) -> Response {
    if LOGS.contains(&name.as_str()) {
        return (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "").into_response();
    }
    ApiError::legacy_invalid(format!("path.log_identifier: {}", crate::robot_server::body::not_permitted(LOGS)))
        .into_response()
}

/// A simulated robot-server has no NetworkManager to ask.
pub async fn networking() -> ApiError {
    let message = "'' is not a valid ConnectivityStatus".to_owned();
    ApiError::Legacy { status: StatusCode::INTERNAL_SERVER_ERROR, message }
}

/// Offsets of labware moved to the runs; whoever speaks an older version is still told that there are none.
pub async fn labware_calibrations(headers: HeaderMap) -> Answer {
    const REMOVED_IN: u32 = 4;
    if version::spoken(&headers) < REMOVED_IN { ok(json!({"data": []})) } else { Err(calibrations_removed()) }
}

pub async fn labware_calibrations_removed() -> ApiError {
    calibrations_removed()
}

fn calibrations_removed() -> ApiError {
    ApiError::coded(
        StatusCode::GONE,
        "LabwareCalibrationEndpointsRemoved",
        "Labware Calibration Endpoints Removed",
        "Use the `/runs` endpoints to manage labware offsets.",
        "4002",
    )
}

pub async fn empty_list() -> Answer {
    ok(json!({"data": [], "meta": meta(0, 0)}))
}

//! `GET /health`: who this is.

use super::exchange::{Answer, ok};
use serde_json::json;

pub async fn get() -> Answer {
    ok(json!({
        "name": "tincture-ot2",
        "robot_model": "OT-2 Standard",
        "api_version": "8.1.0",
        "fw_version": "Virtual Smoothie",
        "board_revision": "2.1",
        "logs": ["/logs/serial.log", "/logs/api.log", "/logs/server.log", "/logs/update_server.log"],
        "system_version": "0.0.0",
        "maximum_protocol_api_version": [2, 20],
        "minimum_protocol_api_version": [2, 0],
        "robot_serial": "simulator",
        "links": {
            "apiLog": "/logs/api.log",
            "serialLog": "/logs/serial.log",
            "serverLog": "/logs/server.log",
            "apiSpec": "/openapi.json",
            "systemTime": "/system/time",
        },
    }))
}

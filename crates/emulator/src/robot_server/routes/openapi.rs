//! `GET /openapi.json`: what this robot answers, and nothing that it doesn't. The real server's document tells of more.

use axum::Json;
use serde_json::{Map, Value, json};

/// Every path with its methods. A test holds the paths against the router's, another tries every method.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("/health", &["get"]),
    ("/identify", &["post"]),
    ("/robot/lights", &["get", "post"]),
    ("/robot/home", &["post"]),
    ("/robot/move", &["post"]),
    ("/robot/positions", &["get"]),
    ("/motors/engaged", &["get"]),
    ("/motors/disengage", &["post"]),
    ("/pipettes", &["get"]),
    ("/camera/picture", &["post"]),
    ("/wifi/list", &["get"]),
    ("/wifi/configure", &["post"]),
    ("/wifi/disconnect", &["post"]),
    ("/wifi/keys", &["get", "post"]),
    ("/wifi/keys/{id}", &["delete"]),
    ("/wifi/eap-options", &["get"]),
    ("/settings", &["get", "post"]),
    ("/settings/robot", &["get"]),
    ("/settings/reset", &["post"]),
    ("/settings/reset/options", &["get"]),
    ("/settings/log_level/local", &["post"]),
    ("/settings/log_level/upstream", &["post"]),
    ("/settings/pipettes", &["get"]),
    ("/settings/pipettes/{id}", &["get", "patch"]),
    ("/calibration/status", &["get"]),
    ("/networking/status", &["get"]),
    ("/logs/{name}", &["get"]),
    ("/instruments", &["get"]),
    ("/modules", &["get"]),
    ("/modules/{serial}", &["post"]),
    ("/modules/{serial}/update", &["post"]),
    ("/robot/door/status", &["get"]),
    ("/deck_configuration", &["get", "put"]),
    ("/clientData", &["delete"]),
    ("/clientData/{key}", &["get", "put", "delete"]),
    ("/system/time", &["get"]),
    ("/sessions", &["get", "post"]),
    ("/sessions/{id}", &["get", "delete"]),
    ("/sessions/{id}/commands/execute", &["post"]),
    ("/protocols", &["get", "post"]),
    ("/protocols/ids", &["get"]),
    ("/protocols/{id}", &["get", "delete"]),
    ("/protocols/{id}/analyses", &["get", "post"]),
    ("/protocols/{id}/analyses/{analysis}", &["get"]),
    ("/protocols/{id}/analyses/{analysis}/asDocument", &["get"]),
    ("/protocols/{id}/dataFiles", &["get"]),
    ("/dataFiles", &["get"]),
    ("/labware/calibrations", &["get"]),
    ("/labware/calibrations/{id}", &["get", "delete"]),
    ("/calibration/pipette_offset", &["get"]),
    ("/calibration/tip_length", &["get"]),
    ("/robot/control/{*rest}", &["get", "put"]),
    ("/subsystems/{*rest}", &["get", "post"]),
    ("/runs", &["get", "post"]),
    ("/runs/{id}", &["get", "patch", "delete"]),
    ("/runs/{id}/actions", &["post"]),
    ("/runs/{id}/labware_offsets", &["post"]),
    ("/runs/{id}/labware_definitions", &["post"]),
    ("/runs/{id}/loaded_labware_definitions", &["get"]),
    ("/runs/{id}/errorRecoveryPolicy", &["put"]),
    ("/runs/{id}/commands", &["get", "post"]),
    ("/runs/{id}/commands/{command}", &["get"]),
    ("/runs/{id}/commandErrors", &["get"]),
    ("/runs/{id}/commandsAsPreSerializedList", &["get"]),
    ("/maintenance_runs", &["post"]),
    ("/maintenance_runs/current_run", &["get"]),
    ("/maintenance_runs/{id}", &["get", "delete"]),
    ("/maintenance_runs/{id}/commands", &["get", "post"]),
    ("/maintenance_runs/{id}/commands/{command}", &["get"]),
    ("/maintenance_runs/{id}/labware_offsets", &["post"]),
    ("/maintenance_runs/{id}/labware_definitions", &["post"]),
    ("/commands", &["get", "post"]),
    ("/commands/{command}", &["get"]),
    ("/openapi.json", &["get"]),
];

/// Needs no version, as on the real server.
pub async fn get() -> Json<Value> {
    Json(document())
}

fn document() -> Value {
    let path = |(path, methods): &(&str, &[&str])| {
        let operations = methods.iter().map(|method| ((*method).to_owned(), operation(path, method)));
        // What stands for the rest of a path has no star in OpenAPI.
        (path.replace("{*", "{"), Value::Object(operations.collect()))
    };
    json!({
        "openapi": "3.0.2",
        "info": {
            "title": "Virtual OT-2",
            "version": "8.1.0",
            "description": "Tincture's virtual OT-2: what it answers of the HTTP API of robot-server 8.1.0. For the shapes of requests \
                and answers see that server's own document; here are only the paths and methods that are served. The emulator's own, \
                below /emulator, aren't a robot's.",
        },
        "paths": OPERATIONS.iter().map(path).collect::<Map<_, _>>(),
    })
}

fn operation(path: &str, method: &str) -> Value {
    let name = |segment: &str| {
        segment.strip_prefix('{')?.strip_suffix('}').map(|name| name.trim_start_matches('*').to_owned())
    };
    let in_path = path
        .split('/')
        .filter_map(name)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let version = json!({
        "name": "Opentrons-Version",
        "in": "header",
        "required": true,
        "description": "`*`, or the version of the API that is spoken, 2 to 4.",
        "schema": {"type": "string"},
    });
    let needs_version = (path != "/openapi.json").then_some(version);
    json!({
        "operationId": format!("{method}{}", path.replace(['/', '{', '}', '*', '.'], "_")),
        "parameters": in_path.chain(needs_version).collect::<Vec<_>>(),
        "responses": {"default": {"description": "As robot-server 8.1.0 answers."}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_path_of_the_router_is_told_and_no_other() {
        let source = include_str!("mod.rs");
        // `.route("/path"`, on one line or two.
        let routed = source.split(".route(").skip(1).filter_map(|rest| rest.split('"').nth(1));
        let routed: BTreeSet<_> = routed.collect();
        let told: BTreeSet<_> = OPERATIONS.iter().map(|(path, _)| *path).collect();
        assert_eq!(told, routed);
    }
}

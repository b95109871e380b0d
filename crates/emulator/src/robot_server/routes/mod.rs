//! Every path the robot answers.
//!
//! A *legacy* route refuses with `{"message"}`, a *modern* one with `{"errors"}`; both need the version header. The
//! emulator's own routes, below `/emulator`, need none.

mod camera;
mod client_data;
mod deck;
mod emulator;
mod exchange;
mod flex;
mod health;
mod instruments;
mod maintenance_runs;
mod motion;
mod openapi;
mod pipette_settings;
mod protocols;
mod run_commands;
mod runs;
mod sessions;
mod settings;
mod stateless_commands;
mod system;
mod wifi;

use super::{Robot, boot, error::ApiError, faults, origin, version};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get, post, put},
};
use std::sync::Arc;

pub use deck::standard_deck;
pub use pipette_settings::Overrides;
pub use wifi::Key as WifiKey;

/// Labware definitions are the largest bodies; a 1536-well plate is under a megabyte.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// The application with all its routes.
pub fn router(robot: Arc<Robot>) -> Router {
    Router::new()
        .merge(legacy())
        .merge(modern())
        .merge(emulator::router())
        .route("/openapi.json", get(openapi::get))
        .fallback(|| async { ApiError::not_found("BadRequest", "Bad Request", "Not Found") })
        .layer(from_fn_with_state(Arc::clone(&robot), boot::gate))
        .layer(from_fn_with_state(Arc::clone(&robot), faults::strike))
        .layer(from_fn(origin::refuse_foreign))
        .layer(from_fn(version::announce))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(robot)
}

fn legacy() -> Router<Arc<Robot>> {
    Router::new()
        .route("/health", get(health::get))
        .route("/identify", post(motion::identify))
        .route("/robot/lights", get(motion::get_lights).post(motion::set_lights))
        .route("/robot/home", post(motion::home))
        .route("/robot/move", post(motion::go))
        .route("/robot/positions", get(motion::positions))
        .route("/motors/engaged", get(motion::engaged))
        .route("/motors/disengage", post(motion::disengage))
        .route("/pipettes", get(instruments::pipettes))
        .route("/modules/{serial}", post(instruments::command_module))
        .route("/modules/{serial}/update", post(instruments::update_module))
        .route("/settings", get(settings::get).post(settings::change))
        .route("/settings/robot", get(settings::robot))
        .route("/settings/reset", post(settings::reset))
        .route("/settings/reset/options", get(settings::reset_options))
        .route("/settings/log_level/local", post(settings::log_level))
        .route("/settings/log_level/upstream", post(settings::log_level_upstream))
        .route("/settings/pipettes", get(pipette_settings::list))
        .route("/settings/pipettes/{id}", get(pipette_settings::get).patch(pipette_settings::change))
        .route("/camera/picture", post(camera::picture))
        .route("/wifi/list", get(wifi::list))
        .route("/wifi/configure", post(wifi::configure))
        .route("/wifi/disconnect", post(wifi::disconnect))
        .route("/wifi/keys", get(wifi::keys).post(wifi::add_key))
        .route("/wifi/keys/{id}", axum::routing::delete(wifi::remove_key))
        .route("/wifi/eap-options", get(wifi::eap_options))
        .route("/calibration/status", get(settings::calibration))
        .route("/networking/status", get(system::networking))
        .route("/logs/{name}", get(system::logs))
        .method_not_allowed_fallback(|| async { version::method_not_allowed_legacy() })
        .route_layer(from_fn(version::require_legacy))
}

fn modern() -> Router<Arc<Robot>> {
    Router::new()
        .merge(runs_and_commands())
        .route("/instruments", get(instruments::get))
        .route("/modules", get(instruments::modules))
        .route("/robot/door/status", get(instruments::door))
        .route("/deck_configuration", get(deck::get).put(deck::configure))
        .route("/clientData", axum::routing::delete(client_data::delete_all))
        .route("/clientData/{key}", put(client_data::put).get(client_data::get).delete(client_data::delete))
        .route("/system/time", get(system::time))
        .route("/sessions", get(sessions::list).post(sessions::create))
        .route("/sessions/{id}", get(sessions::missing).delete(sessions::missing))
        .route("/sessions/{id}/commands/execute", post(sessions::missing_for_command))
        .route("/protocols", get(protocols::list).post(protocols::create))
        .route("/protocols/ids", get(protocols::ids))
        .route("/protocols/{id}", get(protocols::get).delete(protocols::delete))
        .route("/protocols/{id}/analyses", get(protocols::analyses).post(protocols::analyse))
        .route("/protocols/{id}/analyses/{analysis}", get(protocols::analysis))
        .route("/protocols/{id}/analyses/{analysis}/asDocument", get(protocols::analysis_document))
        .route("/protocols/{id}/dataFiles", get(protocols::data_files))
        .route("/dataFiles", get(system::empty_list))
        .route("/labware/calibrations", get(system::labware_calibrations))
        .route(
            "/labware/calibrations/{id}",
            get(system::labware_calibrations_removed).delete(system::labware_calibrations_removed),
        )
        .route("/calibration/pipette_offset", get(system::empty_list))
        .route("/calibration/tip_length", get(system::empty_list))
        .route("/robot/control/{*rest}", any(flex::refuse))
        .route("/subsystems/{*rest}", any(flex::refuse))
        .method_not_allowed_fallback(|| async { version::method_not_allowed() })
        .route_layer(from_fn(version::require_modern))
}

fn runs_and_commands() -> Router<Arc<Robot>> {
    Router::new()
        .route("/runs", get(runs::list).post(runs::create))
        .route("/runs/{id}", get(runs::get).patch(runs::update).delete(runs::delete))
        .route("/runs/{id}/actions", post(runs::act))
        .route("/runs/{id}/labware_offsets", post(runs::add_offset))
        .route("/runs/{id}/labware_definitions", post(runs::add_definition))
        .route("/runs/{id}/loaded_labware_definitions", get(runs::loaded_definitions))
        .route("/runs/{id}/errorRecoveryPolicy", put(runs::set_recovery_policy))
        .route("/runs/{id}/commands", get(run_commands::list).post(run_commands::create))
        .route("/runs/{id}/commands/{command}", get(run_commands::get))
        .route("/runs/{id}/commandErrors", get(run_commands::errors))
        .route("/runs/{id}/commandsAsPreSerializedList", get(run_commands::pre_serialized))
        .route("/maintenance_runs", post(maintenance_runs::create))
        .route("/maintenance_runs/current_run", get(maintenance_runs::current))
        .route("/maintenance_runs/{id}", get(maintenance_runs::get).delete(maintenance_runs::delete))
        .route(
            "/maintenance_runs/{id}/commands",
            get(maintenance_runs::list_commands).post(maintenance_runs::create_command),
        )
        .route("/maintenance_runs/{id}/commands/{command}", get(maintenance_runs::get_command))
        .route("/maintenance_runs/{id}/labware_offsets", post(maintenance_runs::add_offset))
        .route("/maintenance_runs/{id}/labware_definitions", post(maintenance_runs::add_definition))
        .route("/commands", get(stateless_commands::list).post(stateless_commands::create))
        .route("/commands/{command}", get(stateless_commands::get))
}

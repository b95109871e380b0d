//! Every path the robot answers.
//!
//! A *legacy* route refuses with `{"message"}`, a *modern* one with `{"errors"}`; both need the version header. The
//! emulator's own routes, below `/emulator`, need none.

mod client_data;
mod deck;
mod emulator;
mod flex;
mod health;
mod instruments;
mod maintenance_runs;
mod motion;
mod run_commands;
mod runs;
mod settings;
mod stateless_commands;
mod system;

use super::{Robot, body, boot, error::ApiError, origin, version};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get, post, put},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

pub use deck::standard_deck;

/// Labware definitions are the largest bodies; a 1536-well plate is under a megabyte.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// For a whole body. The real server waits for ever, and so would the lab behind a few who never end theirs.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

type Answer = Result<(StatusCode, Json<Value>), ApiError>;

fn ok(body: Value) -> Answer {
    Ok((StatusCode::OK, Json(body)))
}

fn created(body: Value) -> Answer {
    Ok((StatusCode::CREATED, Json(body)))
}

/// The application with all its routes.
pub fn router(robot: Arc<Robot>) -> Router {
    Router::new()
        .merge(legacy())
        .merge(modern())
        .merge(emulator::router())
        .fallback(|| async { ApiError::not_found("BadRequest", "Bad Request", "Not Found") })
        .layer(from_fn_with_state(Arc::clone(&robot), boot::gate))
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
        .route("/settings", get(settings::get).post(settings::change))
        .route("/settings/robot", get(settings::robot))
        .route("/settings/reset/options", get(settings::reset_options))
        .route("/settings/pipettes", get(settings::pipettes))
        .route("/calibration/status", get(settings::calibration))
        .route("/networking/status", get(system::networking))
        .route("/logs/{name}", get(system::logs))
        .method_not_allowed_fallback(|| async {
            let message = "Method Not Allowed".to_owned();
            ApiError::Legacy { status: StatusCode::METHOD_NOT_ALLOWED, message }
        })
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
        .route("/protocols", get(system::empty_list))
        .route("/protocols/ids", get(system::empty_list))
        .route("/protocols/{id}", get(system::no_protocol))
        .route("/dataFiles", get(system::empty_list))
        .route("/labware/calibrations", get(system::empty_list))
        .route("/calibration/pipette_offset", get(system::empty_list))
        .route("/calibration/tip_length", get(system::empty_list))
        .route("/robot/control/{*rest}", any(flex::refuse))
        .route("/subsystems/{*rest}", any(flex::refuse))
        .method_not_allowed_fallback(|| async {
            ApiError::modern(StatusCode::METHOD_NOT_ALLOWED, "BadRequest", "Bad Request", "Method Not Allowed")
        })
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

/// A body read as JSON; an empty one is `null`.
struct Body(Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = timeout(BODY_PATIENCE, Bytes::from_request(request, state)).await.map_err(|_| {
            ApiError::modern(StatusCode::REQUEST_TIMEOUT, "BadRequest", "Bad Request", "The body didn't come in time.")
        })?;
        let bytes = bytes.map_err(|rejection| {
            ApiError::modern(rejection.status(), "BadRequest", "Bad Request", rejection.body_text())
        })?;
        body::parse(&bytes).map(Self)
    }
}

/// The query of a path, read leniently: the last of several wins.
struct Query(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        Ok(Self(parts.uri.query().unwrap_or_default().split('&').map(pair).collect()))
    }
}

impl Query {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn whole(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse =
            |text: &str| text.parse().map_err(|_| ApiError::invalid_query(name, "value is not a valid integer"));
        self.text(name).map(parse).transpose()
    }

    /// A count of at least one.
    fn count(&self, name: &str) -> Result<Option<usize>, ApiError> {
        match self.whole(name)? {
            None => Ok(None),
            Some(count) if count < 0 => {
                Err(ApiError::invalid_query(name, "ensure this value is greater than or equal to 0"))
            }
            Some(count) => Ok(Some(usize::try_from(count).unwrap_or(usize::MAX))),
        }
    }

    fn truth(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name).map(str::to_lowercase).as_deref() {
            None | Some("false" | "0" | "no" | "off") => Ok(false),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some(_) => Err(ApiError::invalid_query(name, "value could not be parsed to a boolean")),
        }
    }
}

//! The HTTP interface: JSON under `/api/v1`, its documentation under `/docs`, health and metrics.
//!
//! One endpoint a file: `POST /api/v1/experiments/{id}/retry` is `endpoints/experiments/retry.rs`. Only what is told in one
//! word (pause, stop, …) is a table, `endpoints/commands.rs`.
//! This crate decides nothing about the lab; it reads requests, asks [`workflow::Lab`], [`store::Store`] and
//! [`auth::Service`], and turns every failure into a problem document ([`request::Problem`]).

mod answers;
mod body;
mod csv;
mod docs;
mod endpoints;
mod factors;
mod health;
pub mod hub;
mod idempotency;
mod openapi;
mod state;
mod streams;
mod strict;
mod views;

pub use body::JsonBody;
pub use health::{Health, Readiness, ScrapeToken, ScrapeTokens, health_router};
pub use openapi::document as openapi;
pub use state::ApiState;

use axum::{
    Router,
    extract::FromRef,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::TimeoutLayer};

/// Serves everything of this crate. Merge it with the pages' router, which answers what isn't here.
pub fn router(state: ApiState) -> Router {
    let (described, document) = openapi::described();
    let nothing_here = async || StatusCode::NOT_FOUND;
    described
        .route("/api", get(nothing_here))
        .route("/api/{*rest}", axum::routing::any(nothing_here))
        .merge(docs::routes().merge(openapi::ui()).layer(from_fn(request::page_headers)))
        .merge(openapi::served(&document))
        .route("/.well-known/jwks.json", get(endpoints::health::jwks::jwks))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, request::LONGEST_REQUEST))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(from_fn(request::finish_problems))
        .layer(from_fn(request::announce))
        .layer(from_fn_with_state(request::AppState::from_ref(&state), request::tell_position))
        .layer(CompressionLayer::new())
        .layer(from_fn(request::observe))
        .merge(endpoints::auth::verify::routes())
        .merge(health::routes())
        .with_state(state)
}

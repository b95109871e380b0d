//! The pages: server-rendered HTML that works without JavaScript and becomes live with it.
//!
//! One page a file in `pages/`, its template beside it in `templates/`. The pages call what the API calls
//! ([`workflow::Lab`], [`store::Store`], [`auth::Service`]), so a rule holds whichever way a request comes.
//! Nothing is fetched from another host, and the content security policy forbids it.

mod assets;
mod chart;
mod chrome;
mod error;
mod failure;
mod fields;
mod optics;
mod pages;
mod plate;
mod security;
mod sentences;
mod session;
mod when;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use request::AppState;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

/// The largest form: a full plate of many dyes and a pasted sheet are far below.
const LARGEST_FORM: usize = 256 * 1024;

/// Serves every page, and a designed "not found" for every path that neither this nor the API knows.
pub fn router(state: AppState) -> Router {
    use pages::{
        account, documents, experiment, experiment_new, experiments, landing, robots, sign_in, sign_out, users,
    };
    let pages = Router::new()
        .route("/", get(landing::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_out::submit))
        .route("/experiments", get(experiments::show))
        .route("/experiments/new", get(experiment_new::show).post(experiment_new::submit))
        .route("/experiments/{id}", get(experiment::show))
        .route("/experiments/{id}/documents", get(documents::show))
        .route("/experiments/{id}/retry", post(experiment::retry))
        .route("/experiments/{id}/{control}", post(experiment::control))
        .route("/robots", get(robots::show))
        .route("/robots/{name}", get(robots::show_one))
        .route("/robots/{name}/deck", post(robots::deck))
        .route("/robots/{name}/{command}", post(robots::command))
        .route("/lab/{command}", post(robots::command_all))
        .route("/users", get(users::show).post(users::create))
        .route("/users/{id}", post(users::update))
        .route("/users/{id}/{act}", post(users::shut))
        .route("/account", get(account::show))
        .route("/account/password", post(account::change_password))
        .fallback(failure::nothing_here)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(from_fn(security::own_pages_only))
        .layer(from_fn(failure::in_time))
        .layer(CatchPanicLayer::custom(failure::panicked))
        .layer(from_fn_with_state(state.clone(), failure::designed))
        .layer(from_fn_with_state(state.clone(), request::tell_position));
    Router::new()
        .route("/assets/{edition}/{name}", get(assets::serve))
        .merge(pages)
        .layer(from_fn(request::page_headers))
        .layer(CompressionLayer::new())
        .layer(from_fn(request::observe))
        .with_state(state)
}

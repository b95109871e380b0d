//! `GET /.well-known/jwks.json`

use crate::AppState;
use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
};
use serde_json::Value;

/// The public key of access tokens (RFC 7517), for services that check them themselves.
pub async fn jwks(State(state): State<AppState>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(state.auth.jwks()))
}

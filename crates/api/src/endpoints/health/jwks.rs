//! `GET /.well-known/jwks.json`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
};
use request::AppState;
use serde_json::Value;

/// The public keys of access tokens (RFC 7517), for services that check them themselves. One that meets a `kid` it doesn't
/// know fetches them anew: a key signs from the moment it is made.
pub async fn jwks(State(state): State<AppState>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(state.auth.keys().jwks().await))
}

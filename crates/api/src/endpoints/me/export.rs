//! `GET /me/export`

use crate::endpoints::users::export::archive;
use axum::{extract::State, response::Response};
use request::{AppState, Caller, Problem};

/// Download all that is stored of me
///
/// JSON Lines, as `GET /users/{id}/export` gives it to administrators.
#[utoipa::path(get, path = "/me/export", tag = "account",
    operation_id = "me_export", responses((status = 200, body = String, content_type = "application/jsonl")))]
pub async fn export(State(state): State<AppState>, Caller(identity): Caller) -> Result<Response, Problem> {
    archive(&state, identity.user_id())
}

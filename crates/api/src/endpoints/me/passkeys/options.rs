//! `POST /me/passkeys/options`

use crate::factors::PasskeyOptions;
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};

/// Begin to make a passkey
///
/// What a browser is to be asked. Good once, for five minutes, for this person.
#[utoipa::path(post, path = "/me/passkeys/options", tag = "account", operation_id = "passkeys_options", responses(
    (status = 200, body = PasskeyOptions),
    (status = 409, body = ProblemDocument, description = "As many as one person may have are there", content_type = "application/problem+json"),
))]
pub async fn options(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<PasskeyOptions>, Problem> {
    Ok(Json(state.auth.offer_passkey(&identity).await?.into()))
}

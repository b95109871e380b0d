//! `POST /auth/passkey/options`

use crate::factors::PasskeyOptions;
use axum::{Json, extract::State};
use request::{AppState, Problem};

/// Begin to show a passkey
///
/// What a browser is to be asked, to sign in, for a second step, or to prove anew who one is. Good once, for five minutes.
#[utoipa::path(post, path = "/auth/passkey/options", tag = "auth",
    operation_id = "auth_passkey_options", security(()), responses((status = 200, body = PasskeyOptions)))]
pub async fn options(State(state): State<AppState>) -> Result<Json<PasskeyOptions>, Problem> {
    Ok(Json(state.auth.ask_for_passkey().await?.into()))
}

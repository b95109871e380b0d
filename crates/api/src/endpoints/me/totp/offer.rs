//! `POST /me/totp`

use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// What an authenticator app is to be told.
#[derive(Clone, Serialize, ToSchema)]
pub struct TotpOffer {
    /// base32, to be typed.
    secret: String,
    /// To be shown as a QR code.
    #[schema(example = "otpauth://totp/Tincture:ada@example.org?secret=…&issuer=Tincture")]
    uri: String,
}

impl fmt::Debug for TotpOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpOffer(…)")
    }
}

/// Begin to set up an authenticator app
///
/// Makes a secret for the app. It counts when a code of it has come to `/me/totp/confirm`.
#[utoipa::path(post, path = "/me/totp", tag = "account", operation_id = "totp_offer", responses(
    (status = 200, body = TotpOffer),
    (status = 409, body = ProblemDocument, description = "There is an app: remove it first", content_type = "application/problem+json"),
))]
pub async fn offer(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<TotpOffer>, Problem> {
    let offered = state.auth.offer_totp(&identity).await?;
    Ok(Json(TotpOffer { secret: offered.secret.expose().to_owned(), uri: offered.uri.expose().to_owned() }))
}

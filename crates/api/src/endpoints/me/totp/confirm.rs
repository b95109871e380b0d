//! `POST /me/totp/confirm`

use crate::{JsonBody, factors::RecoveryCodes};
use auth::AuthError;
use axum::{Json, extract::State};
use domain::FaultCode;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use std::fmt;
use utoipa::ToSchema;

/// A code that the app shows.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpConfirmation {
    #[schema(example = "123456", max_length = 64)]
    code: String,
}

impl fmt::Debug for TotpConfirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpConfirmation(…)")
    }
}

/// Set up an authenticator app
///
/// From here on a sign-in with the password takes a code, too. With the first second factor other sessions end, and ten
/// recovery codes are answered this once.
#[utoipa::path(post, path = "/me/totp/confirm", tag = "account",
    operation_id = "totp_confirm", request_body = TotpConfirmation, responses(
    (status = 200, body = RecoveryCodes),
    (status = 409, body = ProblemDocument, description = "There is an app: remove it first", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "Not the app's code of now", content_type = "application/problem+json"),
    (status = 429, body = ProblemDocument, description = "Too many wrong codes; see Retry-After", content_type = "application/problem+json"),
))]
pub async fn confirm(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<TotpConfirmation>,
) -> Result<Json<RecoveryCodes>, Problem> {
    match state.auth.enrol_totp(&identity, &request.code, ip).await {
        Ok(codes) => Ok(Json(codes.into())),
        Err(AuthError::FactorRefused) => {
            let detail =
                "this isn't the code that the app shows now; begin with POST /api/v1/me/totp where it was too long ago";
            Err(Problem::new(FaultCode::InvalidRequest, detail).with_error("/code", detail))
        }
        Err(error) => Err(error.into()),
    }
}

//! `POST /me/passkeys`

use crate::{
    JsonBody,
    factors::{PasskeyShown, PasskeyView, RecoveryCodes},
};
use auth::AuthError;
use axum::{Json, extract::State, http::StatusCode};
use domain::FaultCode;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The passkey that a browser made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePasskey {
    #[schema(min_length = 1, max_length = 60, example = "phone")]
    name: String,
    passkey: PasskeyShown,
}

/// A passkey that was just made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MadePasskey {
    passkey: PasskeyView,
    #[serde(flatten)]
    codes: RecoveryCodes,
}

/// Make a passkey
///
/// A sign-in of its own, and a second factor beside the password. With the first second factor other sessions end, and ten
/// recovery codes are answered this once.
#[utoipa::path(post, path = "/me/passkeys", tag = "account",
    operation_id = "passkeys_create", request_body = CreatePasskey, responses(
    (status = 201, body = MadePasskey),
    (status = 409, body = ProblemDocument, description = "The device has one of this person, or there are as many as may be", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "The name, or an answer that isn't right or was used before", content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<CreatePasskey>,
) -> Result<(StatusCode, Json<MadePasskey>), Problem> {
    let CreatePasskey { name, passkey } = request;
    match state.auth.enrol_passkey(&identity, &name, &passkey.into(), ip).await {
        Ok((passkey, codes)) => {
            Ok((StatusCode::CREATED, Json(MadePasskey { passkey: passkey.into(), codes: codes.into() })))
        }
        Err(AuthError::FactorRefused) => {
            let detail = "this answer isn't right, was used before, or came too late; begin again with its options";
            Err(Problem::new(FaultCode::InvalidRequest, detail).with_error("/passkey", detail))
        }
        Err(error) => Err(error.into()),
    }
}

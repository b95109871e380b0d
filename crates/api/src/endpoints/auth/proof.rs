//! `POST /auth/proof`

use crate::{
    JsonBody,
    factors::{PasskeyShown, shown},
};
use auth::{Anew, AuthError, Password};
use axum::{extract::State, http::StatusCode};
use domain::FaultCode;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;

/// One of the three.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofRequest {
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// Of an authenticator app, or a recovery code.
    #[schema(example = "123456", max_length = 64)]
    code: Option<String>,
    passkey: Option<PasskeyShown>,
}

/// Prove anew who you are
///
/// For what is grave: after the problem `fresh-proof-needed`, ask again within ten minutes. The session goes on with the tokens
/// that it has.
#[utoipa::path(post, path = "/auth/proof", tag = "auth", operation_id = "auth_proof", request_body = ProofRequest, responses(
    (status = 204, description = "Proved"),
    (status = 422, body = ProblemDocument, description = "Wrong, used before, or not one of the three", content_type = "application/problem+json"),
    (status = 429, body = ProblemDocument, description = "Too many wrong ones; see Retry-After", content_type = "application/problem+json"),
))]
pub async fn proof(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<ProofRequest>,
) -> Result<StatusCode, Problem> {
    let ProofRequest { password, code, passkey } = request;
    let anew = match password {
        Some(password) if code.is_none() && passkey.is_none() => Anew::Password(password),
        Some(_) => return Err(Problem::bad_parameter("/password", "send one of password, code and passkey")),
        None => Anew::Factor(shown(code, passkey)?),
    };
    let wrong = |pointer: &str, error: &AuthError| {
        Problem::new(FaultCode::InvalidRequest, error.to_string()).with_error(pointer, error.to_string())
    };
    match state.auth.prove(&identity, anew, ip).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // Whoever asks is signed in and stays so.
        Err(error @ AuthError::SignInFailed) => Err(wrong("/password", &error)),
        Err(error @ AuthError::FactorRefused) => Err(wrong("/code", &error)),
        Err(error) => Err(error.into()),
    }
}

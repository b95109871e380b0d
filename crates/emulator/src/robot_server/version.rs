//! The `Opentrons-Version` handshake: every versioned route needs the header, every answer carries it.

use super::error::ApiError;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const HEADER: &str = "opentrons-version";
const MIN_HEADER: &str = "opentrons-min-version";
const CURRENT: u32 = 4;
const OLDEST: u32 = 2;

/// Refuses a request without a usable version, in the legacy shape.
pub async fn require_legacy(request: Request, next: Next) -> Response {
    match asked(request.headers()) {
        Ok(_) => next.run(request).await,
        Err(Refusal::TooOld(version)) => too_old(version).into_response(),
        Err(Refusal::Invalid(details)) => {
            let say = |detail: &&str| format!("header.{HEADER}: {detail}");
            ApiError::legacy_invalid(details.iter().map(say).collect::<Vec<_>>().join("; ")).into_response()
        }
    }
}

/// Refuses a request without a usable version, in the modern shape.
pub async fn require_modern(request: Request, next: Next) -> Response {
    match asked(request.headers()) {
        Ok(_) => next.run(request).await,
        Err(Refusal::TooOld(version)) => too_old(version).into_response(),
        Err(Refusal::Invalid(details)) => ApiError::invalid_header(HEADER, details).into_response(),
    }
}

/// Puts the version spoken and the server's name on every answer.
///
/// The real server forgets the version on most modern successes; a client can't depend on an absence, so here it is
/// always said.
pub async fn announce(request: Request, next: Next) -> Response {
    let spoken = asked(request.headers()).unwrap_or(CURRENT);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("uvicorn"));
    headers.insert(HEADER, HeaderValue::from(spoken));
    headers.insert(MIN_HEADER, HeaderValue::from(OLDEST));
    response
}

enum Refusal {
    TooOld(u32),
    Invalid(&'static [&'static str]),
}

fn asked(headers: &HeaderMap) -> Result<u32, Refusal> {
    let text = headers.get(HEADER).ok_or(Refusal::Invalid(&["field required"]))?.to_str().unwrap_or_default();
    if text == "*" {
        return Ok(CURRENT);
    }
    let version: u32 = text
        .trim()
        .parse()
        .map_err(|_| Refusal::Invalid(&["unexpected value; permitted: '*'", "value is not a valid integer"]))?;
    if version < OLDEST { Err(Refusal::TooOld(version)) } else { Ok(version.min(CURRENT)) }
}

fn too_old(version: u32) -> ApiError {
    ApiError::modern(
        StatusCode::BAD_REQUEST,
        "OutdatedAPIVersion",
        "Requested HTTP API version no longer supported",
        format!(
            "The requested API version '{version}' is not supported. 'Opentrons-Version' must be at least '{OLDEST}'. \
             Please upgrade your Opentrons App or other HTTP API client."
        ),
    )
}

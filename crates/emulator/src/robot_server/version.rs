//! The `Opentrons-Version` handshake: every versioned route needs the header, every answer carries it.

use super::error::ApiError;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const HEADER: &str = "opentrons-version";
const MIN_HEADER: &str = "opentrons-min-version";
const CURRENT: u32 = 4;
const OLDEST: u32 = 2;

/// Refuses a request without a usable version, in the legacy shape.
pub async fn require_legacy(request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD {
        return method_not_allowed_legacy().into_response();
    }
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
    if request.method() == Method::HEAD {
        return method_not_allowed().into_response();
    }
    match asked(request.headers()) {
        Ok(_) => next.run(request).await,
        Err(Refusal::TooOld(version)) => too_old(version).into_response(),
        Err(Refusal::Invalid(details)) => ApiError::invalid_header(HEADER, details).into_response(),
    }
}

/// 405 of a modern route. `HEAD` gets it everywhere, for the real server knows no route for it.
pub fn method_not_allowed() -> ApiError {
    ApiError::modern(StatusCode::METHOD_NOT_ALLOWED, "BadRequest", "Bad Request", "Method Not Allowed")
}

/// 405 of a legacy route.
pub fn method_not_allowed_legacy() -> ApiError {
    ApiError::Legacy { status: StatusCode::METHOD_NOT_ALLOWED, message: "Method Not Allowed".to_owned() }
}

/// The version an answer is to be made in, of a request that was let in.
pub fn spoken(headers: &HeaderMap) -> u32 {
    asked(headers).unwrap_or(CURRENT)
}

/// Puts the version spoken and the server's name on every answer.
///
/// The real server forgets the version on most modern successes; a client can't depend on an absence, so here it is
/// always said.
pub async fn announce(request: Request, next: Next) -> Response {
    let spoken = spoken(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("uvicorn"));
    headers.insert(HEADER, HeaderValue::from(spoken));
    headers.insert(MIN_HEADER, HeaderValue::from(OLDEST));
    response
}

enum Refusal {
    TooOld(i64),
    Invalid(&'static [&'static str]),
}

fn asked(headers: &HeaderMap) -> Result<u32, Refusal> {
    let text = headers.get(HEADER).ok_or(Refusal::Invalid(&["field required"]))?.to_str().unwrap_or_default();
    if text == "*" {
        return Ok(CURRENT);
    }
    let version: i64 = text
        .trim()
        .parse()
        .map_err(|_| Refusal::Invalid(&["unexpected value; permitted: '*'", "value is not a valid integer"]))?;
    match u32::try_from(version) {
        Ok(known) if known >= OLDEST => Ok(known.min(CURRENT)),
        // Of what is too large for a version, only that it is later than ours.
        Err(_) if version > 0 => Ok(CURRENT),
        _ => Err(Refusal::TooOld(version)),
    }
}

fn too_old(version: i64) -> ApiError {
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

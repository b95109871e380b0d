//! The `Idempotency-Key` header: a request that came before is answered as it was then.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use request::Problem;
use utoipa::IntoParams;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key.
const LONGEST_KEY: usize = 200;

/// The header, for the documentation; [`key`] reads it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes the header to OpenAPI")]
pub struct IdempotencyKey {
    /// 1–200 visible ASCII characters; one a request, kept on retries.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, pattern = "^[!-~]{1,200}$")]
    key: Option<String>,
}

/// The request's key, if it has one.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let good = |key: &&[u8]| (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let key = Some(value.as_bytes()).filter(good).and_then(|key| std::str::from_utf8(key).ok());
    let bad =
        || Problem::bad_parameter("Idempotency-Key", "use 1 to 200 visible ASCII characters, such as a fresh UUID");
    key.map(|key| Some(key.to_owned())).ok_or_else(bad)
}

/// Says that nothing new was made.
pub fn mark_replayed(response: &mut Response) {
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
}

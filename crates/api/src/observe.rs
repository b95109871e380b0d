//! What happens around every request: its id, its line in the log, its metrics, and the finish of its problem.

use crate::Problem;
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::FaultCode;
use std::{any::Any, time::Instant};
use telemetry::names;
use uuid::Uuid;

/// The header that carries a request's id both ways.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken over from a client.
const LONGEST_REQUEST_ID: usize = 64;

/// A request's id: the client's own if it is sensible, else a fresh one.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        let sensible = |id: &&str| {
            (1..=LONGEST_REQUEST_ID).contains(&id.len())
                && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        Self(given.filter(sensible).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }
}

/// Gives a request its id, times it, counts it and logs it. Paths and queries are never logged or used as labels:
/// only the route's template is.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;
    let (status, seconds) = (response.status().as_u16(), began.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    // A method may be any token a client invents; labels hold the usual ones only.
    let label = match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method.to_string(),
        _ => "other".to_owned(),
    };
    metrics::counter!(names::HTTP_REQUESTS, "method" => label.clone(), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!(names::HTTP_SECONDS, "method" => label, "route" => route.clone()).record(seconds);
    tracing::debug!(request_id = id.0, %method, route, status, seconds, "answered");
    response
}

/// Makes every refusal a complete problem document: those of the handlers get the request's id and path, the
/// framework's own (no such route, wrong method, timeout) become one.
pub async fn finish_problems(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    let mut problem = match problem {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => Problem::of_status(status),
        None => return harden(response),
    };
    problem.request_id = id;
    problem.instance = Some(path);
    let mut finished = problem.into_response();
    for (name, value) in response.headers() {
        if *name == header::ALLOW || *name == header::RETRY_AFTER || *name == header::WWW_AUTHENTICATE {
            finished.headers_mut().insert(name.clone(), value.clone());
        }
    }
    harden(finished)
}

/// Answers are for the one who asked, and are what they say they are.
fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

/// A handler that panicked: a bug of ours, told apart from nothing else.
#[allow(clippy::needless_pass_by_value, reason = "the shape that tower-http asks for")]
pub fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<&str>().copied().or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    tracing::error!(cause = text.unwrap_or("unknown"), "a handler panicked");
    Problem::new(FaultCode::Internal, "something went wrong inside the lab's server")
        .with_status(StatusCode::INTERNAL_SERVER_ERROR)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_taken_over_only_if_it_is_sensible() {
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID.clone(), value.parse().expect("header"));
            RequestId::of(&headers).0
        };
        assert_eq!(given("run-42_a"), "run-42_a");
        for bad in ["", "a b", "<script>", &"x".repeat(65)] {
            assert!(Uuid::parse_str(&given(bad)).is_ok(), "{bad:?}");
        }
    }
}

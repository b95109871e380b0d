//! What happens around every request: its id, its line in the log, its metrics, and the finish of its problem.

use crate::Problem;
use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::FaultCode;
use futures::StreamExt;
use std::{any::Any, time::Instant};
use telemetry::names;
use tracing::{Instrument, Level, Span};
use uuid::Uuid;

/// The header that carries a request's id both ways.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken over from a client.
const LONGEST_REQUEST_ID: usize = 64;

/// Characters of a cause that its line repeats.
const LONGEST_CAUSE: usize = 300;

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

/// Why a request failed, for its line in the log: beside [`Problem`], for answers that are no problem documents.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: FaultCode,
    pub cause: String,
}

/// Gives a request its id and its span, times it, counts it and logs it. Paths and queries are never logged or used as
/// labels: only the route's template is.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let mut line = Line::begin(&request, &id);
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).instrument(line.span.clone()).await;
    line.answered(&response);
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    if !is_stream(&response) {
        return response;
    }
    response.map(|body| {
        // The stream owns the line, which is so written at its end, whether that is its own, its client's doing or ours.
        Body::from_stream(body.into_data_stream().inspect(move |_| _ = &line))
    })
}

fn is_stream(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// One request's line in the log; written when it is dropped, so that a request whose client left has one too.
struct Line {
    began: Instant,
    span: Span,
    method: &'static str,
    route: String,
    status: Option<StatusCode>,
    failure: Option<Failure>,
}

impl Line {
    fn begin(request: &Request, id: &RequestId) -> Self {
        Self {
            began: Instant::now(),
            span: tracing::info_span!("request", request_id = id.0, user = tracing::field::Empty),
            method: known(request.method()),
            route: request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned(),
            status: None,
            failure: None,
        }
    }

    fn answered(&mut self, response: &Response) {
        self.status = Some(response.status());
        let problem = response.extensions().get::<Problem>();
        let of_problem = |problem: &Problem| Failure { code: problem.code, cause: problem.cause() };
        self.failure = problem.map(of_problem).or_else(|| response.extensions().get().cloned());
        let (method, route) = (self.method, self.route.clone());
        metrics::counter!(names::HTTP_REQUESTS, "method" => method, "route" => route.clone(), "status" => response.status().as_str().to_owned())
            .increment(1);
        metrics::histogram!(names::HTTP_SECONDS, "method" => method, "route" => route)
            .record(self.began.elapsed().as_secs_f64());
    }

    fn level(&self) -> Level {
        let asks_often = ["/healthz", "/readyz", "/metrics", "/metrics/service"].contains(&self.route.as_str())
            || ["/assets/", "/docs/"].iter().any(|prefix| self.route.starts_with(prefix));
        match self.status {
            _ if asks_often => Level::DEBUG,
            Some(StatusCode::INTERNAL_SERVER_ERROR) => Level::ERROR,
            Some(status) if status.is_server_error() => Level::WARN,
            _ => Level::INFO,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let status = self.status.map(|status| status.as_u16());
        let code = self.failure.as_ref().map(|failure| failure.code.as_str());
        let cause = self.failure.as_ref().map(|failure| failure.cause.chars().take(LONGEST_CAUSE).collect::<String>());
        // Tenths of a millisecond.
        let duration_ms = (self.began.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        let what = if status.is_some() { "answered" } else { "its client left before the answer" };
        macro_rules! write_at {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    method = self.method,
                    route = self.route,
                    status,
                    duration_ms,
                    code,
                    cause = cause.as_deref(),
                    "{what}"
                )
            };
        }
        // A level is part of where an event stands in the code.
        self.span.in_scope(|| match self.level() {
            Level::ERROR => write_at!(Level::ERROR),
            Level::WARN => write_at!(Level::WARN),
            Level::INFO => write_at!(Level::INFO),
            _ => write_at!(Level::DEBUG),
        });
    }
}

/// A method may be any token a client invents; labels and lines hold the usual ones only.
pub(crate) fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Makes every refusal a complete problem document: those of the handlers get the request's id and path, the
/// framework's own (no such route, wrong method, timeout) become one.
pub async fn finish_problems(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.as_str().into());
    let path = request.uri().path().into();
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
    // Where a browser shows it as a page all the same.
    let nothing = HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
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

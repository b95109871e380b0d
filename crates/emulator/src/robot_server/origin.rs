//! No page of a browser moves this robot, unless it came from the robot itself.
//!
//! The real server lets any origin in; programs send none, so to them there is no difference. With whatever may change
//! something a browser names the page that asks (`Origin`) and the name that it asked for (`Host`): a foreign origin is
//! another site's page, and a `Host` that is a name and not an address may be one that was re-pointed at this machine
//! (DNS rebinding).

use super::error::ApiError;
use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::IpAddr;

/// Refuses what another site's page asks.
pub async fn refuse_foreign(request: Request, next: Next) -> Response {
    if is_own(request.headers()) {
        return next.run(request).await;
    }
    let detail = "This virtual robot doesn't take requests from other sites' pages.";
    ApiError::modern(StatusCode::FORBIDDEN, "ForeignOrigin", "Foreign Origin", detail).into_response()
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = text(header::HOST).unwrap_or_default();
    origin.strip_prefix("http://") == Some(host) && is_this_machine(host)
}

/// An address or `localhost`, which no name server can point elsewhere.
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value"))).collect()
    }

    #[test]
    fn programs_and_the_robots_own_pages_are_let_in() {
        for own in [
            &[("host", "ot2.lab:31950")][..],
            &[],
            &[("origin", "http://127.0.0.1:31950"), ("host", "127.0.0.1:31950")],
            &[("origin", "http://[::1]:31950"), ("host", "[::1]:31950")],
            &[("origin", "http://localhost:31950"), ("host", "localhost:31950")],
        ] {
            assert!(is_own(&headers(own)), "{own:?}");
        }
    }

    #[test]
    fn other_sites_are_not() {
        for foreign in [
            &[("origin", "https://evil.example"), ("host", "127.0.0.1:31950")][..],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:31950")],
            &[("origin", "null"), ("host", "127.0.0.1:31950")],
            // A name of theirs that now resolves to this machine.
            &[("origin", "http://rebound.example:31950"), ("host", "rebound.example:31950")],
        ] {
            assert!(!is_own(&headers(foreign)), "{foreign:?}");
        }
    }
}

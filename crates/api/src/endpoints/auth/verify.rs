//! `GET /auth/verify`

use crate::ApiState;
use auth::Credential;
use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
use domain::FaultCode;
use request::{AppState, Caller, LONGEST_REQUEST, Onward, Problem, percent_encoded};
use serde::Deserialize;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

/// What a proxy asks for.
#[derive(Debug, Default, Deserialize)]
pub struct Otherwise {
    /// `sign-in`: whoever isn't signed in is sent to do so, and from there back.
    otherwise: Option<String>,
}

const USER: HeaderName = HeaderName::from_static("x-tincture-user");
const EMAIL: HeaderName = HeaderName::from_static("x-tincture-email");
const ROLE: HeaderName = HeaderName::from_static("x-tincture-role");
/// Beside a 401: where somebody signs in. nginx takes no redirect from what it asks, but can make one.
const SIGN_IN: HeaderName = HeaderName::from_static("x-tincture-sign-in");

/// Whether whoever asks may see what stands behind the lab's proxy, and who they are: for nginx's `auth_request` and Caddy's
/// `forward_auth`. One question to the database; nothing is changed or renewed by it.
///
/// 200 with who they are in headers, 401 (or the way to sign in), 403.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/auth/verify", get(verify))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST_REQUEST))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(from_fn(request::observe))
}

async fn verify(
    State(state): State<AppState>,
    Query(wish): Query<Otherwise>,
    headers: HeaderMap,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    let identity = match caller {
        Ok(Caller(identity)) => identity,
        Err(problem) if is_stranger(&problem) => {
            let way = value(&way_to_sign_in(&state.onward, &headers))?;
            if wish.otherwise.as_deref() == Some("sign-in") {
                return Ok((StatusCode::FOUND, [(header::LOCATION, way)]).into_response());
            }
            return Ok(([(SIGN_IN, way)], problem).into_response());
        }
        Err(problem) => return Err(problem),
    };
    let role = match identity.shown {
        Credential::Service { kind, .. } => kind.as_str(),
        _ => identity.role().as_str(),
    };
    let mut response = ([(header::CACHE_CONTROL, "no-store")], StatusCode::OK).into_response();
    let told = response.headers_mut();
    told.insert(USER, value(&identity.user_id().to_string())?);
    told.insert(EMAIL, value(&identity.user.email)?);
    told.insert(ROLE, value(role)?);
    Ok(response)
}

/// An address may hold any letter; it is sent as UTF-8, and never has what ends a line.
fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|error| Problem::internal(&error))
}

const fn is_stranger(problem: &Problem) -> bool {
    matches!(problem.code, FaultCode::NotSignedIn | FaultCode::TokenExpired)
}

/// And from there back to where they were going, as the proxy says, if a sign-in may lead there.
fn way_to_sign_in(onward: &Onward, headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, host, path) = (text("x-forwarded-proto"), text("x-forwarded-host"), text("x-forwarded-uri"));
    let origin = format!("{scheme}://{host}");
    let is_here = onward.public_url().is_empty() || onward.public_url() == origin;
    let next = if is_here { path.to_owned() } else { format!("{origin}{path}") };
    let next = onward.accept(&next).map(|next| format!("?next={}", percent_encoded(next))).unwrap_or_default();
    format!("{}/sign-in{next}", onward.public_url())
}

//! `POST /sign-out`.

use crate::{error::PageError, session};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use request::{AppState, ClientIp, cookies::SESSION};

/// Whoever has the browser next finds nothing of what was seen.
const FORGET: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

pub async fn submit(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let mut way = "/";
    if let Some(token) = SESSION.read(&state, &headers) {
        // Where they came from, they still are signed in.
        if state.single_sign_on.is_some() && state.auth.came_from_provider(token).await? {
            way = "/auth/oidc/signed-out";
        }
        state.auth.end_cookie_session(token, ip).await?;
    }
    let mut response = Redirect::to(way).into_response();
    if let Some(cookie) = session::ending_cookie(&state, &headers) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::HeaderName::from_static("clear-site-data"), FORGET);
    Ok(response)
}

//! `POST /sign-out`.

use crate::{error::PageError, session};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use request::{AppState, ClientIp};

pub async fn submit(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if let Some(token) = request::session_cookie(&headers) {
        state.auth.end_cookie_session(token, ip).await?;
    }
    let mut response = Redirect::to("/").into_response();
    if let Some(cookie) = session::ending_cookie(&state, &headers) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

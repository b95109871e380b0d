//! Who a page is for: the cookie, and the way to the sign-in page for whoever has none.

use auth::{AuthError, CookieSession, Forbidden, Identity, PendingSignIn};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use request::{
    AppState, ClientIp, Refusal,
    cookies::{PENDING, SESSION},
    percent_encoded,
};

use crate::error::PageError;

/// The signed-in person, who may ask for this page. Whoever isn't is sent to sign in, and from there back.
#[derive(Debug)]
pub struct SignedIn(pub Identity);

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        match who(state, &parts.headers).await {
            Ok(Some(identity)) => {
                request::sent_by(parts, &identity);
                request::note_use(state, parts, &identity);
                request::allow(parts, &identity).map_err(told)?;
                match state.changes.take_request(&identity, &parts.method) {
                    Ok(_) => Ok(Self(identity)),
                    Err(standing) => Err(PageError::TooMuch(standing.wait.as_secs() + 1).into_response()),
                }
            }
            Ok(None) => Err(to_sign_in(parts).into_response()),
            Err(error) => Err(error.into_response()),
        }
    }
}

/// Whose role needs a second factor is led to where they get one.
fn told(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Forbidden(Forbidden::NeedsSecondFactor) => Redirect::to("/account/second-factor").into_response(),
        refusal => PageError::from(refusal).into_response(),
    }
}

/// A signed-in person who looks at something, and the lab as new as they need it ([`request::Reader`]).
#[derive(Debug)]
pub struct Looking {
    pub state: AppState,
    pub me: Identity,
}

impl FromRequestParts<AppState> for Looking {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let SignedIn(me) = SignedIn::from_request_parts(parts, state).await?;
        let state = state.clone().reading_for(&me, &parts.headers).await;
        Ok(Self { state, me })
    }
}

fn to_sign_in(parts: &Parts) -> Redirect {
    let path = parts.uri.path_and_query().map(ToString::to_string).filter(|_| parts.method == Method::GET);
    match path {
        Some(path) => Redirect::to(&format!("/sign-in?next={}", percent_encoded(&path))),
        None => Redirect::to("/sign-in"),
    }
}

/// The person behind these headers, nobody for a missing or stale cookie.
pub async fn who(state: &AppState, headers: &HeaderMap) -> Result<Option<Identity>, PageError> {
    let Some(cookie) = SESSION.read(state, headers) else { return Ok(None) };
    match state.auth.by_cookie(cookie).await {
        Ok(identity) => Ok(Some(identity)),
        Err(AuthError::Missing | AuthError::Forged | AuthError::Expired) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A browser that signs in anew leaves no sign-in of before behind.
pub async fn one_a_browser(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(old) = SESSION.read(&state, request.headers()).map(str::to_owned) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let Ok(ClientIp(ip)) = ClientIp::from_request_parts(&mut parts, &state).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    if begins_another(&response, &old)
        && let Err(error) = state.auth.end_cookie_session(&old, ip).await
    {
        tracing::warn!(%error, "a browser's earlier sign-in couldn't be ended; it runs out");
    }
    response
}

fn begins_another(response: &Response, old: &str) -> bool {
    let set = response.headers().get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    set.filter_map(|set| SESSION.set_by(set)).any(|new| !new.is_empty() && new != old)
}

/// The `Set-Cookie` value that starts a session.
pub fn starting_cookie(state: &AppState, headers: &HeaderMap, session: &CookieSession) -> Option<HeaderValue> {
    let seconds = (session.expires_at - Utc::now()).num_seconds().max(0);
    SESSION.set(state, headers, session.token.expose(), seconds)
}

/// The `Set-Cookie` value by which a sign-in waits for its second step.
pub fn waiting_cookie(state: &AppState, headers: &HeaderMap, pending: &PendingSignIn) -> Option<HeaderValue> {
    let seconds = (pending.expires_at - Utc::now()).num_seconds().max(0);
    PENDING.set(state, headers, pending.token.expose(), seconds)
}

/// The `Set-Cookie` value that ends the waiting.
pub fn waited_cookie(state: &AppState, headers: &HeaderMap) -> Option<HeaderValue> {
    PENDING.set(state, headers, "", 0)
}

/// The `Set-Cookie` value that ends one.
pub fn ending_cookie(state: &AppState, headers: &HeaderMap) -> Option<HeaderValue> {
    SESSION.set(state, headers, "", 0)
}

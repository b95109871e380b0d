//! `GET` and `POST /sign-in/second`: the second step of a sign-in; `POST /sign-in/passkey`: a sign-in in one step.

use crate::{
    chrome::Chrome,
    error::{PageError, html},
    fields::Fields,
    onward,
    sentences::sentence,
    session,
};
use askama::Template;
use auth::{AuthError, CookieSession, PasskeyAnswer, PendingSignIn, Shown, Ways};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use request::{AppState, ClientIp, cookies::PENDING, percent_encoded};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "second_step.html")]
struct SecondStepPage {
    chrome: Chrome,
    ways: Ways,
    next: Option<String>,
    problem: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    next: Option<String>,
}

/// From a right password to the second step. The token goes into a cookie that only this site's sign-in gets.
pub fn lead_to(
    state: &AppState,
    headers: &HeaderMap,
    pending: &PendingSignIn,
    next: Option<&str>,
) -> Result<Response, PageError> {
    let cookie = session::waiting_cookie(state, headers, pending).ok_or_else(|| PageError::internal(&"a cookie"))?;
    let to = next
        .map_or_else(|| "/sign-in/second".to_owned(), |next| format!("/sign-in/second?next={}", percent_encoded(next)));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response())
}

pub async fn show(
    State(state): State<AppState>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let next = wish.next.as_deref().and_then(|next| state.onward.accept(next)).map(str::to_owned);
    let Some(pending) = PENDING.read(&state, &headers) else { return Ok(again(next.as_deref())) };
    match state.auth.pending(pending).await {
        Ok(ways) => page(ways, next, None),
        Err(AuthError::SignInOver | AuthError::Forged | AuthError::Missing) => Ok(again(next.as_deref())),
        Err(error) => Err(error.into()),
    }
}

pub async fn submit(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, PageError> {
    let next = state.onward.accept(fields.get("next")).map(str::to_owned);
    let Some(pending) = PENDING.read(&state, &headers) else { return Ok(again(next.as_deref())) };
    let shown = match answer(&fields) {
        Some(answer) => Shown::Passkey(answer),
        None if fields.get("code").trim().is_empty() => {
            let Ok(ways) = state.auth.pending(pending).await else { return Ok(again(next.as_deref())) };
            let problem = "Type a code, or use your passkey.".to_owned();
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page(ways, next, Some(problem))?).into_response());
        }
        None => Shown::Code(fields.get("code").to_owned()),
    };
    let used_up = shown.is_recovery_code();
    let signed_in = state.auth.finish_cookie_sign_in(pending, shown, ip).await;
    request::count_sign_in(&signed_in);
    let (status, problem) = match signed_in {
        Ok(started) if used_up => return go_on(&state, &headers, &started, Some("/account/second-factor?done=used")),
        Ok(started) => return go_on(&state, &headers, &started, next.as_deref()),
        Err(AuthError::SignInOver | AuthError::Forged | AuthError::Missing) => return Ok(again(next.as_deref())),
        Err(error @ AuthError::FactorRefused) => (StatusCode::UNAUTHORIZED, error),
        Err(error @ AuthError::Throttled(_)) => (StatusCode::TOO_MANY_REQUESTS, error),
        Err(error) => return Err(error.into()),
    };
    // After too many wrong codes there is nothing left to try.
    let Ok(ways) = state.auth.pending(pending).await else { return Ok(again(next.as_deref())) };
    Ok((status, page(ways, next, Some(sentence(&problem.to_string())))?).into_response())
}

/// `POST /sign-in/passkey`
pub async fn by_passkey(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, PageError> {
    let next = state.onward.accept(fields.get("next")).map(str::to_owned);
    let Some(answer) = answer(&fields) else { return Ok(again(next.as_deref())) };
    let signed_in = state.auth.start_cookie_session_with_passkey(&answer, ip).await;
    request::count_sign_in(&signed_in);
    match signed_in {
        Ok(started) => go_on(&state, &headers, &started, next.as_deref()),
        Err(error) => crate::pages::sign_in::refuse(&state, error, "", next),
    }
}

fn answer(fields: &Fields) -> Option<PasskeyAnswer> {
    let (challenge, credential) = (fields.get("challenge"), fields.get("credential"));
    let answered = !challenge.is_empty() && !credential.is_empty();
    answered.then(|| PasskeyAnswer { challenge: challenge.to_owned(), credential: credential.to_owned() })
}

fn go_on(
    state: &AppState,
    headers: &HeaderMap,
    started: &CookieSession,
    next: Option<&str>,
) -> Result<Response, PageError> {
    let cookies = [session::starting_cookie(state, headers, started), session::waited_cookie(state, headers)];
    let [Some(session), Some(waited)] = cookies else { return Err(PageError::internal(&"a cookie")) };
    let cookies = AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, waited)]);
    Ok((cookies, Redirect::to(&onward::way(next))).into_response())
}

/// The sign-in is over: from the start.
fn again(next: Option<&str>) -> Response {
    match next {
        Some(next) => Redirect::to(&format!("/sign-in?next={}", percent_encoded(next))).into_response(),
        None => Redirect::to("/sign-in").into_response(),
    }
}

fn page(ways: Ways, next: Option<String>, problem: Option<String>) -> Result<Response, PageError> {
    html(&SecondStepPage { chrome: Chrome::public("Second factor"), ways, next, problem })
}

//! `GET` and `POST /sign-in`.

use super::single_sign_on::Elsewhere;
use crate::{
    chrome::Chrome,
    error::{PageError, html},
    fields::Fields,
    onward,
    pages::second_step,
    sentences::sentence,
    session,
};
use askama::Template;
use auth::{AuthError, Password};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use request::{AppState, ClientIp};
use serde::Deserialize;

/// What the form shows. The password is never sent back.
#[derive(Clone, Debug, Default)]
pub struct SignInForm {
    pub email: String,
    /// A path of this site to go on to.
    pub next: Option<String>,
    pub problem: Option<String>,
    /// The provider of identity, where the lab asks one.
    pub elsewhere: Option<Elsewhere>,
    /// What a one-time link did that led here.
    pub done: Option<&'static str>,
    /// Whether people may ask for an account.
    pub takes_strangers: bool,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    chrome: Chrome,
    form: SignInForm,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    next: Option<String>,
    done: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let next = wish.next.as_deref().and_then(|next| state.onward.accept(next));
    if session::who(&state, &headers).await?.is_some() {
        return Ok(Redirect::to(&onward::way(next)).into_response());
    }
    let done = match wish.done.as_deref() {
        Some("password") => Some("The password is set. Sign in with it."),
        Some("account") => Some("Your account is made. Sign in."),
        Some("waits") => Some("An administrator decides about your account. A mail will tell you."),
        _ => None,
    };
    page(&state, SignInForm { next: next.map(str::to_owned), done, ..SignInForm::default() })
}

pub async fn submit(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, PageError> {
    let next = state.onward.accept(fields.get("next")).map(str::to_owned);
    let email = fields.get("email");
    let signed_in = state.auth.start_cookie_session(email, Password::from(fields.get("password")), ip).await;
    request::count_sign_in(&signed_in);
    match signed_in {
        Ok(started) => {
            let mut response = Redirect::to(&onward::way(next.as_deref())).into_response();
            let cookie =
                session::starting_cookie(&state, &headers, &started).ok_or_else(|| PageError::internal(&"a cookie"))?;
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Err(AuthError::SecondFactorNeeded(pending)) => {
            second_step::lead_to(&state, &headers, &pending, next.as_deref())
        }
        Err(error) => refuse(&state, error, email, next),
    }
}

pub fn refuse(state: &AppState, error: AuthError, email: &str, next: Option<String>) -> Result<Response, PageError> {
    let mut wait = 0;
    let (status, problem) = match error {
        AuthError::SignInFailed => (
            StatusCode::UNAUTHORIZED,
            "That e-mail address and password don’t belong together. Check both, or choose “Forgotten password”."
                .to_owned(),
        ),
        error @ (AuthError::FactorRefused | AuthError::SignInOver) => {
            (StatusCode::UNAUTHORIZED, sentence(&error.to_string()))
        }
        AuthError::Throttled(standing) => {
            wait = standing.wait.as_secs() + 1;
            (StatusCode::TOO_MANY_REQUESTS, too_many(standing.policy.name, wait))
        }
        error @ (AuthError::Disabled | AuthError::PasswordsOff) => {
            (StatusCode::FORBIDDEN, sentence(&error.to_string()))
        }
        AuthError::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "Many people are signing in. Try again in a few seconds.".to_owned())
        }
        other => return Err(other.into()),
    };
    let email = email.chars().take(254).collect();
    let wait = (wait > 0).then(|| [(header::RETRY_AFTER, wait.to_string())]);
    Ok((status, wait, page(state, SignInForm { email, next, problem: Some(problem), ..SignInForm::default() })?)
        .into_response())
}

/// What is counted, and for how long: the same whether there is such an account.
fn too_many(policy: &str, seconds: u64) -> String {
    let of = match policy {
        "sign-in-address" => "from your network address",
        "sign-in-account" => "at this account",
        _ => "at this account from your network address",
    };
    let wait = match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    };
    format!("Too many wrong attempts {of}. Try again in {wait}, or choose “Forgotten password”.")
}

fn page(state: &AppState, mut form: SignInForm) -> Result<Response, PageError> {
    form.elsewhere = Elsewhere::of(state, form.next.as_deref());
    form.takes_strangers = state.auth.account_policy().takes_strangers();
    html(&SignInPage { chrome: Chrome::public("Sign in"), form })
}

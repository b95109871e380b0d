//! `GET /`: what this is, for whoever isn't signed in yet.

use crate::{
    chrome::Chrome,
    error::{PageError, html},
    pages::{sign_in::SignInForm, single_sign_on::Elsewhere},
    plate::{self, Spot},
    session,
};
use askama::Template;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use request::AppState;
use std::sync::LazyLock;

#[derive(Template)]
#[template(path = "landing.html")]
struct Landing {
    chrome: Chrome,
    form: SignInForm,
    plate: &'static [Spot],
}

/// The same for everybody, and a few thousand spectra: worked out once.
static SAMPLER: LazyLock<Vec<Spot>> = LazyLock::new(plate::sampler);

pub async fn show(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, PageError> {
    if session::who(&state, &headers).await?.is_some() {
        return Ok(Redirect::to("/experiments").into_response());
    }
    let form = SignInForm { elsewhere: Elsewhere::of(&state, None), ..SignInForm::default() };
    html(&Landing { chrome: Chrome::public("A self-driving colour lab"), form, plate: &SAMPLER })
}

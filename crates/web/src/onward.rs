//! `GET /auth/onward`: the last step of a sign-in that leads to another origin.
//!
//! A form's answer may not send a browser there (the pages' `form-action` forbids it, as it should), so a page stands between.

use crate::{
    chrome::Chrome,
    error::{PageError, html},
};
use askama::Template;
use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use request::{AppState, percent_encoded};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage {
    chrome: Chrome,
    to: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    to: Option<String>,
}

/// Where a sign-in leads: `next` as it was accepted, or the first page of whoever is signed in.
pub fn way(next: Option<&str>) -> String {
    match next {
        Some(here) if here.starts_with('/') => here.to_owned(),
        Some(elsewhere) => format!("/auth/onward?to={}", percent_encoded(elsewhere)),
        None => "/experiments".to_owned(),
    }
}

pub async fn show(State(state): State<AppState>, Query(wish): Query<Wish>) -> Result<Response, PageError> {
    match wish.to.as_deref().and_then(|to| state.onward.accept(to)) {
        Some(to) => html(&OnwardPage { chrome: Chrome::public("On to where you were going"), to: to.to_owned() }),
        None => Ok(Redirect::to(&way(None)).into_response()),
    }
}

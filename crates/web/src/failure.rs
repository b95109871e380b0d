//! What a person sees when something can't be shown: a designed page that says what happened and what to do.

use crate::{
    chrome::{Chrome, Visitor},
    error::PageError,
    session,
};
use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use request::{AppState, Failure, LONGEST_REQUEST, OUTAGE, RequestId};
use std::{any::Any, time::Duration};
use tokio::time::timeout;

/// How long a page about a failure looks for whose it is: the database may be what fails.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    chrome: Chrome,
    status: u16,
    heading: &'static str,
    explanation: String,
    help: String,
    /// To be quoted: the log has it. Only where the fault isn't the visitor's.
    quote: Option<String>,
}

/// Turns a [`PageError`] into a page with the navigation of whoever asked.
pub async fn designed(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let response = next.run(request).await;
    let Some(error) = response.extensions().get::<PageError>().cloned() else { return response };
    let visitor = timeout(LOOK, visitor(&state, &headers)).await.ok().flatten();
    let chrome = match visitor {
        Some(visitor) => Chrome::of(error.heading(), "", visitor),
        None => Chrome::public(error.heading()),
    };
    let page = ErrorPage {
        chrome,
        status: error.status().as_u16(),
        heading: error.heading(),
        explanation: error.to_string(),
        help: error.code().help_path(),
        quote: id.filter(|_| error.status().is_server_error()),
    };
    let failure = Failure { code: error.code(), cause: error.to_string() };
    let wait = match error {
        PageError::TooMuch(seconds) => Some([(header::RETRY_AFTER, seconds.to_string())]),
        _ if error.status() == StatusCode::SERVICE_UNAVAILABLE => {
            Some([(header::RETRY_AFTER, OUTAGE.as_secs().to_string())])
        }
        _ => None,
    };
    let mut response = (error.status(), wait, Html(page.render().unwrap_or_default())).into_response();
    response.extensions_mut().insert(failure);
    response
}

async fn visitor(state: &AppState, headers: &HeaderMap) -> Option<Visitor> {
    let identity = session::who(state, headers).await.ok().flatten()?;
    Visitor::of(&state.store, &identity.user).await.ok()
}

/// Nobody waits for ever for a database that takes a commit and doesn't confirm it.
pub async fn in_time(request: Request, next: Next) -> Response {
    match timeout(LONGEST_REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!("a page wasn't made in time");
            PageError::Unavailable.into_response()
        }
    }
}

/// The fallback of every path nobody serves. One that only ends in a slash too many leads to the page that is meant.
pub async fn nothing_here(uri: Uri) -> Response {
    if let Some(meant) = without_trailing_slash(&uri) {
        return Redirect::permanent(&meant).into_response();
    }
    tracing::debug!(path = uri.path(), "no such page");
    PageError::NotFound("page").into_response()
}

/// Never another host's address, which `//host/` would become.
fn without_trailing_slash(uri: &Uri) -> Option<String> {
    let path = uri.path().strip_suffix('/')?.trim_end_matches('/');
    let path = request::local_path(path)?;
    Some(uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

pub async fn wrong_method() -> PageError {
    PageError::WrongMethod
}

/// The answer of a handler that panicked.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    PageError::internal(&"a page panicked").into_response()
}

//! What a person sees when something can't be shown: a designed page that says what happened and what to do.

use crate::{
    chrome::{Chrome, Visitor},
    session,
};
use api::{AppState, Failure, RequestId};
use askama::Template;
use auth::AuthError;
use axum::{
    extract::{Request, State, rejection::FormRejection},
    http::{StatusCode, Uri, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use domain::FaultCode;
use std::any::Any;
use store::StoreError;

/// Why a page can't be shown. Its text never carries the cause of an internal failure; the log does.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PageError {
    /// Also what isn't yours: the two are not told apart.
    #[error("There is no such {0}, or it isn’t yours to see.")]
    NotFound(&'static str),
    #[error("Sorry: {0}.")]
    NotAllowed(&'static str),
    #[error("The browser sent something this page can’t read: {0}.")]
    BadRequest(String),
    #[error("That form is larger than any this lab needs.")]
    TooLarge,
    #[error("This address only answers forms, or only shows a page.")]
    WrongMethod,
    #[error("The lab’s database doesn’t answer at this moment. Nothing is lost; try again in a few seconds.")]
    Unavailable,
    /// Robots that a command to all of them didn't reach.
    #[error("{0} could not be told; every other robot was. Use the robot’s own button, then try again.")]
    NotTold(String),
    /// Seconds to wait.
    #[error("That is more at once than one person may ask for. Nothing was done; try again in {0} s.")]
    TooMuch(u64),
    #[error("This is our fault, and it is in the log. Nothing was charged that wasn’t shown to you.")]
    Internal,
}

impl PageError {
    /// For what must not be told: logs the cause and says only that something failed.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a page failed");
        Self::Internal
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMuch(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::NotTold(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn code(&self) -> FaultCode {
        match self {
            Self::NotFound(_) => FaultCode::NotFound,
            Self::NotAllowed(_) => FaultCode::NotAllowed,
            Self::BadRequest(_) => FaultCode::InvalidRequest,
            Self::TooLarge => FaultCode::BodyTooLarge,
            Self::WrongMethod => FaultCode::MethodNotAllowed,
            Self::TooMuch(_) => FaultCode::TooManyRequests,
            Self::Unavailable | Self::NotTold(_) => FaultCode::Unavailable,
            Self::Internal => FaultCode::Internal,
        }
    }

    const fn heading(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "Nothing in this well",
            Self::NotAllowed(_) => "Not with this account",
            Self::BadRequest(_) => "That didn’t make sense",
            Self::TooLarge => "Too much at once",
            Self::WrongMethod => "Not this way",
            Self::Unavailable | Self::TooMuch(_) => "One moment, please",
            Self::NotTold(_) => "Not every robot was told",
            Self::Internal => "Something spilled",
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::NotFound(what),
            error if error.is_passing() => {
                tracing::warn!(%error, "the database can't serve a page");
                Self::Unavailable
            }
            other => Self::internal(&other),
        }
    }
}

impl From<AuthError> for PageError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Store(error) => error.into(),
            AuthError::NoSuchUser => Self::NotFound("account"),
            other => Self::internal(&other),
        }
    }
}

impl From<FormRejection> for PageError {
    fn from(rejection: FormRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Self::TooLarge
        } else {
            Self::BadRequest(rejection.body_text())
        }
    }
}

impl IntoResponse for PageError {
    /// Bare; [`designed`] draws the page around it, since only there it is known for whom.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

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
    let visitor = match session::who(&state, &headers).await {
        Ok(Some(identity)) => Visitor::of(&state.store, &identity.user).await.ok(),
        Ok(None) | Err(_) => None,
    };
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
        _ if error.status() == StatusCode::SERVICE_UNAVAILABLE => Some([(header::RETRY_AFTER, "5".to_owned())]),
        _ => None,
    };
    let mut response = (error.status(), wait, Html(page.render().unwrap_or_default())).into_response();
    response.extensions_mut().insert(failure);
    response
}

/// A template as an answer.
pub fn html(template: &impl Template) -> Result<Response, PageError> {
    template.render().map(|text| Html(text).into_response()).map_err(|error| PageError::internal(&error))
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
    let path = session::safe_next(path)?;
    Some(uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

pub async fn wrong_method() -> PageError {
    PageError::WrongMethod
}

/// The answer of a handler that panicked.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    PageError::internal(&"a page panicked").into_response()
}

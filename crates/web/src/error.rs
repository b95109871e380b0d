//! Why a page can't be shown. [`crate::failure`] makes a page of it.

use askama::Template;
use auth::{AuthError, Forbidden, GroupError};
use axum::{
    extract::rejection::FormRejection,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use domain::{FaultCode, Permission};
use request::Refusal;
use store::StoreError;

/// Why a page can't be shown. Its text never carries the cause of an internal failure; the log does.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PageError {
    /// Also what isn't yours: the two are not told apart.
    #[error("There is no such {0}, or it isn’t yours to see.")]
    NotFound(&'static str),
    /// A one-time link that opens nothing, whatever it once was.
    #[error(
        "It was used already, has run out, or a newer one took its place. For another, choose “Forgotten password” where you sign in, \
         or ask whoever sent it."
    )]
    LinkOver,
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

    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::LinkOver => StatusCode::NOT_FOUND,
            Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMuch(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::NotTold(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub const fn code(&self) -> FaultCode {
        match self {
            Self::NotFound(_) | Self::LinkOver => FaultCode::NotFound,
            Self::NotAllowed(_) => FaultCode::NotAllowed,
            Self::BadRequest(_) => FaultCode::InvalidRequest,
            Self::TooLarge => FaultCode::BodyTooLarge,
            Self::WrongMethod => FaultCode::MethodNotAllowed,
            Self::TooMuch(_) => FaultCode::TooManyRequests,
            Self::Unavailable | Self::NotTold(_) => FaultCode::Unavailable,
            Self::Internal => FaultCode::Internal,
        }
    }

    pub const fn heading(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "Nothing in this well",
            Self::LinkOver => "This link is over",
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
            AuthError::NoSuchToken => Self::NotFound("token"),
            AuthError::NoSuchSession => Self::NotFound("sign-in"),
            AuthError::OwnSession => Self::NotAllowed("this is the sign-in that you are in: sign out instead"),
            AuthError::NoSuchFactor => Self::NotFound("second factor"),
            AuthError::NoSuchLink => Self::LinkOver,
            AuthError::Group(GroupError::NoSuchGroup) => Self::NotFound("group"),
            AuthError::Group(GroupError::NoSuchMember) => Self::NotFound("member of this group"),
            AuthError::Group(GroupError::NoSuchRequest) => Self::NotFound("request"),
            AuthError::NoSuchInvitation => Self::NotFound("invitation"),
            AuthError::NoSuchRegistration => Self::NotFound("request for an account"),
            other => Self::internal(&other),
        }
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoRule => Self::internal(&refusal),
            Refusal::Forbidden(Forbidden::Role { permission: Permission::Administer, .. }) => {
                Self::NotAllowed("accounts are for administrators")
            }
            Refusal::Forbidden(Forbidden::Role { permission: Permission::Operate, .. }) => {
                Self::NotAllowed("robots are for operators and administrators")
            }
            Refusal::Forbidden(Forbidden::Role { permission: Permission::SetUpRobots, .. }) => {
                Self::NotAllowed("robots are set up by administrators")
            }
            Refusal::Forbidden(Forbidden::NeedsFreshProof) => {
                Self::NotAllowed("this asks again who you are: go back, load the page anew and try again")
            }
            Refusal::Forbidden(_) => Self::NotAllowed("this isn’t for your role"),
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
    /// Bare; [`crate::failure::designed`] draws the page around it, since only there it is known for whom.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A template as an answer.
pub fn html(template: &impl Template) -> Result<Response, PageError> {
    template.render().map(|text| Html(text).into_response()).map_err(|error| PageError::internal(&error))
}

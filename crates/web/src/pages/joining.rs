//! `GET` and `POST /forgot`, `/register` and `/link/{secret}`: ways to an account, for whoever isn't signed in.
//!
//! Whether an address has an account is never said. A link is only used by a form: mail programs look at addresses.

use crate::{
    chrome::Chrome,
    error::{PageError, html},
    fields::Fields,
    sentences::sentence,
};
use askama::Template;
use auth::{AuthError, Password, Registration, Used};
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use request::{AppState, ClientIp};
use store::Opened;

#[derive(Template)]
#[template(path = "ask_for_mail.html")]
struct AskPage {
    chrome: Chrome,
    heading: &'static str,
    explanation: String,
    action: &'static str,
    button: &'static str,
    email: String,
    problem: Option<String>,
    /// Where nobody may ask.
    closed: bool,
    done: Option<&'static str>,
    /// Whether mails reach people.
    mails: bool,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    chrome: Chrome,
    heading: &'static str,
    explanation: String,
    path: String,
    button: &'static str,
    /// Whose account it is about, where that is settled.
    email: Option<String>,
    typed: String,
    problem: Option<String>,
}

pub async fn show_forgot(State(state): State<AppState>) -> Result<Response, PageError> {
    html(&forgot_page(&state))
}

pub async fn forgot(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let asked = state.auth.forgot_password(fields.get("email"), ip).await;
    answer(
        asked,
        &fields,
        AskPage {
            done: Some(
                "If this address has an account, a link to choose a new password is on its way to it. It is good once, for an hour.",
            ),
            ..forgot_page(&state)
        },
    )
}

fn forgot_page(state: &AppState) -> AskPage {
    AskPage {
        chrome: Chrome::public("Forgotten password"),
        heading: "Forgotten password",
        explanation: "Say your e-mail address, and you get a link by which you choose a new one.".to_owned(),
        action: "/forgot",
        button: "Send me a link",
        email: String::new(),
        problem: None,
        closed: false,
        done: None,
        mails: state.auth.account_policy().mails,
    }
}

pub async fn show_register(State(state): State<AppState>) -> Result<Response, PageError> {
    html(&register_page(&state))
}

pub async fn register(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let asked = state.auth.ask_to_register(fields.get("email"), ip).await;
    answer(
        asked,
        &fields,
        AskPage {
            done: Some("A link to go on with is on its way to this address. It is good once, for a day."),
            ..register_page(&state)
        },
    )
}

fn register_page(state: &AppState) -> AskPage {
    let policy = state.auth.account_policy();
    let explanation = match &policy.registration {
        Registration::Closed => "An administrator of this lab makes accounts. Ask one of them.".to_owned(),
        Registration::Invitation => {
            "Accounts are by invitation here: ask an administrator of this lab for a link.".to_owned()
        }
        Registration::Domains(domains) => {
            format!("Accounts are for addresses at {}. You get a link to prove that yours is.", domains.join(" or "))
        }
        Registration::Open => {
            "You get a link to prove your address; then an administrator of this lab decides.".to_owned()
        }
    };
    AskPage {
        chrome: Chrome::public("New account"),
        heading: "New account",
        explanation,
        action: "/register",
        button: "Go on",
        email: String::new(),
        problem: None,
        closed: !policy.takes_strangers(),
        done: None,
        mails: policy.mails,
    }
}

/// The same whether there is an account.
fn answer(asked: Result<(), AuthError>, fields: &Fields, page: AskPage) -> Result<Response, PageError> {
    let (status, wait, problem) = match asked {
        Ok(()) => return html(&page),
        Err(AuthError::Throttled(standing)) => {
            let wait = standing.wait.as_secs() + 1;
            let says = format!("that was asked for often; try again in {} min", wait.div_ceil(60));
            (StatusCode::TOO_MANY_REQUESTS, Some(wait), says)
        }
        Err(error @ AuthError::InvalidEmail(_)) => (StatusCode::UNPROCESSABLE_ENTITY, None, error.to_string()),
        Err(error @ (AuthError::RegistrationClosed | AuthError::OtherDomain(_))) => {
            (StatusCode::FORBIDDEN, None, error.to_string())
        }
        Err(error @ AuthError::TooManyMails) => (StatusCode::SERVICE_UNAVAILABLE, Some(60), error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let email = fields.get("email").chars().take(254).collect();
    let page = html(&AskPage { problem: Some(sentence(&problem)), email, done: None, ..page })?;
    let wait = wait.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
    Ok((status, wait, page).into_response())
}

pub async fn show_link(State(state): State<AppState>, Path(secret): Path<String>) -> Result<Response, PageError> {
    let opened = state.auth.open_link(&secret).await?;
    Ok(unseen(html(&link_page(&secret, opened))?))
}

/// Signs nobody in: whatever else a sign-in takes is asked there.
pub async fn use_link(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    Path(secret): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    let opened = state.auth.open_link(&secret).await?;
    let (email, password) = (fields.get("email"), fields.get("password"));
    let used = if password == fields.get("again") {
        state.auth.use_link(&secret, Some(email), Password::from(password), ip).await
    } else {
        Err(AuthError::WeakPassword(DIFFERENT))
    };
    let (status, problem) = match used {
        Ok(used) => {
            let done = match used {
                Used::PasswordSet => "password",
                Used::AccountMade => "account",
                Used::Waits => "waits",
            };
            return Ok(Redirect::to(&format!("/sign-in?done={done}")).into_response());
        }
        Err(AuthError::WeakPassword(DIFFERENT)) => (StatusCode::UNPROCESSABLE_ENTITY, DIFFERENT.to_owned()),
        Err(error @ AuthError::EmailTaken) => (
            StatusCode::CONFLICT,
            format!("{error}; sign in, or ask for a new password with \u{201c}Forgotten password\u{201d}"),
        ),
        Err(error @ AuthError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error @ (AuthError::RegistrationClosed | AuthError::OtherDomain(_))) => {
            (StatusCode::FORBIDDEN, error.to_string())
        }
        Err(error @ (AuthError::InvalidEmail(_) | AuthError::InvalidPassword | AuthError::WeakPassword(_))) => {
            (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    let typed = email.chars().take(254).collect();
    let page = LinkPage { problem: Some(sentence(&problem)), typed, ..link_page(&secret, opened) };
    Ok((status, unseen(html(&page)?)).into_response())
}

const DIFFERENT: &str = "the two passwords aren't the same; type it twice";

fn link_page(secret: &str, opened: Opened) -> LinkPage {
    let (heading, explanation, button, email) = match opened {
        Opened::Password(user) => (
            "Choose a password",
            "Whoever is signed in with this account will be signed out, and its tokens are revoked.".to_owned(),
            "Set the password",
            Some(user.email),
        ),
        Opened::Invitation(invitation) => (
            "Make your account",
            format!("You are invited, as {} with {} wells to ask for.", invitation.role, invitation.quota),
            "Make the account",
            invitation.email,
        ),
        Opened::Registration(email) => {
            ("Make your account", "Your address is proven. Choose a password.".to_owned(), "Go on", Some(email))
        }
    };
    LinkPage {
        chrome: Chrome::public(heading),
        heading,
        explanation,
        path: format!("/link/{secret}"),
        button,
        email,
        typed: String::new(),
        problem: None,
    }
}

/// Neither search engines nor whatever keeps pages is to know of it.
fn unseen(mut page: Response) -> Response {
    page.headers_mut().insert("x-robots-tag", HeaderValue::from_static("noindex"));
    page
}

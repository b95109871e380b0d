//! `/auth/oidc/…`: signing in by a provider of identity, and the end of what it ends.

use crate::{
    chrome::Chrome,
    error::{PageError, html},
    fields::Fields,
    onward,
    pages::second_step,
    session,
};
use askama::Template;
use auth::{AuthError, CookieSession, EmailAddress, ExternalPerson, ExternalRefusal, Passwords, PendingSignIn};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::FaultCode;
use oidc::{Answer, Config, HANDSHAKE_LIFE, LoggedOut, OidcError, Person, SignIn};
use request::{AppState, ClientIp, Failure, SingleSignOn, percent_encoded};
use serde::Deserialize;
use std::net::IpAddr;
use store::{ProviderSessions, Unknown};
use telemetry::names;

/// The other way in, as the sign-in form shows it.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// What the provider is called.
    pub label: String,
    pub way: String,
    /// Passwords are for administrators only.
    pub is_the_rule: bool,
}

impl Elsewhere {
    /// `next` as it was accepted.
    pub fn of(state: &AppState, next: Option<&str>) -> Option<Self> {
        let label = state.single_sign_on.as_ref()?.party.config().label.clone();
        let next = next.map(|next| format!("?next={}", percent_encoded(next))).unwrap_or_default();
        let is_the_rule = state.auth.passwords() == Passwords::Administrators;
        Some(Self { label, way: format!("/auth/oidc/start{next}"), is_the_rule })
    }

    /// Where the provider asks who somebody is though they are signed in there.
    pub fn anew(state: &AppState, next: &str) -> Option<Self> {
        let way = format!("/auth/oidc/start?{ANEW}=yes&next={}", percent_encoded(next));
        Some(Self { way, ..Self::of(state, None)? })
    }
}

#[derive(Template)]
#[template(path = "single_sign_on.html")]
struct Page {
    chrome: Chrome,
    heading: &'static str,
    text: String,
    is_failure: bool,
    /// Where the first button leads, and what it says.
    way: Option<String>,
    does: String,
}

/// The field of [`Wish`] by which the provider is to ask anew.
const ANEW: &str = "anew";

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    next: Option<String>,
    anew: Option<String>,
}

/// What the provider sends a browser back with.
#[derive(Default, Deserialize)]
pub struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

fn provider(state: &AppState) -> Result<&SingleSignOn, PageError> {
    state.single_sign_on.as_ref().ok_or(PageError::NotFound("page"))
}

fn take(sso: &SingleSignOn, ip: Option<IpAddr>) -> Result<(), PageError> {
    sso.take(ip).map_err(|standing| PageError::TooMuch(standing.wait.as_secs() + 1))
}

/// `GET /auth/oidc/start`: to the provider, with a cookie that this browser alone can come back with.
pub async fn start(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let sso = provider(&state)?;
    take(sso, ip)?;
    let next = wish.next.as_deref().and_then(|next| state.onward.accept(next)).unwrap_or_default();
    let sign_in = if wish.anew.is_some() { SignIn::Anew } else { SignIn::Any };
    match sso.party.start(next, sign_in).await {
        Ok(start) => {
            let mut response = Redirect::to(&start.url).into_response();
            let cookie = handshake_cookie(sso.party.config(), &start.cookie, HANDSHAKE_LIFE)?;
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Err(error) => refuse(sso, &Why::Oidc(error)),
    }
}

/// `GET /auth/oidc/callback`: back from the provider.
pub async fn finish(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Result<Response, PageError> {
    let sso = provider(&state)?;
    take(sso, ip)?;
    let config = sso.party.config();
    let cookie = request::cookie(&headers, cookie_name(config)).unwrap_or_default();
    let Returned { state: said, code, iss, error } = returned;
    let answer = Answer { state: said, code, issuer: iss, error };
    let mut response = match admit(&state, sso, cookie, &answer, ip).await {
        Ok((Admitted::WithSession(started), next)) => {
            let mut response = Redirect::to(&onward::way(state.onward.accept(&next))).into_response();
            let cookie = session::starting_cookie(&state, &headers, &started);
            let cookie = cookie.ok_or_else(|| PageError::internal(&"a cookie"))?;
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Ok((Admitted::ToSecondStep(pending), next)) => {
            second_step::lead_to(&state, &headers, &pending, state.onward.accept(&next))?
        }
        Err(why) => refuse(sso, &why)?,
    };
    // Good for one answer, whatever that was.
    response.headers_mut().append(header::SET_COOKIE, handshake_cookie(config, "", 0)?);
    Ok(response)
}

/// Why a sign-in came to nothing.
enum Why {
    Oidc(OidcError),
    Refused(ExternalRefusal),
}

enum Admitted {
    WithSession(CookieSession),
    /// They have a second factor of this lab.
    ToSecondStep(Box<PendingSignIn>),
}

async fn admit(
    state: &AppState,
    sso: &SingleSignOn,
    cookie: &str,
    answer: &Answer,
    ip: Option<IpAddr>,
) -> Result<(Admitted, String), Why> {
    let person = match sso.party.finish(cookie, answer).await {
        Ok(person) => person,
        Err(error) => {
            count("refused");
            // What anybody can bring about with no provider at all isn't worth a line for good.
            if !matches!(error, OidcError::Provider(_) | OidcError::NotBegunHere) {
                let noted = state.auth.note_external_refusal(&error.to_string(), ip).await;
                noted.map_err(|error| Why::Refused(error.into()))?;
            }
            return Err(Why::Oidc(error));
        }
    };
    let Person { issuer, subject, email, role, quota, groups, session, proved_at, once, next } = person;
    // As accounts have it, or none.
    let email = email.and_then(|email| email.parse::<EmailAddress>().ok()).map(|email| email.to_string());
    let config = sso.party.config();
    let unknown = Unknown { is_welcome: config.makes_accounts, takes_over: config.links_accounts };
    let person = ExternalPerson { issuer, subject, email, unknown, role, quota, groups, session, proved_at, once };
    let started = state.auth.sign_in_external(person, ip).await;
    match started {
        Ok(started) => {
            count("ok");
            Ok((Admitted::WithSession(started), next))
        }
        // Counted when it is over.
        Err(ExternalRefusal::Auth(AuthError::SecondFactorNeeded(pending))) => {
            Ok((Admitted::ToSecondStep(pending), next))
        }
        Err(refusal) => {
            count("refused");
            Err(Why::Refused(refusal))
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(names::SIGN_INS, "outcome" => outcome).increment(1);
}

fn refuse(sso: &SingleSignOn, why: &Why) -> Result<Response, PageError> {
    let label = &sso.party.config().label;
    let (status, code, heading, text) = match why {
        Why::Oidc(error) => told(error, label),
        Why::Refused(ExternalRefusal::Auth(AuthError::Store(error))) => return Err(error.clone().into()),
        Why::Refused(ExternalRefusal::Auth(error)) => return Err(PageError::internal(error)),
        Why::Refused(refusal) => refused(refusal, label),
    };
    let cause = match why {
        Why::Oidc(error) => error.to_string(),
        Why::Refused(refusal) => refusal.to_string(),
    };
    let page = Page {
        chrome: Chrome::public(heading),
        heading,
        text,
        is_failure: true,
        way: Some("/auth/oidc/start".to_owned()),
        does: "Try again".to_owned(),
    };
    let mut response = (status, html(&page)?).into_response();
    response.extensions_mut().insert(Failure { code, cause });
    Ok(response)
}

type Told = (StatusCode, FaultCode, &'static str, String);

/// What somebody can do about it. Nothing of what the other side said stands there.
fn told(error: &OidcError, label: &str) -> Told {
    let refused = |heading, text| (StatusCode::FORBIDDEN, FaultCode::SignInFailed, heading, text);
    match error {
        OidcError::Provider(_) | OidcError::Setting(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            FaultCode::Unavailable,
            "Nobody answers there",
            format!(
                "The sign-in service of {label} doesn’t answer as it should at this moment. Try again in a minute; whoever has a password of this lab can use it meanwhile."
            ),
        ),
        OidcError::NotBegunHere | OidcError::CodeRefused(_) => (
            StatusCode::BAD_REQUEST,
            FaultCode::SignInFailed,
            "That sign-in is over",
            "It was begun in another browser or window, too long ago, or used already. Nothing happened: begin again."
                .to_owned(),
        ),
        OidcError::Refused(_) => refused(
            "Not signed in",
            format!(
                "The sign-in service of {label} didn’t let you on. You may have cancelled, or it doesn’t let you use this lab."
            ),
        ),
        OidcError::Unbelievable(_) => refused(
            "Not signed in",
            format!(
                "What came from {label} can’t be believed, so nobody was signed in. If it happens again, tell an administrator of this lab."
            ),
        ),
        OidcError::NotAnew => refused(
            "Not confirmed",
            format!(
                "{label} should have asked who you are, and doesn’t say that it did. Begin again; if it happens again, tell an administrator of this lab."
            ),
        ),
        OidcError::NoRole => refused(
            "Not for this lab",
            format!("You are known at {label}, but in no group that may use this lab. Ask an administrator of it."),
        ),
        OidcError::UnverifiedAddress | OidcError::ForeignAddress => refused(
            "Not with this address",
            format!("This lab needs an e-mail address that {label} has verified, of a domain that it lets in."),
        ),
    }
}

fn refused(refusal: &ExternalRefusal, label: &str) -> Told {
    let (heading, text) = match refusal {
        ExternalRefusal::Replayed => return told(&OidcError::NotBegunHere, label),
        ExternalRefusal::Disabled => ("Account disabled", "Your account in this lab is disabled; ask an administrator.".to_owned()),
        ExternalRefusal::AddressTaken => (
            "There is an account already",
            "An account of this lab has your e-mail address, and isn’t tied to this way of signing in. Use its password, or ask an administrator.".to_owned(),
        ),
        ExternalRefusal::NoAccount | ExternalRefusal::Auth(_) => (
            "No account yet",
            format!("You are known at {label}, but have no account in this lab, or no verified e-mail address to make one with. Ask an administrator."),
        ),
    };
    (StatusCode::FORBIDDEN, FaultCode::SignInFailed, heading, text)
}

/// `POST /auth/oidc/logout`: the provider tells that a session of its ended (OpenID Connect Back-Channel Logout 1.0).
pub async fn logged_out_there(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let sso = provider(&state)?;
    take(sso, ip)?;
    let LoggedOut { session, subject, once } = match sso.party.logged_out(fields.get("logout_token")).await {
        Ok(told) => told,
        Err(error @ OidcError::Provider(_)) => {
            tracing::warn!(%error, "a session's end can't be checked");
            return Err(PageError::Unavailable);
        }
        Err(error) => {
            tracing::info!(%error, "a word that a session ended isn't believed");
            let body = r#"{"error":"invalid_request"}"#;
            return Ok((StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body).into_response());
        }
    };
    let which = match (session, subject) {
        (Some(session), _) => ProviderSessions::One(session),
        (None, Some(subject)) => ProviderSessions::All(subject),
        (None, None) => return Ok(StatusCode::BAD_REQUEST.into_response()),
    };
    let issuer = &sso.party.config().issuer;
    state.auth.end_external(issuer, which, (&once.0, once.1), ip).await?;
    Ok(StatusCode::OK.into_response())
}

/// `GET /auth/oidc/signed-out`: out of the lab, and perhaps not out of the provider.
pub async fn signed_out(State(state): State<AppState>) -> Result<Response, PageError> {
    let sso = provider(&state)?;
    let label = &sso.party.config().label;
    let Some(way) = sso.party.sign_out_url().await else { return Ok(Redirect::to("/").into_response()) };
    html(&Page {
        chrome: Chrome::public("Signed out"),
        heading: "Signed out of the lab",
        text: format!(
            "You may still be signed in at {label}, and so one click away from here. On a computer that others use, sign out there, too."
        ),
        is_failure: false,
        way: Some(way),
        does: format!("Sign out of {label}"),
    })
}

/// Where browsers come encrypted, a cookie that no neighbouring site can set.
fn cookie_name(config: &Config) -> &'static str {
    if config.is_encrypted() { "__Host-tincture_sso" } else { "tincture_sso" }
}

fn handshake_cookie(config: &Config, value: &str, seconds: i64) -> Result<HeaderValue, PageError> {
    let (name, secure) = (cookie_name(config), if config.is_encrypted() { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).map_err(|error| PageError::internal(&error))
}

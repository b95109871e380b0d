//! "Confirm it's you": what is grave and comes from a session whose last proof is old isn't refused. The page asks for a
//! proof, carries along what was sent, and does it then.
//!
//! It stands before all handlers and asks the table of permissions, so that no page can forget it.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    pages::single_sign_on::Elsewhere,
    sentences::sentence,
    session::who,
};
use askama::Template;
use auth::{Anew, AuthError, Forbidden, Identity, PROOF_LIFE, PasskeyAnswer, Password, Shown};
use axum::{
    Form,
    body::Body,
    extract::{FromRequest, FromRequestParts, MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use domain::Permission;
use request::{Access, AppState, ClientIp, access, percent_encoded};
use store::FirstStep;

/// Fields of the proof; every other one is the act's.
const PREFIX: &str = "proof-";

type Sent = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    chrome: Chrome,
    minutes: i64,
    action: String,
    back: &'static str,
    fields: Sent,
    has_password: bool,
    has_code: bool,
    has_passkey: bool,
    /// The way in of whoever has nothing to show here.
    elsewhere: Option<Elsewhere>,
    problem: Option<String>,
}

/// Lets pass what isn't grave, and whoever has just proved who they are.
pub async fn grave_acts(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let permission = match access(request.method().as_str(), &route) {
        Some(Access::Needs(permission)) if *request.method() == Method::POST && permission.is_grave() => permission,
        _ => return next.run(request).await,
    };
    match asked(&state, permission, request).await {
        Ok(Asked::Nothing(request)) => next.run(request).await,
        Ok(Asked::Page(page)) => page,
        Err(error) => error.into_response(),
    }
}

enum Asked {
    Nothing(Request),
    Page(Response),
}

async fn asked(state: &AppState, permission: Permission, request: Request) -> Result<Asked, PageError> {
    let Some(me) = who(state, request.headers()).await? else { return Ok(Asked::Nothing(request)) };
    // Whoever may not do it anyway is told so by the handler.
    let is_too_old = me.check_proof(permission, true, Utc::now()) == Err(Forbidden::NeedsFreshProof);
    if me.check(permission).is_err() || !is_too_old {
        return Ok(Asked::Nothing(request));
    }
    let (mut parts, body) = request.into_parts();
    let Ok(ClientIp(ip)) = ClientIp::from_request_parts(&mut parts, state).await;
    let sent = Request::from_parts(parts.clone(), body);
    let Form(sent) = Form::<Sent>::from_request(sent, state).await?;
    let (proof, fields): (Sent, Sent) = sent.into_iter().partition(|(name, _)| name.starts_with(PREFIX));
    let problem = match anew(&proof) {
        Some(anew) => match state.auth.prove(&me, anew, ip).await {
            Ok(()) => {
                parts.headers.remove(header::CONTENT_LENGTH);
                return Ok(Asked::Nothing(Request::from_parts(parts, Body::from(encoded(&fields)))));
            }
            Err(error) => Some(told(error)?),
        },
        None if proof.is_empty() => None,
        None => Some("Type your password or a code, or use a passkey.".to_owned()),
    };
    let action = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    Ok(Asked::Page(page(state, &me, permission, action, fields, problem).await?))
}

fn anew(proof: &Sent) -> Option<Anew> {
    let get = |name: &str| {
        let found = proof.iter().find(|(field, _)| field.strip_prefix(PREFIX) == Some(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    if let (Some(challenge), Some(credential)) = (get("challenge"), get("credential")) {
        let answer = PasskeyAnswer { challenge: challenge.to_owned(), credential: credential.to_owned() };
        return Some(Anew::Factor(Shown::Passkey(answer)));
    }
    let code = get("code").map(|code| Anew::Factor(Shown::Code(code.to_owned())));
    code.or_else(|| get("password").map(|password| Anew::Password(Password::from(password))))
}

/// What a person can mend is said to them; the rest is an error page.
fn told(error: AuthError) -> Result<String, PageError> {
    match error {
        AuthError::SignInFailed => Ok("That isn’t your password.".to_owned()),
        error @ (AuthError::FactorRefused | AuthError::Throttled(_) | AuthError::Busy) => {
            Ok(sentence(&error.to_string()))
        }
        other => Err(other.into()),
    }
}

async fn page(
    state: &AppState,
    me: &Identity,
    permission: Permission,
    action: String,
    fields: Sent,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let factors = state.auth.factors(me.user_id()).await?;
    let has_password = me.user.has_password();
    // A password of this lab may be one that they never made.
    let came_from_elsewhere = me.proof.as_ref().is_some_and(|proof| proof.first() == FirstStep::Provider);
    let has_nothing = !has_password && factors.is_none();
    let back = if permission == Permission::Administer { "/users" } else { "/account" };
    let page = html(&ConfirmPage {
        chrome: Chrome::of("Confirm it’s you", "", Visitor::of(&state.store, &me.user).await?),
        minutes: PROOF_LIFE.num_minutes(),
        back,
        action,
        fields,
        has_password,
        elsewhere: (has_nothing || came_from_elsewhere).then(|| Elsewhere::anew(state, back)).flatten(),
        has_code: !factors.is_none(),
        has_passkey: !factors.passkeys.is_empty(),
        problem,
    })?;
    Ok((StatusCode::FORBIDDEN, page).into_response())
}

fn encoded(fields: &Sent) -> String {
    let pair = |(name, value): &(String, String)| format!("{}={}", percent_encoded(name), percent_encoded(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

//! `GET /account/second-factor` and what its forms do: an authenticator app, recovery codes, passkeys.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    qr::{Qr, qr},
    sentences::sentence,
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, FEW_RECOVERY_CODES, Identity, OfferedTotp, PasskeyAnswer, RECOVERY_CODES, Secret};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{PasskeyId, Permission, text};
use request::{AppState, ClientIp};
use serde::Deserialize;

const HERE: &str = "/account/second-factor";

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage {
    chrome: Chrome,
    lacks_factor: bool,
    /// The last proof is too old to change anything.
    is_stale: bool,
    done: Option<&'static str>,
    problem: Option<String>,
    codes: Vec<String>,
    few_codes: bool,
    codes_left: u32,
    codes_made: usize,
    has_factor: bool,
    offer: Option<Offer>,
    asks_code: bool,
    app_since: Option<When>,
    passkeys: Vec<Entry>,
    longest_name: usize,
}

struct Offer {
    secret: String,
    svg: Option<Qr>,
}

struct Entry {
    id: PasskeyId,
    name: String,
    created: When,
    last_used: Option<When>,
}

/// What the account's page says of it.
pub struct FactorPart {
    pub says: String,
    pub is_none: bool,
    pub few_codes: bool,
    pub codes_left: u32,
}

impl FactorPart {
    pub async fn of(state: &AppState, me: &Identity) -> Result<Self, PageError> {
        let factors = state.auth.factors(me.user_id()).await?;
        let passkeys = factors.passkeys.len();
        let keys = if passkeys == 1 { "a passkey".to_owned() } else { format!("{passkeys} passkeys") };
        let says = match (factors.totp_since.is_some(), passkeys) {
            (false, 0) => "None yet: whoever reads your password can sign in as you.".to_owned(),
            (true, 0) => "An authenticator app.".to_owned(),
            (false, _) => sentence(&keys),
            (true, _) => format!("An authenticator app, and {keys}."),
        };
        let is_none = factors.is_none();
        let codes_left = factors.recovery_codes;
        Ok(Self { says, is_none, few_codes: !is_none && codes_left <= FEW_RECOVERY_CODES, codes_left })
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    done: Option<String>,
}

/// What the page says beside how things stand.
#[derive(Debug, Default)]
struct Said {
    done: Option<&'static str>,
    problem: Option<String>,
    codes: Vec<Secret>,
    offer: Option<OfferedTotp>,
    asks_code: bool,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let done = match wish.done.as_deref() {
        Some("app-removed") => Some("The app is removed. Its codes open nothing any more."),
        Some("passkey-removed") => {
            Some("The passkey is removed. It opens nothing any more; delete it on the device, too.")
        }
        Some("passkey") => Some("The passkey is made. It signs you in by itself."),
        Some("app") => Some("The app is set up. A sign-in with the password asks for its code."),
        Some("used") => Some("You signed in with a recovery code, which opens nothing any more."),
        _ => None,
    };
    page(&state, &me, Said { done, ..Said::default() }).await
}

/// Only that it's them, which was asked before.
pub async fn confirmed(SignedIn(_): SignedIn) -> Redirect {
    Redirect::to(HERE)
}

pub async fn offer_app(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    match state.auth.offer_totp(&me).await {
        Ok(offer) => page(&state, &me, Said { offer: Some(offer), asks_code: true, ..Said::default() }).await,
        Err(error) => refused(&state, &me, told(error)?, false).await,
    }
}

pub async fn confirm_app(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    match state.auth.enrol_totp(&me, fields.get("code"), ip).await {
        Ok(codes) if codes.is_empty() => Ok(Redirect::to(&format!("{HERE}?done=app")).into_response()),
        Ok(codes) => {
            let done = Some("The app is set up. Your other browsers and programs are signed out.");
            page(&state, &me, Said { done, codes, ..Said::default() }).await
        }
        Err(AuthError::FactorRefused) => {
            let problem = "That isn’t the code that the app shows now. Wait for the next one, or begin again.";
            refused(&state, &me, problem.to_owned(), true).await
        }
        Err(error) => refused(&state, &me, told(error)?, true).await,
    }
}

pub async fn remove_app(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
) -> Result<Response, PageError> {
    match state.auth.remove_totp(&me, ip).await {
        Ok(()) => Ok(Redirect::to(&format!("{HERE}?done=app-removed")).into_response()),
        Err(error) => refused(&state, &me, told(error)?, false).await,
    }
}

pub async fn renew_codes(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
) -> Result<Response, PageError> {
    match state.auth.renew_recovery_codes(&me, ip).await {
        Ok(codes) => page(&state, &me, Said { codes, ..Said::default() }).await,
        Err(error) => refused(&state, &me, told(error)?, false).await,
    }
}

pub async fn make_passkey(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let (challenge, credential) = (fields.get("challenge").to_owned(), fields.get("credential").to_owned());
    let answer = PasskeyAnswer { challenge, credential };
    match state.auth.enrol_passkey(&me, fields.get("name"), &answer, ip).await {
        Ok((_, codes)) if codes.is_empty() => Ok(Redirect::to(&format!("{HERE}?done=passkey")).into_response()),
        Ok((_, codes)) => {
            let done = Some("The passkey is made. Your other browsers and programs are signed out.");
            page(&state, &me, Said { done, codes, ..Said::default() }).await
        }
        Err(AuthError::FactorRefused) => {
            let problem =
                "The device’s answer can’t be taken: it came too late, twice, or from another site. Try again.";
            refused(&state, &me, problem.to_owned(), false).await
        }
        Err(error) => refused(&state, &me, told(error)?, false).await,
    }
}

pub async fn remove_passkey(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: PasskeyId = id.parse().map_err(|_| PageError::NotFound("passkey"))?;
    match state.auth.remove_passkey(&me, id, ip).await {
        Ok(()) => Ok(Redirect::to(&format!("{HERE}?done=passkey-removed")).into_response()),
        Err(error) => refused(&state, &me, told(error)?, false).await,
    }
}

/// What a person can mend is said to them; the rest is an error page.
fn told(error: AuthError) -> Result<String, PageError> {
    match error {
        AuthError::FactorExists => Ok("There is one already: remove it first.".to_owned()),
        AuthError::LastFactor
        | AuthError::Throttled(_)
        | AuthError::TooManyPasskeys { .. }
        | AuthError::InvalidPasskeyName(_) => Ok(sentence(&error.to_string())),
        other => Err(other.into()),
    }
}

async fn refused(state: &AppState, me: &Identity, problem: String, asks_code: bool) -> Result<Response, PageError> {
    let page = page(state, me, Said { problem: Some(problem), asks_code, ..Said::default() }).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn page(state: &AppState, me: &Identity, said: Said) -> Result<Response, PageError> {
    let (factors, now) = (state.auth.factors(me.user_id()).await?, Utc::now());
    let has_factor = !factors.is_none();
    let offer = said.offer.map(|offer| Offer { svg: qr(offer.uri.expose()), secret: grouped(offer.secret.expose()) });
    html(&SecondFactorPage {
        chrome: Chrome::of("Second factor", "account", Visitor::of(&state.store, &me.user).await?),
        // Whoever has just shown their first one has it in this session.
        lacks_factor: me.lacks_factor && said.codes.is_empty(),
        is_stale: me.check_proof(Permission::ManageFactors, true, now).is_err(),
        done: said.done,
        problem: said.problem,
        codes: said.codes.iter().map(|code| code.expose().to_owned()).collect(),
        few_codes: has_factor && factors.recovery_codes <= FEW_RECOVERY_CODES,
        codes_left: factors.recovery_codes,
        codes_made: RECOVERY_CODES,
        has_factor,
        offer,
        asks_code: said.asks_code && factors.totp_since.is_none(),
        app_since: factors.totp_since.map(|since| When::new(since, now)),
        passkeys: factors
            .passkeys
            .into_iter()
            .map(|passkey| Entry {
                id: passkey.id,
                name: passkey.name,
                created: When::new(passkey.created_at, now),
                last_used: passkey.last_used_at.map(|at| When::new(at, now)),
            })
            .collect(),
        longest_name: text::LONGEST_TOKEN_NAME,
    })
}

/// In groups of four, to be typed.
fn grouped(secret: &str) -> String {
    secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

//! `GET /account`, `POST /account/password`; `POST /account/tokens` and `…/{id}/revoke` in `tokens`, what is done to sign-ins
//! in `sessions`.

mod sessions;
mod tokens;

pub use sessions::{SessionsPart, end_others, revoke as revoke_session, see_reuse};
pub use tokens::{make as make_token, revoke as revoke_token};

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    pages::{
        groups::{QuotaPart, QuotaSaid},
        second_factor::FactorPart,
        second_step,
    },
    sentences::sentence,
    session::{self, Looking, SignedIn},
    when::When,
};
use askama::Template;
use auth::{AuthError, Identity, Password};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::UserId;
use request::{AppState, ClientIp};
use serde::Deserialize;
use std::collections::HashMap;
use tokens::TokensPart;
use views::ActivityView;

/// Activities shown.
const SHOWN: u32 = 15;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    chrome: Chrome,
    email: String,
    role: &'static str,
    quota: i32,
    since: When,
    part: QuotaPart,
    /// The quota is that of somebody else than the reader.
    theirs: bool,
    factor: FactorPart,
    tokens: TokensPart,
    sessions: SessionsPart,
    /// When a token of a sign-in was used twice.
    reused: Option<When>,
    activity: Vec<Line>,
    problem: Option<String>,
    done: Option<&'static str>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    done: Option<String>,
}

/// What the page says beside how things stand.
#[derive(Debug, Default)]
struct Said {
    password_problem: Option<String>,
    done: Option<&'static str>,
    tokens: tokens::Said,
    quota: QuotaSaid,
}

struct Line {
    at: When,
    action: String,
    /// Whom, or what by name, where it was about another than themselves.
    about: Option<String>,
    address: String,
}

pub async fn show(Looking { state, me }: Looking, Query(wish): Query<Wish>) -> Result<Response, PageError> {
    let done = match wish.done.as_deref() {
        Some("password") => {
            Some("The password is changed. Every other browser and program is signed out, and tokens are revoked.")
        }
        Some("ended") => Some("The sign-in is ended. Whoever had it is signed out."),
        Some("others") => Some("You are signed out everywhere else. Tokens go on."),
        Some("asked") => Some("Asked. The answer will be here."),
        Some("revoked") => Some("The token is revoked. It opens nothing any more."),
        _ => None,
    };
    page(&state, &me, Said { done, ..Said::default() }).await
}

/// Changes the password and signs in anew, since every session ends with the old one.
pub async fn change_password(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, PageError> {
    let next = Password::from(fields.get("next"));
    let changed = state.auth.change_password(&me, Password::from(fields.get("current")), next.clone(), ip).await;
    let problem = match changed {
        Ok(()) => {
            let started = match state.auth.start_cookie_session(&me.user.email, next, ip).await {
                Err(AuthError::SecondFactorNeeded(pending)) => {
                    return second_step::lead_to(&state, &headers, &pending, Some("/account?done=password"));
                }
                started => started?,
            };
            let mut response = Redirect::to("/account?done=password").into_response();
            if let Some(cookie) = session::starting_cookie(&state, &headers, &started) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            return Ok(response);
        }
        Err(AuthError::SignInFailed) => "the present password isn’t that one".to_owned(),
        Err(
            error @ (AuthError::InvalidPassword
            | AuthError::WeakPassword(_)
            | AuthError::Throttled { .. }
            | AuthError::Busy),
        ) => error.to_string(),
        Err(error) => return Err(error.into()),
    };
    let said = Said { password_problem: Some(sentence(&problem)), ..Said::default() };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&state, &me, said).await?).into_response())
}

/// The page after a wish for more that couldn't be taken.
pub async fn page_about_quota(state: &AppState, me: &Identity, quota: QuotaSaid) -> Result<Response, PageError> {
    page(state, me, Said { quota, ..Said::default() }).await
}

async fn page(state: &AppState, me: &Identity, said: Said) -> Result<Response, PageError> {
    html(&AccountPage {
        chrome: Chrome::of("Account", "account", Visitor::of(&state.store, &me.user).await?),
        email: me.user.email.clone(),
        role: me.role().as_str(),
        quota: me.user.quota_remaining,
        since: When::new(me.user.created_at, Utc::now()),
        part: QuotaPart::of(state, me.user_id(), said.quota).await?,
        theirs: false,
        factor: FactorPart::of(state, me).await?,
        tokens: TokensPart::of(state, me, said.tokens).await?,
        sessions: SessionsPart::of(state, me, me.user_id()).await?,
        reused: state.auth.unseen_reuse(me.user_id()).await?.map(|at| When::new(at, Utc::now())),
        activity: lately(state, me).await?,
        problem: said.password_problem,
        done: said.done,
    })
}

async fn lately(state: &AppState, me: &Identity) -> Result<Vec<Line>, PageError> {
    let acts = state.store.activity(Some(me.user_id()), None, SHOWN).await?.data;
    let acts: Vec<_> = acts.into_iter().map(ActivityView::from).collect();
    // Only whoever looks after accounts is told whose they were.
    let whom = acts.iter().filter(|_| me.role().administers()).filter_map(ActivityView::about);
    let emails = state.store.emails_of(&whom.filter(|whom| *whom != me.user_id()).collect()).await?;
    Ok(acts.into_iter().map(|act| line(act, &emails)).collect())
}

fn line(act: ActivityView, emails: &HashMap<UserId, String>) -> Line {
    let whom = act.about().and_then(|whom| emails.get(&whom)).cloned();
    Line {
        at: When::new(act.created_at, Utc::now()),
        action: act.action.replace('_', " "),
        about: whom.or_else(|| act.details["name"].as_str().map(str::to_owned)),
        address: act.ip_address.map_or_else(|| "—".to_owned(), |address| address.to_string()),
    }
}

//! `GET` and `POST /users/{id}`, and `POST /users/{id}/{act}`: one person, and what an administrator does to their account.

use super::{PageError, roles, told};
use crate::{
    chrome::{Chrome, Visitor},
    error::html,
    fields::Fields,
    pages::{
        account::SessionsPart,
        groups::{QuotaPart, QuotaSaid},
    },
    sentences::sentence,
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, HANDED_LINK_LIFE, Identity};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{Role, UserId};
use request::{AppState, ClientIp};
use serde::Deserialize;
use std::net::IpAddr;
use store::{User, UserChanges};
use views::UserView;

/// Lines of what they did.
const SHOWN: u32 = 10;

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    chrome: Chrome,
    account: UserView,
    since: When,
    is_me: bool,
    roles: Vec<&'static str>,
    part: QuotaPart,
    theirs: bool,
    sessions: SessionsPart,
    tokens: usize,
    mails: bool,
    activity: Vec<Line>,
    problem: Option<String>,
    done: Option<&'static str>,
    /// A one-time link, shown this once.
    link: Option<String>,
}

struct Line {
    at: When,
    action: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    done: Option<String>,
}

/// What the page says beside how things stand.
#[derive(Default)]
struct Said {
    problem: Option<String>,
    done: Option<&'static str>,
    link: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let done = match wish.done.as_deref() {
        Some("changed") => Some("Changed. It counts from their next click."),
        Some("disabled") => {
            Some("The account is disabled: its owner is signed out and can’t sign in. What they asked for goes on.")
        }
        Some("enabled") => Some("The account is enabled: its owner can sign in again."),
        Some("signed-out") => Some("They are signed out everywhere, and their tokens are revoked."),
        Some("ended") => Some("That sign-in is ended. Whoever had it is signed out."),
        Some("reset") => Some("Their second factors are gone: they are signed out, and sign in with the password."),
        Some("mailed") => Some("A mail with a one-time link is on its way to them. It is good for an hour."),
        _ => None,
    };
    page(&state, &me, user_id(&id)?, Said { done, ..Said::default() }).await
}

/// Changes one person's role and quota.
pub async fn update(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id = user_id(&id)?;
    match change(&state, &me, id, &fields, ip).await {
        Ok(()) => Ok(back(id, "changed")),
        Err(error) => refused(&state, &me, id, error).await,
    }
}

/// What is done to an account in one word.
pub async fn act(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, act)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id = user_id(&id)?;
    let done = match act.as_str() {
        "disable" => disable(&state, &me, id, true, ip).await.map(|()| back(id, "disabled")),
        "enable" => disable(&state, &me, id, false, ip).await.map(|()| back(id, "enabled")),
        "sign-out" => state.auth.sign_out_everywhere(id, Some(&me), ip).await.map(|()| back(id, "signed-out")),
        "reset-factors" => state.auth.reset_factors(id, Some(&me), ip).await.map(|()| back(id, "reset")),
        "erase" => {
            let erased = state.auth.erase(Some(&me), id, fields.get("email"), ip).await;
            erased.map(|()| Redirect::to("/users?done=erased").into_response())
        }
        "link" => return link(&state, &me, id, ip).await,
        _ => return Err(PageError::NotFound("page")),
    };
    match done {
        Ok(response) => Ok(response),
        Err(error) => refused(&state, &me, id, error).await,
    }
}

async fn disable(
    state: &AppState,
    me: &Identity,
    id: UserId,
    disabled: bool,
    ip: Option<IpAddr>,
) -> Result<(), AuthError> {
    let changes = UserChanges { disabled: Some(disabled), ..UserChanges::default() };
    state.auth.update_user(Some(me), id, changes, ip).await.map(drop)
}

/// A way in again: by mail, or shown this once where no mail reaches people.
async fn link(state: &AppState, me: &Identity, id: UserId, ip: Option<IpAddr>) -> Result<Response, PageError> {
    if state.auth.account_policy().mails {
        let user = account(state, id).await?;
        return match state.auth.mail_password_link(&user, Some(me), ip).await {
            Ok(()) => Ok(back(id, "mailed")),
            Err(error) => refused(state, me, id, error).await,
        };
    }
    let (secret, _) = state.auth.create_password_link(id, HANDED_LINK_LIFE, Some(me), ip).await?;
    page(state, me, id, Said { link: Some(state.link(&secret)), ..Said::default() }).await
}

async fn change(
    state: &AppState,
    me: &Identity,
    id: UserId,
    fields: &Fields,
    ip: Option<IpAddr>,
) -> Result<(), AuthError> {
    let user = state.store.user(id).await?.ok_or(AuthError::NoSuchUser)?;
    let role = fields.get("role").parse().ok().filter(|role: &Role| *role != user.role);
    let quota: i32 = fields.get("quota").trim().parse().map_err(|_| AuthError::InvalidQuota)?;
    // Only what was changed on the page: wells spent since it was shown stay spent.
    let quota = (fields.get("quota_was").trim() != fields.get("quota").trim()).then_some(quota);
    if role.is_some() || quota.is_some() {
        state.auth.update_user(Some(me), id, UserChanges { role, quota, disabled: None }, ip).await?;
    }
    Ok(())
}

async fn refused(state: &AppState, me: &Identity, id: UserId, error: AuthError) -> Result<Response, PageError> {
    let said = Said { problem: Some(sentence(&told(error)?)), ..Said::default() };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(state, me, id, said).await?).into_response())
}

fn back(id: UserId, word: &str) -> Response {
    Redirect::to(&format!("/users/{id}?done={word}")).into_response()
}

fn user_id(text: &str) -> Result<UserId, PageError> {
    text.parse().map_err(|_| PageError::NotFound("account"))
}

async fn account(state: &AppState, id: UserId) -> Result<User, PageError> {
    state.store.user(id).await?.ok_or(PageError::NotFound("account"))
}

async fn page(state: &AppState, me: &Identity, id: UserId, said: Said) -> Result<Response, PageError> {
    let user = account(state, id).await?;
    let now = Utc::now();
    let tokens = state.auth.api_tokens(id).await?;
    let activity = state.store.activity(Some(id), None, SHOWN).await?;
    html(&PersonPage {
        chrome: Chrome::of(user.email.clone(), "users", Visitor::of(&state.store, &me.user).await?),
        since: When::new(user.created_at, now),
        is_me: id == me.user_id(),
        roles: roles(),
        part: QuotaPart::of(state, id, QuotaSaid::default()).await?,
        theirs: true,
        sessions: SessionsPart::of(state, me, id).await?,
        tokens: tokens.iter().filter(|token| token.expires_at > now).count(),
        mails: state.auth.account_policy().mails,
        activity: activity
            .data
            .into_iter()
            .map(|line| Line { at: When::new(line.created_at, now), action: line.action.replace('_', " ") })
            .collect(),
        account: user.into(),
        problem: said.problem,
        done: said.done,
        link: said.link,
    })
}

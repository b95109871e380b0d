//! `GET` and `POST /services`, `POST /services/{id}/revoke`: tokens of programs that are nobody's, for administrators.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, Identity, ServiceTokenWish};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ServiceKind, ServiceTokenId, text};
use request::{AppState, ClientIp};
use store::ServiceToken;

#[derive(Template)]
#[template(path = "services.html")]
struct ServicesPage {
    chrome: Chrome,
    entries: Vec<Entry>,
    kinds: Vec<Kind>,
    said: Said,
    longest_name: usize,
    longest_days: u16,
}

struct Entry {
    id: ServiceTokenId,
    name: String,
    service: &'static str,
    created: When,
    expires: When,
    expired: bool,
    /// Within a week: nobody's eyes are on a screen's token.
    expires_soon: bool,
    last_used: Option<When>,
}

struct Kind {
    name: &'static str,
    says: String,
    is_chosen: bool,
}

/// What the page says beside how things stand.
#[derive(Default)]
struct Said {
    name: String,
    service: String,
    days: String,
    problem: Option<String>,
    /// Name and secret of a token that was just made; the secret goes onto this page and nowhere else.
    made: Option<(String, String)>,
}

pub async fn show(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    page(&state, &me, Said::default()).await
}

pub async fn make(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut said = Said {
        name: fields.get("name").chars().take(2 * text::LONGEST_TOKEN_NAME).collect(),
        service: fields.get("service").chars().take(20).collect(),
        days: fields.get("days").chars().take(20).collect(),
        ..Said::default()
    };
    let problem = match (said.service.parse::<ServiceKind>(), said.days.trim().parse::<u16>()) {
        (Ok(service), Ok(days)) => {
            let wish = ServiceTokenWish { service, name: said.name.clone(), days: Some(days) };
            match state.auth.create_service_token(wish, Some(&me), ip).await {
                Ok((token, secret)) => {
                    let made = Some((token.name, secret.expose().to_owned()));
                    return page(&state, &me, Said { made, ..Said::default() }).await;
                }
                Err(
                    error @ (AuthError::InvalidTokenName(_)
                    | AuthError::InvalidTokenLife { .. }
                    | AuthError::TooManyTokens { .. }),
                ) => error.to_string(),
                Err(other) => return Err(other.into()),
            }
        }
        (Err(_), _) => "choose what the program is for".to_owned(),
        (_, Err(_)) => "the days are a whole number".to_owned(),
    };
    said.problem = Some(sentence(&problem));
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&state, &me, said).await?).into_response())
}

pub async fn revoke(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: ServiceTokenId = id.parse().map_err(|_| PageError::NotFound("token"))?;
    state.auth.revoke_service_token(id, Some(&me), ip).await?;
    Ok(Redirect::to("/services").into_response())
}

async fn page(state: &AppState, me: &Identity, mut said: Said) -> Result<Response, PageError> {
    let (tokens, now) = (state.auth.service_tokens().await?, Utc::now());
    let longest_days = state.auth.longest_token_days();
    if said.days.is_empty() {
        said.days = longest_days.to_string();
    }
    let kind = |kind: &ServiceKind| Kind {
        name: kind.as_str(),
        says: kind.permissions().iter().map(|permission| permission.rule().what).collect::<Vec<_>>().join("; "),
        is_chosen: said.service == kind.as_str(),
    };
    html(&ServicesPage {
        chrome: Chrome::of("Programs", "users", Visitor::of(&state.store, &me.user).await?),
        entries: tokens.into_iter().map(|token| entry(token, now)).collect(),
        kinds: ServiceKind::ALL.iter().map(kind).collect(),
        said,
        longest_name: text::LONGEST_TOKEN_NAME,
        longest_days,
    })
}

fn entry(token: ServiceToken, now: DateTime<Utc>) -> Entry {
    Entry {
        id: token.id,
        name: token.name,
        service: token.service.as_str(),
        created: When::new(token.created_at, now),
        expires: When::new(token.expires_at, now),
        expired: token.expires_at <= now,
        expires_soon: token.expires_at <= now + TimeDelta::days(7),
        last_used: token.last_used_at.map(|at| When::new(at, now)),
    }
}

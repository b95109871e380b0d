//! The tokens of a person's programs: the part of the account's page, and what its forms do.

use super::{Said as PageSaid, page};
use crate::{error::PageError, fields::Fields, sentences::sentence, session::SignedIn, when::When};
use auth::{AuthError, Identity, MOST_API_TOKENS, TokenWish};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApiTokenId, Scope, text};
use request::{AppState, ClientIp};
use store::ApiToken;

/// Lives to choose from, in days, as far as the lab allows them.
const LIVES: [u16; 4] = [7, 30, 90, 365];

/// What this part says beside how things stand.
#[derive(Debug, Default)]
pub(super) struct Said {
    typed: Option<Typed>,
    problem: Option<String>,
    made: Option<Made>,
}

/// A token that was just made. Its secret goes onto this page and nowhere else.
pub(super) struct Made {
    pub name: String,
    pub secret: String,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Made(…)")
    }
}

/// What was chosen.
#[derive(Debug)]
struct Typed {
    name: String,
    scopes: Vec<Scope>,
    days: u16,
}

/// One thing that a token may be for.
pub(super) struct Choice {
    pub name: &'static str,
    pub says: &'static str,
    pub is_chosen: bool,
}

/// How long a token may live.
pub(super) struct Life {
    pub days: u16,
    pub is_chosen: bool,
}

pub(super) struct Entry {
    pub id: ApiTokenId,
    pub name: String,
    pub scopes: String,
    pub created: When,
    pub expires: When,
    pub expired: bool,
    /// Within three days.
    pub expires_soon: bool,
    pub last_used: Option<When>,
}

pub(super) struct TokensPart {
    pub entries: Vec<Entry>,
    pub made: Option<Made>,
    pub problem: Option<String>,
    /// As many as one person may have are there.
    pub is_full: bool,
    pub most: u32,
    pub name: String,
    pub longest_name: usize,
    pub choices: Vec<Choice>,
    pub lives: Vec<Life>,
}

impl TokensPart {
    pub async fn of(state: &AppState, me: &Identity, said: Said) -> Result<Self, PageError> {
        let (tokens, now) = (state.auth.api_tokens(me.user_id()).await?, Utc::now());
        let good = tokens.iter().filter(|token| token.expires_at > now).count();
        let typed = said.typed.unwrap_or_else(|| Typed {
            name: String::new(),
            scopes: vec![Scope::Read, Scope::Experiments],
            days: state.auth.usual_token_days(),
        });
        let choice = |scope: &Scope| Choice {
            name: scope.as_str(),
            says: scope.says(),
            is_chosen: typed.scopes.contains(scope),
        };
        let choices = Scope::ALL.iter().filter(|scope| scope.is_for(me.role())).map(choice).collect();
        Ok(Self {
            entries: tokens.into_iter().map(|token| entry(token, now)).collect(),
            made: said.made,
            problem: said.problem,
            is_full: good >= MOST_API_TOKENS as usize,
            most: MOST_API_TOKENS,
            choices,
            lives: lives(state.auth.longest_token_days(), typed.days),
            name: typed.name,
            longest_name: text::LONGEST_TOKEN_NAME,
        })
    }
}

fn lives(longest: u16, chosen: u16) -> Vec<Life> {
    let mut days: Vec<_> = LIVES.into_iter().filter(|days| *days < longest).collect();
    if longest <= LIVES[LIVES.len() - 1] {
        days.push(longest);
    }
    days.into_iter().map(|days| Life { days, is_chosen: days == chosen }).collect()
}

fn entry(token: ApiToken, now: DateTime<Utc>) -> Entry {
    Entry {
        id: token.id,
        name: token.name,
        scopes: token.scopes.to_string().replace(' ', ", "),
        created: When::new(token.created_at, now),
        expires: When::new(token.expires_at, now),
        expired: token.expires_at <= now,
        expires_soon: token.expires_at <= now + TimeDelta::days(3),
        last_used: token.last_used_at.map(|at| When::new(at, now)),
    }
}

/// `POST /account/tokens`. The page that answers is the only one that shows the secret; it stands in no address.
pub async fn make(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let typed = Typed {
        name: fields.get("name").chars().take(2 * text::LONGEST_TOKEN_NAME).collect(),
        scopes: Scope::ALL.iter().copied().filter(|scope| fields.get(scope.as_str()) == "yes").collect(),
        days: fields.get("days").parse().unwrap_or_default(),
    };
    let wish = TokenWish { name: typed.name.clone(), scopes: typed.scopes.clone(), days: Some(typed.days) };
    match state.auth.create_api_token(&me.user, wish, Some(&me), ip).await {
        Ok((token, secret)) => {
            let made = Made { name: token.name, secret: secret.expose().to_owned() };
            let said = Said { made: Some(made), ..Said::default() };
            page(&state, &me, PageSaid { tokens: said, ..PageSaid::default() }).await
        }
        Err(error) => {
            let said = Said { problem: Some(sentence(&told(error)?)), typed: Some(typed), made: None };
            let page = page(&state, &me, PageSaid { tokens: said, ..PageSaid::default() }).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// `POST /account/tokens/{id}/revoke`
pub async fn revoke(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: ApiTokenId = id.parse().map_err(|_| PageError::NotFound("token"))?;
    state.auth.revoke_api_token(id, Some(&me), ip).await?;
    Ok(Redirect::to("/account?done=revoked").into_response())
}

/// What a person can mend is said to them; the rest is an error page.
fn told(error: AuthError) -> Result<String, PageError> {
    match error {
        AuthError::InvalidTokenName(_)
        | AuthError::NoScope
        | AuthError::ScopeBeyondRole { .. }
        | AuthError::InvalidTokenLife { .. }
        | AuthError::TooManyTokens { .. } => Ok(error.to_string()),
        other => Err(other.into()),
    }
}

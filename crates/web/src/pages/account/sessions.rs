//! Where a person is signed in, on their page and on an administrator's: `POST /account/sessions/{id}/revoke`,
//! `POST /account/sessions/others`; and `POST /account/reuse`, that they have read of a copied token.

use crate::{error::PageError, session::SignedIn, when::When};
use auth::Identity;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};
use request::{AppState, ClientIp};
use store::OpenSession;

/// Ready for a template.
pub struct SessionsPart {
    pub entries: Vec<Entry>,
    /// Whether there is another than the one that asks.
    pub has_others: bool,
}

pub struct Entry {
    pub id: SessionId,
    pub client: String,
    pub from: Option<String>,
    pub began: When,
    pub last_used: Option<When>,
    pub is_this: bool,
}

impl SessionsPart {
    /// Those of a person, as `me` looks at them.
    pub async fn of(state: &AppState, me: &Identity, whose: UserId) -> Result<Self, PageError> {
        let now = Utc::now();
        let sessions = state.auth.open_sessions(whose).await?;
        let entries: Vec<_> = sessions.into_iter().map(|session| entry(session, me, now)).collect();
        Ok(Self { has_others: entries.iter().any(|entry| !entry.is_this), entries })
    }
}

fn entry(session: OpenSession, me: &Identity, now: DateTime<Utc>) -> Entry {
    Entry {
        is_this: me.session() == Some(session.id),
        id: session.id,
        client: session.client.unwrap_or_else(|| "A browser or program".to_owned()),
        from: session.ip_address.map(|address| address.to_string()),
        began: When::new(session.created_at, now),
        last_used: session.last_used_at.map(|at| When::new(at, now)),
    }
}

pub async fn revoke(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: SessionId = id.parse().map_err(|_| PageError::NotFound("sign-in"))?;
    let owner = state.auth.end_session(id, &me, ip).await?;
    let to = if owner == me.user_id() {
        "/account?done=ended#sessions".to_owned()
    } else {
        format!("/users/{owner}?done=ended#sessions")
    };
    Ok(Redirect::to(&to).into_response())
}

pub async fn end_others(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
) -> Result<Response, PageError> {
    state.auth.end_other_sessions(&me, ip).await?;
    Ok(Redirect::to("/account?done=others#sessions").into_response())
}

pub async fn see_reuse(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    state.auth.see_reuse(&me).await?;
    Ok(Redirect::to("/account").into_response())
}

//! `GET` and `POST /users/invitations`, `POST /users/invitations/{id}/revoke`, and `POST /users/registrations/{id}/{act}`:
//! who may come in.

use super::{PageError, Said as PeopleSaid, Wish, page as people_page, roles, told};
use crate::{
    chrome::{Chrome, Visitor},
    error::html,
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, Identity, InvitationWish, LONGEST_INVITATION_DAYS, MOST_USES};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use domain::{InvitationId, RegistrationId, Role};
use request::{AppState, ClientIp};
use serde::Deserialize;
use store::Invitation;

const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "invitations.html")]
struct InvitationsPage {
    chrome: Chrome,
    entries: Vec<Entry>,
    next: Option<String>,
    roles: Vec<&'static str>,
    most_uses: u16,
    most_days: u16,
    form: Typed,
    /// Nobody is let in by invitation here.
    closed: bool,
    mails: bool,
    problem: Option<String>,
    done: Option<&'static str>,
    made: Option<Made>,
}

/// An invitation that was just made: its link is shown this once.
struct Made {
    link: String,
    mailed: bool,
}

struct Entry {
    id: String,
    whom: String,
    role: &'static str,
    quota: i32,
    uses: i32,
    uses_left: i32,
    expires: When,
    expired: bool,
}

struct Typed {
    email: String,
    role: String,
    quota: String,
    uses: String,
    days: String,
    group: String,
}

impl Default for Typed {
    fn default() -> Self {
        let [role, quota, uses, days] = ["student", "96", "1", "14"].map(str::to_owned);
        Self { email: String::new(), role, quota, uses, days, group: String::new() }
    }
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let short = |name: &str| fields.get(name).trim().chars().take(20).collect();
        Self {
            email: fields.get("email").chars().take(254).collect(),
            role: short("role"),
            quota: short("quota"),
            uses: short("uses"),
            days: short("days"),
            group: fields.get("group").trim().chars().take(120).collect(),
        }
    }

    fn wish(&self) -> Result<InvitationWish, AuthError> {
        Ok(InvitationWish {
            email: Some(self.email.clone()).filter(|email| !email.trim().is_empty()),
            role: Some(self.role.parse::<Role>().unwrap_or(Role::Student)),
            quota: Some(self.quota.parse().map_err(|_| AuthError::InvalidQuota)?),
            uses: Some(self.uses.parse().map_err(|_| AuthError::InvalidUses)?),
            days: Some(self.days.parse().map_err(|_| AuthError::InvalidInvitationLife)?),
            group: Some(self.group.clone()).filter(|name| !name.is_empty()),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Which {
    after: Option<String>,
    done: Option<String>,
}

#[derive(Default)]
struct Said {
    form: Typed,
    problem: Option<String>,
    made: Option<Made>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(which): Query<Which>,
) -> Result<Response, PageError> {
    page(&state, &me, &which, Said::default()).await
}

pub async fn invite(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let form = Typed::of(&fields);
    let made = match form.wish() {
        Ok(wish) => state.auth.invite(wish, Some(&me), ip).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            let made = Made { link: state.link(&made.secret), mailed: made.mailed };
            page(&state, &me, &Which::default(), Said { made: Some(made), ..Said::default() }).await
        }
        Err(error) => {
            let said = Said { form, problem: Some(sentence(&told(error)?)), made: None };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&state, &me, &Which::default(), said).await?).into_response())
        }
    }
}

pub async fn revoke(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: InvitationId = id.parse().map_err(|_| PageError::NotFound("invitation"))?;
    state.auth.revoke_invitation(id, Some(&me), ip).await?;
    Ok(Redirect::to("/users/invitations?done=revoked").into_response())
}

/// Whether somebody who asked for an account gets one.
pub async fn decide(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, act)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id: RegistrationId = id.parse().map_err(|_| PageError::NotFound("request for an account"))?;
    let (decided, word) = match act.as_str() {
        "approve" => {
            let quota = match fields.get("quota").trim() {
                "" => Ok(None),
                quota => quota.parse().map(Some).map_err(|_| AuthError::InvalidQuota),
            };
            let role = fields.get("role").parse().ok();
            let approved = match quota {
                Ok(quota) => state.auth.approve(id, role, quota, Some(&me), ip).await.map(drop),
                Err(error) => Err(error),
            };
            (approved, "approved")
        }
        "refuse" => (state.auth.reject(id, Some(&me), ip).await, "refused"),
        _ => return Err(PageError::NotFound("page")),
    };
    match decided {
        Ok(()) => Ok(Redirect::to(&format!("/users?done={word}")).into_response()),
        Err(error) => {
            let said = PeopleSaid { problem: Some(told(error)?), ..PeopleSaid::default() };
            let page = people_page(&state, &me, &Wish::default(), said).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn page(state: &AppState, me: &Identity, which: &Which, said: Said) -> Result<Response, PageError> {
    let after = which.after.as_deref().and_then(|text| text.parse().ok());
    let invitations = state.store.invitations(after, PAGE).await?;
    let policy = state.auth.account_policy();
    let now = Utc::now();
    html(&InvitationsPage {
        chrome: Chrome::of("Invitations", "users", Visitor::of(&state.store, &me.user).await?),
        entries: invitations.data.into_iter().map(|invitation| entry(invitation, now)).collect(),
        next: invitations.next.map(|cursor| format!("/users/invitations?after={cursor}")),
        roles: roles(),
        most_uses: MOST_USES,
        most_days: LONGEST_INVITATION_DAYS,
        form: said.form,
        closed: policy.check_invitations().is_err(),
        mails: policy.mails,
        problem: said.problem,
        done: match which.done.as_deref() {
            Some("revoked") => Some("The invitation is ended. Accounts that were made with it stay."),
            _ => None,
        },
        made: said.made,
    })
}

fn entry(invitation: Invitation, now: DateTime<Utc>) -> Entry {
    let Invitation { id, email, role, quota, uses, uses_left, expires_at, .. } = invitation;
    Entry {
        id: id.to_string(),
        whom: email.unwrap_or_else(|| "whoever has the link".to_owned()),
        role: role.as_str(),
        quota,
        uses,
        uses_left,
        expires: When::new(expires_at, now),
        expired: expires_at <= now,
    }
}

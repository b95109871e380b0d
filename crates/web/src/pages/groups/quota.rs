//! Where somebody's quota comes from, as their account's page and an administrator's page of them say it; and
//! `POST /account/quota`, which asks for more.

use super::moment;
use crate::{error::PageError, fields::Fields, pages::account, sentences::sentence, session::SignedIn, when::When};
use auth::{AuthError, MOST_ASKED};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{GroupId, QuotaCause, Standing, UserId, text};
use request::{AppState, ClientIp};
use store::{DecidedRequest, Membership, QuotaChange};

/// Changes shown.
const SHOWN: u32 = 10;

/// The part of a page.
pub struct QuotaPart {
    pub total: i32,
    /// Nothing where it is all there is.
    pub own: Option<i32>,
    pub shares: Vec<ShareLine>,
    pub teaches: Vec<(GroupId, String)>,
    /// What was asked for and waits.
    pub open: Option<OpenLine>,
    /// How the last ended.
    pub decided: Option<String>,
    pub history: Vec<ChangeLine>,
    pub most_asked: i32,
    pub longest_reason: usize,
    pub said: Said,
}

/// One group's allowance.
pub struct ShareLine {
    pub id: GroupId,
    pub name: String,
    pub left: i32,
    pub allowance: i32,
    pub next_refill: String,
}

pub struct OpenLine {
    pub wells: i32,
    pub whom: String,
    pub reason: String,
    pub since: When,
}

pub struct ChangeLine {
    pub at: When,
    pub change: String,
    pub why: String,
}

/// What was typed, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Said {
    pub wells: String,
    pub reason: String,
    pub group: String,
    pub problem: Option<String>,
}

impl QuotaPart {
    pub async fn of(state: &AppState, user: UserId, said: Said) -> Result<Self, PageError> {
        let parts = state.store.quota_parts(user).await?;
        let (open, now) = (state.store.open_quota_request(user).await?, Utc::now());
        let decided = state.store.last_decided_request(user).await?;
        let history = state.store.quota_changes(user, SHOWN).await?;
        let (mut shares, mut teaches) = (Vec::new(), Vec::new());
        for Membership { group, standing, left } in parts.memberships {
            match standing {
                Standing::Teacher => teaches.push((group.id, group.name)),
                Standing::Member => shares.push(ShareLine {
                    id: group.id,
                    next_refill: moment(group.next_refill_at, group.time_zone),
                    name: group.name,
                    left,
                    allowance: group.allowance,
                }),
            }
        }
        let name_of = |id: Option<GroupId>| {
            let share = shares.iter().find(|share| Some(share.id) == id);
            share.map_or_else(|| "a group".to_owned(), |share| share.name.clone())
        };
        let history = history.into_iter().map(|change| ChangeLine {
            at: When::new(change.created_at, now),
            change: format!("{} → {}", change.before, change.after),
            why: why(&change, &name_of(change.group_id)),
        });
        Ok(Self {
            total: parts.total,
            own: (!shares.is_empty()).then_some(parts.own),
            history: history.collect(),
            open: open.map(|open| OpenLine {
                wells: open.wells,
                whom: open
                    .group_name
                    .map_or_else(|| "the lab’s administrators".to_owned(), |name| format!("who teaches {name}")),
                reason: open.reason,
                since: When::new(open.created_at, now),
            }),
            decided: decided.map(|decided| outcome(&decided)),
            shares,
            teaches,
            most_asked: MOST_ASKED,
            longest_reason: text::LONGEST_REASON,
            said,
        })
    }
}

fn outcome(decided: &DecidedRequest) -> String {
    match decided {
        DecidedRequest { granted: 0, wells, .. } => {
            format!("The {wells} wells that you asked for last weren’t granted.")
        }
        DecidedRequest { granted, wells, .. } if granted == wells => {
            format!("The {wells} wells that you asked for last were granted.")
        }
        DecidedRequest { granted, wells, .. } => {
            format!("Of the {wells} wells that you asked for last {granted} were granted.")
        }
    }
}

fn why(change: &QuotaChange, group: &str) -> String {
    let by = change.by_email.as_deref().map_or_else(String::new, |email| format!(" by {email}"));
    let why = match change.cause {
        QuotaCause::Set => "set".to_owned(),
        QuotaCause::Provider => "as your institution says".to_owned(),
        QuotaCause::Joined => format!("came into {group}"),
        QuotaCause::Left => format!("left {group}"),
        QuotaCause::Refilled => format!("refill of {group}"),
        QuotaCause::Granted => "granted".to_owned(),
    };
    let note = change.note.as_deref().map_or_else(String::new, |note| format!(": {note}"));
    format!("{why}{by}{note}")
}

/// Asks for more.
pub async fn ask(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut said = Said {
        wells: fields.get("wells").trim().chars().take(12).collect(),
        reason: fields.get("reason").chars().take(2 * text::LONGEST_REASON).collect(),
        group: fields.get("group").chars().take(40).collect(),
        problem: None,
    };
    let group = match said.group.as_str() {
        "" => None,
        group => Some(group.parse().map_err(|_| PageError::NotFound("group"))?),
    };
    let wells = said.wells.parse().unwrap_or_default();
    match state.auth.ask_for_quota(&me, group, wells, &said.reason, ip).await {
        Ok(_) => Ok(Redirect::to("/account?done=asked#quota-part").into_response()),
        Err(error @ AuthError::Group(auth::GroupError::NoSuchGroup)) => Err(error.into()),
        Err(AuthError::Group(error)) => {
            said.problem = Some(sentence(&error.to_string()));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, account::page_about_quota(&state, &me, said).await?).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

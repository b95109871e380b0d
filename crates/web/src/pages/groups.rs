//! `/groups` and `/quota-requests/{id}/{act}`: classes and courses, for administrators and for who teaches them.

mod one;
mod quota;

pub use one::{act, add, remove, show as show_one, update};
pub use quota::{QuotaPart, Said as QuotaSaid, ask};

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, GroupWish, Identity, USUAL_ALLOWANCE, USUAL_REFILL, USUAL_RESERVE};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use domain::{GroupId, Refill, Zone, day_name, text};
use request::{AppState, ClientIp};
use serde::Deserialize;
use store::QuotaRequest;
use views::{GroupLineView, QuotaRequestView};

/// Groups, and requests, on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "groups.html")]
struct GroupsPage {
    chrome: Chrome,
    administers: bool,
    entries: Vec<Entry>,
    waiting: Vec<Asked>,
    form: Terms,
    form_is_open: bool,
    problem: Option<String>,
    done: Option<String>,
    first: bool,
    next: Option<String>,
}

struct Entry {
    line: GroupLineView,
    /// When it is whole again, as the group's clocks say it.
    refill: String,
}

/// A request with the buttons that answer it.
struct Asked {
    request: QuotaRequestView,
    since: When,
}

/// A group's terms as they stand in a form.
struct Terms {
    name: String,
    allowance: String,
    reserve: String,
    refill: String,
    time_zone: String,
    longest_name: usize,
}

impl Terms {
    fn usual() -> Self {
        let (allowance, reserve) = (USUAL_ALLOWANCE.to_string(), USUAL_RESERVE.to_string());
        let (name, refill, time_zone) = (String::new(), USUAL_REFILL.to_string(), String::new());
        Self { name, allowance, reserve, refill, time_zone, longest_name: text::LONGEST_GROUP_NAME }
    }

    fn of(fields: &Fields) -> Self {
        let short = |name: &str, most| fields.get(name).trim().chars().take(most).collect();
        Self {
            name: short("name", 2 * text::LONGEST_GROUP_NAME),
            allowance: short("allowance", 12),
            reserve: short("reserve", 12),
            refill: short("refill", 600),
            time_zone: short("time_zone", 60),
            longest_name: text::LONGEST_GROUP_NAME,
        }
    }

    fn wish(&self) -> Result<GroupWish, AuthError> {
        let wells = |text: &str| text.parse::<i32>().map_err(|_| AuthError::InvalidQuota);
        Ok(GroupWish {
            name: Some(self.name.clone()),
            allowance: Some(wells(&self.allowance)?),
            reserve: Some(wells(&self.reserve)?),
            refill: Some(self.refill.clone()),
            time_zone: Some(self.time_zone.clone()).filter(|zone| !zone.is_empty()),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    after: Option<String>,
    done: Option<String>,
}

#[derive(Default)]
struct Said {
    form: Option<Terms>,
    problem: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    page(&state, &me, &wish, Said::default()).await
}

pub async fn create(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let form = Terms::of(&fields);
    let made = match form.wish() {
        Ok(wish) => state.auth.create_group(wish, Some(&me), ip).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(group) => Ok(Redirect::to(&format!("/groups/{}?done=made", group.id)).into_response()),
        Err(error) => {
            let said = Said { problem: Some(told(error)?), form: Some(form) };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&state, &me, &Wish::default(), said).await?).into_response())
        }
    }
}

/// Grants or refuses what somebody asks for, and goes back to where the button was.
pub async fn decide(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, act)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id = id.parse().map_err(|_| PageError::NotFound("request"))?;
    let back = match fields.get("group").parse::<GroupId>() {
        Ok(group) => format!("/groups/{group}"),
        Err(_) => "/groups".to_owned(),
    };
    let done = match act.as_str() {
        "grant" => state.auth.grant_quota(id, None, Some(&me), ip).await.map(|_| "granted"),
        "refuse" => state.auth.refuse_quota(id, Some(&me), ip).await.map(|()| "refused"),
        _ => return Err(PageError::NotFound("page")),
    };
    let done = match done {
        Ok(done) => done,
        // A second click, or somebody else's: what is wanted is done.
        Err(AuthError::Group(auth::GroupError::Decided)) => "decided",
        Err(AuthError::Group(auth::GroupError::ReserveSpent { .. })) => "reserve",
        Err(error) => return Err(error.into()),
    };
    Ok(Redirect::to(&format!("{back}?done={done}")).into_response())
}

/// What the page says after an act.
fn done(word: Option<&str>) -> Option<String> {
    let says = match word? {
        "made" => "The group is made. Put people into it.",
        "changed" => "Changed. A new allowance counts from the next refill, a new reserve at once.",
        "added" => "They are in the group.",
        "removed" => "They are out of the group. What they asked for goes on.",
        "refilled" => "Each member’s allowance and the reserve are whole again.",
        "deleted" => "The group is no more. Experiments, and what is people’s own of their quota, stay.",
        "granted" => "Granted. They can use it at once.",
        "refused" => "Refused. They see it on their account’s page, and may ask again.",
        "decided" => "It was granted or refused already.",
        _ => return None,
    };
    Some(says.to_owned())
}

/// What couldn't be done, after an act that leads back to the page.
fn undone(word: Option<&str>) -> Option<String> {
    let says = "The reserve hasn’t so many wells left: it is whole with the next refill, and an administrator can make it larger.";
    (word == Some("reserve")).then(|| says.to_owned())
}

/// What a person can mend is said to them; the rest is an error page.
fn told(error: AuthError) -> Result<String, PageError> {
    match error {
        AuthError::Group(
            auth::GroupError::NoSuchGroup | auth::GroupError::NoSuchMember | auth::GroupError::NoSuchRequest,
        ) => Err(error.into()),
        AuthError::Group(_) | AuthError::InvalidQuota | AuthError::InvalidEmail(_) => Ok(sentence(&error.to_string())),
        other => Err(other.into()),
    }
}

fn asked(request: QuotaRequest, now: DateTime<Utc>) -> Asked {
    Asked { since: When::new(request.created_at, now), request: request.into() }
}

/// In words.
fn calendar(refill: &Refill) -> String {
    match refill {
        Refill::Never => "never".to_owned(),
        Refill::Weekly(day) => format!("each {}", day_name(*day)),
        Refill::On(dates) if dates.len() == 1 => "once".to_owned(),
        Refill::On(dates) => format!("on {} days", dates.len()),
    }
}

/// Like `Mon 7 Dec 2026, 00:00 (Europe/Zurich)`.
fn moment(at: Option<DateTime<Utc>>, zone: Zone) -> String {
    match at {
        Some(at) => format!("{} ({zone})", at.with_timezone(&zone).format("%a %-d %b %Y, %H:%M")),
        None => "never".to_owned(),
    }
}

async fn page(state: &AppState, me: &Identity, wish: &Wish, said: Said) -> Result<Response, PageError> {
    let after = wish.after.as_deref().and_then(|text| text.parse().ok());
    let whose = state.auth.looks_at_groups_of(me);
    let page = state.store.groups(whose, after, PAGE).await?;
    let (requests, now) = (state.store.quota_requests(whose, None, None, PAGE).await?, Utc::now());
    let entry = |line: store::GroupLine| Entry {
        refill: moment(line.group.next_refill_at, line.group.time_zone),
        line: line.into(),
    };
    html(&GroupsPage {
        chrome: Chrome::of("Groups", "groups", Visitor::of(&state.store, &me.user).await?),
        administers: me.role().administers(),
        form_is_open: said.form.is_some() || page.data.is_empty(),
        entries: page.data.into_iter().map(entry).collect(),
        waiting: requests.data.into_iter().map(|request| asked(request, now)).collect(),
        form: said.form.unwrap_or_else(Terms::usual),
        problem: said.problem.or_else(|| undone(wish.done.as_deref())),
        done: done(wish.done.as_deref()),
        first: after.is_some(),
        next: page.next.map(|cursor| format!("/groups?after={cursor}")),
    })
}

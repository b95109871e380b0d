//! `GET` and `POST /groups/{id}`, `POST /groups/{id}/members`, `…/{user}/remove` and `/groups/{id}/{act}`: one group.

use super::{Asked, Terms, Wish, asked, calendar, done, told, undone};
use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    pages::{experiment::status_word, experiments::title},
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, Identity, MOST_ADDED};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use domain::{GroupId, Standing, UserId};
use request::{AppState, ClientIp};
use store::{ExperimentSummary, Group};
use views::{ExperimentLine, GroupView, MemberView};

/// People on a page, and experiments.
const PEOPLE: u32 = 100;
const EXPERIMENTS: u32 = 15;
/// Requests that wait.
const REQUESTS: u32 = 50;

#[derive(Template)]
#[template(path = "group.html")]
struct GroupPage {
    chrome: Chrome,
    administers: bool,
    group: GroupView,
    refill: String,
    /// When it is whole again, as the group's clocks say it.
    next_day: String,
    next_clock: String,
    waiting: Vec<Asked>,
    people: Vec<MemberView>,
    more_people: Option<String>,
    experiments: Vec<Line>,
    form: Terms,
    emails: String,
    most_added: usize,
    problem: Option<String>,
    done: Option<String>,
}

/// An experiment of a member.
struct Line {
    line: ExperimentLine,
    title: String,
    status: &'static str,
    created: When,
}

#[derive(Default)]
struct Said {
    form: Option<Terms>,
    emails: String,
    problem: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    page(&state, &me, group_id(&id)?, &wish, Said::default()).await
}

pub async fn update(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    let (id, form) = (group_id(&id)?, Terms::of(&fields));
    let changed = match form.wish() {
        Ok(wish) => state.auth.update_group(id, wish, Some(&me), ip).await.map(drop),
        Err(error) => Err(error),
    };
    answer(&state, &me, id, "changed", changed, Said { form: Some(form), ..Said::default() }).await
}

/// Puts people into the group by their addresses, however they are separated.
pub async fn add(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    // Whether there is such a group is said before what is wrong with the addresses.
    let id = state.auth.group(Some(&me), group_id(&id)?).await?.id;
    let emails = fields.get("emails");
    let list = emails.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|email| !email.is_empty());
    let list: Vec<_> = list.take(MOST_ADDED + 1).map(str::to_owned).collect();
    let standing =
        if fields.get("standing") == Standing::Teacher.as_str() { Standing::Teacher } else { Standing::Member };
    let added = state.auth.add_to_group(id, &list, standing, Some(&me), ip).await;
    let emails = emails.chars().take(20_000).collect();
    answer(&state, &me, id, "added", added, Said { emails, ..Said::default() }).await
}

pub async fn remove(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, user)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let id = group_id(&id)?;
    let user: UserId = user.parse().map_err(|_| PageError::NotFound("account"))?;
    let removed = state.auth.remove_from_group(id, user, Some(&me), ip).await;
    answer(&state, &me, id, "removed", removed, Said::default()).await
}

pub async fn act(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, act)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id = group_id(&id)?;
    match act.as_str() {
        "refill" => {
            let refilled = state.auth.refill_group(id, Some(&me), ip).await;
            answer(&state, &me, id, "refilled", refilled, Said::default()).await
        }
        "delete" => {
            let deleted = state.auth.delete_group(id, fields.get("with_members") == "yes", Some(&me), ip).await;
            match deleted {
                Ok(()) => Ok(Redirect::to("/groups?done=deleted").into_response()),
                Err(error) => answer(&state, &me, id, "", Err(error), Said::default()).await,
            }
        }
        _ => Err(PageError::NotFound("page")),
    }
}

async fn answer(
    state: &AppState,
    me: &Identity,
    id: GroupId,
    word: &str,
    outcome: Result<(), AuthError>,
    said: Said,
) -> Result<Response, PageError> {
    match outcome {
        Ok(()) => Ok(Redirect::to(&format!("/groups/{id}?done={word}")).into_response()),
        Err(error) => {
            let said = Said { problem: Some(told(error)?), ..said };
            let page = page(state, me, id, &Wish::default(), said).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

fn group_id(text: &str) -> Result<GroupId, PageError> {
    text.parse().map_err(|_| PageError::NotFound("group"))
}

async fn page(state: &AppState, me: &Identity, id: GroupId, wish: &Wish, said: Said) -> Result<Response, PageError> {
    let group = state.auth.group(Some(me), id).await?;
    let after = wish.after.as_deref().and_then(|text| text.parse().ok());
    let people = state.store.members(id, after, PEOPLE).await?;
    let requests = state.store.quota_requests(None, Some(id), None, REQUESTS).await?;
    let experiments = state.store.experiments_of_group(id, None, EXPERIMENTS).await?;
    let now = Utc::now();
    let next = group.next_refill_at.map(|at| at.with_timezone(&group.time_zone));
    html(&GroupPage {
        chrome: Chrome::of(group.name.clone(), "groups", Visitor::of(&state.store, &me.user).await?),
        administers: me.role().administers(),
        refill: calendar(&group.refill),
        next_day: next.map_or_else(|| "none".to_owned(), |at| at.format("%-d %b %Y").to_string()),
        next_clock: next.map_or_else(String::new, |at| format!("{}, {}", at.format("%A, %H:%M"), group.time_zone)),
        waiting: requests.data.into_iter().map(|request| asked(request, now)).collect(),
        people: people.data.into_iter().map(MemberView::from).collect(),
        more_people: people.next.map(|cursor| format!("/groups/{id}?after={cursor}")),
        experiments: experiments.data.into_iter().map(|summary| line(summary, now)).collect(),
        form: said.form.unwrap_or_else(|| terms(&group)),
        group: group.into(),
        emails: said.emails,
        most_added: MOST_ADDED,
        problem: said.problem.or_else(|| undone(wish.done.as_deref())),
        done: done(wish.done.as_deref()),
    })
}

fn terms(group: &Group) -> Terms {
    Terms {
        name: group.name.clone(),
        allowance: group.allowance.to_string(),
        reserve: group.reserve.to_string(),
        refill: group.refill.to_string(),
        time_zone: group.time_zone.to_string(),
        ..Terms::usual()
    }
}

fn line(summary: ExperimentSummary, now: DateTime<Utc>) -> Line {
    Line {
        title: title(summary.experiment.name.as_deref(), summary.wells),
        status: status_word(&summary.experiment, false),
        created: When::new(summary.experiment.created_at, now),
        line: ExperimentLine::of(summary, None),
    }
}

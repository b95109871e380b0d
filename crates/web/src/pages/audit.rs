//! `GET /audit`: the activity log, for administrators: searched, and given out as a file.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::Identity;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use domain::UserId;
use request::{AppState, percent_encoded};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use store::{ActivityFilter, Named};
use uuid::Uuid;
use views::{ActivityView, people};

/// Lines on a page.
const PAGE: u32 = 50;
/// Of a list in a line's details so many are named.
const MOST_NAMED: usize = 5;
/// Characters of what is searched for.
const LONGEST: usize = 254;
/// What is offered to choose from; the log has more.
const USUAL: &[&str] = &[
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "signed_out_everywhere",
    "refresh_token_reused",
    "identity_proved",
    "second_factor_failed",
    "second_factor_reset",
    "password_changed",
    "password_link_made",
    "user_created",
    "role_changed",
    "quota_changed",
    "account_disabled",
    "account_enabled",
    "person_erased",
    "invitation_made",
    "api_token_made",
    "api_token_revoked",
    "service_token_made",
    "service_token_revoked",
    "signing_key_rotated",
    "experiment_created",
    "experiment_cancelled",
    "robot_paused",
    "robot_resumed",
    "robot_stopped",
    "deck_attended",
    "database_restored",
    "activity_forgotten",
];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    chrome: Chrome,
    form: Form,
    usual: &'static [&'static str],
    is_search: bool,
    /// Nothing where the search can't be.
    lines: Vec<Line>,
    problem: Option<String>,
    anchor: Option<String>,
    /// The files with what is shown, and all that follows.
    csv: String,
    jsonl: String,
    first: Option<String>,
    next: Option<String>,
}

struct Line {
    number: Option<i64>,
    at: When,
    what: String,
    who: Option<Person>,
    whom: Option<Person>,
    from: Option<String>,
    details: Vec<Detail>,
}

/// Something that is told in no column of its own, like `role operator`.
struct Detail {
    label: String,
    values: Vec<Told>,
    /// Of a list.
    more: usize,
}

struct Told {
    text: String,
    /// The page of what it names.
    page: Option<String>,
    /// The id, where that isn't what is shown.
    id: Option<Uuid>,
}

struct Person {
    id: UserId,
    name: String,
}

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    who: String,
    whom: String,
    what: String,
    since: String,
    until: String,
    q: String,
    after: String,
}

impl Form {
    fn tidy(self) -> Self {
        let tidy = |text: String| -> String { text.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect() };
        let Self { who, whom, what, since, until, q, after } = self;
        let [who, whom, what, since, until, q, after] = [who, whom, what, since, until, q, after].map(tidy);
        Self { who, whom, what, since, until, q, after }
    }

    /// What is asked for, as a query carries it, without the place.
    fn query(&self) -> String {
        let parts = [
            ("who", &self.who),
            ("whom", &self.whom),
            ("what", &self.what),
            ("since", &self.since),
            ("until", &self.until),
            ("q", &self.q),
        ];
        joined(parts.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// The same for the API.
    fn api_query(&self, filter: &ActivityFilter) -> String {
        let id = |user: Option<UserId>| user.map(|user| user.to_string()).unwrap_or_default();
        let time = |at: Option<DateTime<Utc>>| at.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
        let (by, about, from, until) = (id(filter.by), id(filter.about), time(filter.from), time(filter.until));
        joined(
            [
                ("user", by.as_str()),
                ("whom", &about),
                ("action", &self.what),
                ("since", &from),
                ("until", &until),
                ("q", &self.q),
            ]
            .into_iter(),
        )
    }

    async fn filter(&self, state: &AppState) -> Result<Result<ActivityFilter, String>, PageError> {
        let (by, about) = match (person(state, &self.who).await?, person(state, &self.whom).await?) {
            (Ok(by), Ok(about)) => (by, about),
            (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
        };
        let (from, until) = match (day(&self.since), day(&self.until)) {
            (Ok(from), Ok(until)) => (from, until),
            _ => return Ok(Err("A day is like 2026-11-30.".to_owned())),
        };
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Ok(ActivityFilter {
            by,
            about,
            action: text(&self.what),
            from,
            // The day that is named is meant too.
            until: until.and_then(|day| day.checked_add_days(Days::new(1))),
            text: text(&self.q),
        }))
    }
}

fn joined<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let parts = parts.filter(|(_, value)| !value.is_empty());
    parts.map(|(name, value)| format!("{name}={}&", percent_encoded(value))).collect()
}

async fn person(state: &AppState, text: &str) -> Result<Result<Option<UserId>, String>, PageError> {
    if text.is_empty() {
        return Ok(Ok(None));
    }
    // An id is one, whoever's it is: the log may know of an account's lines that nobody can name any more.
    if let Ok(id) = text.parse() {
        return Ok(Ok(Some(id)));
    }
    let user = state.store.user_by_email(&text.to_lowercase()).await?;
    Ok(user.map(|user| Some(user.id)).ok_or_else(|| format!("There is no account {text}.")))
}

fn day(text: &str) -> Result<Option<DateTime<Utc>>, chrono::ParseError> {
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(text.parse::<NaiveDate>()?.and_time(NaiveTime::MIN).and_utc()))
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(form): Query<Form>,
) -> Result<Response, PageError> {
    let form = form.tidy();
    match form.filter(&state).await? {
        Ok(filter) => page(&state, &me, form, &filter, None).await,
        Err(problem) => {
            let refused = page(&state, &me, form, &ActivityFilter::default(), Some(problem)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, refused).into_response())
        }
    }
}

async fn page(
    state: &AppState,
    me: &Identity,
    form: Form,
    filter: &ActivityFilter,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let (mut lines, mut next) = (Vec::new(), None);
    if problem.is_none() {
        let found = state.store.search_activity(filter, form.after.parse().ok(), PAGE).await?;
        (lines, next) = (found.data.into_iter().map(ActivityView::from).collect(), found.next);
    }
    let names = state.store.names_of(&named_in(&lines)).await?;
    let (now, query, api) = (Utc::now(), form.query(), form.api_query(filter));
    html(&AuditPage {
        chrome: Chrome::of("Activity log", "users", Visitor::of(&state.store, &me.user).await?),
        lines: lines.into_iter().map(|line| shown(line, &names, now)).collect(),
        usual: USUAL,
        is_search: !query.is_empty(),
        problem,
        anchor: state.store.activity_anchor().await?.map(|anchor| anchor.to_string()),
        csv: format!("/api/v1/activity/export?{api}format=csv"),
        jsonl: format!("/api/v1/activity/export?{api}format=jsonl"),
        first: (!form.after.is_empty()).then(|| format!("/audit?{query}").trim_end_matches(['?', '&']).to_owned()),
        next: next.map(|cursor| format!("/audit?{query}after={cursor}")),
        form,
    })
}

/// All ids that these lines show, whatever they are of.
fn named_in(lines: &[ActivityView]) -> BTreeSet<Uuid> {
    let of_people = people(lines).into_iter().map(UserId::as_uuid);
    let values = lines.iter().filter_map(|line| line.details.as_object()).flat_map(|details| details.values());
    let texts = values.flat_map(|value| shown_of(value).0.iter().filter_map(Value::as_str));
    of_people.chain(texts.filter_map(|text| text.parse().ok())).collect()
}

/// The values themselves, as far as they are shown, and how many more there are.
fn shown_of(value: &Value) -> (&[Value], usize) {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let shown = all.len().min(MOST_NAMED);
    (&all[..shown], all.len() - shown)
}

fn shown(line: ActivityView, names: &HashMap<Uuid, Named>, now: DateTime<Utc>) -> Line {
    let person = |id: UserId| match names.get(&id.as_uuid()) {
        Some(Named::Person(email)) => Person { id, name: email.clone() },
        _ => Person { id, name: short(id.as_uuid()) },
    };
    let about = line.about();
    Line {
        number: line.number,
        at: When::new(line.created_at, now),
        what: line.action.replace('_', " "),
        who: line.user_id.map(person),
        whom: about.filter(|about| line.user_id != Some(*about)).map(person),
        from: line.ip_address.map(|address| address.to_string()),
        details: said(&line.details, names),
    }
}

/// Like `role operator, via web`: what isn't told in a column of its own.
fn said(details: &Value, names: &HashMap<Uuid, Named>) -> Vec<Detail> {
    let Some(fields) = details.as_object() else { return Vec::new() };
    let told = fields.iter().filter(|(key, value)| *key != "user" && !value.is_null());
    let detail = |(key, value): (&String, &Value)| {
        let (values, more) = shown_of(value);
        let label = key.trim_end_matches("_id").replace('_', " ");
        Detail { label, values: values.iter().map(|value| told_of(value, names)).collect(), more }
    };
    told.map(detail).collect()
}

fn told_of(value: &Value, names: &HashMap<Uuid, Named>) -> Told {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Ok(id) = text.parse::<Uuid>() else { return Told { text, page: None, id: None } };
    let (text, page) = match names.get(&id) {
        Some(Named::Person(email)) => (email.clone(), Some(format!("/users/{id}"))),
        Some(Named::Group(name)) => (name.clone(), Some(format!("/groups/{id}"))),
        Some(Named::Robot(name)) => (name.clone(), Some(format!("/robots/{}", percent_encoded(name)))),
        Some(Named::RemovedRobot(name)) => (name.clone(), None),
        Some(Named::Experiment(name)) => {
            (name.clone().unwrap_or_else(|| short(id)), Some(format!("/experiments/{id}")))
        }
        None => (short(id), None),
    };
    Told { text, page, id: Some(id) }
}

/// What tells one id from others at a glance: its end, for it begins with the time.
fn short(id: Uuid) -> String {
    let text = id.simple().to_string();
    format!("…{}", &text[text.len() - 8..])
}

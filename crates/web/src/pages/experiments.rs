//! `GET /experiments`: mine, newest first; everybody's for who runs the lab.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    pages::experiment::status_word,
    session::Looking,
    when::When,
};
use askama::Template;
use axum::{extract::Query, response::Response};
use chrono::{DateTime, Utc};
use domain::{GroupId, Permission, Role};
use serde::Deserialize;
use store::{ExperimentSummary, Robot};
use views::{ExperimentLine, GroupView, WaitingView};
use workflow::Waiting;

/// Experiments on a page.
const PAGE: u32 = 20;

#[derive(Debug, Deserialize)]
pub struct Wish {
    #[serde(default)]
    of: String,
    after: Option<String>,
}

struct Entry {
    line: ExperimentLine,
    title: String,
    status: &'static str,
    /// What it waits for, for its reader.
    waits: Option<String>,
    created: When,
}

#[derive(Template)]
#[template(path = "experiments.html")]
struct ExperimentsPage {
    chrome: Chrome,
    may_see_everyone: bool,
    everyone: bool,
    /// Whose group's they are, where it is one's.
    group: Option<GroupView>,
    entries: Vec<Entry>,
    /// The address of this very page.
    here: String,
    /// Links to other pages.
    first: Option<String>,
    next: Option<String>,
}

pub async fn show(Looking { state, me }: Looking, Query(wish): Query<Wish>) -> Result<Response, PageError> {
    let may_see_everyone = Permission::SeeExperiments.reaches_others(me.role());
    let everyone = may_see_everyone && wish.of == "everyone";
    let after = match &wish.after {
        Some(text) => Some(text.parse().map_err(|_| PageError::BadRequest("the place in the list".to_owned()))?),
        None => None,
    };
    let group = match wish.of.parse::<GroupId>() {
        Ok(id) => Some(state.auth.group(Some(&me), id).await?),
        Err(_) => None,
    };
    let page = match &group {
        Some(group) => state.store.experiments_of_group(group.id, after, PAGE).await?,
        None => state.store.experiments((!everyone).then(|| me.user_id()), after, PAGE).await?,
    };
    let list = match &group {
        Some(group) => format!("/experiments?of={}", group.id),
        None if everyone => "/experiments?of=everyone".to_owned(),
        None => "/experiments?of=me".to_owned(),
    };
    // Only what hasn't ended can wait for a robot.
    let is_over = page.data.iter().all(|summary| summary.experiment.status.is_final());
    let robots = if may_see_everyone || !is_over { state.store.robots().await? } else { Vec::new() };
    let now = Utc::now();
    html(&ExperimentsPage {
        chrome: Chrome::of("Experiments", "experiments", Visitor::among(&robots, &me.user)),
        may_see_everyone,
        everyone,
        group: group.map(GroupView::from),
        entries: page.data.into_iter().map(|summary| entry(summary, &robots, me.role(), now)).collect(),
        here: after.map_or_else(|| list.clone(), |cursor| format!("{list}&after={cursor}")),
        first: after.map(|_| list.clone()),
        next: page.next.map(|cursor| format!("{list}&after={cursor}")),
    })
}

fn entry(summary: ExperimentSummary, robots: &[Robot], reader: Role, now: DateTime<Utc>) -> Entry {
    let waiting = Waiting::of(&summary.experiment, robots, now).map(|waiting| WaitingView::of(&waiting, reader));
    Entry {
        title: title(summary.experiment.name.as_deref(), summary.wells),
        status: status_word(&summary.experiment, waiting.is_some()),
        waits: waiting.as_ref().map(|waiting| waits(waiting, reader)),
        created: When::new(summary.experiment.created_at, now),
        line: ExperimentLine::of(summary, waiting),
    }
}

/// Like "waiting for an operator"; who runs the lab is told which robot, if it is one.
fn waits(waiting: &WaitingView, reader: Role) -> String {
    match waiting.robots.as_slice() {
        [robot] if reader.runs_the_lab() => robot.sentence.clone(),
        _ => waiting.headline.to_owned(),
    }
}

/// What an experiment is called on the page.
pub fn title(name: Option<&str>, wells: u32) -> String {
    match (name, wells) {
        (Some(name), _) => name.to_owned(),
        (None, 1) => "One well".to_owned(),
        (None, wells) => format!("{wells} wells"),
    }
}

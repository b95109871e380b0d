//! `GET /experiments/{id}`: watched while it runs, read when it is done. `POST /experiments/{id}/{control}` steers it.
//!
//! The page shows everything without a script. `live.js` follows the same events as every other client of the API and
//! swaps in parts of this very page, so that what is shown is rendered in one place.

mod detail;
mod how;
mod retry;
mod timeline;
mod waiting;

pub use retry::retry;

use crate::{
    chrome::{Chrome, Visitor, robots_for},
    error::{PageError, html},
    optics,
    pages::experiments::title,
    plate::{self, PlateView},
    sentences,
    session::{Looking, SignedIn},
    when::{When, duration},
};
use askama::Template;
use auth::Identity;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use detail::{ResultRow, WellDetail};
use domain::{Control, DyeName, ExperimentId, ExperimentStatus, Volume, WellId};
use request::{AppState, ClientIp};
use serde::Deserialize;
use std::collections::HashMap;
use store::{EventId, Experiment, ExperimentDetail};
use timeline::Timeline;
use uuid::Uuid;
use views::{Controls, DoubtsView, FaultView, ProgressView, Retry, Tally, charged};
use waiting::WaitingNotice;
use workflow::{Doubts, Outlook, Progress, handling_of};

#[derive(Template)]
#[template(path = "experiment.html")]
struct ExperimentPage {
    chrome: Chrome,
    id: ExperimentId,
    name: String,
    status: &'static str,
    is_final: bool,
    owner: Option<String>,
    created: When,
    completed: Option<When>,
    /// How its liquids are handled, where that isn't as usual.
    handling: Option<String>,
    /// Which pipettes give what and what its order saves, while it wasn't begun.
    outlook: Vec<String>,
    /// Why it is paused or ended early.
    fault: Option<FaultView>,
    /// Why no robot goes on with it.
    waiting: Option<WaitingNotice>,
    notice: Option<Notice>,
    doubts: Option<DoubtsView>,
    wish: Option<&'static str>,
    progress: Readout,
    may: Buttons,
    plates: Vec<PlateView>,
    legend: [(&'static str, &'static str, Option<String>); 7],
    selected: Option<WellDetail>,
    dyes: Vec<String>,
    rows: Vec<ResultRow>,
    timeline: Timeline,
    /// The last event this page knows of.
    sequence: EventId,
    average: Option<String>,
    nearest: Option<String>,
}

impl ExperimentPage {
    /// In the place of the time to come, while nobody knows it.
    fn waiting_since(&self) -> Option<&When> {
        self.waiting.as_ref()?.since.as_ref()
    }
}

/// How far it is, in words and figures.
struct Readout {
    measured: u32,
    charged: usize,
    wells: u32,
    done: u64,
    total: u64,
    now: String,
    /// Caption and figure of the time to come.
    time_caption: &'static str,
    time: String,
}

/// What may be wished of it, with what the buttons say.
struct Buttons {
    pause: bool,
    resume: Option<&'static str>,
    cancel: bool,
    retry: Option<RetryForm>,
}

/// Makes the wells that weren't measured, and doubtful ones.
struct RetryForm {
    makes: Retry,
    /// Makes a form sent twice one experiment.
    token: Uuid,
}

impl RetryForm {
    fn label(&self) -> String {
        let Retry { wells: count, free } = self.makes;
        let wells = if count == 1 { "well" } else { "wells" };
        let these = if self.is_free() { "these " } else { "" };
        let price = match free {
            0 => String::new(),
            _ if self.is_free() => ", free".to_owned(),
            free => format!(", {free} of them free"),
        };
        format!("Retry {these}{count} {wells}{price}")
    }

    /// Then it stands with what is said of the doubtful wells.
    const fn is_free(&self) -> bool {
        self.makes.free == self.makes.wells
    }
}

/// Why what was asked of this page wasn't done.
struct Notice {
    title: String,
    detail: String,
    help: String,
}

#[derive(Debug, Deserialize)]
pub struct Wish {
    /// The well that is looked at.
    well: Option<String>,
}

pub async fn show(
    Looking { state, me }: Looking,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let id: ExperimentId = id.parse().map_err(|_| PageError::NotFound("experiment"))?;
    shown(&state, &me, id, wish.well.as_deref(), None).await
}

/// The page as things stand.
async fn shown(
    state: &AppState,
    me: &Identity,
    id: ExperimentId,
    wanted: Option<&str>,
    notice: Option<Notice>,
) -> Result<Response, PageError> {
    // Before the tables: what happens in between is then told by an event.
    let sequence = state.store.latest_event_id(id).await?;
    let detail = visible(state, me, id).await?;
    let is_over = detail.experiment.status.is_final();
    let robots = if is_over { robots_for(&state.store, &me.user).await? } else { state.store.robots().await? };
    let surroundings = Surroundings {
        owner: owner(state, me, &detail.experiment).await?,
        visitor: Visitor::among(&robots, &me.user),
        progress: state.lab.progress_among(&detail, &robots).await?,
        outlook: state.lab.outlook(&detail).await?,
        doubts: state.lab.doubts(&detail).await?,
        timeline: timeline::timeline(state, &detail, sequence.sequence).await?,
        liquid: state.store.liquid_in_wells(id).await?,
        sequence,
        notice,
    };
    html(&page(me, &detail, surroundings, wanted))
}

/// All that a page shows besides the experiment itself.
struct Surroundings {
    owner: Option<String>,
    visitor: Visitor,
    progress: Progress,
    outlook: Option<Outlook>,
    doubts: Option<Doubts>,
    timeline: Timeline,
    liquid: HashMap<WellId, Volume>,
    sequence: EventId,
    notice: Option<Notice>,
}

/// `POST /experiments/{id}/pause`, `/resume` and `/cancel`.
pub async fn control(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, control)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let id: ExperimentId = id.parse().map_err(|_| PageError::NotFound("experiment"))?;
    let control = match control.as_str() {
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        "cancel" => Control::Cancel,
        _ => return Err(PageError::NotFound("page")),
    };
    visible(&state, &me, id).await?;
    // What makes no sense any more was overtaken by the lab; the page shows how it stands.
    state.lab.control(&me.user, id, control, ip).await?;
    Ok(Redirect::to(&format!("/experiments/{id}")).into_response())
}

async fn visible(state: &AppState, me: &Identity, id: ExperimentId) -> Result<ExperimentDetail, PageError> {
    state.lab.experiment(&me.user, id).await?.ok_or(PageError::NotFound("experiment"))
}

/// Whose it is, if it isn't the visitor's own.
async fn owner(state: &AppState, me: &Identity, experiment: &Experiment) -> Result<Option<String>, PageError> {
    if experiment.user_id == me.user_id() {
        return Ok(None);
    }
    Ok(state.store.user(experiment.user_id).await?.map(|user| user.email))
}

fn page(me: &Identity, detail: &ExperimentDetail, around: Surroundings, wanted: Option<&str>) -> ExperimentPage {
    let Surroundings { owner, visitor, progress, outlook, doubts, timeline, liquid, sequence, notice } = around;
    let (experiment, now, reader) = (&detail.experiment, Utc::now(), me.role());
    let dyes = dyes(detail);
    let wanted = wanted.map(str::to_owned).or_else(|| most_interesting(detail));
    let selected = wanted.as_deref().and_then(|id| detail::find(detail, &liquid, id));
    let name = title(experiment.name.as_deref(), Tally::of(detail).wells);
    let progress = ProgressView::of(progress, reader);
    ExperimentPage {
        chrome: Chrome::of(name.clone(), "experiments", visitor),
        id: experiment.id,
        name,
        status: status_word(experiment, progress.waiting.is_some()),
        is_final: experiment.status.is_final(),
        owner,
        created: When::new(experiment.created_at, now),
        completed: experiment.completed_at.map(|at| When::new(at, now)),
        handling: handling_of(experiment).sentence(),
        outlook: outlook.iter().flat_map(Outlook::sentences).collect(),
        fault: experiment.fault.clone().map(sentences::fault),
        notice,
        wish: experiment.control.map(wish),
        doubts: doubts.as_ref().map(DoubtsView::from),
        progress: readout(detail, &progress, doubts.as_ref()),
        waiting: progress.waiting.map(|waiting| WaitingNotice::of(waiting, reader)),
        may: buttons(experiment, Controls::of(detail, doubts.as_ref())),
        plates: plate::views(detail, &liquid, wanted.as_deref()),
        legend: plate::legend(),
        selected,
        rows: detail::rows(detail, &dyes),
        dyes: dyes.iter().map(ToString::to_string).collect(),
        timeline,
        sequence,
        average: detail::average_difference(detail).map(|difference| format!("{difference:.1}")),
        nearest: detail::nearest_to_target(detail),
    }
}

/// The dyes of any well, as columns.
fn dyes(detail: &ExperimentDetail) -> Vec<DyeName> {
    let mut dyes: Vec<DyeName> = Vec::new();
    for (dye, _) in detail.wells.iter().flat_map(|(well, _)| well.recipe.iter()) {
        if !dyes.contains(dye) {
            dyes.push(dye.clone());
        }
    }
    dyes.sort_by_key(usual_order);
    dyes
}

/// As people name them: red, yellow, blue, then the others.
fn usual_order(dye: &DyeName) -> (usize, String) {
    let place = ["red", "yellow", "blue"].iter().position(|name| *name == dye.as_str()).unwrap_or(usize::MAX);
    (place, dye.to_string())
}

/// The last well measured, or else the first.
fn most_interesting(detail: &ExperimentDetail) -> Option<String> {
    let last = detail
        .wells
        .iter()
        .filter_map(|(well, result)| Some((result.as_ref()?.created_at, well)))
        .max_by_key(|(at, _)| *at);
    last.map(|(_, well)| well).or_else(|| detail.wells.first().map(|(well, _)| well)).map(|well| well.id.to_string())
}

const fn wish(control: Control) -> &'static str {
    match control {
        Control::Pause => "It pauses after the step in hand.",
        Control::Resume => "It goes on in a moment.",
        Control::Cancel => "It ends after the step in hand, and the robot is left safe.",
    }
}

fn buttons(experiment: &Experiment, may: Controls) -> Buttons {
    let go_on = if experiment.fault.is_some() { "Try again" } else { "Resume" };
    Buttons {
        pause: may.pause,
        resume: may.resume.then_some(go_on),
        cancel: may.cancel,
        retry: may.retry.map(|makes| RetryForm { makes, token: Uuid::now_v7() }),
    }
}

/// What stands for its state: an experiment that nobody goes on with waits, whatever the journal calls it.
pub fn status_word(experiment: &Experiment, waits: bool) -> &'static str {
    if waits { "waiting" } else { experiment.status.as_str() }
}

fn readout(detail: &ExperimentDetail, progress: &ProgressView, doubts: Option<&Doubts>) -> Readout {
    let tally = Tally::of(detail);
    let Tally { wells, measured, .. } = tally;
    let (time_caption, time) = match (progress.queue_position, progress.seconds_left) {
        // Nobody knows how long that takes.
        _ if progress.waiting.is_some() => ("Waiting since", "—".to_owned()),
        (Some(_), _) => ("Starts in, about", progress.seconds_to_start.map_or_else(|| "—".to_owned(), duration)),
        (None, Some(seconds)) => ("Time left, about", duration(seconds)),
        (None, None) if detail.experiment.status.is_final() => {
            ("Took", took(&detail.experiment).unwrap_or_else(|| "—".to_owned()))
        }
        // The worker's first report is still to come.
        (None, None) => ("Time left, about", "—".to_owned()),
    };
    // When it is over, the bar says how much came of it.
    let (done, total) = if detail.experiment.status.is_final() {
        (measured.into(), wells.max(1).into())
    } else {
        (progress.steps_done.min(progress.steps_total), progress.steps_total.max(1))
    };
    Readout {
        measured,
        charged: charged(detail, doubts),
        wells,
        done,
        total,
        now: now_sentence(&detail.experiment, progress, tally),
        time_caption,
        time,
    }
}

fn took(experiment: &Experiment) -> Option<String> {
    let length = experiment.completed_at? - experiment.started_at?;
    Some(duration(length.num_milliseconds() as f64 / 1_000.0))
}

fn now_sentence(experiment: &Experiment, progress: &ProgressView, tally: Tally) -> String {
    let Tally { measured, doubtful, .. } = tally;
    if let Some(waiting) = &progress.waiting {
        let place = progress.queue_position.filter(|place| *place > 1);
        let place = place.map(|place| format!("; number {place} in the queue")).unwrap_or_default();
        return format!("{}{place}", waiting.headline);
    }
    match experiment.status {
        ExperimentStatus::Queued => match progress.queue_position {
            Some(1) => "next in the queue".to_owned(),
            Some(place) => format!("number {place} in the queue"),
            None => "waiting for a robot".to_owned(),
        },
        ExperimentStatus::Running => progress.now.clone().unwrap_or_else(|| "the robot makes itself ready".to_owned()),
        ExperimentStatus::Paused => "paused: nothing moves until it is resumed".to_owned(),
        ExperimentStatus::Completed if doubtful > 0 => {
            format!("every well is done, {measured} measured, {doubtful} of them doubtful")
        }
        ExperimentStatus::Completed => format!("every well is done, {measured} measured"),
        ExperimentStatus::Failed => "ended early; what was measured is kept".to_owned(),
        ExperimentStatus::Cancelled => "cancelled; what was measured is kept".to_owned(),
    }
}

/// For templates: the colour a recipe should have.
fn predicted(recipe: &domain::Recipe) -> optics::Prediction {
    optics::predict(recipe)
}

//! `GET` and `POST /experiments/new`: asking for wells. Everything here works without JavaScript; `mixer.js` makes it quick.

mod bench;
mod handling;
mod paste;
mod rows;

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
};
use askama::Template;
use auth::{Identity, Standing};
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use bench::Bench;
use domain::{
    ExperimentId, Handling, Permission,
    colour::{Target, TargetError},
};
use handling::HandlingForm;
use request::{AppState, ClientIp};
use rows::{RowView, Sheet};
use serde::Deserialize;
use std::collections::BTreeSet;
use store::ExperimentDetail;
use uuid::Uuid;
use workflow::{ExperimentRequest, Objection, PRIORITIES, SubmitError, USUAL_PRIORITY, handling_of};

#[derive(Template)]
#[template(path = "experiment_new.html")]
struct NewPage {
    chrome: Chrome,
    bench: Bench,
    form: FormView,
}

struct FormView {
    /// Makes a form sent twice one experiment.
    token: Uuid,
    name: String,
    name_problem: Option<String>,
    /// The colour that all wells are to have.
    target: String,
    target_problem: Option<String>,
    /// For who runs the lab.
    priority: Option<String>,
    priority_problem: Option<String>,
    handling: HandlingForm,
    rows: Vec<RowView>,
    used: usize,
    quota: i32,
    paste: String,
    paste_problem: Option<String>,
    message: Option<Message>,
}

struct Message {
    tone: &'static str,
    icon: &'static str,
    title: String,
    detail: String,
    help: Option<Help>,
}

struct Help {
    href: String,
    text: &'static str,
}

#[derive(Debug, Deserialize)]
pub struct Wish {
    /// An experiment to start from.
    from: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let robots = state.store.robots().await?;
    let bench = Bench::of(&robots);
    let mut draft = Draft::blank(&bench);
    let mut target = None;
    if let Some(id) = wish.from.as_deref().and_then(|text| text.parse::<ExperimentId>().ok()) {
        target = draft.copy(&state, &me, id).await?;
    }
    let problems = Problems { target, ..Problems::of_strangers(&draft.strangers) };
    page(Visitor::among(&robots, &me.user), &me, bench, &draft, problems)
}

pub async fn submit(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let robots = state.store.robots().await?;
    let bench = Bench::of(&robots);
    let mut draft = Draft::read(&bench, &fields);
    let problems = match fields.get("do") {
        _ if !draft.strangers.is_empty() => Problems::of_strangers(&draft.strangers),
        "more" => {
            draft.sheet.grow(rows::MORE);
            Problems::default()
        }
        "wheel" => Problems::of_paste(draft.sheet.add(bench.wheel())),
        "paste" => draft.take_paste(&bench),
        _ => match draft.request() {
            Ok((request, ..)) if let Err(standing) = state.changes.take(&me, request.wells.len()) => {
                Problems::of_haste(&standing)
            }
            Ok((request, priority, places)) => {
                let key = format!("page-{}", draft.token);
                match state.lab.submit_with_priority(&me.user, request, priority, Some(key), ip).await {
                    Ok(accepted) => {
                        return Ok(Redirect::to(&format!("/experiments/{}", accepted.experiment.experiment.id))
                            .into_response());
                    }
                    Err(error) => draft.refused(error, &places)?,
                }
            }
            Err(problems) => *problems,
        },
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, page(Visitor::among(&robots, &me.user), &me, bench, &draft, problems)?).into_response())
}

fn page(
    visitor: Visitor,
    me: &Identity,
    bench: Bench,
    draft: &Draft,
    problems: Problems,
) -> Result<Response, PageError> {
    let form = FormView {
        token: draft.token,
        name: draft.name.clone(),
        name_problem: problems.name.map(|problem| sentence(&problem)),
        target: draft.target.clone(),
        target_problem: problems.target.map(|problem| sentence(&problem)),
        priority: Permission::Prioritise.is_given_to(me.role()).then(|| draft.priority.clone()),
        priority_problem: problems.priority.map(|problem| sentence(&problem)),
        handling: draft.handling.with_problem(problems.handling.map(|problem| sentence(&problem))),
        rows: draft.sheet.views(&bench, &problems.wells),
        used: draft.sheet.used(),
        quota: me.user.quota_remaining,
        paste: draft.paste.clone(),
        paste_problem: problems.paste,
        message: problems.message,
    };
    html(&NewPage { chrome: Chrome::of("New experiment", "experiments", visitor), bench, form })
}

/// What was typed so far, kept whatever happens.
struct Draft {
    token: Uuid,
    name: String,
    target: String,
    priority: String,
    handling: HandlingForm,
    sheet: Sheet,
    /// What was asked for and no column is there for, by name.
    strangers: BTreeSet<String>,
    paste: String,
}

/// What to say about a draft, and where.
#[derive(Default)]
struct Problems {
    name: Option<String>,
    target: Option<String>,
    priority: Option<String>,
    handling: Option<String>,
    /// By row: the dye, if it is one, and what to change.
    wells: Vec<rows::Problem>,
    paste: Option<String>,
    message: Option<Message>,
}

impl Problems {
    fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.target.is_none()
            && self.priority.is_none()
            && self.handling.is_none()
            && self.wells.is_empty()
            && self.paste.is_none()
            && self.message.is_none()
    }

    /// Amounts that the form has no place for aren't left out in silence: nothing is sent before somebody looked.
    fn of_strangers(strangers: &BTreeSet<String>) -> Self {
        if strangers.is_empty() {
            return Self::default();
        }
        let names = strangers.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = Message {
            tone: "bad",
            icon: "failed",
            title: format!("There is no place on this form for {names}."),
            detail: "No deck of the lab has that now, so its amounts were left out below. Look at each row before you \
                     send it; nothing was charged, and nothing moved."
                .to_owned(),
            help: None,
        };
        Self { message: Some(message), ..Self::default() }
    }

    fn of_paste(outcome: Result<(), String>) -> Self {
        Self { paste: outcome.err(), ..Self::default() }
    }

    /// Like a quota, but of a while.
    fn of_haste(standing: &Standing) -> Self {
        let message = Message {
            tone: "wait",
            icon: "attention",
            title: "That is more at once than one person may ask for.".to_owned(),
            detail: format!("Nothing was charged. Send it again in {} s.", standing.wait.as_secs() + 1),
            help: None,
        };
        Self { message: Some(message), ..Self::default() }
    }

    fn of_wells(wells: Vec<rows::Problem>) -> Self {
        let count = wells.len();
        let message = Message {
            tone: "bad",
            icon: "failed",
            title: "Nothing was charged, and nothing moved.".to_owned(),
            detail: format!(
                "{count} {} to be changed first; what to change is written beside it.",
                if count == 1 { "thing has" } else { "things have" }
            ),
            help: None,
        };
        Self { wells, message: Some(message), ..Self::default() }
    }
}

impl Draft {
    fn blank(bench: &Bench) -> Self {
        Self {
            token: Uuid::now_v7(),
            name: String::new(),
            target: String::new(),
            priority: USUAL_PRIORITY.to_string(),
            handling: HandlingForm::of(&Handling::default()),
            sheet: Sheet::blank(bench),
            strangers: BTreeSet::new(),
            paste: String::new(),
        }
    }

    fn read(bench: &Bench, fields: &Fields) -> Self {
        let sheet = Sheet::read(bench, fields);
        Self {
            token: fields.get("token").parse().unwrap_or_else(|_| Uuid::now_v7()),
            name: fields.get("name").chars().take(1_000).collect(),
            target: fields.get("target").trim().chars().take(20).collect(),
            priority: fields.get("priority").trim().chars().take(20).collect(),
            handling: HandlingForm::read(fields),
            strangers: sheet.strangers(fields),
            sheet,
            paste: fields.get("paste").to_owned(),
        }
    }

    /// Starts from another experiment. What it tells of its target is for the person to read.
    async fn copy(&mut self, state: &AppState, me: &Identity, id: ExperimentId) -> Result<Option<String>, PageError> {
        let detail = state.lab.experiment(&me.user, id).await?.ok_or(PageError::NotFound("experiment"))?;
        self.handling = HandlingForm::of(&handling_of(&detail.experiment));
        let target = shared_target(&detail);
        if let Ok(Some(target)) = target {
            self.target = target.to_string();
        }
        self.name = detail.experiment.name.unwrap_or_default();
        let first_hand = detail.wells.iter().map(|(well, _)| well).filter(|well| well.replaces.is_none());
        self.strangers = self.sheet.copy(first_hand.map(|well| &well.recipe));
        Ok(target.err())
    }

    fn take_paste(&mut self, bench: &Bench) -> Problems {
        let added = paste::parse(&self.paste, &bench.names).and_then(|wells| self.sheet.add(wells));
        if added.is_ok() {
            self.paste.clear();
        }
        Problems::of_paste(added)
    }

    /// The request, its priority and, for each of its wells, the row it came from.
    fn request(&self) -> Result<(ExperimentRequest, i16, Vec<usize>), Box<Problems>> {
        let (mut wells, places) = self.sheet.wells().map_err(|wells| Box::new(Problems::of_wells(wells)))?;
        if wells.is_empty() {
            let detail = "Give at least one row an amount of a dye.".to_owned();
            let message = Message {
                tone: "wait",
                icon: "attention",
                title: "There is nothing to mix yet.".to_owned(),
                detail,
                help: None,
            };
            return Err(Box::new(Problems { message: Some(message), ..Problems::default() }));
        }
        let name = Some(self.name.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
        let handling = self
            .handling
            .handling()
            .map_err(|problem| Box::new(Problems { handling: Some(problem), ..Problems::default() }))?;
        let target = self.target()?;
        wells.iter_mut().for_each(|well| well.target = target);
        Ok((ExperimentRequest { name, wells, handling }, self.priority()?, places))
    }

    fn target(&self) -> Result<Option<Target>, Box<Problems>> {
        if self.target.is_empty() {
            return Ok(None);
        }
        self.target
            .parse()
            .map(Some)
            .map_err(|error: TargetError| Box::new(Problems { target: Some(error.to_string()), ..Problems::default() }))
    }

    fn priority(&self) -> Result<i16, Box<Problems>> {
        if self.priority.is_empty() {
            return Ok(USUAL_PRIORITY);
        }
        self.priority.parse().map_err(|_| {
            let (least, most) = (PRIORITIES.start(), PRIORITIES.end());
            let priority = Some(format!("a priority is a whole number from {least} to {most}"));
            Box::new(Problems { priority, ..Problems::default() })
        })
    }

    fn refused(&mut self, error: SubmitError, places: &[usize]) -> Result<Problems, PageError> {
        let message = match error {
            SubmitError::Invalid { objections, .. } => return Ok(located(objections, places)),
            SubmitError::QuotaExhausted { wanted, remaining } => Message {
                tone: "bad",
                icon: "failed",
                title: format!("{wanted} wells are more than the {remaining} you have left."),
                detail: "Nothing was charged. Take some rows away, or ask for more on your account’s page.".to_owned(),
                help: Some(Help { href: domain::FaultCode::QuotaExhausted.help_path(), text: "How quota works" }),
            },
            SubmitError::QueueFull { limit } => Message {
                tone: "wait",
                icon: "attention",
                title: format!("{limit} experiments wait already."),
                detail: "Nothing was charged. What you typed is still here: send it again in a few minutes.".to_owned(),
                help: Some(Help { href: domain::FaultCode::QueueFull.help_path(), text: "Why there is a bound" }),
            },
            // Only a retry gives anything back.
            SubmitError::KeyReused | SubmitError::AlreadyGivenBack => {
                self.token = Uuid::now_v7();
                Message {
                    tone: "wait",
                    icon: "attention",
                    title: "This form was sent before, with other amounts.".to_owned(),
                    detail: "That experiment is among yours. Send again to mix this one as well.".to_owned(),
                    help: Some(Help { href: "/experiments".to_owned(), text: "To my experiments" }),
                }
            }
            SubmitError::Store(error) => return Err(error.into()),
        };
        Ok(Problems { message: Some(message), ..Problems::default() })
    }
}

/// The target that all its wells share; an error where they aim at several, which the form has no place for.
fn shared_target(detail: &ExperimentDetail) -> Result<Option<Target>, String> {
    let mut targets = detail.wells.iter().map(|(well, _)| well.target);
    let first = targets.next().flatten();
    if targets.all(|target| target == first) {
        return Ok(first);
    }
    Err("its wells aim at different colours, which are left out here: the API takes a target for each well".to_owned())
}

/// Puts each objection beside the field it is about.
fn located(objections: Vec<Objection>, places: &[usize]) -> Problems {
    let mut wells = Vec::new();
    let (mut name, mut priority, mut handling) = (None, None, Vec::new());
    let mut rest = Vec::new();
    for objection in objections {
        match place(&objection.pointer, places) {
            Some((row, dye)) => wells.push(rows::Problem { row, dye, detail: objection.detail }),
            None if objection.pointer == "/name" => name = Some(objection.detail),
            None if objection.pointer == "/priority" => priority = Some(objection.detail),
            None if objection.pointer.starts_with("/handling") => handling.push(objection.detail),
            None => rest.push(objection.detail),
        }
    }
    let mut problems = if wells.is_empty() { Problems::default() } else { Problems::of_wells(wells) };
    problems.name = name;
    problems.priority = priority;
    problems.handling = (!handling.is_empty()).then(|| handling.join("; "));
    if !rest.is_empty() {
        let title = "Nothing was charged, and nothing moved.".to_owned();
        problems.message =
            Some(Message { tone: "bad", icon: "failed", title, detail: sentence(&rest.join("; ")), help: None });
    }
    problems
}

/// The row and dye of `/wells/3/volumes/red`.
fn place(pointer: &str, places: &[usize]) -> Option<(usize, Option<String>)> {
    let (index, rest) = pointer.strip_prefix("/wells/")?.split_once('/')?;
    let row = *places.get(index.parse::<usize>().ok()?)?;
    Some((row, rest.strip_prefix("volumes/").map(str::to_owned)))
}

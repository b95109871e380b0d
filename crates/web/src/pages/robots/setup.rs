//! `/robots/new` and `/robots/{name}/setup`: a robot as a record, for administrators. What a form changes is shown first and
//! done by a second button; `POST …/remove` takes the robot out of the lab.

use super::{path, path_of};
use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
};
use askama::Template;
use auth::Identity;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{Attendance, DeckSetup, RobotKind, RobotSetup, SetupChange, text};
use request::{AppState, ClientIp};
use store::{ChangedBy, Robot, StoreError};
use views::{deck_text, read_deck};
use workflow::{Losses, SetupError, SetupPlan, setup_of};

#[derive(Template)]
#[template(path = "robot_setup.html")]
struct SetupPage {
    chrome: Chrome,
    /// Of a robot that there is.
    name: Option<String>,
    /// Where the form goes.
    action: String,
    back: String,
    form: Form,
    kinds: Vec<Choice>,
    /// Everything that speaks against it.
    problems: Vec<String>,
    plan: Option<Shown>,
    longest_name: usize,
}

/// What is typed.
#[derive(Clone, Debug)]
struct Form {
    name: String,
    kind: String,
    is_virtual: bool,
    url: String,
    sensor: String,
    /// TOML.
    deck: String,
}

struct Choice {
    value: &'static str,
    is_chosen: bool,
}

/// A plan, to be agreed to.
struct Shown {
    lines: Vec<Line>,
    notes: Vec<String>,
    stranded: usize,
    /// Something is lost: it takes a tick.
    is_grave: bool,
}

struct Line {
    at: String,
    before: String,
    after: String,
    forgets: bool,
}

impl From<SetupChange> for Line {
    fn from(change: SetupChange) -> Self {
        let SetupChange { at, before, after, forgets } = change;
        let said = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        Self { at, before: said(before), after: said(after), forgets }
    }
}

impl Shown {
    fn of(plan: SetupPlan) -> Self {
        let is_grave = plan.stranded > 0 || !plan.forgets().is_empty();
        let lines = plan.changes.into_iter().map(Line::from).collect();
        Self { lines, notes: plan.notes, stranded: plan.stranded, is_grave }
    }
}

impl Form {
    fn of(setup: &RobotSetup) -> Result<Self, PageError> {
        let deck = setup.deck.as_ref().map(deck_text).transpose().map_err(|error| PageError::internal(&error))?;
        Ok(Self {
            name: setup.name.clone(),
            kind: setup.kind.to_string(),
            is_virtual: setup.attendance == Attendance::Virtual,
            url: setup.url.clone(),
            sensor: setup.sensor.clone(),
            deck: deck.unwrap_or_default(),
        })
    }

    fn read(fields: &Fields) -> Self {
        let short = |name: &str| fields.get(name).trim().chars().take(300).collect::<String>();
        Self {
            name: short("name"),
            kind: short("kind"),
            is_virtual: fields.get("attendance") == Attendance::Virtual.as_str(),
            url: short("url"),
            sensor: short("sensor"),
            deck: fields.get("deck").replace("\r\n", "\n"),
        }
    }

    fn setup(&self) -> Result<RobotSetup, Vec<String>> {
        let kind: RobotKind = self.kind.parse().map_err(|_| vec!["choose how it is spoken to".to_owned()])?;
        let deck = read_deck(&self.deck).map_err(|error| vec![format!("the deck: {error}")])?;
        let attendance = if self.is_virtual { Attendance::Virtual } else { Attendance::Operator };
        Ok(RobotSetup {
            name: self.name.clone(),
            kind,
            attendance,
            url: self.url.clone(),
            sensor: self.sensor.clone(),
            deck: Some(deck),
        })
    }
}

/// `GET /robots/new`
pub async fn show_new(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    let usual = RobotSetup {
        name: String::new(),
        kind: RobotKind::Ot2,
        attendance: Attendance::Operator,
        url: String::new(),
        sensor: String::new(),
        deck: Some(DeckSetup::from(&domain::Deck::default())),
    };
    page(&state, &me, None, Form::of(&usual)?, Vec::new(), None).await
}

/// `GET /robots/{name}/setup`
pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let robot = named(&state, &name).await?;
    let form = Form::of(&setup_of(&robot))?;
    page(&state, &me, Some(&robot), form, Vec::new(), None).await
}

/// `POST /robots/new`
pub async fn create(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    taken(&state, &me, None, ChangedBy { user: Some(me.user.id), ip }, &fields).await
}

/// `POST /robots/{name}/setup`
pub async fn change(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    let robot = named(&state, &name).await?;
    taken(&state, &me, Some(robot), ChangedBy { user: Some(me.user.id), ip }, &fields).await
}

/// `POST /robots/{name}/remove`
pub async fn remove(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let robot = named(&state, &name).await?;
    let by = ChangedBy { user: Some(me.user.id), ip };
    match state.lab.remove_robot(&robot, &me.user.email, by).await {
        Ok(()) => Ok(Redirect::to("/robots").into_response()),
        Err(error) => {
            let problems = told(error)?;
            let form = Form::of(&setup_of(&robot))?;
            let page = page(&state, &me, Some(&robot), form, problems, None).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}

/// Shows what a form would change, or does it where that was seen.
async fn taken(
    state: &AppState,
    me: &Identity,
    robot: Option<Robot>,
    by: ChangedBy,
    fields: &Fields,
) -> Result<Response, PageError> {
    let form = Form::read(fields);
    let refused = async |form: Form, robot: Option<&Robot>, status: StatusCode, problems: Vec<String>| {
        let page = page(state, me, robot, form, problems, None).await?;
        Ok((status, page).into_response())
    };
    let setup = match form.setup() {
        Ok(setup) => setup,
        Err(problems) => return refused(form, robot.as_ref(), StatusCode::UNPROCESSABLE_ENTITY, problems).await,
    };
    let plan = match state.lab.plan_setup(robot.clone(), &setup).await {
        Ok(plan) => plan,
        Err(error) => {
            let status = status(&error);
            return refused(form, robot.as_ref(), status, told(error)?).await;
        }
    };
    if fields.get("step") != "do" {
        return page(state, me, robot.as_ref(), form, Vec::new(), Some(Shown::of(plan))).await;
    }
    let losses = if fields.get("replace") == "yes" { Losses::Allowed } else { Losses::Refused };
    match state.lab.set_up(&plan, losses, by).await {
        Ok(robot) => Ok(Redirect::to(&path(&robot)).into_response()),
        Err(error) => {
            let status = status(&error);
            refused(form, robot.as_ref(), status, told(error)?).await
        }
    }
}

const fn status(error: &SetupError) -> StatusCode {
    match error {
        SetupError::Flaws(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    }
}

/// What a person can mend, said to them; the rest is an error page.
fn told(error: SetupError) -> Result<Vec<String>, PageError> {
    match error {
        SetupError::Flaws(flaws) => Ok(flaws.iter().map(|flaw| sentence(&flaw.to_string())).collect()),
        error @ (SetupError::Forgets(_) | SetupError::Needed(_)) => Ok(vec![sentence(&error.to_string())]),
        SetupError::Store(
            error @ (StoreError::AtWork
            | StoreError::RobotNameTaken
            | StoreError::AddressTaken(_)
            | StoreError::IdentityTaken(_)
            | StoreError::RobotChanged
            | StoreError::RobotInUse { .. }),
        ) => Ok(vec![sentence(&error.to_string())]),
        SetupError::Store(error) => Err(error.into()),
    }
}

async fn named(state: &AppState, name: &str) -> Result<Robot, PageError> {
    state.lab.robot(name).await?.ok_or(PageError::NotFound("robot"))
}

async fn page(
    state: &AppState,
    me: &Identity,
    robot: Option<&Robot>,
    form: Form,
    problems: Vec<String>,
    plan: Option<Shown>,
) -> Result<Response, PageError> {
    let visitor = Visitor::among(&state.store.robots().await?, &me.user);
    let (title, action, back) = match robot {
        Some(robot) => {
            let path = path_of(&robot.name, robot.id);
            (format!("Set up {}", robot.name), format!("{path}/setup"), path)
        }
        None => ("New robot".to_owned(), "/robots/new".to_owned(), "/robots".to_owned()),
    };
    let kinds =
        RobotKind::ALL.iter().map(|kind| Choice { value: kind.as_str(), is_chosen: form.kind == kind.as_str() });
    html(&SetupPage {
        chrome: Chrome::of(title, "robots", visitor),
        name: robot.map(|robot| robot.name.clone()),
        kinds: kinds.collect(),
        action,
        back,
        form,
        problems,
        plan,
        longest_name: text::LONGEST_ROBOT_NAME,
    })
}

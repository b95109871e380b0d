//! `/robots`: what the lab has and what it does, for who runs it. `POST /lab/{command}` tells all robots at once.

mod acts;
mod check;
mod question;
mod records;
mod robot;
mod setup;
mod state;
mod supplies;

pub use check::check;
pub use robot::{command, deck, show as show_one};
pub use setup::{change, create, remove, show as show_setup, show_new};

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    sentences,
    session::SignedIn,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{Permission, RobotId, Role};
use records::Behind;
use request::{AppState, ClientIp};
use state::Standing;
use store::{Driver, Robot};
use supplies::{MiniPlate, SupplyView};
use views::{Attention, Commands, FaultView};
use workflow::{CommandLabError, RobotCommand, Waiting, is_in_need};

#[derive(Template)]
#[template(path = "robots.html")]
struct RobotsPage {
    chrome: Chrome,
    robots: Vec<Card>,
    queued: usize,
    /// Whether any robot will take what is queued.
    is_served: bool,
    /// Resuming all would also answer what these ask.
    asking: usize,
    may: Commands,
    /// Add robots.
    may_set_up: bool,
    behind: Option<Behind>,
}

/// A robot in the list.
struct Card {
    id: RobotId,
    name: String,
    path: String,
    standing: Standing,
    question: Option<FaultView>,
    /// What its worker waits for; nobody need answer.
    notice: Option<FaultView>,
    supplies: Vec<SupplyView>,
    plate: MiniPlate,
}

pub async fn show(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    let robots = state.store.robots().await?;
    let asking = robots.iter().filter(|robot| is_in_need(robot)).count();
    let is_served = Waiting::of_queue(&robots, Utc::now()).is_none();
    let may = Commands::of_any(&robots);
    let visitor = Visitor::among(&robots, &me.user);
    let mut cards = Vec::with_capacity(robots.len());
    for robot in robots {
        cards.push(card(&state, robot, me.role()).await?);
    }
    let queued = state.store.queue_length().await?;
    let behind = Behind::of(state.documents.waiting().await?, Utc::now());
    let chrome = Chrome::of("Robots", "robots", visitor);
    let may_set_up = Permission::SetUpRobots.is_given_to(me.role());
    html(&RobotsPage { chrome, robots: cards, queued, is_served, asking, may, may_set_up, behind })
}

/// `POST /lab/{command}`
pub async fn command_all(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(command): Path<String>,
) -> Result<Response, PageError> {
    match state.lab.command_lab(&me.user, read_command(&command)?, ip).await {
        Ok(()) => {}
        Err(CommandLabError::Store(error)) => return Err(error.into()),
        Err(CommandLabError::NotTold(not_told)) => return Err(PageError::NotTold(not_told.names())),
    }
    Ok(Redirect::to("/robots").into_response())
}

async fn card(state: &AppState, robot: Robot, reader: Role) -> Result<Card, PageError> {
    let inventory = state.store.inventory(robot.id).await?;
    Ok(Card {
        id: robot.id,
        path: path(&robot),
        standing: Standing::of(state, &robot).await?,
        supplies: supplies::views(&robot, &inventory, state.lab.supplies(&robot).await?),
        plate: MiniPlate::of(&inventory),
        question: Attention::first(&robot, reader).map(|asked| sentences::fault(asked.fault)),
        notice: notice(&robot).map(sentences::fault),
        name: robot.name,
    })
}

/// Why its worker waits, while there is one and nobody is asked.
fn notice(robot: &Robot) -> Option<domain::Fault> {
    let waits = matches!(robot.driver(Utc::now()), Driver::Waits(_)) && !is_in_need(robot);
    robot.notice.clone().filter(|_| waits)
}

/// Where a robot's page is: under its name if that is one plain word, under its id otherwise.
fn path(robot: &Robot) -> String {
    path_of(&robot.name, robot.id)
}

pub fn path_of(name: &str, id: RobotId) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // Where a new one is made.
    let is_a_page = name == "new";
    if !name.is_empty() && !is_a_page && name.bytes().all(is_plain) {
        format!("/robots/{name}")
    } else {
        format!("/robots/{id}")
    }
}

fn read_command(word: &str) -> Result<RobotCommand, PageError> {
    match word {
        "pause" => Ok(RobotCommand::Pause),
        "resume" => Ok(RobotCommand::Resume),
        "drain" => Ok(RobotCommand::Drain),
        "stop" => Ok(RobotCommand::Stop),
        _ => Err(PageError::NotFound("page")),
    }
}

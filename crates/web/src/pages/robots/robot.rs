//! `GET /robots/{name}`: one robot, what it asks and what is on its deck. `POST` to `…/{command}` tells it,
//! `POST …/deck` confirms what was done there.

use super::{
    Commands,
    acts::{self, Forms, Typed},
    notice, operator, path, question, read_command,
    state::Standing,
    supplies::{self, MiniPlate, SupplyView},
};
use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    pages::experiment::FaultView,
    sentences::sentence,
    session::SignedIn,
};
use api::{AppState, ClientIp};
use askama::Template;
use auth::Identity;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{Attendance, RobotId};
use serde::Deserialize;
use store::Robot;

#[derive(Template)]
#[template(path = "robot.html")]
struct RobotPage {
    chrome: Chrome,
    name: String,
    path: String,
    is_virtual: bool,
    standing: Standing,
    question: Option<FaultView>,
    /// What its worker waits for; nobody need answer.
    notice: Option<FaultView>,
    may: Commands,
    supplies: Vec<SupplyView>,
    plate: MiniPlate,
    forms: Forms,
    /// The form whose act was just written down.
    done: &'static str,
    /// Why hands must stay off the deck; nothing when they may go there.
    hands_off: Option<HandsOff>,
    /// Looked at again by itself without a script: not while somebody may be typing.
    refreshes: bool,
}

struct HandsOff {
    why: &'static str,
    /// Only what hangs on the nozzle is in the way, and it may be taken off by hand.
    is_nozzle: bool,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    done: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(name): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    operator(&me)?;
    let robot = named(&state, &name).await?;
    page(&state, &me, robot, Typed::default(), acts::form(wish.done.as_deref().unwrap_or_default())).await
}

/// `POST /robots/{name}/{command}`
pub async fn command(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((name, command)): Path<(String, String)>,
) -> Result<Response, PageError> {
    operator(&me)?;
    let command = read_command(&command)?;
    let robot = named(&state, &name).await?;
    state.lab.command_robot(&me.user, robot.id, command, ip).await?;
    Ok(Redirect::to(&path(&robot)).into_response())
}

/// `POST /robots/{name}/deck`
pub async fn deck(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    operator(&me)?;
    let robot = named(&state, &name).await?;
    let (status, problem) = match acts::read(&robot, &fields) {
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, problem),
        Ok(act) => match state.lab.act_on_deck(&me.user, robot.id, act, ip).await {
            Ok(()) => return Ok(Redirect::to(&done(&robot, &fields)).into_response()),
            Err(error) => (StatusCode::CONFLICT, acts::told(error)?),
        },
    };
    let typed = Typed { problem: sentence(&problem), ..Typed::read(&fields) };
    Ok((status, page(&state, &me, robot, typed, "").await?).into_response())
}

/// The robot with this id or this name.
async fn named(state: &AppState, name: &str) -> Result<Robot, PageError> {
    if let Ok(id) = name.parse::<RobotId>()
        && let Some(robot) = state.store.robot(id).await?
    {
        return Ok(robot);
    }
    let robots = state.store.robots().await?;
    robots.into_iter().find(|robot| robot.name == name).ok_or(PageError::NotFound("robot"))
}

async fn page(
    state: &AppState,
    me: &Identity,
    robot: Robot,
    typed: Typed,
    done: &'static str,
) -> Result<Response, PageError> {
    let inventory = state.store.inventory(robot.id).await?;
    let standing = Standing::of(state, &robot).await?;
    let hands_off = hands_off(&standing);
    html(&RobotPage {
        chrome: Chrome::of(robot.name.clone(), "robots", Visitor::from(&me.user)),
        path: path(&robot),
        is_virtual: robot.attendance == Attendance::Virtual,
        may: Commands::of(&robot),
        supplies: supplies::views(&robot, &inventory, state.lab.supplies(&robot).await?),
        plate: MiniPlate::of(&inventory),
        refreshes: hands_off.is_some() && typed.problem.is_empty(),
        forms: Forms::of(&robot, typed),
        done,
        hands_off,
        standing,
        notice: notice(&robot).map(FaultView::from),
        question: question(&robot).map(FaultView::from),
        name: robot.name,
    })
}

fn hands_off(standing: &Standing) -> Option<HandsOff> {
    if !standing.is_still {
        let why = match standing.word {
            "paused" => "It is putting everything down. The forms open as soon as it stands still.",
            "attention" | "stopped" => "A step has no known end yet. The forms open as soon as it is settled.",
            _ => "It may move. Pause it first; the forms open as soon as it stands still.",
        };
        return Some(HandsOff { why, is_nozzle: false });
    }
    let why = "Something hangs on the nozzle. Resume the robot and it puts that down by itself; or take it off by hand, \
               and say so here.";
    (!standing.nozzle_is_free).then_some(HandsOff { why, is_nozzle: true })
}

/// Back to the form that was sent, where its answer is.
fn done(robot: &Robot, fields: &Fields) -> String {
    let form = acts::form(fields.get("act"));
    format!("{}?done={form}#act-{form}", path(robot))
}

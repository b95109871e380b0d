//! `GET /robots/{name}`: one robot, what it asks and what is on its deck. `POST` to `…/{command}` tells it,
//! `POST …/deck` confirms what was done there.

use super::{
    acts::{self, Forms, Typed},
    notice, path,
    question::{HandsOff, QuestionView, Seen, hands_off},
    read_command,
    state::Standing,
    supplies::{self, MiniPlate, SupplyView},
};
use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    sentences::{self, sentence},
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::Identity;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{Attendance, DeckCondition, Mount, MountsSeen, Permission};
use request::{AppState, ClientIp};
use serde::Deserialize;
use store::Robot;
use views::{Commands, FaultView};
use workflow::answers;

#[derive(Template)]
#[template(path = "robot.html")]
struct RobotPage {
    chrome: Chrome,
    name: String,
    path: String,
    is_virtual: bool,
    standing: Standing,
    questions: Vec<QuestionView>,
    /// What its worker waits for; nobody need answer.
    notice: Option<FaultView>,
    may: Commands,
    supplies: Vec<SupplyView>,
    plate: MiniPlate,
    forms: Forms,
    /// The form whose act was just written down.
    done: &'static str,
    /// What was said by the act that answers the robot's question, or part of it.
    answered: Option<&'static str>,
    record: Record,
    may_set_up: bool,
    /// Why hands must stay off the deck; nothing when they may go there.
    hands_off: Option<HandsOff>,
    /// Looked at again by itself without a script: not while somebody may be typing.
    refreshes: bool,
}

/// What it is, as it is set up and as it says itself.
struct Record {
    pieces: Vec<Piece>,
    mounts: Vec<MountView>,
    /// When the robot told what hangs there.
    seen: Option<When>,
}

struct Piece {
    slot: u8,
    labware: String,
    what: String,
}

struct MountView {
    side: &'static str,
    seen: String,
    wanted: &'static str,
    lacks: bool,
}

impl Record {
    fn of(robot: &Robot) -> Self {
        let deck = &robot.deck;
        let mut pieces: Vec<_> = deck
            .pieces()
            .into_iter()
            .map(|(slot, labware, what)| Piece { slot: slot.0, labware: labware.to_owned(), what: what.to_owned() })
            .collect();
        pieces.push(Piece { slot: 12, labware: "fixed trash".to_owned(), what: "trash".to_owned() });
        pieces.sort_by_key(|piece| piece.slot);
        let told = |mounts: &MountsSeen| {
            [(Mount::Left, "Left mount"), (Mount::Right, "Right mount")].map(|(mount, side)| {
                let wanted = deck.pipette(mount);
                let seen = mounts.on(mount);
                MountView {
                    side,
                    seen: seen.map_or_else(|| "nothing".to_owned(), |seen| format!("{} {}", seen.name, seen.serial)),
                    wanted: wanted.map_or("nothing", |pipette| pipette.model.load_name()),
                    lacks: wanted.is_some_and(|pipette| !mounts.has(pipette)),
                }
            })
        };
        Self {
            pieces,
            mounts: robot.mounts.as_ref().map(|mounts| told(mounts).into()).unwrap_or_default(),
            seen: robot.mounts.as_ref().map(|mounts| When::new(mounts.at, Utc::now())),
        }
    }
}

impl RobotPage {
    /// The forms of acts and their titles, without those that a question has in it.
    fn unasked_acts(&self) -> Vec<(&'static str, &'static str)> {
        let mut acts = acts::FORMS.to_vec();
        acts.retain(|(form, _)| self.questions.iter().all(|question| question.form != *form));
        acts
    }

    /// What hangs on the nozzle is dealt with in a question.
    fn asks_for_nozzle(&self) -> bool {
        let is_in_the_way = |question: &QuestionView| question.hands_off.as_ref().is_some_and(|off| off.is_nozzle);
        self.questions.iter().any(|question| !question.nozzle.is_empty() || is_in_the_way(question))
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    /// The form whose act was written down.
    #[serde(default)]
    done: String,
    /// The same, where the act answers the robot's question or was sent from there.
    #[serde(default)]
    answered: String,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(name): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let (robot, visitor) = named(&state, &me, &name).await?;
    let may_set_up = Permission::SetUpRobots.is_given_to(me.role());
    page(&state, visitor, robot, Typed::default(), (&wish, may_set_up)).await
}

/// `POST /robots/{name}/{command}`
pub async fn command(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((name, command)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let command = read_command(&command)?;
    let (robot, _) = named(&state, &me, &name).await?;
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
    let (robot, visitor) = named(&state, &me, &name).await?;
    let (status, problem) = match acts::read(&robot, &fields) {
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, problem),
        Ok(act) => {
            let is_answer = robot.attention.as_ref().is_some_and(|asked| answers(&act, asked.code));
            match state.lab.act_on_deck(&me.user, robot.id, act, ip).await {
                Ok(()) => return Ok(Redirect::to(&done(&robot, &fields, is_answer)).into_response()),
                Err(error) => (StatusCode::CONFLICT, acts::told(error)?),
            }
        }
    };
    let typed = Typed { problem: sentence(&problem), ..Typed::read(&fields) };
    let may_set_up = Permission::SetUpRobots.is_given_to(me.role());
    Ok((status, page(&state, visitor, robot, typed, (&Wish::default(), may_set_up)).await?).into_response())
}

/// The robot with this id or this name, and how many of the lab's wait for a person.
async fn named(state: &AppState, me: &Identity, name: &str) -> Result<(Robot, Visitor), PageError> {
    let robots = state.store.robots().await?;
    let visitor = Visitor::among(&robots, &me.user);
    let robot = robots.into_iter().find(|robot| robot.is_called(name));
    Ok((robot.ok_or(PageError::NotFound("robot"))?, visitor))
}

async fn page(
    state: &AppState,
    visitor: Visitor,
    robot: Robot,
    typed: Typed,
    (wish, may_set_up): (&Wish, bool),
) -> Result<Response, PageError> {
    let inventory = state.store.inventory(robot.id).await?;
    let standing = Standing::of(state, &robot).await?;
    let driver = robot.driver(Utc::now());
    let hands_off = hands_off(&robot, DeckCondition::HandsFree, driver);
    let (to_question, to_form) = match robot.attention {
        Some(_) if typed.at_question => (typed.clone(), Typed::default()),
        _ => (Typed::default(), typed.clone()),
    };
    html(&RobotPage {
        chrome: Chrome::of(robot.name.clone(), "robots", visitor),
        path: path(&robot),
        is_virtual: robot.attendance == Attendance::Virtual,
        may: Commands::of(&robot),
        supplies: supplies::views(&robot, &inventory, state.lab.supplies(&robot).await?),
        plate: MiniPlate::of(&inventory),
        refreshes: hands_off.is_some() && typed.problem.is_empty(),
        questions: QuestionView::all(&robot, &inventory, driver, to_question),
        forms: Forms::of(&robot, to_form),
        done: acts::form(&wish.done),
        answered: acts::said(&wish.answered),
        hands_off,
        record: Record::of(&robot),
        may_set_up,
        standing,
        notice: notice(&robot).map(sentences::fault),
        name: robot.name,
    })
}

/// Back to where the form was sent from: the question, which is answered or asks for more, or the form itself.
fn done(robot: &Robot, fields: &Fields, is_answer: bool) -> String {
    let (path, form) = (path(robot), acts::form(fields.get("act")));
    if is_answer || fields.get("at") == "question" {
        format!("{path}?answered={form}#questions")
    } else {
        format!("{path}?done={form}#act-{form}")
    }
}

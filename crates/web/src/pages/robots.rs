//! `GET /robots` and `POST /robots/{id}/mode`: for who runs the lab.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    optics,
    pages::experiment::FaultView,
    session::SignedIn,
};
use api::{AppState, ClientIp};
use askama::Template;
use auth::Identity;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{PLATE_WELLS, RobotId, Tool, WellName};
use store::{Change, Inventory, NewActivity, Robot, RobotMode};

#[derive(Template)]
#[template(path = "robots.html")]
struct RobotsPage {
    chrome: Chrome,
    robots: Vec<RobotView>,
    queued: usize,
}

struct RobotView {
    id: RobotId,
    name: String,
    mode: &'static str,
    says: &'static str,
    attention: Option<FaultView>,
    holds: String,
    driven: String,
    wells: Vec<Place>,
    free_wells: usize,
    vials: Vec<VialView>,
    tips: String,
    waste_ml: String,
    may: Vec<ModeButton>,
}

struct Place {
    x: u8,
    y: u8,
    class: &'static str,
}

struct VialView {
    dye: String,
    place: String,
    hex: String,
    left_ul: f64,
    full_ul: f64,
    said: String,
}

struct ModeButton {
    mode: &'static str,
    label: &'static str,
    class: &'static str,
}

pub async fn show(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    operator(&me)?;
    let mut robots = Vec::new();
    for robot in state.store.robots().await? {
        let inventory = state.store.inventory(robot.id).await?;
        robots.push(view(robot, &inventory));
    }
    let queued = state.store.queue(1_000).await?.len();
    html(&RobotsPage { chrome: Chrome::of("Robots", "robots", Visitor::from(&me.user)), robots, queued })
}

/// Pauses, drains or resumes a robot.
pub async fn set_mode(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    operator(&me)?;
    let id: RobotId = id.parse().map_err(|_| PageError::NotFound("robot"))?;
    let mode = match fields.get("mode") {
        "active" => RobotMode::Active,
        "paused" => RobotMode::Paused,
        "draining" => RobotMode::Draining,
        _ => return Err(PageError::BadRequest("a mode that isn’t known".to_owned())),
    };
    let robot = state.store.robot(id).await?.ok_or(PageError::NotFound("robot"))?;
    if robot.mode == RobotMode::Attention {
        return Err(PageError::NotAllowed("this robot waits for an answer, so its mode can’t be changed here"));
    }
    let details = serde_json::json!({ "robot": robot.name, "mode": mode });
    let by = NewActivity { user_id: Some(me.user_id()), action: "robot_mode_changed", details, ip_address: ip };
    state.store.attend(id, Change::Mode { mode, attention: None }, by).await?;
    Ok(Redirect::to("/robots").into_response())
}

fn operator(me: &Identity) -> Result<(), PageError> {
    if me.role().runs_the_lab() {
        Ok(())
    } else {
        Err(PageError::NotAllowed("robots are for operators and administrators"))
    }
}

fn view(robot: Robot, inventory: &Inventory) -> RobotView {
    let (mode, says) = words(robot.mode);
    let is_driven = robot.lease_holder.is_some() && robot.lease_expires_at.is_some_and(|at| at > Utc::now());
    RobotView {
        id: robot.id,
        mode,
        says,
        holds: holds(&robot.tool),
        driven: if is_driven { "A worker drives it".to_owned() } else { "No worker drives it now".to_owned() },
        wells: WellName::all().map(|well| place(well, inventory)).collect(),
        free_wells: PLATE_WELLS.saturating_sub(inventory.used_wells.len()),
        vials: vials(&robot, inventory),
        tips: tips(inventory),
        waste_ml: format!("{:.1} mL", inventory.waste.ul() / 1_000.0),
        may: buttons(robot.mode),
        attention: robot.attention.map(FaultView::from),
        name: robot.name,
    }
}

const fn words(mode: RobotMode) -> (&'static str, &'static str) {
    match mode {
        RobotMode::Active => ("active", "takes work"),
        RobotMode::Paused => ("paused", "sends nothing until it is resumed"),
        RobotMode::Draining => ("draining", "finishes what it has and takes nothing new"),
        RobotMode::Attention => ("attention", "waits for a person"),
    }
}

fn holds(tool: &Tool) -> String {
    let sure = |certain: bool| if certain { "" } else { ", perhaps" };
    match tool {
        Tool::Nothing => "nothing".to_owned(),
        Tool::Tip { tip, dye, certain, .. } => format!("the {dye} tip ({tip}){}", sure(*certain)),
        Tool::Sensor { certain, .. } => format!("the colour sensor{}", sure(*certain)),
    }
}

fn place(well: WellName, inventory: &Inventory) -> Place {
    let class = if inventory.used_wells.contains(&well) { "used" } else { "free" };
    Place { x: well.column(), y: well.row(), class }
}

fn vials(robot: &Robot, inventory: &Inventory) -> Vec<VialView> {
    inventory
        .vials
        .iter()
        .map(|vial| {
            let full_ul = robot.deck.dye(&vial.dye).map_or(15_000.0, |dye| dye.volume.ul());
            let left_ul = vial.volume.ul();
            VialView {
                dye: vial.dye.to_string(),
                place: vial.vial.to_string(),
                hex: optics::emblem(&vial.dye),
                left_ul,
                full_ul,
                said: format!("{:.1} mL", left_ul / 1_000.0),
            }
        })
        .collect()
}

fn tips(inventory: &Inventory) -> String {
    let lost = inventory.tips.iter().filter(|tip| tip.dye.is_none()).count();
    let standing: Vec<_> =
        inventory.tips.iter().filter_map(|tip| Some(format!("{} {}", tip.dye.as_ref()?, tip.tip))).collect();
    let standing = if standing.is_empty() { "none in use".to_owned() } else { standing.join(", ") };
    if lost == 0 { standing } else { format!("{standing}; {lost} discarded") }
}

fn buttons(mode: RobotMode) -> Vec<ModeButton> {
    let resume = ModeButton { mode: "active", label: "Resume", class: "" };
    let pause = ModeButton { mode: "paused", label: "Pause", class: "plain" };
    let drain = ModeButton { mode: "draining", label: "Drain", class: "plain" };
    match mode {
        RobotMode::Active => vec![pause, drain],
        RobotMode::Paused => vec![resume],
        RobotMode::Draining => vec![resume, pause],
        RobotMode::Attention => Vec::new(),
    }
}

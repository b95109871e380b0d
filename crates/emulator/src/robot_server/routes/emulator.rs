//! `/emulator`: what no real robot can tell or do. The physical truth, and an operator's hands.

use super::exchange::{Body, Query};
use crate::{
    robot_server::{
        Robot,
        body::Fields,
        error::{ApiError, FieldProblem},
        faults::{self, Faults},
        lock, mishaps,
    },
    world::{self, Effect, Entry, PLATE_SLOT, SensorFaults, Slot, TIPS_300_SLOT, VIALS_SLOT, World, WorldError},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::Utc;
use domain::reading::BANDS;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most entries one answer holds.
const MOST_ENTRIES: usize = 1_000_000;
/// What a refill pours without further words: a full vial, µL.
const FULL_VIAL_UL: f64 = 15_000.0;
/// The brightest that light on the sensor may be made, as a share of what it should be.
const MOST_LIGHT: f64 = 10.0;
/// The same of the room's light. The sensor's lowest gain can't bear it.
const MOST_ROOM_LIGHT: f64 = 10_000.0;

pub fn router() -> Router<Arc<Robot>> {
    Router::new()
        .route("/emulator/ledger", get(ledger))
        .route("/emulator/state", get(state))
        .route("/emulator/plate", post(plate))
        .route("/emulator/tips", post(tips))
        .route("/emulator/vials/{well}", post(vial))
        .route("/emulator/sensor", post(sensor))
        .route("/emulator/nozzles", post(nozzles))
        .route("/emulator/faults", get(faults).post(set_faults))
}

/// What was wrong with an operator's request, as RFC 9457 wants it.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    fn bad(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: detail.into() }
    }
}

impl From<WorldError> for Problem {
    fn from(error: WorldError) -> Self {
        let status = match error {
            WorldError::Storage { .. }
            | WorldError::InUse { .. }
            | WorldError::Damaged { .. }
            | WorldError::NoIdentity { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            WorldError::NoSuchWell { .. } | WorldError::EmptySlot(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, detail: error.to_string() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Problem");
        let body = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

#[derive(Serialize)]
struct Ledger {
    data: Vec<Entry>,
}

/// `after=`: only entries newer than that sequence; `limit=`: at most so many. Without either, all.
async fn ledger(State(robot): State<Arc<Robot>>, query: Query) -> Result<Json<Ledger>, Problem> {
    let count = |name: &str| {
        query
            .text(name)
            .map(str::parse::<u64>)
            .transpose()
            .map_err(|_| Problem::bad(format!("'{name}' must be a whole number that isn't negative")))
    };
    let mut after = count("after")?;
    let limit = count("limit")?.map_or(MOST_ENTRIES, |limit| usize::try_from(limit).unwrap_or(MOST_ENTRIES));
    let limit = limit.min(MOST_ENTRIES);
    let mut data: Vec<Entry> = Vec::new();
    while data.len() < limit {
        let page = world::lock(robot.hardware.world()).ledger(after, (limit - data.len()).min(World::LEDGER_PAGE))?;
        let Some(last) = page.last() else { break };
        after = Some(last.sequence);
        data.extend(page);
    }
    Ok(Json(Ledger { data }))
}

async fn state(State(robot): State<Arc<Robot>>) -> Json<Value> {
    let world = world::lock(robot.hardware.world());
    Json(json!({
        "data": world.state(),
        "identity": world.identity(),
        "sequence": world.last_sequence(),
        "last_key": world.last_key(),
        "actions": world.actions(),
    }))
}

/// `{"slot": 1, "sequence": 7}`; both may be left out.
async fn plate(State(robot): State<Arc<Robot>>, body: Result<Body, ApiError>) -> Result<Json<Value>, Problem> {
    let body = read(body)?;
    let slot = slot_in(&body, PLATE_SLOT)?;
    let mut world = world::lock(robot.hardware.world());
    check_unchanged(&world, &body)?;
    let effect = world.new_plate(slot, Utc::now())?;
    Ok(entries(effect))
}

/// `{"slot": 9, "sequence": 7}`; both may be left out.
async fn tips(State(robot): State<Arc<Robot>>, body: Result<Body, ApiError>) -> Result<Json<Value>, Problem> {
    let body = read(body)?;
    let slot = slot_in(&body, TIPS_300_SLOT)?;
    let mut world = world::lock(robot.hardware.world());
    check_unchanged(&world, &body)?;
    let effect = world.new_tip_rack(slot, Utc::now())?;
    Ok(entries(effect))
}

/// `{"dye": "red", "volume_ul": 15000, "slot": 3}`; all but a dye for a vial that never held one may be left out.
async fn vial(
    State(robot): State<Arc<Robot>>,
    Path(well): Path<String>,
    body: Result<Body, ApiError>,
) -> Result<Json<Value>, Problem> {
    let body = read(body)?;
    let slot = slot_in(&body, VIALS_SLOT)?;
    let mut fields = Fields::of(&body, "");
    let dye = fields.optional_text("dye");
    let volume_ul = fields.optional_number("volume_ul").unwrap_or(FULL_VIAL_UL);
    fields.finish().map_err(unreadable)?;
    let mut world = world::lock(robot.hardware.world());
    check_unchanged(&world, &body)?;
    let dye = dye.or_else(|| usual_dye(&world, slot, &well)).ok_or_else(|| {
        Problem::bad("say which dye: {\"dye\": \"red\"}. The vial doesn't tell, for it holds none or several")
    })?;
    let effect = world.refill(slot, &well, &dye, volume_ul, Utc::now())?;
    Ok(entries(effect))
}

/// `{"light": 0, "room": 5, "flicker": 0.2, "dead_band": "ch440", "stuck": true}` breaks the colour sensor; what is left out works, `{}` mends it.
async fn sensor(State(robot): State<Arc<Robot>>, body: Result<Body, ApiError>) -> Result<Json<Value>, Problem> {
    let body = read(body)?;
    let usual = SensorFaults::default();
    let mut fields = Fields::of(&body, "");
    let light = fields.optional_number("light").unwrap_or(usual.light);
    let room = fields.optional_number("room").unwrap_or(usual.room);
    let flicker = fields.optional_number("flicker").unwrap_or(usual.flicker);
    let every = fields.optional_number("flicker_every").unwrap_or(usual.flicker_every as f64);
    let dead_band = fields.optional_text("dead_band");
    let is_stuck = fields.optional_truth("stuck").unwrap_or(usual.is_stuck);
    fields.finish().map_err(unreadable)?;
    if !(0.0..=MOST_LIGHT).contains(&light) {
        return Err(Problem::bad(format!("'light' must be from 0 (off) to {MOST_LIGHT}; 1 is as it should be")));
    }
    if !(0.0..=MOST_ROOM_LIGHT).contains(&room) {
        return Err(Problem::bad(format!(
            "'room' must be from 0 (night) to {MOST_ROOM_LIGHT} (the sun); 1 is as usual"
        )));
    }
    if !(1.0..=100.0).contains(&every) {
        return Err(Problem::bad("'flicker_every' must be from 1 (each reading) to 100; it is 2 where it is left out"));
    }
    if !(-9.0..=1.0).contains(&flicker) {
        return Err(Problem::bad(
            "'flicker' must be from 0 (steady) to 1 (every second reading is dark), or below 0 (every second one glares)",
        ));
    }
    if let Some(name) = dead_band.as_ref().filter(|name| !BANDS.iter().any(|band| band.name == **name)) {
        let known = BANDS.map(|band| band.name).join(", ");
        let name: String = name.chars().take(20).collect();
        return Err(Problem::bad(format!("'{name}' is no band: the sensor has {known}")));
    }
    let faults = SensorFaults { light, room, flicker, flicker_every: every as u64, dead_band, is_stuck };
    let data = json!({ "light": faults.light, "room": faults.room, "flicker": faults.flicker, "dead_band": faults.dead_band, "stuck": faults.is_stuck });
    world::lock(robot.hardware.world()).break_sensor(faults);
    Ok(Json(json!({ "data": data })))
}

/// `{"sequence": 7}`, which may be left out: what hangs on the nozzles is taken off by hand.
async fn nozzles(State(robot): State<Arc<Robot>>, body: Result<Body, ApiError>) -> Result<Json<Value>, Problem> {
    let body = read(body)?;
    let mut world = world::lock(robot.hardware.world());
    check_unchanged(&world, &body)?;
    let effect = world.clear_nozzles(Utc::now())?;
    Ok(entries(effect))
}

/// The faults still to come.
async fn faults(State(robot): State<Arc<Robot>>) -> Json<Value> {
    let of_requests = lock(&robot.faults).clone();
    let of_lab = world::lock(robot.hardware.world()).mishaps().to_vec();
    Json(told(&Faults { of_requests, of_commands: robot.hardware.failures(), of_lab, deeds: Vec::new() }))
}

/// `{"faults": […]}` ([`faults::read`]) instead of those before; an empty list ends them all.
async fn set_faults(State(robot): State<Arc<Robot>>, body: Result<Body, ApiError>) -> Result<Json<Value>, Problem> {
    let faults = faults::read(&read(body)?).map_err(unreadable)?;
    let told = told(&faults);
    {
        let mut world = world::lock(robot.hardware.world());
        mishaps::carry_out(&faults.deeds, &mut world)?;
        world.befall(faults.of_lab);
    }
    *lock(&robot.faults) = faults.of_requests;
    robot.hardware.fail(faults.of_commands);
    Ok(Json(told))
}

fn told(faults: &Faults) -> Value {
    let of_requests = faults.of_requests.iter().map(|fault| json!(fault));
    let of_commands = faults.of_commands.iter().map(|failure| json!(failure));
    let of_lab = faults.of_lab.iter().map(|mishap| json!(mishap));
    json!({"data": of_requests.chain(of_commands).chain(of_lab).collect::<Vec<_>>()})
}

/// An operator's hands aren't at the deck long after they were asked for: with a `sequence`, an act is refused when
/// anything has happened since. So a request that was held up can't swap a plate under a running experiment.
fn check_unchanged(world: &World, body: &Value) -> Result<(), Problem> {
    let now = world.last_sequence();
    match body.get("sequence") {
        None => Ok(()),
        Some(asked) if asked.as_u64() == Some(now) => Ok(()),
        Some(asked) => Err(Problem {
            status: StatusCode::CONFLICT,
            detail: format!("the ledger is at {now}, not at {asked}: look at the deck again"),
        }),
    }
}

/// The dye a vial holds now, when it is but one.
fn usual_dye(world: &World, slot: Slot, well: &str) -> Option<String> {
    let liquid = world.state().placed(slot)?.liquid(well);
    let mut dyes = liquid.components().map(|(dye, _)| dye.to_owned());
    let only = dyes.next()?;
    dyes.next().is_none().then_some(only)
}

fn entries(effect: Effect) -> Json<Value> {
    Json(json!({"data": effect.entries}))
}

fn read(body: Result<Body, ApiError>) -> Result<Value, Problem> {
    match body {
        Ok(Body(Value::Null)) => Ok(json!({})),
        Ok(Body(body)) if body.is_object() => Ok(body),
        _ => Err(Problem::bad("the body must be a JSON object, or nothing")),
    }
}

fn unreadable(problems: Vec<FieldProblem>) -> Problem {
    let told: Vec<_> = problems.iter().map(|problem| format!("{}: {}", problem.at, problem.detail)).collect();
    Problem::bad(told.join("; "))
}

fn slot_in(body: &Value, usual: Slot) -> Result<Slot, Problem> {
    let Some(asked) = body.get("slot") else { return Ok(usual) };
    let number = asked.as_u64().and_then(|number| u8::try_from(number).ok());
    number.and_then(Slot::new).ok_or_else(|| Problem::bad("'slot' must be a number from 1 to 12"))
}

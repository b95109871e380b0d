//! `/maintenance_runs`: a run beside the runs, for calibration wizards and other short visits.

use super::{
    exchange::{Answer, Body, Query, created, ok},
    run_commands::{Listing, Patience, links, listing, page, send},
    runs::{Data, offsets, read_definition, read_offset, take_definition, take_offset, told},
};
use crate::robot_server::{
    Robot,
    command::{self, Command, Intent, Summary},
    engine::Audience,
    error::ApiError,
    lock,
    run::Run,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn create(State(robot): State<Arc<Robot>>, Body(body): Body) -> Answer {
    let offsets = offsets(&body)?;
    if robot.runs().current().is_some_and(|run| run.is_playing()) {
        let detail = "Cannot create maintenance run when a protocol run is active.";
        return Err(ApiError::conflict("ProtocolRunIsActive", "Protocol Run Is Active", detail));
    }
    let mut kept = lock(&robot.maintenance);
    if kept.as_ref().is_some_and(|run| !run.can_be_replaced()) {
        return Err(not_idle());
    }
    let run = Run::start(Arc::clone(&robot.hardware));
    run.with_engine(|engine| offsets.into_iter().all(|offset| engine.correct(offset)));
    if let Some(before) = kept.replace(Arc::clone(&run)) {
        before.put_aside();
    }
    created(json!({"data": describe(&run)}))
}

pub async fn current(State(robot): State<Arc<Robot>>) -> Answer {
    let kept = lock(&robot.maintenance);
    let run = kept.as_ref().ok_or_else(|| {
        let detail = "No maintenance run currently running.";
        ApiError::not_found("NoCurrentRunFound", "No current run found", detail)
    })?;
    let links = json!({"current": {"href": format!("/maintenance_runs/{}", run.id)}});
    ok(json!({"data": describe(run), "links": links}))
}

/// A run that is played sends a maintenance run away.
pub fn drop_idle(robot: &Robot) {
    if let Some(run) = lock(&robot.maintenance).take_if(|run| run.can_be_replaced()) {
        run.put_aside();
    }
}

pub async fn get(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    ok(json!({"data": describe(&*find(&robot, &id)?)}))
}

pub async fn delete(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let run = find(&robot, &id)?;
    if !run.can_be_replaced() {
        return Err(not_idle());
    }
    run.put_aside();
    *lock(&robot.maintenance) = None;
    ok(json!({}))
}

pub async fn create_command(
    State(robot): State<Arc<Robot>>,
    Path(id): Path<String>,
    query: Query,
    Body(body): Body,
) -> Result<(StatusCode, Json<Data<Command>>), ApiError> {
    let run = find(&robot, &id)?;
    let patience = Patience::read(&query)?;
    let asked = command::Asked { intent: Intent::Setup, ..command::read(&body, Audience::Run)? };
    send(&run, asked, patience).await
}

pub async fn list_commands(
    State(robot): State<Arc<Robot>>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Listing<Summary>>, ApiError> {
    let (cursor, length) = page(&query)?;
    let run = find(&robot, &id)?;
    let links = links(&run, "maintenance_runs");
    Ok(Json(listing(Some(run.page(cursor, length, Command::summary_without_notes)), links)))
}

pub async fn get_command(
    State(robot): State<Arc<Robot>>,
    Path((id, command)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Data<Command>>), ApiError> {
    let found = find(&robot, &id)?.command(&command).ok_or_else(|| {
        let detail = format!("Command {command} does not exist");
        ApiError::not_found("CommandNotFound", "Maintenance Run Command Not Found", detail)
    })?;
    Ok(told(StatusCode::OK, found))
}

pub async fn add_offset(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    let run = find(&robot, &id)?;
    take_offset(&run, read_offset(&body)?)
}

pub async fn add_definition(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    let run = find(&robot, &id)?;
    take_definition(&run, read_definition(body)?)
}

fn find(robot: &Robot, id: &str) -> Result<Arc<Run>, ApiError> {
    let kept = lock(&robot.maintenance);
    kept.as_ref().filter(|run| run.id == id).cloned().ok_or_else(|| {
        let detail = format!("Error 4000 GENERAL_ERROR (MaintenanceRunNotFoundError): Run {id} was not found.");
        ApiError::not_found("RunNotFound", "Run Not Found", detail)
    })
}

/// A maintenance run is told without what only a protocol has.
fn describe(run: &Run) -> Value {
    let mut told = run.describe(true);
    if let Some(fields) = told.as_object_mut() {
        for name in ["ok", "runTimeParameters"] {
            fields.remove(name);
        }
    }
    told
}

fn not_idle() -> ApiError {
    let detail = "Maintenance run is currently active. Allow the run to finish or stop it first.";
    ApiError::coded(StatusCode::CONFLICT, "RunNotIdle", "Run is not idle.", detail, "4001")
}

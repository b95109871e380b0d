//! `/runs`: made, told, played, put aside.

use super::{
    exchange::{Answer, Body, Query, created, ok},
    maintenance_runs, protocols,
};
use crate::{
    labware::Definition,
    robot_server::{
        Robot,
        body::Fields,
        command::timestamp,
        engine::{LabwareOffset, MAX_LOADED, offset_location, point},
        error::{ApiError, FieldProblem},
        meta, posted_labware,
        run::{ActionType, Run},
        runs::Entry,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

pub async fn list(State(robot): State<Arc<Robot>>, query: Query) -> Answer {
    let length = query.whole("pageLength")?;
    let runs = robot.runs();
    // The newest. A negative number is none at all to the database the real server asks.
    let most = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let first = runs.entries().len().saturating_sub(most);
    let told: Vec<_> = runs.entries().iter().skip(first).map(|entry| runs.describe(entry)).collect();
    let links = match runs.current() {
        Some(current) => json!({"current": {"href": format!("/runs/{}", current.id)}}),
        None => json!({}),
    };
    let total = told.len();
    ok(json!({"data": told, "links": links, "meta": meta(0, total)}))
}

pub async fn create(State(robot): State<Arc<Robot>>, Body(body): Body) -> Answer {
    let protocol = asked_protocol(&body)?;
    let offsets = offsets(&body)?;
    let protocol = match protocol {
        Some(id) => Some((id.clone(), protocols::script(&robot, &id, run_time_values(&body)).await?)),
        None => None,
    };
    let run = robot.runs().create(&robot.hardware, offsets, protocol)?;
    created(json!({"data": run.describe(true)}))
}

pub async fn get(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let runs = robot.runs();
    ok(json!({"data": runs.describe(&runs.find(&id)?)}))
}

pub async fn update(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    let data = body.get("data").cloned().unwrap_or_default();
    let mut fields = Fields::of(&data, "data");
    let current = fields.optional_truth("current");
    fields.finish().map_err(ApiError::invalid_fields)?;
    let mut runs = robot.runs();
    let run = runs.check_current(&id, "update")?;
    if current == Some(false) {
        runs.put_aside(&run)?;
    }
    ok(json!({"data": run.describe(runs.is_current(&id))}))
}

pub async fn delete(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    robot.runs().delete(&id)?;
    ok(json!({}))
}

pub async fn act(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    let run = robot.runs().find_current(&id)?;
    let data = body.get("data").cloned().unwrap_or_default();
    let mut fields = Fields::of(&data, "data");
    let asked = fields.choice("actionType", &["play", "pause", "stop", "resume-from-recovery"]);
    fields.finish().map_err(ApiError::invalid_fields)?;
    let action_type = match asked {
        "play" => ActionType::Play,
        "pause" => ActionType::Pause,
        "stop" => ActionType::Stop,
        _ => ActionType::ResumeFromRecovery,
    };
    if action_type == ActionType::Play {
        maintenance_runs::drop_idle(&robot);
    }
    created(json!({"data": run.act(action_type)?}))
}

pub async fn add_offset(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    robot.runs().find(&id)?;
    let offset = read_offset(&body)?;
    take_offset(&*robot.runs().find_current(&id)?, offset)
}

pub async fn add_definition(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    robot.runs().find(&id)?;
    let definition = read_definition(body)?;
    take_definition(&*robot.runs().find_current(&id)?, definition)
}

pub async fn loaded_definitions(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let run = robot.runs().check_current(&id, "get loaded labware definitions of")?;
    let definitions = run.with_engine(|engine| engine.loaded_definitions());
    let documents: Vec<_> = definitions.values().map(|definition| definition.document.clone()).collect();
    ok(json!({"data": documents}))
}

/// Taken and without effect: this robot never waits for recovery.
pub async fn set_recovery_policy(State(robot): State<Arc<Robot>>, Path(id): Path<String>, _: Body) -> Answer {
    robot.runs().check_current(&id, "update")?;
    ok(json!({}))
}

/// The labware offset that a body asks for.
pub fn read_offset(body: &Value) -> Result<LabwareOffset, ApiError> {
    let data = body.get("data").cloned().unwrap_or_default();
    offset(&data, "data").map_err(ApiError::invalid_fields)
}

/// Adds a labware offset to a run of any kind.
pub fn take_offset(run: &Run, offset: LabwareOffset) -> Answer {
    if !run.with_engine(|engine| engine.correct(offset.clone())) {
        return Err(too_many("labware offsets"));
    }
    created(json!({"data": offset}))
}

/// The labware definition in a body, if the real server would take it.
pub fn read_definition(mut body: Value) -> Result<Definition, ApiError> {
    let document = body.get_mut("data").map(Value::take).unwrap_or_default();
    posted_labware::check(&document, "data").map_err(ApiError::invalid_fields)?;
    Definition::parse(document).map_err(|error| {
        ApiError::invalid_fields(vec![FieldProblem { at: "data".to_owned(), detail: error.to_string() }])
    })
}

/// Adds a labware definition to a run of any kind.
pub fn take_definition(run: &Run, definition: Definition) -> Answer {
    let uri = definition.uri();
    if !run.with_engine(|engine| engine.define(definition)) {
        return Err(too_many("labware definitions"));
    }
    created(json!({"data": {"definitionUri": uri}}))
}

/// The protocol a run is to be made with. Reads all of a request for a run but its offsets.
fn asked_protocol(body: &Value) -> Result<Option<String>, ApiError> {
    if body.is_null() {
        return Ok(None);
    }
    let mut fields = Fields::of(body, "");
    let protocol = fields.object("data", |data| {
        for name in ["runTimeParameterValues", "runTimeParameterFiles"] {
            data.optional_object(name, |_| ());
        }
        if data.raw("labwareOffsets").is_some_and(|offsets| !offsets.is_array()) {
            data.complain("labwareOffsets", "value is not a valid list");
        }
        data.optional_text("protocolId")
    });
    fields.finish().map_err(ApiError::invalid_fields)?;
    Ok(protocol)
}

/// The values of run-time parameters a run is to be made with.
fn run_time_values(body: &Value) -> Value {
    body.pointer("/data/runTimeParameterValues").filter(|values| values.is_object()).cloned().unwrap_or(json!({}))
}

/// The offsets a run is to be made with.
pub fn offsets(body: &Value) -> Result<Vec<LabwareOffset>, ApiError> {
    let asked = body.pointer("/data/labwareOffsets").and_then(Value::as_array);
    let asked = asked.map(Vec::as_slice).unwrap_or_default();
    if asked.len() > MAX_LOADED {
        return Err(too_many("labware offsets"));
    }
    let read = |(index, value): (usize, &Value)| offset(value, &format!("data/labwareOffsets/{index}"));
    asked.iter().enumerate().map(read).collect::<Result<_, _>>().map_err(ApiError::invalid_fields)
}

fn offset(value: &Value, at: &str) -> Result<LabwareOffset, Vec<FieldProblem>> {
    let mut fields = Fields::of(value, at);
    let offset = LabwareOffset {
        id: Uuid::new_v4().to_string(),
        created_at: timestamp(),
        definition_uri: fields.text("definitionUri"),
        location: fields.object("location", offset_location),
        vector: fields.object("vector", point),
    };
    fields.finish()?;
    Ok(offset)
}

fn too_many(what: &str) -> ApiError {
    let detail = format!("This emulator keeps at most {MAX_LOADED} {what} a run.");
    ApiError::modern(StatusCode::UNPROCESSABLE_ENTITY, "InvalidRequest", "Invalid Request", detail)
}

/// The live run of that id; a lost one has nothing but its name.
pub fn live(entry: Entry) -> Option<Arc<Run>> {
    match entry {
        Entry::Live(run) => Some(run),
        Entry::Lost(_) => None,
    }
}

/// A body in the envelope, keeping the order of its fields.
#[derive(serde::Serialize)]
pub struct Data<T> {
    pub data: T,
}

/// An answer whose fields come in their own order.
pub fn told<T>(status: StatusCode, data: T) -> (StatusCode, Json<Data<T>>) {
    (status, Json(Data { data }))
}

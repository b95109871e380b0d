//! `/runs/{id}/commands`: sent, waited for, looked up, listed.

use super::{
    exchange::{Answer, Body, Query, ok},
    runs::{Data, live, told},
};
use crate::robot_server::{
    Robot,
    command::{self, Command, Summary},
    engine::{Audience, ErrorOccurrence},
    error::{ApiError, exception_meta, python_meta},
    meta,
    run::{Page, Run, clamp},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use serde_json::{Serializer, Value, json, ser::Formatter};
use std::{io, sync::Arc, time::Duration};

const DEFAULT_PAGE: i64 = 20;

/// A page of a list, with links to where the run is now.
#[derive(Serialize)]
pub struct Listing<T> {
    data: Vec<T>,
    links: Value,
    meta: Value,
}

type Told<T> = Result<(StatusCode, Json<Data<T>>), ApiError>;

pub async fn create(
    State(robot): State<Arc<Robot>>,
    Path(id): Path<String>,
    query: Query,
    Body(body): Body,
) -> Told<Command> {
    let run = robot.runs().find_current(&id)?;
    let patience = Patience::read(&query)?;
    let asked = command::read(&body, Audience::Run)?;
    send(&run, asked, patience).await
}

/// How long a client waits for its command.
pub enum Patience {
    None,
    Until(Duration),
    ForEver,
}

impl Patience {
    /// Reads `waitUntilComplete` and `timeout` (ms).
    pub fn read(query: &Query) -> Result<Self, ApiError> {
        let timeout = query.whole("timeout")?;
        if timeout.is_some_and(|timeout| timeout <= 0) {
            return Err(ApiError::invalid_query("timeout", "ensure this value is greater than 0"));
        }
        Ok(match (query.truth("waitUntilComplete")?, timeout) {
            (false, _) => Self::None,
            (true, Some(timeout)) => Self::Until(Duration::from_millis(timeout.unsigned_abs())),
            (true, None) => Self::ForEver,
        })
    }
}

/// Queues a command and waits as the client wishes. Going away cancels nothing.
pub async fn send(run: &Arc<Run>, asked: command::Asked, patience: Patience) -> Told<Command> {
    let queued = run.enqueue(asked)?;
    let waited = match patience {
        Patience::None => None,
        Patience::Until(timeout) => run.wait(&queued.id, Some(timeout)).await,
        Patience::ForEver => run.wait(&queued.id, None).await,
    };
    Ok(told(StatusCode::CREATED, waited.unwrap_or(queued)))
}

pub async fn get(State(robot): State<Arc<Robot>>, Path((id, command)): Path<(String, String)>) -> Told<Command> {
    let (entry, current) = {
        let runs = robot.runs();
        (runs.find(&id)?, runs.is_current(&id))
    };
    let found = live(entry).and_then(|run| run.command(&command));
    found.map(|command| told(StatusCode::OK, command)).ok_or_else(|| missing(&command, current))
}

fn missing(command: &str, current: bool) -> ApiError {
    let detail = format!("Command {command} does not exist");
    if current {
        return ApiError::unexpected("CommandDoesNotExistError", &detail);
    }
    let detail = format!("Error 4000 GENERAL_ERROR (CommandNotFoundError): Command {command} was not found.");
    ApiError::not_found("CommandNotFound", "Run Command Not Found", detail)
}

pub async fn list(
    State(robot): State<Arc<Robot>>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Listing<Summary>>, ApiError> {
    let (cursor, length) = page(&query)?;
    let (entry, current) = {
        let runs = robot.runs();
        (runs.find(&id)?, runs.is_current(&id))
    };
    let run = live(entry);
    let links = match &run {
        Some(run) if current => links(run, "runs"),
        _ => json!({}),
    };
    let page = run.map(|run| run.page(cursor, length, Command::summary));
    Ok(Json(listing(page, links)))
}

/// Reads `cursor` and `pageLength`.
pub fn page(query: &Query) -> Result<(Option<i64>, i64), ApiError> {
    Ok((query.whole("cursor")?, query.whole("pageLength")?.unwrap_or(DEFAULT_PAGE)))
}

/// A page in its envelope; of a lost run, an empty one.
pub fn listing<T>(page: Option<Page<T>>, links: Value) -> Listing<T> {
    match page {
        Some(page) => Listing { meta: meta(page.cursor, page.total), data: page.items, links },
        None => {
            let (cursor, total) = clamp(0, 0);
            Listing { data: Vec::new(), links, meta: meta(cursor, total) }
        }
    }
}

/// The link to the command the run is at; `collection` is `runs` or `maintenance_runs`.
pub fn links(run: &Run, collection: &str) -> Value {
    let Some(current) = run.current_command() else { return json!({}) };
    json!({"current": {
        "href": format!("/{collection}/{}/commands/{}", run.id, current.id),
        "meta": {
            "runId": run.id,
            "commandId": current.id,
            "index": current.index,
            "key": current.key,
            "createdAt": current.created_at,
        },
    }})
}

#[derive(Serialize)]
pub struct Errors {
    data: Vec<ErrorOccurrence>,
    meta: Value,
}

pub async fn errors(
    State(robot): State<Arc<Robot>>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Errors>, ApiError> {
    let (cursor, length) = page(&query)?;
    let run = robot.runs().check_current(&id, "get command errors of")?;
    let listing = listing(Some(run.error_page(cursor, length)), json!({}));
    Ok(Json(Errors { data: listing.data, meta: listing.meta }))
}

/// Every command of an ended run, each as a string of JSON.
pub async fn pre_serialized(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let (entry, current) = {
        let runs = robot.runs();
        (runs.find(&id)?, runs.is_current(&id))
    };
    let run = live(entry);
    if run.as_ref().is_some_and(|run| current && !run.has_ended()) {
        return Err(not_yet());
    }
    let all = run.map(|run| run.page(Some(0), i64::MAX, as_python_writes)).map(|page| page.items);
    let all = all.unwrap_or_default();
    let meta = meta(0, all.len());
    ok(json!({"data": all, "meta": meta}))
}

fn not_yet() -> ApiError {
    const EXCEPTION: &str = "PreSerializedCommandsNotAvailableError";
    let message = "Pre-serialized commands are only available after a run has ended.";
    let detail = format!("robot_server.runs.run_data_manager.{EXCEPTION}: {message}");
    let id = "PreSerializedCommandsNotAvailable";
    ApiError::modern(StatusCode::SERVICE_UNAVAILABLE, id, "Pre-Serialized commands not available.", detail.clone())
        .with_meta(python_meta(EXCEPTION, &detail, &format!("('{message}',)")))
}

/// JSON with a blank after every colon and comma.
fn as_python_writes(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, PythonFormatter));
    written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// A refusal because a played run holds the robot.
pub fn run_active() -> ApiError {
    let message = "A run is currently active";
    let detail = format!("robot_server.runs.run_orchestrator_store.RunConflictError: {message}");
    let meta = python_meta("RunConflictError", &detail, &format!("('{message}',)"));
    ApiError::conflict("RunActive", "Run Active", detail).with_meta(meta)
}

/// A refusal because no such command was sent.
pub fn command_missing(command: &str) -> ApiError {
    let detail = format!("Command {command} does not exist");
    ApiError::not_found("StatelessCommandNotFound", "Stateless Command Not Found", detail.clone())
        .with_meta(exception_meta("CommandDoesNotExistError", "4000", &detail))
}

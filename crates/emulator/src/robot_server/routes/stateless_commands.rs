//! `/commands`: simple commands outside any run. They don't wait for an idle run's commands, only for the gantry.

use super::{
    exchange::{Body, Query},
    run_commands::{Patience, command_missing, page, run_active, send},
    runs::{Data, told},
};
use crate::robot_server::{
    Robot,
    command::{self, Command, Intent},
    engine::Audience,
    error::ApiError,
    lock, meta,
    run::Run,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// After so many, older commands are forgotten together.
const KEPT: usize = 1_000;

#[derive(Serialize)]
pub struct Listing {
    data: Vec<Command>,
    meta: Value,
}

pub async fn create(
    State(robot): State<Arc<Robot>>,
    query: Query,
    Body(body): Body,
) -> Result<(StatusCode, Json<Data<Command>>), ApiError> {
    if robot.runs().current().is_some_and(|run| run.is_playing()) {
        return Err(run_active());
    }
    let patience = Patience::read(&query)?;
    let asked = command::Asked { intent: Intent::Setup, ..command::read(&body, Audience::Stateless)? };
    send(&stateless_run(&robot), asked, patience).await
}

fn stateless_run(robot: &Robot) -> Arc<Run> {
    let mut kept = lock(&robot.stateless);
    let full = |run: &Arc<Run>| run.can_be_replaced() && run.page(Some(0), 0, |_| ()).total >= KEPT;
    if kept.as_ref().is_some_and(full) {
        *kept = None;
    }
    Arc::clone(kept.get_or_insert_with(|| Run::start(Arc::clone(&robot.hardware))))
}

pub async fn list(State(robot): State<Arc<Robot>>, query: Query) -> Result<Json<Listing>, ApiError> {
    let (cursor, length) = page(&query)?;
    let page = stateless_run(&robot).page(cursor, length, Command::clone);
    Ok(Json(Listing { meta: meta(page.cursor, page.total), data: page.items }))
}

pub async fn get(
    State(robot): State<Arc<Robot>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Data<Command>>), ApiError> {
    let command = stateless_run(&robot).command(&id).ok_or_else(|| command_missing(&id))?;
    Ok(told(StatusCode::OK, command))
}

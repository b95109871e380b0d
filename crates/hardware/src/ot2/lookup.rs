//! Finding out what became of a command: the robot keeps each command's key, so the operation's id finds it again.

use super::{
    Ot2,
    answer::{Command, One, Page, RunState, Status},
    wire::{Wire, is_id},
};
use crate::{Lookup, RobotError};
use domain::OperationId;
use serde_json::Value;

/// Commands asked for at a time.
pub(super) const PAGE: usize = 100;
/// 100,000 commands; the longest experiment has a few thousand.
const MOST_PAGES: usize = 1_000;

impl Ot2 {
    /// What became of the command that was sent to run `run_id` under `key`.
    ///
    /// To reconcile after a crash call [`Ot2::open_run`] first: it waits for the old run's command to end and shuts out
    /// what is still under way to it, so that [`Lookup::Absent`] can't be overtaken.
    pub async fn lookup(&self, run_id: &str, key: OperationId) -> Result<Lookup, RobotError> {
        look_up(&self.wire, run_id, key).await
    }
}

pub(super) async fn look_up(wire: &Wire, run_id: &str, key: OperationId) -> Result<Lookup, RobotError> {
    if !is_id(run_id) {
        return Ok(Lookup::HistoryLost);
    }
    match in_run(wire, run_id, &key.to_string()).await {
        Err(RobotError::Refused { id, .. }) if id == "RunNotFound" => Ok(Lookup::HistoryLost),
        other => other,
    }
}

/// Asks for the list first and for the run's health after: a restart in between must not pass for an empty list.
async fn in_run(wire: &Wire, run_id: &str, key: &str) -> Result<Lookup, RobotError> {
    let found = search(wire, run_id, key).await?;
    if let Some(ended) = found.as_ref().filter(|command| command.ending().is_some()) {
        return ending(wire, run_id, ended).await;
    }
    let run = wire.get(&format!("/runs/{run_id}")).await?.read::<One<RunState>>()?.data;
    match found {
        _ if !run.ok => Ok(Lookup::HistoryLost),
        None => Ok(Lookup::Absent),
        Some(_) if run.current => Ok(Lookup::Running),
        Some(_) => in_ended_run(wire, run_id, key).await,
    }
}

/// The run is over, so what its list says now is final.
async fn in_ended_run(wire: &Wire, run_id: &str, key: &str) -> Result<Lookup, RobotError> {
    match search(wire, run_id, key).await? {
        Some(command) if command.ending().is_some() => ending(wire, run_id, &command).await,
        Some(command) if command.status == Status::Queued => Ok(Lookup::Failed(command.failure())),
        _ => Ok(Lookup::HistoryLost),
    }
}

async fn search(wire: &Wire, run_id: &str, key: &str) -> Result<Option<Command>, RobotError> {
    let mut cursor = 0;
    for _ in 0..MOST_PAGES {
        let path = format!("/runs/{run_id}/commands?cursor={cursor}&pageLength={PAGE}");
        let page: Page<Command> = wire.get(&path).await?.read()?;
        cursor += page.data.len();
        let last = page.data.is_empty() || cursor >= page.meta.total_length;
        let found = page.data.into_iter().find(|command| command.key == key);
        if last || found.is_some() {
            return Ok(found);
        }
    }
    Err(RobotError::BadAnswer { status: 200, detail: format!("more than {} commands in one run", MOST_PAGES * PAGE) })
}

/// The list has no results, so a command that succeeded is asked for by itself. A result that the robot no longer has
/// leaves a null: that the command succeeded is certain all the same.
async fn ending(wire: &Wire, run_id: &str, command: &Command) -> Result<Lookup, RobotError> {
    if command.status == Status::Failed {
        return Ok(Lookup::Failed(command.failure()));
    }
    if !is_id(&command.id) {
        return Ok(Lookup::Succeeded(Value::Null));
    }
    match wire.get(&format!("/runs/{run_id}/commands/{}", command.id)).await {
        Ok(answer) => Ok(Lookup::Succeeded(answer.read::<One<Command>>()?.data.result.unwrap_or_default())),
        Err(RobotError::Refused { .. } | RobotError::BadAnswer { .. }) => Ok(Lookup::Succeeded(Value::Null)),
        Err(error) => Err(error),
    }
}

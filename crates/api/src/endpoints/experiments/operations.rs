//! `GET /experiments/{id}/operations`

use crate::body::{Paging, Parameters};
use axum::{Json, extract::Path};
use chrono::{DateTime, Utc};
use domain::{JournalEvent, OperationId, WellId};
use request::{Problem, ProblemDocument, Reader};
use serde::Serialize;
use serde_json::Value;
use store::JournalledOperation;
use utoipa::ToSchema;

/// One step of an experiment as the journal has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OperationView {
    /// Also the `key` under which the robot was sent it.
    #[schema(value_type = Uuid)]
    id: OperationId,
    /// Its place in the robot's journal; grows, with gaps where the robot worked for others.
    sequence: i64,
    #[schema(example = "dispense")]
    step: &'static str,
    #[schema(example = "adding 60 µL of red to B3")]
    sentence: String,
    /// The well that it changes or reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    well: Option<WellId>,
    /// `intended` (no end is known yet), `succeeded`, `failed`, `not_received`, `in_doubt` or `settled`.
    #[schema(value_type = String, example = "succeeded")]
    state: JournalEvent,
    /// Written before anything was sent.
    intended_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// What the robot or the sensor answered, or why not.
    #[schema(value_type = Option<Object>)]
    outcome: Option<Value>,
}

/// A page of an experiment's journal.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Operations {
    data: Vec<OperationView>,
    /// Pass it as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
    /// Where there are none any more: for how long the journal of an ended experiment is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "The steps of an experiment are kept for 365 days after its end. This one’s are gone; its results stay."
    )]
    forgotten: Option<String>,
}

/// Read the journal of an experiment
///
/// Every step that was taken for it, oldest first, with how it ended. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/experiments/{id}/operations", tag = "experiments",
    operation_id = "experiments_operations", params(("id" = String, Path), Paging), responses(
    (status = 200, body = Operations),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
))]
pub async fn operations(
    Reader { state, identity }: Reader,
    Path(id): Path<String>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<Operations>, Problem> {
    let (after, limit) = (paging.after::<i64>()?.unwrap_or(0), paging.limit()?);
    let experiment = super::visible(&state, &identity, &id).await?.experiment;
    // One more than the page has: it says only that there is a next page.
    let mut operations = state.store.operations(experiment.id, after, limit + 1).await?;
    let more = operations.len() > limit as usize;
    operations.truncate(limit as usize);
    let data: Vec<_> = operations.into_iter().map(OperationView::from).collect();
    let next_cursor = data.last().filter(|_| more).map(|last| last.sequence.to_string());
    // One that never started never had any.
    let is_empty = data.is_empty() && after == 0 && experiment.started_at.is_some();
    let forgotten = is_empty.then(|| views::forgotten(&experiment, state.retention.operations, Utc::now())).flatten();
    Ok(Json(Operations { data, next_cursor, forgotten }))
}

impl From<JournalledOperation> for OperationView {
    fn from(journalled: JournalledOperation) -> Self {
        let step = &journalled.operation.step;
        Self {
            id: journalled.operation.id,
            sequence: journalled.sequence,
            step: step.name(),
            sentence: step.sentence(),
            well: step.well(),
            state: journalled.state,
            intended_at: journalled.intended_at,
            ended_at: journalled.ended_at,
            outcome: journalled.outcome,
        }
    }
}

//! `GET /experiments/{id}/operations`

use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use domain::{JournalEvent, OperationId, WellId};
use request::{AppState, Caller, Problem, ProblemDocument};
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

/// Read the journal of an experiment
///
/// Every step that was taken for it, oldest first, with how it ended. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/experiments/{id}/operations", tag = "experiments",
    operation_id = "experiments_operations", params(("id" = String, Path), Paging), responses(
    (status = 200, body = PageView<OperationView>),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
))]
pub async fn operations(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<OperationView>>, Problem> {
    let (after, limit) = (paging.after::<i64>()?.unwrap_or(0), paging.limit()?);
    let experiment = super::visible(&state, &identity, &id).await?.experiment.id;
    // One more than the page has: it says only that there is a next page.
    let mut operations = state.store.operations(experiment, after, limit + 1).await?;
    let more = operations.len() > limit as usize;
    operations.truncate(limit as usize);
    let data: Vec<_> = operations.into_iter().map(OperationView::from).collect();
    let next_cursor = data.last().filter(|_| more).map(|last| last.sequence.to_string());
    Ok(Json(PageView { data, next_cursor }))
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

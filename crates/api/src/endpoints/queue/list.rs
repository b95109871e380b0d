//! `GET /queue`

use crate::body::LARGEST_PAGE;
use axum::{Json, extract::State};
use chrono::Utc;
use domain::ExperimentId;
use request::{AppState, Caller, Problem};
use serde::Serialize;
use store::Queued;
use utoipa::ToSchema;
use views::WaitingView;
use workflow::Waiting;

/// The experiments that wait, in the order in which robots take them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Queue {
    data: Vec<QueuePlace>,
    /// What all of it waits for, where no robot takes anything now.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingView>,
}

/// One place in the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuePlace {
    /// 1 is next.
    position: usize,
    wells: u32,
    /// Whether it is the caller's own.
    mine: bool,
    /// Null for other people's, unless the caller runs the lab or teaches them.
    #[schema(value_type = Option<Uuid>)]
    experiment_id: Option<ExperimentId>,
}

/// Read the queue
///
/// The first 200 places: fair between people, so the order may change as others ask.
#[utoipa::path(get, path = "/queue", tag = "lab", operation_id = "queue_list", responses((status = 200, body = Queue)))]
pub async fn list(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<Queue>, Problem> {
    let queued = state.store.queue(LARGEST_PAGE).await?;
    let owners: Vec<_> = queued.iter().map(|queued| queued.user_id).collect();
    let seen = state.lab.seen_among(&identity.user, &owners).await?;
    let place = |(index, queued): (usize, Queued)| QueuePlace {
        position: index + 1,
        wells: queued.wells,
        mine: identity.user_id() == queued.user_id,
        experiment_id: seen.contains(&queued.user_id).then_some(queued.experiment),
    };
    let data = queued.into_iter().enumerate().map(place).collect();
    let waiting = Waiting::of_queue(&state.store.robots().await?, Utc::now());
    Ok(Json(Queue { data, waiting: waiting.map(|waiting| WaitingView::of(&waiting, identity.role())) }))
}

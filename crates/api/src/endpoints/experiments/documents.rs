//! `GET /experiments/{id}/documents`

use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use domain::Collection;
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use serde_json::Value;
use store::Document;
use utoipa::ToSchema;
use uuid::Uuid;

/// A raw reading, a command record or how the plate was left.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DocumentView {
    /// `measurements`, `robot_commands` or `plates`.
    #[schema(value_type = String, example = "measurements")]
    collection: Collection,
    /// The operation's id; of the plate's picture the experiment's.
    id: Uuid,
    /// When it was written.
    at: DateTime<Utc>,
    /// As the lab wrote it: a reading's `reading`, a command's `step`, `state` and `outcome`, a plate's `wells`.
    #[schema(value_type = Object)]
    body: Value,
}

/// Read the raw documents of an experiment
///
/// What the sensor read and the robot was told, whole, in the order of the operations, from wherever the lab keeps it; at the
/// end how the plate was left comes first, since it has the experiment's own id. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/experiments/{id}/documents", tag = "experiments",
    operation_id = "experiments_documents", params(("id" = String, Path), Paging), responses(
    (status = 200, body = PageView<DocumentView>),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
    (status = 503, body = ProblemDocument, description = "The document store doesn't answer", content_type = "application/problem+json"),
))]
pub async fn documents(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<DocumentView>>, Problem> {
    let (after, limit) = (paging.after()?, paging.limit()?);
    let experiment = super::visible(&state, &identity, &id).await?.experiment.id;
    let page = state.documents.of_experiment(experiment, after, limit).await?;
    Ok(Json(PageView::of(page, DocumentView::from)))
}

impl From<Document> for DocumentView {
    fn from(Document { key, at, body }: Document) -> Self {
        Self { collection: key.collection, id: key.id, at, body }
    }
}

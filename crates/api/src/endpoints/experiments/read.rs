//! `GET /experiments/{id}`

use crate::{AppState, Caller, Problem, ProblemDocument, views::ExperimentView};
use axum::{
    Json,
    extract::{Path, State},
};

/// Read an experiment
///
/// With its wells, their results so far, and how far it is.
#[utoipa::path(get, path = "/experiments/{id}", tag = "experiments",
    operation_id = "experiments_read", params(("id" = String, Path)), responses(
    (status = 200, body = ExperimentView),
    (status = 404, body = ProblemDocument, description = "There is none, or it is somebody else's", content_type = "application/problem+json"),
))]
pub async fn read(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Result<Json<ExperimentView>, Problem> {
    let detail = super::visible(&state, &identity, &id).await?;
    Ok(Json(super::view(&state, detail, identity.role()).await?))
}

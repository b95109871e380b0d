//! `GET /experiments/{id}/results`

use axum::{Json, extract::Path};
use request::{Problem, ProblemDocument, Reader};
use serde::Serialize;
use utoipa::ToSchema;
use views::WellView;

/// The measured wells of an experiment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Results {
    data: Vec<WellView>,
}

/// Read results
///
/// The wells that are measured, in the request's order. At most a plate's, so there are no pages.
#[utoipa::path(get, path = "/experiments/{id}/results", tag = "results",
    operation_id = "experiments_results", params(("id" = String, Path)), responses(
    (status = 200, body = Results),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn results(Reader { state, identity }: Reader, Path(id): Path<String>) -> Result<Json<Results>, Problem> {
    let detail = super::visible(&state, &identity, &id).await?;
    let measured = detail.wells.into_iter().filter(|(_, result)| result.is_some());
    Ok(Json(Results { data: measured.map(|(well, result)| WellView::of(well, result)).collect() }))
}

//! `GET /experiments/{id}/download.json`

use axum::{
    Json,
    extract::Path,
    response::{IntoResponse, Response},
};
use request::{Problem, ProblemDocument, Reader};
use views::ExperimentView;

/// Download an experiment as JSON
///
/// The same document as reading it, as a file to keep.
#[utoipa::path(get, path = "/experiments/{id}/download.json", tag = "results",
    operation_id = "experiments_download", params(("id" = String, Path)), responses(
    (status = 200, body = ExperimentView),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn download(Reader { state, identity }: Reader, Path(id): Path<String>) -> Result<Response, Problem> {
    let detail = super::visible(&state, &identity, &id).await?;
    let name = super::saved_as(detail.experiment.id, "json")?;
    Ok(([name], Json(super::view(&state, detail, identity.role()).await?)).into_response())
}

//! `GET /experiments/{id}/results.csv`

use crate::csv;
use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use request::{Problem, ProblemDocument, Reader};

/// Download results as CSV
///
/// One line a well; volumes in µL, a column a channel of the sensor, how far the colour is from the predicted one, and
/// whether and why the well is doubtful. Safe to open in a spreadsheet.
#[utoipa::path(get, path = "/experiments/{id}/results.csv", tag = "results",
    operation_id = "experiments_results_csv", params(("id" = String, Path)), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn results_csv(Reader { state, identity }: Reader, Path(id): Path<String>) -> Result<Response, Problem> {
    let detail = super::visible(&state, &identity, &id).await?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let doubts = state.lab.doubts(&detail).await?;
    let name = super::saved_as(detail.experiment.id, "csv")?;
    Ok(([kind, name], csv::results(&detail, doubts.as_ref())).into_response())
}

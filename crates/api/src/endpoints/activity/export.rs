//! `GET /activity/export`

use super::Which;
use crate::body::Parameters;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::IntoParams;
use views::{ActivityExport, ActivityFormat};

/// What kind of file.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `jsonl`, one object a line as `GET /activity` has them, or `csv`, safe to open in a spreadsheet.
    #[param(value_type = String, required = false, pattern = "^(jsonl|csv)$", default = "jsonl")]
    format: Option<String>,
}

/// Download the activity log, or what is searched for in it
///
/// Newest first, made while it is taken. A download that breaks off isn't all.
#[utoipa::path(get, path = "/activity/export", tag = "administration",
    operation_id = "activity_export", params(Wanted, Which), responses(
    (status = 200, content((String = "application/jsonl"), (String = "text/csv"))),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A format, user or time that can't be", content_type = "application/problem+json"),
))]
pub async fn export(
    State(state): State<AppState>,
    _: Caller,
    Parameters(wanted): Parameters<Wanted>,
    Parameters(which): Parameters<Which>,
) -> Result<Response, Problem> {
    let format = wanted.format.as_deref().unwrap_or("jsonl").parse::<ActivityFormat>();
    let format = format.map_err(|why| Problem::bad_parameter("format", why))?;
    let export = ActivityExport::new(state.store.clone(), which.filter(&state).await?, format);
    let pieces = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        match export.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some(export))),
            Err(error) => {
                tracing::warn!(%error, "the export of the activity log broke off");
                Some((Err(error), None))
            }
        }
    });
    let kind = HeaderValue::from_static(format.media_type());
    let name = format!("attachment; filename=\"tincture-activity.{}\"", format.extension());
    let name = HeaderValue::from_str(&name).map_err(|error| Problem::internal(&error))?;
    // Whoever compresses it asks once more after the end.
    let pieces = pieces.fuse();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], Body::from_stream(pieces)).into_response())
}

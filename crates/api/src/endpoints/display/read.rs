//! `GET /display`

use axum::Json;
use request::{Problem, ProblemDocument, Reader};
use serde::Serialize;
use utoipa::ToSchema;
use views::DisplayLine;

/// Experiments on a wall.
const MOST: u32 = 50;

/// What the lab does.
#[derive(Debug, Serialize, ToSchema)]
pub struct Display {
    /// The newest 50, newest first.
    experiments: Vec<DisplayLine>,
}

/// What a wall display shows
///
/// The lab's newest experiments without who asked for them and what they call them; robots and the queue are where everybody
/// finds them (`/robots`, `/queue`). For a service's token of the kind `display`, operators and administrators.
#[utoipa::path(get, path = "/display", tag = "lab", operation_id = "display_read", responses(
    (status = 200, body = Display),
    (status = 403, body = ProblemDocument, description = "Neither a display nor somebody who runs the lab", content_type = "application/problem+json"),
))]
pub async fn read(Reader { state, .. }: Reader) -> Result<Json<Display>, Problem> {
    let page = state.store.experiments(None, None, MOST).await?;
    Ok(Json(Display { experiments: page.data.into_iter().map(DisplayLine::from).collect() }))
}

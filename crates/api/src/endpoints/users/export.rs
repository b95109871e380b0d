//! `GET /users/{id}/export`

use crate::body;
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use documents::ReadError;
use domain::UserId;
use futures::{StreamExt, stream};
use request::{AppState, Caller, Problem, ProblemDocument};

/// Download all that is stored of a person
///
/// JSON Lines: first what it is, then a line a row of each table (`{"table": …, "row": {…}}`), account first, then each
/// experiment with its wells, results, journal and raw documents; last `{"end": true, "rows": …}`. Without that line it is
/// not whole.
#[utoipa::path(get, path = "/users/{id}/export", tag = "administration",
    operation_id = "users_export", params(("id" = String, Path)), responses(
    (status = 200, body = String, content_type = "application/jsonl"),
    (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn export(State(state): State<AppState>, _: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let id: UserId = body::id(&id, "account")?;
    let user = state.store.user(id).await?.ok_or_else(|| Problem::not_found("account"))?;
    archive(&state, user.id)
}

/// The answer, made while it is taken.
pub fn archive(state: &AppState, person: UserId) -> Result<Response, Problem> {
    let name = HeaderValue::from_str(&format!("attachment; filename=\"tincture-person-{person}.jsonl\""));
    let name = name.map_err(|error| Problem::internal(&error))?;
    let pieces = stream::unfold(state.documents.export(person), move |mut pieces| async move {
        let piece = pieces.recv().await?;
        let told = |error: &ReadError| tracing::warn!(%person, %error, "the export of a person's data broke off");
        Some((piece.inspect_err(told), pieces))
    });
    // Whoever compresses it asks once more after the end.
    let pieces = pieces.fuse();
    let kind = HeaderValue::from_static("application/jsonl");
    let heads = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok((heads, Body::from_stream(pieces)).into_response())
}

//! `GET /activity`

use super::Which;
use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State, http::HeaderMap};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::ActivityView;

/// Read and search the activity log
///
/// Newest first. Follow `next_cursor` until it is null: a search looks at some thousand lines for each page, so a page may
/// have fewer lines than there are, or none.
#[utoipa::path(get, path = "/activity", tag = "administration",
    operation_id = "activity_list", params(Paging, Which), responses(
    (status = 200, body = PageView<ActivityView>),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit, cursor, user or time that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    headers: HeaderMap,
    Parameters(paging): Parameters<Paging>,
    Parameters(which): Parameters<Which>,
) -> Result<Json<PageView<ActivityView>>, Problem> {
    let filter = which.filter(&state).await?;
    let state = state.reading_for(&identity, &headers).await;
    let page = state.store.search_activity(&filter, paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, ActivityView::from)))
}

//! `GET /groups`

use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::GroupLineView;

/// List groups
///
/// Those that the caller teaches; all for administrators. Oldest first. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/groups", tag = "groups", operation_id = "groups_list", params(Paging), responses(
    (status = 200, body = PageView<GroupLineView>),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<GroupLineView>>, Problem> {
    let whose = state.auth.looks_at_groups_of(&identity);
    let page = state.store.groups(whose, paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, GroupLineView::from)))
}

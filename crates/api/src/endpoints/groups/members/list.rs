//! `GET /groups/{id}/members`

use crate::{
    body::{self, Paging, Parameters},
    views::PageView,
};
use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::MemberView;

/// List a group's members and teachers
///
/// Whose account is oldest comes first. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/groups/{id}/members", tag = "groups", operation_id = "group_members_list",
    params(("id" = String, Path), Paging), responses(
    (status = 200, body = PageView<MemberView>),
    (status = 404, body = ProblemDocument, description = "There is none, or the caller doesn't teach it", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Path(id): Path<String>,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<MemberView>>, Problem> {
    let group = state.auth.group(Some(&identity), body::id(&id, "group")?).await?;
    let page = state.store.members(group.id, paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, MemberView::from)))
}

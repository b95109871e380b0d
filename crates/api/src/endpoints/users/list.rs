//! `GET /users`

use crate::{
    body::{Paging, Parameters, Search},
    views::PageView,
};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::UserView;

/// List accounts
///
/// By age, newest last; with `q` those whose address has it in it. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/users", tag = "administration", operation_id = "users_list", params(Paging, Search), responses(
    (status = 200, body = PageView<UserView>),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    _: Caller,
    Parameters(paging): Parameters<Paging>,
    Parameters(search): Parameters<Search>,
) -> Result<Json<PageView<UserView>>, Problem> {
    let (after, limit) = (paging.after()?, paging.limit()?);
    let page = match search.part()? {
        Some(part) => state.store.search_users(part, after, limit).await?,
        None => state.store.users(after, limit).await?,
    };
    Ok(Json(PageView::of(page, UserView::from)))
}

//! `GET /users`

use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::UserView;

/// List accounts
///
/// By age, newest last. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/users", tag = "administration", operation_id = "users_list", params(Paging), responses(
    (status = 200, body = PageView<UserView>),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    _: Caller,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<UserView>>, Problem> {
    let page = state.store.users(paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, UserView::from)))
}

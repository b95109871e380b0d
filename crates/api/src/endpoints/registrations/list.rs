//! `GET /registrations`

use super::RegistrationView;
use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};

/// List who wait for an account
///
/// Oldest first. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/registrations", tag = "administration", operation_id = "registrations_list", params(Paging), responses(
    (status = 200, body = PageView<RegistrationView>),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    _: Caller,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<RegistrationView>>, Problem> {
    let page = state.store.registrations(paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, RegistrationView::from)))
}

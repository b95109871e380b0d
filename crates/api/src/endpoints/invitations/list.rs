//! `GET /invitations`

use super::InvitationView;
use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};

/// List invitations
///
/// Newest first, also those that are used up or ran out within 30 days. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/invitations", tag = "administration", operation_id = "invitations_list", params(Paging), responses(
    (status = 200, body = PageView<InvitationView>),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    _: Caller,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<InvitationView>>, Problem> {
    let page = state.store.invitations(paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, InvitationView::from)))
}

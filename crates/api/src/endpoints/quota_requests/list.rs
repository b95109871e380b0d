//! `GET /quota-requests`

use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use views::QuotaRequestView;

/// List requests for more quota
///
/// Those that wait, oldest first: of groups that the caller teaches; all for administrators. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/quota-requests", tag = "groups", operation_id = "quota_requests_list", params(Paging), responses(
    (status = 200, body = PageView<QuotaRequestView>),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Parameters(paging): Parameters<Paging>,
) -> Result<Json<PageView<QuotaRequestView>>, Problem> {
    let whose = state.auth.looks_at_groups_of(&identity);
    let page = state.store.quota_requests(whose, None, paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, QuotaRequestView::from)))
}

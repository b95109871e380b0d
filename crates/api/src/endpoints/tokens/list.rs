//! `GET /tokens`

use crate::{body::Parameters, endpoints::owner::Owner};
use axum::{Json, extract::State};
use chrono::Utc;
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;
use views::ApiTokenView;

/// Tokens of one person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiTokens {
    data: Vec<ApiTokenView>,
}

/// List API tokens
///
/// Those that are good, and those that have run out in the last 30 days; who lives longest first.
#[utoipa::path(get, path = "/tokens", tag = "account", operation_id = "tokens_list", params(Owner), responses(
    (status = 200, body = ApiTokens),
    (status = 403, body = ProblemDocument, description = "Asked with an API token, or for somebody else's", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A user that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Parameters(owner): Parameters<Owner>,
) -> Result<Json<ApiTokens>, Problem> {
    let owner = owner.of(&state, &identity, "tokens").await?;
    let (tokens, now) = (state.auth.api_tokens(owner).await?, Utc::now());
    Ok(Json(ApiTokens { data: tokens.into_iter().map(|token| ApiTokenView::of(token, now)).collect() }))
}

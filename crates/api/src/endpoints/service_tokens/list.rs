//! `GET /service-tokens`

use axum::{Json, extract::State};
use chrono::Utc;
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;
use views::ServiceTokenView;

/// All tokens of services.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceTokens {
    data: Vec<ServiceTokenView>,
}

/// List services' tokens
///
/// Those that are good, and those that have run out in the last 30 days; newest first.
#[utoipa::path(get, path = "/service-tokens", tag = "administration", operation_id = "service_tokens_list", responses(
    (status = 200, body = ServiceTokens),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
))]
pub async fn list(State(state): State<AppState>, Caller(_identity): Caller) -> Result<Json<ServiceTokens>, Problem> {
    let (tokens, now) = (state.auth.service_tokens().await?, Utc::now());
    Ok(Json(ServiceTokens { data: tokens.into_iter().map(|token| ServiceTokenView::of(token, now)).collect() }))
}

//! `POST /auth/refresh`

use super::RefreshRequest;
use crate::{JsonBody, views::TokensView};
use axum::{Json, extract::State};
use request::{AppState, ClientIp, Problem, ProblemDocument};

/// Renew tokens
///
/// Trades a refresh token for new tokens. A refresh token that is used twice ends its session, since somebody has a copy.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth",
    operation_id = "auth_refresh", request_body = RefreshRequest, security(()), responses(
    (status = 200, body = TokensView),
    (status = 401, body = ProblemDocument, description = "Unknown, used or revoked: sign in again", content_type = "application/problem+json"),
))]
pub async fn refresh(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<Json<TokensView>, Problem> {
    Ok(Json(state.auth.refresh(&request.refresh_token, ip).await?.into()))
}

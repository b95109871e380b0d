//! `POST /auth/logout`

use super::RefreshRequest;
use crate::JsonBody;
use axum::{extract::State, http::StatusCode};
use request::{AppState, ClientIp, Problem};

/// Sign out
///
/// Ends the session of a refresh token, and with it the access tokens that came from it. Doing it twice is no error.
#[utoipa::path(post, path = "/auth/logout", tag = "auth",
    operation_id = "auth_logout", request_body = RefreshRequest, security(()), responses(
    (status = 204, description = "Signed out"),
))]
pub async fn logout(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<StatusCode, Problem> {
    state.auth.sign_out(&request.refresh_token, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

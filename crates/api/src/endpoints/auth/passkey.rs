//! `POST /auth/passkey`

use crate::{JsonBody, factors::PasskeyShown, views::TokensView};
use axum::{Json, extract::State};
use request::{AppState, ClientIp, Problem, ProblemDocument};

/// Sign in with a passkey
///
/// In one step: a passkey has asked for a finger, a face or a PIN itself. Ask `/auth/passkey/options` first.
#[utoipa::path(post, path = "/auth/passkey", tag = "auth",
    operation_id = "auth_passkey", request_body = PasskeyShown, security(()), responses(
    (status = 200, body = TokensView),
    (status = 401, body = ProblemDocument, description = "Not one of this lab's passkeys, or its answer isn't right or was used before", content_type = "application/problem+json"),
    (status = 403, body = ProblemDocument, description = "The account is disabled", content_type = "application/problem+json"),
))]
pub async fn passkey(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<PasskeyShown>,
) -> Result<Json<TokensView>, Problem> {
    let signed_in = state.auth.sign_in_with_passkey(&request.into(), ip).await;
    request::count_sign_in(&signed_in);
    Ok(Json(signed_in?.into()))
}

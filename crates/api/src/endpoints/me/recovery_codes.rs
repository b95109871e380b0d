//! `POST /me/recovery-codes`

use crate::factors::RecoveryCodes;
use axum::{Json, extract::State};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};

/// Make new recovery codes
///
/// Ten, instead of those that are left. They are in this answer and nowhere else.
#[utoipa::path(post, path = "/me/recovery-codes", tag = "account", operation_id = "recovery_codes_renew", responses(
    (status = 200, body = RecoveryCodes),
    (status = 404, body = ProblemDocument, description = "No second factor that they could stand in for", content_type = "application/problem+json"),
))]
pub async fn renew(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
) -> Result<Json<RecoveryCodes>, Problem> {
    Ok(Json(state.auth.renew_recovery_codes(&identity, ip).await?.into()))
}

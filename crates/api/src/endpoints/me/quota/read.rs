//! `GET /me/quota`

use axum::{Json, extract::State};
use request::{AppState, Caller, Problem};
use views::QuotaView;

/// Where my quota comes from
///
/// What is left of each group's allowance, when it is whole again, what is one's own, and what changed it.
#[utoipa::path(get, path = "/me/quota", tag = "account", operation_id = "me_quota", responses((status = 200, body = QuotaView)))]
pub async fn read(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<QuotaView>, Problem> {
    super::quota_of(&state, identity.user_id()).await.map(Json)
}

//! `GET /me`

use axum::{Json, extract::State};
use request::{AppState, Caller, Problem};
use views::UserView;

/// Who am I
///
/// The signed-in person with role and quota, as they are now.
#[utoipa::path(get, path = "/me", tag = "account",
    operation_id = "me_read", responses((status = 200, body = UserView)))]
pub async fn read(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<UserView>, Problem> {
    // Who asks is known from a moment ago; what is left of their quota changes by the second.
    let user = state.store.user(identity.user_id()).await?.ok_or_else(|| Problem::not_found("account"))?;
    Ok(Json(user.into()))
}

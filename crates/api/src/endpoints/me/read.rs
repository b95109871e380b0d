//! `GET /me`

use crate::{Caller, views::UserView};
use axum::Json;

/// Who am I
///
/// The signed-in person with role and quota, as they are now.
#[utoipa::path(get, path = "/me", tag = "account",
    operation_id = "me_read", responses((status = 200, body = UserView)))]
pub async fn read(Caller(identity): Caller) -> Json<UserView> {
    Json(identity.user.into())
}

//! `GET /me/factors`

use crate::factors::FactorsView;
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem};

/// My second factors
#[utoipa::path(get, path = "/me/factors", tag = "account",
    operation_id = "factors_read", responses((status = 200, body = FactorsView)))]
pub async fn factors(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<FactorsView>, Problem> {
    let factors = state.auth.factors(identity.user_id()).await?;
    let required = state.auth.needs_second_factor(identity.role());
    Ok(Json(FactorsView::of(factors, required, state.auth.relying_party().origin())))
}

//! `GET /activity/anchor`

use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;

/// How far the activity log is sealed. Both are null while nothing is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AnchorView {
    /// The number of the last sealed line and its seal.
    #[schema(example = "1234:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")]
    anchor: Option<String>,
    /// The same as a JWT that one of the keys in `/.well-known/jwks.json` has signed.
    signed: Option<String>,
}

/// How far is the activity log sealed
///
/// Keep it elsewhere: `tincture audit verify --anchor …` tells later whether anything up to there was touched.
#[utoipa::path(get, path = "/activity/anchor", tag = "administration",
    operation_id = "activity_anchor", responses(
    (status = 200, body = AnchorView),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
))]
pub async fn anchor(State(state): State<AppState>, _: Caller) -> Result<Json<AnchorView>, Problem> {
    let Some(anchor) = state.store.activity_anchor().await? else {
        return Ok(Json(AnchorView { anchor: None, signed: None }));
    };
    let signed = state.auth.keys().sign_anchor(&anchor).await?;
    Ok(Json(AnchorView { anchor: Some(anchor.to_string()), signed: Some(signed.expose().to_owned()) }))
}

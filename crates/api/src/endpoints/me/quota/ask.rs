//! `POST /me/quota/request`

use crate::JsonBody;
use axum::{Json, extract::State, http::StatusCode};
use domain::{GroupId, QuotaRequestId};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskForQuota {
    #[schema(minimum = 1, maximum = 960)]
    wells: i32,
    /// Why, in one line.
    #[schema(min_length = 1, max_length = 300)]
    reason: String,
    /// The group whose teachers are asked; the lab's administrators unless given.
    #[schema(value_type = Option<uuid::Uuid>)]
    group_id: Option<GroupId>,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct AskedForQuota {
    #[schema(value_type = uuid::Uuid)]
    id: QuotaRequestId,
}

/// Ask for more quota
///
/// One request at a time.
#[utoipa::path(post, path = "/me/quota/request", tag = "account", operation_id = "me_quota_request", request_body = AskForQuota, responses(
    (status = 201, body = AskedForQuota),
    (status = 403, body = ProblemDocument, description = "Asked with an API token", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "The caller isn't a member of that group", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "Another one waits", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn ask(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(asked): JsonBody<AskForQuota>,
) -> Result<(StatusCode, Json<AskedForQuota>), Problem> {
    let AskForQuota { wells, reason, group_id } = asked;
    let id = state.auth.ask_for_quota(&identity, group_id, wells, &reason, ip).await?;
    Ok((StatusCode::CREATED, Json(AskedForQuota { id })))
}

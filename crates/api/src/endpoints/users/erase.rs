//! `POST /users/{id}/erase`

use crate::{JsonBody, body};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use domain::UserId;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;

/// That it is meant.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The account's address once more.
    #[schema(example = "ada@example.org", max_length = 254)]
    email: String,
}

/// Erase a person
///
/// Address, password, names, network addresses and sessions go for good; experiments, wells and readings stay under the account's
/// id, which nobody can sign in with any more. It can't be taken back, and reaches no backup. Not for oneself, the last
/// administrator, or whoever has an experiment that waits or is under way.
#[utoipa::path(post, path = "/users/{id}/erase", tag = "administration",
    operation_id = "users_erase", request_body = Confirmation, params(("id" = String, Path)), responses(
    (status = 204, description = "It is done"),
    (status = 403, body = ProblemDocument, description = "Not an administrator, oneself, or the last administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "An experiment of theirs waits or is under way", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "The address isn't the account's", content_type = "application/problem+json"),
))]
pub async fn erase(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<Confirmation>,
) -> Result<StatusCode, Problem> {
    let id: UserId = body::id(&id, "account")?;
    state.auth.erase(Some(&identity), id, &request.email, ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

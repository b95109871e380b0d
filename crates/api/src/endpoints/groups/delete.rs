//! `DELETE /groups/{id}`

use crate::body::{self, Parameters};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::IntoParams;

/// Whether it goes with its members.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct With {
    /// Say true where people are in it: what is left of its allowance goes with it.
    #[serde(default)]
    members: bool,
}

/// Remove a group
///
/// Experiments, and what is people's own of their quota, stay.
#[utoipa::path(delete, path = "/groups/{id}", tag = "groups", operation_id = "groups_delete", params(("id" = String, Path), With), responses(
    (status = 204, description = "It is no more"),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "People are in it", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn delete(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    Parameters(with): Parameters<With>,
) -> Result<StatusCode, Problem> {
    state.auth.delete_group(body::id(&id, "group")?, with.members, Some(&identity), ip).await?;
    Ok(StatusCode::NO_CONTENT)
}

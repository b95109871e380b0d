//! `GET /sessions`

use crate::{body::Parameters, endpoints::owner::Owner};
use axum::{Json, extract::State};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;
use views::SessionView;

/// Sign-ins of one person.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    data: Vec<SessionView>,
}

/// List where somebody is signed in
///
/// Browsers and programs, the newest first, at most 200.
#[utoipa::path(get, path = "/sessions", tag = "account", operation_id = "sessions_list", params(Owner), responses(
    (status = 200, body = Sessions),
    (status = 403, body = ProblemDocument, description = "Asked with an API token, or for somebody else's", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A user that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Parameters(owner): Parameters<Owner>,
) -> Result<Json<Sessions>, Problem> {
    let owner = owner.of(&state, &identity, "sign-ins").await?;
    let sessions = state.auth.open_sessions(owner).await?.into_iter();
    Ok(Json(Sessions { data: sessions.map(|session| SessionView::of(session, identity.session())).collect() }))
}

//! `GET /sessions`

use crate::{body::Parameters, endpoints::activity::account};
use axum::{Json, extract::State};
use domain::{FaultCode, Permission};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use views::SessionView;

/// Whose sign-ins.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Owner {
    /// Id or e-mail address of an account, for administrators; one's own unless given.
    #[param(value_type = String, required = false, example = "ada@example.org")]
    user: Option<String>,
}

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
    let owner = match owner.user.as_deref() {
        None => identity.user_id(),
        Some(_) if !Permission::ManageTokens.reaches_others(identity.role()) => {
            return Err(Problem::new(
                FaultCode::NotAllowed,
                "others' sign-ins are for administrators; leave `user` out",
            ));
        }
        Some(text) => account(&state, "user", text).await?,
    };
    let sessions = state.auth.open_sessions(owner).await?.into_iter();
    Ok(Json(Sessions { data: sessions.map(|session| SessionView::of(session, identity.session())).collect() }))
}

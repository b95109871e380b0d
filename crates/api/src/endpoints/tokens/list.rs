//! `GET /tokens`

use crate::{body::Parameters, endpoints::activity::account};
use axum::{Json, extract::State};
use chrono::Utc;
use domain::{FaultCode, Permission};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use views::ApiTokenView;

/// Whose tokens.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Owner {
    /// Id or e-mail address of an account, for administrators; one's own unless given.
    #[param(value_type = String, required = false, example = "ada@example.org")]
    user: Option<String>,
}

/// Tokens of one person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiTokens {
    data: Vec<ApiTokenView>,
}

/// List API tokens
///
/// Those that are good, and those that have run out in the last 30 days; who lives longest first.
#[utoipa::path(get, path = "/tokens", tag = "account", operation_id = "tokens_list", params(Owner), responses(
    (status = 200, body = ApiTokens),
    (status = 403, body = ProblemDocument, description = "Asked with an API token, or for somebody else's", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A user that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Parameters(owner): Parameters<Owner>,
) -> Result<Json<ApiTokens>, Problem> {
    let owner = match owner.user.as_deref() {
        None => identity.user_id(),
        Some(_) if !Permission::ManageTokens.reaches_others(identity.role()) => {
            return Err(Problem::new(FaultCode::NotAllowed, "others' tokens are for administrators; leave `user` out"));
        }
        Some(text) => account(&state, "user", text).await?,
    };
    let (tokens, now) = (state.auth.api_tokens(owner).await?, Utc::now());
    Ok(Json(ApiTokens { data: tokens.into_iter().map(|token| ApiTokenView::of(token, now)).collect() }))
}

//! `GET /activity`

use crate::{
    body::{Paging, Parameters},
    views::PageView,
};
use axum::{Json, extract::State, http::HeaderMap};
use chrono::{DateTime, Utc};
use domain::{ActivityId, UserId};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::IpAddr;
use store::Activity;
use utoipa::{IntoParams, ToSchema};

/// Whose doings.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Doer {
    /// Id or e-mail address of an account; everybody's unless given.
    #[param(value_type = String, required = false, example = "ada@example.org")]
    user: Option<String>,
}

/// One thing that somebody did or tried.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActivityView {
    #[schema(value_type = Uuid)]
    id: ActivityId,
    /// Null for what nobody signed in did: a failed sign-in, or the command line.
    #[schema(value_type = Option<Uuid>)]
    user_id: Option<UserId>,
    #[schema(example = "robot_paused")]
    action: String,
    /// What it was about; depends on `action`.
    #[schema(value_type = Object)]
    details: Value,
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    ip_address: Option<IpAddr>,
    created_at: DateTime<Utc>,
}

/// Read the activity log
///
/// Newest first. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/activity", tag = "administration",
    operation_id = "activity_list", params(Paging, Doer), responses(
    (status = 200, body = PageView<ActivityView>),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit, cursor or user that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    headers: HeaderMap,
    Parameters(paging): Parameters<Paging>,
    Parameters(doer): Parameters<Doer>,
) -> Result<Json<PageView<ActivityView>>, Problem> {
    let user = match doer.user.as_deref() {
        Some(text) => Some(account(&state, text).await?),
        None => None,
    };
    let state = state.reading_for(&identity, &headers).await;
    let page = state.store.activity(user, paging.after()?, paging.limit()?).await?;
    Ok(Json(PageView::of(page, ActivityView::from)))
}

/// Whose id or e-mail address this is.
pub async fn account(state: &AppState, text: &str) -> Result<UserId, Problem> {
    let user = match text.parse() {
        Ok(id) => state.store.user(id).await?,
        Err(_) => state.store.user_by_email(text.trim()).await?,
    };
    let unknown = || Problem::bad_parameter("user", "there is no account with this id or e-mail address");
    user.map(|user| user.id).ok_or_else(unknown)
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        let Activity { id, user_id, action, details, ip_address, created_at } = activity;
        Self { id, user_id, action, details, ip_address, created_at }
    }
}

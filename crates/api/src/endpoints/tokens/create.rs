//! `POST /tokens`

use crate::JsonBody;
use auth::{Secret, TokenWish};
use axum::{Json, extract::State, http::StatusCode};
use chrono::Utc;
use domain::Scope;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use views::{ApiTokenView, ScopeName};

/// The token to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiToken {
    #[schema(min_length = 1, max_length = 60, example = "notebook on the lab's laptop")]
    name: String,
    #[schema(value_type = Vec<ScopeName>, min_items = 1)]
    scopes: Vec<Scope>,
    /// Until it runs out: 90 unless given, and at most as many as the lab allows (365 unless it says otherwise).
    #[schema(minimum = 1, maximum = 3_650)]
    days: Option<u16>,
}

/// A token that was just made, with the secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeApiToken {
    #[serde(flatten)]
    token: ApiTokenView,
    /// For `Authorization: Bearer`. Shown this once.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, pattern = "^tct_[0-9A-Za-z]{46}$")]
    secret: Secret,
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Make an API token
///
/// For programs that run for longer than an access token lives, or where nobody types a password. It may do what its scopes
/// say, but never more than its owner may at that moment, and nothing about accounts, passwords or tokens: those take
/// somebody who signed in. The secret is in this answer and nowhere else. Was the answer lost, revoke the token and make
/// another.
#[utoipa::path(post, path = "/tokens", tag = "account",
    operation_id = "tokens_create", request_body = CreateApiToken, responses(
    (status = 201, body = MadeApiToken),
    (status = 403, body = ProblemDocument, description = "Asked with an API token", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "As many as one person may have are there", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<CreateApiToken>,
) -> Result<(StatusCode, Json<MadeApiToken>), Problem> {
    let CreateApiToken { name, scopes, days } = request;
    let wish = TokenWish { name, scopes, days };
    let (token, secret) = state.auth.create_api_token(&identity.user, wish, Some(&identity), ip).await?;
    Ok((StatusCode::CREATED, Json(MadeApiToken { token: ApiTokenView::of(token, Utc::now()), secret })))
}

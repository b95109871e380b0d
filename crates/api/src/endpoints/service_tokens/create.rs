//! `POST /service-tokens`

use crate::JsonBody;
use auth::{Secret, ServiceTokenWish};
use axum::{Json, extract::State, http::StatusCode};
use chrono::Utc;
use domain::ServiceKind;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use views::{ServiceName, ServiceTokenView};

/// The token to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceToken {
    #[schema(value_type = ServiceName)]
    service: ServiceKind,
    #[schema(min_length = 1, max_length = 60, example = "prometheus")]
    name: String,
    /// Until it runs out: as many as the lab allows unless given (365 unless it says otherwise).
    #[schema(minimum = 1, maximum = 3_650)]
    days: Option<u16>,
}

/// A token that was just made, with the secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeServiceToken {
    #[serde(flatten)]
    token: ServiceTokenView,
    /// For `Authorization: Bearer`. Shown this once.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, pattern = "^tcs_[0-9A-Za-z]{46}$")]
    secret: Secret,
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Make a service's token
///
/// For a program that is nobody's: it may do what it is for and nothing else, whoever made it, and goes on when they are gone.
/// The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/service-tokens", tag = "administration",
    operation_id = "service_tokens_create", request_body = CreateServiceToken, responses(
    (status = 201, body = MadeServiceToken),
    (status = 403, body = ProblemDocument, description = "Not an administrator", content_type = "application/problem+json"),
    (status = 409, body = ProblemDocument, description = "As many as a lab may have are there", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    JsonBody(request): JsonBody<CreateServiceToken>,
) -> Result<(StatusCode, Json<MadeServiceToken>), Problem> {
    let CreateServiceToken { service, name, days } = request;
    let wish = ServiceTokenWish { service, name, days };
    let (token, secret) = state.auth.create_service_token(wish, Some(&identity), ip).await?;
    Ok((StatusCode::CREATED, Json(MadeServiceToken { token: ServiceTokenView::of(token, Utc::now()), secret })))
}

//! `POST /experiments`

use crate::{AppState, Caller, ClientIp, JsonBody, Problem, ProblemDocument, views::ExperimentView};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::collections::BTreeMap;
use telemetry::names;
use utoipa::ToSchema;
use workflow::ExperimentRequest;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 200;

/// What is asked for (for the documentation; [`ExperimentRequest`] is the type).
#[derive(Debug, ToSchema)]
#[schema(example = json!({"name": "Ochre", "wells": [{"volumes": {"red": 60, "yellow": 30, "blue": 60}}]}))]
#[allow(dead_code, reason = "describes workflow's request to OpenAPI, which workflow knows nothing of")]
pub struct CreateExperiment {
    #[schema(max_length = 120)]
    name: Option<String>,
    #[schema(min_items = 1, max_items = 96)]
    wells: Vec<CreateWell>,
}

/// One well to be mixed and measured.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes workflow's request to OpenAPI, which workflow knows nothing of")]
pub struct CreateWell {
    /// µL by dye: 0, or at least what the mounted pipettes measure (20 for a p300, 1 for a p20); at most 300 in all.
    volumes: BTreeMap<String, f64>,
}

/// An accepted experiment and what is left of the quota.
#[derive(Debug, Serialize, ToSchema)]
pub struct Created {
    #[serde(flatten)]
    experiment: ExperimentView,
    /// Wells that may still be asked for.
    quota_remaining: i32,
}

/// Ask for wells
///
/// Checks everything, then charges one well of quota a well and stores the experiment in one transaction: what is
/// answered with 201 survives any crash. With an `Idempotency-Key` the same request may be sent again safely.
#[utoipa::path(post, path = "/experiments", tag = "experiments", request_body = CreateExperiment,
    params(("Idempotency-Key" = Option<String>, Header, description = "1–200 visible ASCII characters; one a request, kept on retries")),
    responses(
        (status = 201, body = Created, description = "Durable and charged"),
        (status = 400, body = ProblemDocument, description = "No JSON", content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, description = "Not enough quota", content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, description = "The key came with another request", content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, description = "More than 1 MiB", content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, description = "Something to change, pointed at", content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExperimentRequest>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let accepted = state.lab.submit(&identity.user, request, key, ip).await.map_err(|error| {
        let problem = Problem::from(error);
        metrics::counter!(names::EXPERIMENTS_REFUSED, "code" => problem.code.as_str()).increment(1);
        problem
    })?;
    if !accepted.replayed {
        metrics::counter!(names::EXPERIMENTS_ACCEPTED).increment(1);
    }
    let location = format!("/api/v1/experiments/{}", accepted.experiment.experiment.id);
    let location = HeaderValue::from_str(&location).map_err(|error| Problem::internal(&error))?;
    let created = Created {
        experiment: super::view(&state, accepted.experiment).await?,
        quota_remaining: accepted.quota_remaining,
    };
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], Json(created)).into_response();
    if accepted.replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let good = |key: &&[u8]| (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let key = Some(value.as_bytes()).filter(good).and_then(|key| std::str::from_utf8(key).ok());
    let bad =
        || Problem::bad_parameter("Idempotency-Key", "use 1 to 200 visible ASCII characters, such as a fresh UUID");
    key.map(|key| Some(key.to_owned())).ok_or_else(bad)
}

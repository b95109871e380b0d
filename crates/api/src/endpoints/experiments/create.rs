//! `POST /experiments`

use crate::{JsonBody, idempotency};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{Handling, Role};
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument, Told};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use telemetry::names;
use utoipa::ToSchema;
use views::{ExperimentView, HandlingBody};
use workflow::{Accepted, ExperimentRequest, SubmitError, USUAL_PRIORITY, WellRequest};

/// What is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ochre", "wells": [{"volumes": {"red": 60, "yellow": 30, "blue": 60}, "target": "#a0522d"}]}))]
pub struct CreateExperiment {
    #[schema(max_length = 120)]
    name: Option<String>,
    #[schema(value_type = Vec<CreateWell>, min_items = 1, max_items = 96)]
    wells: Vec<WellRequest>,
    /// Higher goes first; 0 unless given. Only operators and administrators give another.
    #[schema(minimum = -10, maximum = 10)]
    priority: Option<i16>,
    /// How liquids are handled: mixing, touching off, blowing out, air gaps, tips.
    #[serde(default)]
    #[schema(value_type = HandlingBody)]
    handling: Handling,
}

/// One well to be mixed and measured.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes workflow's request to OpenAPI, which workflow knows nothing of")]
pub struct CreateWell {
    /// µL by dye: 0, or at least what the mounted pipettes measure (20 for a p300, 1 for a p20, 100 for a p1000); at most 300 in all.
    volumes: BTreeMap<String, f64>,
    /// The colour it is to have. The result says how far it is from it, ΔE2000; nothing else changes.
    target: Option<CreateTarget>,
}

/// A colour to aim at, under D65.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes domain's type to OpenAPI, which domain knows nothing of")]
pub enum CreateTarget {
    /// `#rrggbb`
    #[schema(example = "#a0522d")]
    Screen(String),
    Lab {
        #[schema(minimum = 0, maximum = 100)]
        l: f64,
        #[schema(minimum = -128, maximum = 127)]
        a: f64,
        #[schema(minimum = -128, maximum = 127)]
        b: f64,
    },
}

/// An accepted experiment and what is left of the quota.
#[derive(Debug, Serialize, ToSchema)]
pub struct Created {
    #[serde(flatten)]
    experiment: ExperimentView,
    /// Wells that its owner may still ask for.
    quota_remaining: i32,
}

/// Ask for wells
///
/// Checks everything, then charges one well of quota a well and stores the experiment in one transaction: what is
/// answered with 201 survives any crash. With an `Idempotency-Key` the same request may be sent again safely.
#[utoipa::path(post, path = "/experiments", tag = "experiments",
    operation_id = "experiments_create", request_body = CreateExperiment,
    params(idempotency::IdempotencyKey),
    responses(
        (status = 201, body = Created, description = "Durable and charged", headers(
            ("Location" = String, description = "Path of the experiment"),
            ("Idempotency-Replayed" = bool, description = "`true` where the key came before, and nothing new was made"),
        )),
        (status = 400, body = ProblemDocument, description = "No JSON", content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, description = "Not enough quota, or a priority that isn't yours to give", content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, description = "The key came with another request", content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, description = "More than 1 MiB", content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, description = "Something to change, pointed at", content_type = "application/problem+json"),
        (status = 429, body = ProblemDocument, description = "More at once than one person may ask for; see RateLimit and Retry-After", content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, description = "The queue is full, or no database answers: try again after `Retry-After`", content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    told: Told,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CreateExperiment>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let CreateExperiment { name, wells, priority, handling } = request;
    let (request, priority) = (ExperimentRequest { name, wells, handling }, priority.unwrap_or(USUAL_PRIORITY));
    told.tell(state.changes.take(&identity, request.wells.len())?);
    let accepted = state.lab.submit_with_priority(&identity.user, request, priority, key, ip).await.map_err(refused)?;
    created(&state, accepted, identity.role()).await
}

/// A refusal, counted.
pub(super) fn refused(error: SubmitError) -> Problem {
    let problem = Problem::from(error);
    metrics::counter!(names::EXPERIMENTS_REFUSED, "code" => problem.code.as_str()).increment(1);
    problem
}

/// The answer to who asked for an experiment that is durable now, or was already.
pub(super) async fn created(state: &AppState, accepted: Accepted, reader: Role) -> Result<Response, Problem> {
    let location = format!("/api/v1/experiments/{}", accepted.experiment.experiment.id);
    let location = HeaderValue::from_str(&location).map_err(|error| Problem::internal(&error))?;
    let created = Created {
        experiment: super::view(state, accepted.experiment, reader).await?,
        quota_remaining: accepted.quota_remaining,
    };
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], Json(created)).into_response();
    if accepted.replayed {
        idempotency::mark_replayed(&mut response);
    }
    Ok(response)
}

//! `POST /experiments/{id}/retry`

use super::create::{Created, created, refused};
use crate::idempotency;
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use domain::FaultCode;
use request::{AppState, Caller, ClientIp, Problem, ProblemDocument, Told};
use views::ExperimentView;
use workflow::{Retried, RetryError};

/// Try an experiment again
///
/// One that is paused goes on where it stopped. For one that failed or was cancelled a new experiment of the same owner
/// makes the wells that weren't measured; their quota came back when it ended, and is charged anew. Wells that were
/// measured and are doubtful are made again too, whatever the experiment came to; that costs nothing, once a well.
/// `retry_of` names what it makes up for. Send an `Idempotency-Key`, so that asking twice makes one experiment.
#[utoipa::path(post, path = "/experiments/{id}/retry", tag = "experiments", operation_id = "experiments_retry",
    params(("id" = String, Path), idempotency::IdempotencyKey),
    responses(
        (status = 200, body = ExperimentView, description = "It was paused and is in the queue again"),
        (status = 201, body = Created, description = "A new experiment, durable and charged", headers(
            ("Location" = String, description = "Path of the experiment"),
            ("Idempotency-Replayed" = bool, description = "`true` where the key came before, and nothing new was made"),
        )),
        (status = 403, body = ProblemDocument, description = "Not enough quota", content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, description = "It hasn't ended, or nothing is left to do", content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, description = "No robot can mix it any more", content_type = "application/problem+json"),
        (status = 429, body = ProblemDocument, description = "More at once than one person may ask for; see RateLimit and Retry-After", content_type = "application/problem+json"),
    ))]
pub async fn retry(
    State(state): State<AppState>,
    Caller(identity): Caller,
    ClientIp(ip): ClientIp,
    told: Told,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let failed = super::visible(&state, &identity, &id).await?;
    told.tell(state.changes.take(&identity, failed.wells.len())?);
    match state.lab.retry(&identity.user, &failed, key, ip).await.map_err(problem)? {
        Retried::Resumed => {
            let resumed = super::visible(&state, &identity, &id).await?;
            Ok(Json(super::view(&state, resumed, identity.role()).await?).into_response())
        }
        Retried::Anew(accepted) => created(&state, *accepted, identity.role()).await,
    }
}

fn problem(error: RetryError) -> Problem {
    match error {
        RetryError::Refused(status) => Problem::refused("retried", status),
        RetryError::NothingLeft => Problem::new(FaultCode::IllegalTransition, error.to_string()),
        RetryError::Submit(error) => refused(error),
        RetryError::Store(error) => error.into(),
    }
}

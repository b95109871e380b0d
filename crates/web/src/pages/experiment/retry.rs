//! `POST /experiments/{id}/retry`: makes what wasn't measured and what is doubtful, or lets a paused experiment go on.

use super::{Notice, shown, visible};
use crate::{error::PageError, fields::Fields, session::SignedIn};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{ExperimentId, FaultCode};
use request::{AppState, ClientIp};
use uuid::Uuid;
use workflow::{Retried, RetryError, SubmitError};

/// The longest token that can be one of ours.
const TOKEN_LENGTH: usize = 36;

pub async fn retry(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id: ExperimentId = id.parse().map_err(|_| PageError::NotFound("experiment"))?;
    let detail = visible(&state, &me, id).await?;
    let token = fields.get("token");
    let token = if token.len() == TOKEN_LENGTH { token.parse().ok() } else { None }.unwrap_or_else(Uuid::now_v7);
    state.changes.take(&me, detail.wells.len()).map_err(|standing| PageError::TooMuch(standing.wait.as_secs() + 1))?;
    match state.lab.retry(&me.user, &detail, Some(format!("retry-{token}")), ip).await {
        Ok(Retried::Anew(accepted)) => {
            Ok(Redirect::to(&format!("/experiments/{}", accepted.experiment.experiment.id)).into_response())
        }
        // What makes no sense any more was overtaken by the lab; the page shows how it stands.
        Ok(Retried::Resumed) | Err(RetryError::Refused(_) | RetryError::NothingLeft) => {
            Ok(Redirect::to(&format!("/experiments/{id}")).into_response())
        }
        Err(RetryError::Submit(error)) => {
            let page = shown(&state, &me, id, None, Some(notice(error)?)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(RetryError::Store(error)) => Err(error.into()),
    }
}

/// Why it can't be tried again now.
fn notice(error: SubmitError) -> Result<Notice, PageError> {
    let (title, detail, code) = match error {
        SubmitError::QuotaExhausted { wanted, remaining } => (
            format!("{wanted} wells are more than the {remaining} that are left of the quota."),
            "Nothing was charged. Ask an administrator for more, or mix fewer wells anew.".to_owned(),
            FaultCode::QuotaExhausted,
        ),
        SubmitError::QueueFull { limit } => (
            format!("{limit} experiments wait already."),
            "Nothing was charged. Try again in a few minutes.".to_owned(),
            FaultCode::QueueFull,
        ),
        SubmitError::Invalid { code, objections } => (
            "No robot can mix this any more.".to_owned(),
            objections.into_iter().take(3).map(|objection| objection.detail).collect::<Vec<_>>().join("; "),
            code,
        ),
        SubmitError::KeyReused => (
            "This was sent before, and meant something else then.".to_owned(),
            "Nothing was charged. Press the button again.".to_owned(),
            FaultCode::IdempotencyConflict,
        ),
        SubmitError::AlreadyGivenBack => (
            "These wells were made again already.".to_owned(),
            "A doubtful well is made again without charge once. Nothing was charged now.".to_owned(),
            FaultCode::PlateDoubtful,
        ),
        SubmitError::Store(error) => return Err(error.into()),
    };
    Ok(Notice { title, detail, help: code.help_path() })
}

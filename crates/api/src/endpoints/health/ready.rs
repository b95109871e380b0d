//! `GET /readyz`

use crate::{AppState, Problem};
use axum::extract::State;
use domain::FaultCode;
use std::time::Duration;

/// How long the database may take to say anything.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Requests can be served: the database answers.
pub async fn ready(State(state): State<AppState>) -> Result<&'static str, Problem> {
    match tokio::time::timeout(LONGEST_WAIT, state.store.ping()).await {
        Ok(Ok(())) => Ok("ready\n"),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Problem::new(FaultCode::Unavailable, "the database doesn't answer")),
    }
}

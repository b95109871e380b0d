//! `/experiments`: asking for wells, watching them, taking the results home.

pub mod create;
pub mod documents;
pub mod download;
pub mod events;
pub mod list;
pub mod operations;
pub mod protocol;
pub mod read;
pub mod results;
pub mod results_csv;
pub mod retry;

use crate::body;
use auth::Identity;
use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use domain::{Control, ExperimentId, Role};
use request::{AppState, Problem};
use std::net::IpAddr;
use store::{ControlOutcome, ExperimentDetail};
use views::{ExperimentView, PlanView};

/// An experiment that this person may see. Somebody else's is not told apart from none.
async fn visible(state: &AppState, identity: &Identity, id: &str) -> Result<ExperimentDetail, Problem> {
    seen_by(state, identity, body::id(id, "experiment")?).await
}

async fn seen_by(state: &AppState, identity: &Identity, id: ExperimentId) -> Result<ExperimentDetail, Problem> {
    state.lab.experiment(&identity.user, id).await?.ok_or_else(|| Problem::not_found("experiment"))
}

async fn view(state: &AppState, detail: ExperimentDetail, reader: Role) -> Result<ExperimentView, Problem> {
    let progress = state.lab.progress(&detail).await?;
    let doubts = state.lab.doubts(&detail).await?;
    let outlook = state.lab.outlook(&detail).await?;
    Ok(ExperimentView { plan: outlook.map(PlanView::from), ..ExperimentView::of(detail, progress, doubts, reader) })
}

/// Pauses, resumes or cancels: 200 when it is done, 202 when the robot's worker does it after the step in flight.
pub(super) async fn control(
    state: &AppState,
    identity: &Identity,
    id: &str,
    control: Control,
    ip: Option<IpAddr>,
) -> Result<(StatusCode, Json<ExperimentView>), Problem> {
    let id = visible(state, identity, id).await?.experiment.id;
    let status = match state.lab.control(&identity.user, id, control, ip).await? {
        ControlOutcome::Applied(_) => StatusCode::OK,
        ControlOutcome::Requested => StatusCode::ACCEPTED,
        ControlOutcome::Refused(status) => return Err(Problem::refused(done_word(control), status)),
    };
    let detail = state.store.experiment(id).await?.ok_or_else(|| Problem::not_found("experiment"))?;
    Ok((status, Json(view(state, detail, identity.role()).await?)))
}

const fn done_word(control: Control) -> &'static str {
    match control {
        Control::Pause => "paused",
        Control::Resume => "resumed",
        Control::Cancel => "cancelled",
    }
}

/// Makes a browser save the answer under a name.
fn saved_as(id: ExperimentId, extension: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let value = HeaderValue::from_str(&format!("attachment; filename=\"tincture-{id}.{extension}\""));
    Ok((header::CONTENT_DISPOSITION, value.map_err(|error| Problem::internal(&error))?))
}

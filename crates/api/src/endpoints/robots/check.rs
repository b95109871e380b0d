//! `POST /robots/{id}/check`

use axum::{
    Json,
    extract::{Path, State},
};
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;
use workflow::Finding;

/// What a look at a robot found.
#[derive(Debug, Serialize, ToSchema)]
pub struct RobotCheck {
    /// Whether every line is fine.
    ready: bool,
    findings: Vec<FindingView>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingView {
    #[schema(example = "right pipette")]
    what: &'static str,
    fine: bool,
    #[schema(example = "p300_single_gen2 P3HSV2120230101")]
    found: String,
    /// What to do; null where it is fine.
    remedy: Option<&'static str>,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let what = finding.what;
        match finding.found {
            Ok(found) => Self { what, fine: true, found, remedy: None },
            Err(lack) => Self { what, fine: false, found: lack.found, remedy: Some(lack.remedy) },
        }
    }
}

/// Look whether a robot is ready
///
/// Asks the machine who it is, what hangs on its mounts and whether it is free; holds its deck against the labware's measures;
/// takes a reading. Nothing moves.
#[utoipa::path(post, path = "/robots/{id}/check", tag = "lab", operation_id = "robots_check",
    params(("id" = String, Path, description = "Id or name")), responses(
    (status = 200, body = RobotCheck),
    (status = 403, body = ProblemDocument, description = "Neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn check(
    State(state): State<AppState>,
    Caller(_identity): Caller,
    Path(id): Path<String>,
) -> Result<Json<RobotCheck>, Problem> {
    let robot = super::named(&state, &id).await?;
    let findings = state.lab.check_robot(&robot).await?;
    let ready = findings.iter().all(Finding::is_fine);
    Ok(Json(RobotCheck { ready, findings: findings.into_iter().map(FindingView::from).collect() }))
}

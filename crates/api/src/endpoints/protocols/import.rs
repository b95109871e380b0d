//! `POST /protocols/import`

use crate::body::{Document, Parameters};
use axum::{Json, extract::State, http::StatusCode};
use domain::FaultCode;
use request::{AppState, Caller, Problem, ProblemDocument};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use views::ImportView;
use workflow::{DyeSources, ImportError, LARGEST_PROTOCOL, Unreadable, read_protocol};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wish {
    /// Read it on this robot's deck; without it on every robot's, until one can mix it.
    robot: Option<String>,
    /// Which vessels of the protocol hold which of the deck's dyes, by slot and well: `2/A1=red,2/A2=blue`. Goes before what
    /// the protocol itself says of its liquids.
    dyes: Option<String>,
}

/// A protocol as a file has it. What else is in it is looked at or passed over as Opentrons' formats have it.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes Opentrons' formats to OpenAPI")]
pub struct ProtocolFile {
    commands: Vec<ProtocolCommand>,
}

/// A command of a protocol.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes Opentrons' formats to OpenAPI")]
#[schema(rename_all = "camelCase")]
pub struct ProtocolCommand {
    command_type: String,
    params: Option<Value>,
}

/// Read an Opentrons protocol as an experiment
///
/// The body is an Opentrons protocol in JSON (schema 6 to 8), or what Opentrons' analyser made of a Python one
/// (`python -m opentrons.cli analyze --json-output=analysis.json protocol.py`). Makes nothing: the answer is the checked
/// request for `POST /experiments`, or line by line why there is none. A protocol is taken only if what the lab would mix is
/// the same.
#[utoipa::path(post, path = "/protocols/import", tag = "experiments",
    operation_id = "protocols_import", params(Wish),
    request_body(content = ProtocolFile, content_type = "application/json"),
    responses(
    (status = 200, body = ImportView),
    (status = 404, body = ProblemDocument, description = "No such robot", content_type = "application/problem+json"),
    (status = 413, body = ProblemDocument, description = "More than 4 MiB", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "No protocol that can be read", content_type = "application/problem+json"),
))]
pub async fn import(
    State(state): State<AppState>,
    Caller(_asks): Caller,
    Parameters(wish): Parameters<Wish>,
    Document(bytes): Document<LARGEST_PROTOCOL>,
) -> Result<Json<ImportView>, Problem> {
    let sources = wish.dyes.unwrap_or_default().parse::<DyeSources>();
    let sources = sources.map_err(|error| Problem::bad_parameter("dyes", error.to_string()))?;
    let document = read_protocol(bytes).await.map_err(unreadable)?;
    let imported = state.lab.import_protocol(&document, wish.robot.as_deref(), &sources).await;
    imported.map(|imported| Json(ImportView::of(imported))).map_err(|error| match error {
        ImportError::UnknownRobot(_) => Problem::not_found("robot"),
        ImportError::NoRobot => Problem::new(FaultCode::Unavailable, error.to_string()),
        ImportError::Store(error) => error.into(),
    })
}

fn unreadable(error: Unreadable) -> Problem {
    let problem = Problem::new(FaultCode::InvalidRequest, error.to_string());
    match error {
        Unreadable::NotJson(cause) if !cause.is_data() => problem.with_status(StatusCode::BAD_REQUEST),
        Unreadable::TooLarge => Problem::new(FaultCode::BodyTooLarge, error.to_string()),
        _ => problem,
    }
}

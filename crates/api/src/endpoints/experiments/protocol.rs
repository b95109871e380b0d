//! `GET /experiments/{id}/protocol.py` and `…/protocol.json`

use crate::body::Parameters;
use axum::{
    Json,
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use domain::FaultCode;
use request::{Problem, ProblemDocument, Reader};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use workflow::{Protocol, ProtocolError, SeenAs};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wish {
    /// Without it what was carried out, if anything was, else the plan.
    #[param(inline)]
    of: Option<Of>,
}

/// Which way to see an experiment.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProtocolOf)]
pub enum Of {
    /// As the robot would mix it now, on a plate of its own.
    Plan,
    /// What a robot did, trouble and all.
    Run,
}

/// Download an experiment as an Opentrons protocol in Python
///
/// It does on an OT-2 what the lab does or did, with the same deck, heights and flow rates; reading the sensor is a function to
/// fill in. API level 2.15.
#[utoipa::path(get, path = "/experiments/{id}/protocol.py", tag = "results",
    operation_id = "experiments_protocol_python", params(("id" = String, Path), Wish), responses(
    (status = 200, body = String, content_type = "text/x-python"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, description = "No robot of the lab can mix it", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn python(
    reader: Reader,
    Path(id): Path<String>,
    Parameters(wish): Parameters<Wish>,
) -> Result<Response, Problem> {
    let (protocol, name) = protocol(&reader, &id, &wish, "py").await?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/x-python; charset=utf-8"));
    Ok(([kind, name], protocol.python()).into_response())
}

/// Download an experiment as an Opentrons protocol in JSON
///
/// The robot's own commands, as Opentrons' protocol schema 8 has them.
#[utoipa::path(get, path = "/experiments/{id}/protocol.json", tag = "results",
    operation_id = "experiments_protocol_json", params(("id" = String, Path), Wish), responses(
    (status = 200, body = Value, content_type = "application/json"),
    (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    (status = 422, description = "No robot of the lab can mix it", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn json(
    reader: Reader,
    Path(id): Path<String>,
    Parameters(wish): Parameters<Wish>,
) -> Result<Response, Problem> {
    let (protocol, name) = protocol(&reader, &id, &wish, "protocol.json").await?;
    Ok(([name], Json(protocol.json())).into_response())
}

async fn protocol(
    Reader { state, identity }: &Reader,
    id: &str,
    wish: &Wish,
    extension: &str,
) -> Result<(Protocol, (header::HeaderName, HeaderValue)), Problem> {
    let detail = super::visible(state, identity, id).await?;
    let seen_as = wish.of.map(|of| match of {
        Of::Plan => SeenAs::Plan,
        Of::Run => SeenAs::Run,
    });
    let protocol = state.lab.protocol(&detail, seen_as).await.map_err(|error| match error {
        ProtocolError::Store(error) => error.into(),
        error => Problem::new(FaultCode::InvalidRecipe, error.to_string()),
    })?;
    Ok((protocol, super::saved_as(detail.experiment.id, extension)?))
}

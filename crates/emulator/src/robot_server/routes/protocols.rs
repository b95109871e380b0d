//! `/protocols`: uploaded, looked at, listed. Runs that name one carry it out.

use super::exchange::{Answer, Body, created, ok};
use crate::robot_server::{
    Robot,
    body::Fields,
    error::{ApiError, FieldProblem},
    lock, meta,
    protocols::{Analysis, Protocol, Script, Source, SourceError, UploadedFile},
};
use axum::{
    Json,
    extract::{Path, Request, State},
    http::{StatusCode, header},
};
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Most bytes of one upload; a protocol of 10,000 commands is some 4 MB.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
const MOST_FILES: usize = 50;
/// For a whole upload.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

pub async fn create(State(robot): State<Arc<Robot>>, request: Request) -> Answer {
    let upload = timeout(UPLOAD_PATIENCE, Upload::read(request)).await.map_err(|_| {
        ApiError::modern(StatusCode::REQUEST_TIMEOUT, "BadRequest", "Bad Request", "The upload didn't come in time.")
    })??;
    let known = lock(&robot.protocols).same(&upload.files);
    if let Some(protocol) = known {
        begin_if_new(&robot, &protocol, upload.values, false)?;
        return ok(json!({"data": protocol.describe()}));
    }
    let source = Source::read(upload.files, robot.analyser.as_deref()).await.map_err(refusal)?;
    let protocol = Protocol::new(source, upload.key, upload.kind);
    {
        let runs = robot.runs();
        let is_used = |id: &str| !runs.of_protocol(id).is_empty();
        lock(&robot.protocols).insert(Arc::clone(&protocol), is_used);
    }
    begin_if_new(&robot, &protocol, upload.values, true)?;
    created(json!({"data": protocol.describe()}))
}

/// The parts of an upload.
struct Upload {
    files: Vec<UploadedFile>,
    key: Option<String>,
    kind: &'static str,
    values: Value,
}

impl Upload {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Ok(boundary) = multer::parse_boundary(content_type.unwrap_or_default()) else {
            return Err(missing("files"));
        };
        let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(MOST_BYTES));
        let body = request.into_body().into_data_stream();
        let mut parts = Multipart::with_constraints(body, boundary, constraints);
        let mut upload = Self { files: Vec::new(), key: None, kind: "standard", values: json!({}) };
        while let Some(part) = parts.next_field().await.map_err(|error| torn(&error))? {
            upload.take(part).await?;
        }
        if upload.files.is_empty() { Err(missing("files")) } else { Ok(upload) }
    }

    async fn take(&mut self, part: multer::Field<'_>) -> Result<(), ApiError> {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "files" {
            if self.files.len() >= MOST_FILES {
                let detail = format!("This emulator takes at most {MOST_FILES} files in an upload.");
                return Err(ApiError::modern(StatusCode::PAYLOAD_TOO_LARGE, "BadRequest", "Bad Request", detail));
            }
            let name = part.file_name().unwrap_or_default().to_owned();
            let contents = part.bytes().await.map_err(|error| torn(&error))?.to_vec();
            self.files.push(UploadedFile { name, contents });
            return Ok(());
        }
        let text = part.text().await.map_err(|error| torn(&error))?;
        match name.as_str() {
            "key" => self.key = Some(text),
            "protocolKind" => {
                let form = json!({"protocolKind": text});
                let mut fields = Fields::of(&form, "");
                self.kind = fields.choice("protocolKind", &["standard", "quick-transfer"]);
                fields.finish().map_err(ApiError::invalid_fields)?;
            }
            "runTimeParameterValues" => {
                self.values = serde_json::from_str(&text).ok().filter(Value::is_object).ok_or_else(|| {
                    let at = name.clone();
                    ApiError::invalid_fields(vec![FieldProblem { at, detail: "value is not a JSON object".to_owned() }])
                })?;
            }
            "runTimeParameterFiles" if text != "{}" => return Err(no_parameter_files()),
            _ => {}
        }
        Ok(())
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::invalid_fields(vec![FieldProblem { at: name.to_owned(), detail: "field required".to_owned() }])
}

fn no_parameter_files() -> ApiError {
    let detail = "This emulator doesn't take files as run-time parameters.".to_owned();
    ApiError::invalid_fields(vec![FieldProblem { at: "runTimeParameterFiles".to_owned(), detail }])
}

fn torn(error: &multer::Error) -> ApiError {
    let status = match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let detail = match status {
        StatusCode::PAYLOAD_TOO_LARGE => format!("This emulator takes uploads of at most {MOST_BYTES} bytes."),
        _ => format!("There was an error parsing the body: {error}"),
    };
    ApiError::modern(status, "BadRequest", "Bad Request", detail)
}

fn refusal(error: SourceError) -> ApiError {
    let (id, title) = match error {
        SourceError::Invalid(_) => ("ProtocolFilesInvalid", "Protocol File(s) Invalid"),
        SourceError::OtherRobot => ("ProtocolRobotTypeMismatch", "Protocol For Different Robot Type"),
    };
    ApiError::modern(StatusCode::UNPROCESSABLE_ENTITY, id, title, error.to_string())
}

/// Begins an analysis if it is forced, or if none was made with these values; `false` when none is needed.
fn begin_if_new(
    robot: &Arc<Robot>,
    protocol: &Arc<Protocol>,
    values: Value,
    is_forced: bool,
) -> Result<bool, ApiError> {
    if let Some(last) = protocol.analyses().last() {
        if last.done().is_none() {
            let detail = format!("Analysis {} is still pending.", last.id);
            return Err(ApiError::modern(
                StatusCode::SERVICE_UNAVAILABLE,
                "LastAnalysisPending",
                "Last Analysis Still Pending.",
                detail,
            ));
        }
        if !is_forced && last.values == values {
            return Ok(false);
        }
    }
    let analysis = protocol.begin_analysis(values);
    carry_out(robot, Arc::clone(protocol), analysis);
    Ok(true)
}

/// Analyses in the background, so that a client that goes away ends nothing.
fn carry_out(robot: &Arc<Robot>, protocol: Arc<Protocol>, analysis: Arc<Analysis>) {
    let nozzles = robot.hardware.nozzles();
    let analyser = robot.analyser.clone();
    robot.hardware.power().run(async move { protocol.analyse(&analysis, analyser.as_deref(), nozzles).await });
}

/// What a run of that protocol does. Waits for an analysis that is pending, and makes another for other values.
pub async fn script(robot: &Arc<Robot>, id: &str, values: Value) -> Result<Script, ApiError> {
    let protocol = lock(&robot.protocols).find(id)?;
    let fitting = protocol.analyses().into_iter().rev().find(|analysis| analysis.values == values);
    let analysis = fitting.unwrap_or_else(|| {
        let analysis = Arc::new(Analysis::pending(values));
        carry_out(robot, Arc::clone(&protocol), Arc::clone(&analysis));
        analysis
    });
    let done = analysis.completed().await.ok_or_else(|| {
        ApiError::unexpected("RuntimeError", "The robot was switched off before the protocol was analysed.")
    })?;
    Ok(done.script.clone())
}

pub async fn list(State(robot): State<Arc<Robot>>) -> Answer {
    let told: Vec<_> = lock(&robot.protocols).all().iter().map(|protocol| protocol.describe()).collect();
    let total = told.len();
    ok(json!({"data": told, "meta": meta(0, total)}))
}

pub async fn ids(State(robot): State<Arc<Robot>>) -> Answer {
    let told: Vec<_> = lock(&robot.protocols).all().iter().map(|protocol| protocol.id.clone()).collect();
    let total = told.len();
    ok(json!({"data": told, "meta": meta(0, total)}))
}

pub async fn get(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let protocol = lock(&robot.protocols).find(&id)?;
    let runs = robot.runs().of_protocol(&id);
    let runs: Vec<_> = runs.iter().map(|run| json!({"id": run, "href": format!("/runs/{run}")})).collect();
    ok(json!({"data": protocol.describe(), "links": {"referencingRuns": runs}}))
}

pub async fn delete(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let runs = robot.runs().of_protocol(&id);
    let mut protocols = lock(&robot.protocols);
    protocols.find(&id)?;
    if !runs.is_empty() {
        let detail = format!("Protocol {id} is used by at least one run and cannot be deleted.");
        return Err(ApiError::conflict("ProtocolUsedByRun", "Protocol Used by Run", detail));
    }
    protocols.remove(&id);
    ok(json!({}))
}

pub async fn analyses(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    let protocol = lock(&robot.protocols).find(&id)?;
    let told: Vec<_> = protocol.analyses().iter().map(|analysis| analysis.describe()).collect();
    let total = told.len();
    ok(json!({"data": told, "meta": meta(0, total)}))
}

pub async fn analyse(State(robot): State<Arc<Robot>>, Path(id): Path<String>, Body(body): Body) -> Answer {
    let (values, is_forced) = asked_analysis(&body)?;
    let protocol = lock(&robot.protocols).find(&id)?;
    let is_new = begin_if_new(&robot, &protocol, values, is_forced)?;
    let summaries = protocol.summaries();
    let total = summaries.len();
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({"data": summaries, "meta": meta(0, total)}))))
}

/// With which values, and whether in any case.
fn asked_analysis(body: &Value) -> Result<(Value, bool), ApiError> {
    if body.is_null() {
        return Ok((json!({}), false));
    }
    let mut fields = Fields::of(body, "");
    let asked = fields.object("data", |data| {
        let values = data.optional_object("runTimeParameterValues", |values| values.given()).unwrap_or_default();
        let files = data.optional_object("runTimeParameterFiles", |files| files.given()).unwrap_or_default();
        (Value::Object(values), data.optional_truth("forceReAnalyze").unwrap_or(false), !files.is_empty())
    });
    fields.finish().map_err(ApiError::invalid_fields)?;
    let (values, is_forced, has_files) = asked;
    if has_files { Err(no_parameter_files()) } else { Ok((values, is_forced)) }
}

pub async fn analysis(State(robot): State<Arc<Robot>>, Path((id, analysis)): Path<(String, String)>) -> Answer {
    ok(json!({"data": find_analysis(&robot, &id, &analysis)?.describe()}))
}

/// The same without its envelope; one that is pending isn't there yet.
pub async fn analysis_document(
    State(robot): State<Arc<Robot>>,
    Path((id, analysis)): Path<(String, String)>,
) -> Answer {
    let found = find_analysis(&robot, &id, &analysis)?;
    let done = found.done().ok_or_else(|| no_analysis(&analysis))?;
    ok(done.document.clone())
}

pub async fn data_files(State(robot): State<Arc<Robot>>, Path(id): Path<String>) -> Answer {
    lock(&robot.protocols).find(&id)?;
    ok(json!({"data": [], "meta": meta(0, 0)}))
}

fn find_analysis(robot: &Robot, id: &str, analysis: &str) -> Result<Arc<Analysis>, ApiError> {
    let protocol = lock(&robot.protocols).find(id)?;
    let found = protocol.analyses().into_iter().find(|known| known.id == analysis);
    found.ok_or_else(|| no_analysis(analysis))
}

fn no_analysis(id: &str) -> ApiError {
    let detail = format!("Analysis {id} not found.");
    ApiError::not_found("AnalysisNotFound", "Protocol Analysis Not Found", detail)
}

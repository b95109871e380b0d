//! `GET` and `POST /experiments/import`: another's protocol, read for what it mixes. Makes nothing; what can be mixed goes on
//! into the form of a new experiment.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    optics,
    sentences::sentence,
    session::SignedIn,
};
use askama::Template;
use auth::Identity;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::DyeName;
use http_body_util::BodyExt;
use multer::Multipart;
use request::AppState;
use std::collections::BTreeSet;
use store::Robot;
use views::{ImportView, RemarkView};
use workflow::{DyeSources, ImportError, ImportedProtocol, LARGEST_PROTOCOL, SourceError, Unreadable, read_protocol};

/// The file and what is typed beside it.
const LARGEST_UPLOAD: usize = LARGEST_PROTOCOL + 16 * 1024;
/// Of a larger one so much is read and thrown away, so that whoever sends it sees the answer instead of a broken connection.
const MOST_DRAINED: usize = 32 * 1024 * 1024;
/// Of what is typed, bytes.
const LONGEST_FIELD: usize = 4_000;

#[derive(Template)]
#[template(path = "experiment_import.html")]
struct ImportPage {
    chrome: Chrome,
    wish: Wish,
    robots: Vec<String>,
    problem: Option<String>,
    report: Option<Report>,
    most_mib: usize,
}

/// What was asked for.
#[derive(Default)]
struct Wish {
    robot: String,
    dyes: String,
}

struct Upload {
    wish: Wish,
    file_name: String,
    file: Vec<u8>,
}

/// What became of it.
struct Report {
    file_name: String,
    robot: String,
    name: String,
    dyes: Vec<Amount>,
    names: Vec<String>,
    rows: Vec<Row>,
    tips: usize,
    problems: Vec<Line>,
    notes: Vec<Line>,
    /// What the form of a new experiment takes as a pasted sheet.
    sheet: String,
}

struct Amount {
    dye: String,
    ul: f64,
}

struct Row {
    well: String,
    fill: String,
    /// µL by dye, in the order of the columns.
    cells: Vec<String>,
    total: f64,
}

struct Line {
    place: String,
    says: String,
}

pub async fn show(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    let robots = state.store.robots().await?;
    html(&page(&robots, &me, Wish::default(), Ok(None)))
}

pub async fn submit(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    request: Request,
) -> Result<Response, PageError> {
    let upload = Upload::read(request).await?;
    let robots = state.store.robots().await?;
    let outcome = read(&state, &upload).await;
    let outcome = match outcome {
        Ok(imported) => Ok(Some(report(imported, upload.file_name))),
        Err(Failure::Store(error)) => return Err(error.into()),
        Err(failure) => Err(failure.to_string()),
    };
    let is_taken =
        outcome.as_ref().is_ok_and(|report| report.as_ref().is_some_and(|report| report.problems.is_empty()));
    let status = if is_taken { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, html(&page(&robots, &me, upload.wish, outcome))?).into_response())
}

/// Why there is nothing to show of a file.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("choose a file first")]
    NoFile,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Sources(#[from] SourceError),
    #[error("{0}")]
    Robot(String),
    #[error(transparent)]
    Store(store::StoreError),
}

async fn read(state: &AppState, upload: &Upload) -> Result<ImportedProtocol, Failure> {
    if upload.file.is_empty() {
        return Err(Failure::NoFile);
    }
    let sources: DyeSources = upload.wish.dyes.parse()?;
    let document = read_protocol(upload.file.clone()).await?;
    let robot = Some(upload.wish.robot.as_str()).filter(|robot| !robot.is_empty());
    state.lab.import_protocol(&document, robot, &sources).await.map_err(|error| match error {
        ImportError::Store(error) => Failure::Store(error),
        error => Failure::Robot(error.to_string()),
    })
}

fn page(robots: &[Robot], me: &Identity, wish: Wish, outcome: Result<Option<Report>, String>) -> ImportPage {
    let (report, problem) = match outcome {
        Ok(report) => (report, None),
        Err(problem) => (None, Some(sentence(&problem))),
    };
    ImportPage {
        chrome: Chrome::of("Import a protocol", "experiments", Visitor::among(robots, &me.user)),
        wish,
        robots: robots.iter().map(|robot| robot.name.clone()).collect(),
        problem,
        report,
        most_mib: LARGEST_PROTOCOL / 1024 / 1024,
    }
}

fn report(imported: ImportedProtocol, file_name: String) -> Report {
    let dyes: Vec<DyeName> = imported
        .wells
        .values()
        .flat_map(|recipe| recipe.iter().map(|(dye, _)| dye.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let row = |(well, recipe): (&domain::WellName, &domain::Recipe)| Row {
        well: well.to_string(),
        fill: optics::predict(recipe).hex,
        cells: dyes
            .iter()
            .map(|dye| recipe.amount(dye))
            .map(|volume| if volume.is_zero() { String::new() } else { volume.ul().to_string() })
            .collect(),
        total: recipe.total().ul(),
    };
    let rows: Vec<_> = imported.wells.iter().map(row).collect();
    let names: Vec<_> = dyes.iter().map(DyeName::to_string).collect();
    let lines = rows.iter().map(|row| row.cells.join("\t"));
    let sheet = std::iter::once(names.join("\t")).chain(lines).collect::<Vec<_>>().join("\n");
    let name = imported.request.as_ref().and_then(|request| request.name.clone()).unwrap_or_default();
    let view = ImportView::of(imported);
    Report {
        file_name,
        robot: view.robot,
        name,
        dyes: view.dyes.into_iter().map(|(dye, ul)| Amount { dye, ul }).collect(),
        names,
        rows,
        tips: view.tips,
        problems: view.problems.iter().map(line).collect(),
        notes: view.notes.iter().map(line).collect(),
        sheet,
    }
}

fn line(remark: &RemarkView) -> Line {
    Line {
        place: remark.place().map(|place| sentence_case(&place)).unwrap_or_default(),
        says: sentence(&remark.detail),
    }
}

/// `Command 12`: no sentence, so without its dot.
fn sentence_case(text: &str) -> String {
    sentence(text).trim_end_matches('.').to_owned()
}

impl Upload {
    async fn read(request: Request) -> Result<Self, PageError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = multer::parse_boundary(content_type.unwrap_or_default())
            .map_err(|_| PageError::BadRequest("there is no file in it".to_owned()))?;
        let body = Body::from(whole(request.into_body()).await?);
        let mut parts = Multipart::new(body.into_data_stream(), boundary);
        let mut upload = Self { wish: Wish::default(), file_name: String::new(), file: Vec::new() };
        while let Some(part) = parts.next_field().await.map_err(torn)? {
            let (name, file_name) = (part.name().unwrap_or_default().to_owned(), part.file_name().map(str::to_owned));
            let bytes = part.bytes().await.map_err(torn)?;
            match name.as_str() {
                "file" => {
                    upload.file_name =
                        file_name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(80).collect();
                    upload.file = bytes.to_vec();
                }
                "robot" => upload.wish.robot = typed(&bytes),
                "dyes" => upload.wish.dyes = typed(&bytes),
                _ => {}
            }
        }
        Ok(upload)
    }
}

async fn whole(mut body: Body) -> Result<Vec<u8>, PageError> {
    let (mut kept, mut came) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| PageError::BadRequest("the upload broke off".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        came += data.len();
        if came <= LARGEST_UPLOAD {
            kept.extend_from_slice(&data);
        } else if came > MOST_DRAINED {
            break;
        }
    }
    if came > LARGEST_UPLOAD { Err(PageError::TooLarge) } else { Ok(kept) }
}

fn typed(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..LONGEST_FIELD).unwrap_or(bytes)).trim().to_owned()
}

fn torn(error: multer::Error) -> PageError {
    PageError::BadRequest(format!("the upload can’t be taken apart ({error})"))
}

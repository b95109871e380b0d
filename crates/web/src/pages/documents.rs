//! `GET /experiments/{id}/documents`: what the sensor read and the robot was told, raw, from wherever the lab keeps it.
//!
//! A page of its own, so that a document store that doesn't answer is in nobody's way.

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    pages::experiments::title,
    session::SignedIn,
    when::When,
};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use chrono::Utc;
use documents::ReadError;
use domain::{Collection, ExperimentId};
use request::AppState;
use serde::Deserialize;
use serde_json::Value;
use store::{Document, DocumentKey, Page};

/// On one page.
const SHOWN: u32 = 50;

#[derive(Template)]
#[template(path = "documents.html")]
struct DocumentsPage {
    chrome: Chrome,
    id: ExperimentId,
    name: String,
    /// Nothing while the document store doesn't answer.
    documents: Option<Vec<Shown>>,
    is_first: bool,
    next: Option<DocumentKey>,
}

struct Shown {
    at: When,
    /// What kind of record it is.
    kind: &'static str,
    /// What it is about, in a word or two.
    about: String,
    json: String,
}

#[derive(Debug, Deserialize)]
pub struct Wish {
    after: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    let id: ExperimentId = id.parse().map_err(|_| PageError::NotFound("experiment"))?;
    let after = wish.after.as_deref().map(str::parse::<DocumentKey>).transpose();
    let after = after.map_err(|_| PageError::NotFound("page"))?;
    let detail = state.lab.experiment(&me.user, id).await?.ok_or(PageError::NotFound("experiment"))?;
    let found = match state.documents.of_experiment(id, after, SHOWN).await {
        Ok(page) => Some(page),
        Err(ReadError::Store(error)) => return Err(error.into()),
        Err(error @ ReadError::Unreachable(_)) => {
            tracing::warn!(%error, "documents can't be shown");
            None
        }
    };
    let wells = detail.wells.iter().filter(|(well, _)| well.replaces.is_none()).count();
    let name = title(detail.experiment.name.as_deref(), u32::try_from(wells).unwrap_or(u32::MAX));
    let (documents, next) = found.map(|Page { data, next }| (data, next)).unzip();
    html(&DocumentsPage {
        chrome: Chrome::of(format!("Raw records of {name}"), "experiments", Visitor::of(&state.store, &me.user).await?),
        id,
        name,
        documents: documents.map(|documents| documents.into_iter().map(Shown::from).collect()),
        is_first: after.is_none(),
        next: next.flatten(),
    })
}

impl From<Document> for Shown {
    fn from(Document { key, at, body }: Document) -> Self {
        let word = |name: &str| body.get(name).and_then(Value::as_str);
        let (kind, about) = match key.collection {
            Collection::Measurements => ("Reading", word("well_id").unwrap_or("the deck").to_owned()),
            Collection::RobotCommands => {
                let step = word("name").unwrap_or("a step").replace('_', " ");
                ("Command", format!("{step}: {}", word("state").unwrap_or("unknown").replace('_', " ")))
            }
            Collection::Plates => ("Plate", "as the experiment left it".to_owned()),
        };
        let json = serde_json::to_string_pretty(&body).unwrap_or_default();
        Self { at: When::new(at, Utc::now()), kind, about, json }
    }
}

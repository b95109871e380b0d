//! `GET` and `POST /users/import`: a class from a sheet. What would happen is shown first, line by line.

use super::{PageError, told};
use crate::{
    chrome::{Chrome, Visitor},
    error::html,
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
};
use askama::Template;
use auth::{Fate, Identity, ImportLine, LARGEST_SHEET, MOST_IMPORTED, ways_in_csv};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use request::{AppState, ClientIp};

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    chrome: Chrome,
    sheet: String,
    most: usize,
    problem: Option<String>,
    lines: Vec<Line>,
    new: usize,
    known: usize,
    /// Those of them who join a group.
    joining: usize,
    faults: usize,
    mails: bool,
    stage: Stage,
    /// Of people who were just made: `email,name,link`, shown this once.
    ways_in: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asks,
    Previews,
    Done,
}

struct Line {
    number: u64,
    email: String,
    name: String,
    role: &'static str,
    quota: i32,
    group: String,
    /// The class of its status, and what happens.
    status: &'static str,
    says: String,
}

impl ImportPage {
    fn is(&self, stage: &str) -> bool {
        match self.stage {
            Stage::Asks => stage == "asks",
            Stage::Previews => stage == "previews",
            Stage::Done => stage == "done",
        }
    }
}

pub async fn show(State(state): State<AppState>, SignedIn(me): SignedIn) -> Result<Response, PageError> {
    html(&page(&state, &me, Stage::Asks, String::new(), Vec::new()).await?)
}

pub async fn submit(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    // A form's lines end in CR LF, whatever was pasted.
    let sheet = fields.get("sheet");
    if fields.get("do") != "commit" {
        return match state.auth.preview_import(sheet).await {
            Ok(lines) => html(&page(&state, &me, Stage::Previews, sheet.to_owned(), lines).await?),
            Err(error) => refused(&state, &me, sheet, told(error)?).await,
        };
    }
    match state.auth.import(sheet, Some(&me), ip).await {
        Ok(done) => {
            let ways_in = (!done.ways_in.is_empty()).then(|| ways_in_csv(&done.ways_in, |secret| state.link(secret)));
            let page = page(&state, &me, Stage::Done, String::new(), done.lines).await?;
            html(&ImportPage { ways_in, ..page })
        }
        Err(error) => refused(&state, &me, sheet, told(error)?).await,
    }
}

async fn refused(state: &AppState, me: &Identity, sheet: &str, problem: String) -> Result<Response, PageError> {
    // What is far too long isn't sent back.
    let sheet = if sheet.len() > LARGEST_SHEET { "" } else { sheet };
    let page = page(state, me, Stage::Asks, sheet.to_owned(), Vec::new()).await?;
    let page = html(&ImportPage { problem: Some(sentence(&problem)), ..page })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn page(
    state: &AppState,
    me: &Identity,
    stage: Stage,
    sheet: String,
    lines: Vec<ImportLine>,
) -> Result<ImportPage, PageError> {
    let count = |is: fn(&Fate) -> bool| lines.iter().filter(|line| is(&line.fate)).count();
    Ok(ImportPage {
        chrome: Chrome::of("Import a class", "users", Visitor::of(&state.store, &me.user).await?),
        most: MOST_IMPORTED,
        problem: None,
        new: count(|fate| *fate == Fate::New),
        known: count(|fate| *fate == Fate::Known),
        joining: lines.iter().filter(|line| line.fate == Fate::Known && line.group.is_some()).count(),
        faults: count(|fate| matches!(fate, Fate::Fault(_))),
        lines: lines.into_iter().map(|line| shown(line, stage)).collect(),
        mails: state.auth.account_policy().mails,
        sheet,
        stage,
        ways_in: None,
    })
}

fn shown(line: ImportLine, stage: Stage) -> Line {
    let (status, says) = match line.fate {
        Fate::New if stage == Stage::Done => ("completed", "is made".to_owned()),
        Fate::New => ("completed", "is made".to_owned()),
        Fate::Known if line.group.is_some() => ("completed", "has an account, and joins the group".to_owned()),
        Fate::Known => ("waiting", "has an account, which is left alone".to_owned()),
        Fate::Fault(why) => ("failed", why),
    };
    Line {
        number: line.line,
        email: line.email,
        name: line.name,
        role: line.role.as_str(),
        quota: line.quota,
        group: line.group.unwrap_or_default(),
        status,
        says,
    }
}

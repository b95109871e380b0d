//! `POST /robots/{name}/check`: whether a robot is ready, line by line. Nothing moves.

use super::path;
use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    session::SignedIn,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use request::AppState;
use workflow::Finding;

#[derive(Template)]
#[template(path = "robot_check.html")]
struct CheckPage {
    chrome: Chrome,
    name: String,
    path: String,
    lines: Vec<Line>,
    lacks: usize,
}

struct Line {
    what: &'static str,
    found: String,
    /// What to do; nothing where it is fine.
    remedy: Option<&'static str>,
}

impl From<Finding> for Line {
    fn from(finding: Finding) -> Self {
        match finding.found {
            Ok(found) => Self { what: finding.what, found, remedy: None },
            Err(lack) => Self { what: finding.what, found: lack.found, remedy: Some(lack.remedy) },
        }
    }
}

pub async fn check(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let robots = state.store.robots().await?;
    let visitor = Visitor::among(&robots, &me.user);
    let robot = robots.into_iter().find(|robot| robot.is_called(&name)).ok_or(PageError::NotFound("robot"))?;
    let findings = state.lab.check_robot(&robot).await?;
    let lacks = findings.iter().filter(|finding| !finding.is_fine()).count();
    html(&CheckPage {
        chrome: Chrome::of(format!("Is {} ready?", robot.name), "robots", visitor),
        path: path(&robot),
        name: robot.name,
        lines: findings.into_iter().map(Line::from).collect(),
        lacks,
    })
}

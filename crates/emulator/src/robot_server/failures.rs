//! Commands that fail on demand: what a stall, a lost tip or a worn motor looks like to a client.

use super::{
    body::Fields,
    engine::{Audience, CommandError, command_type},
};
use serde::Serialize;

/// What befalls commands of one kind, in whatever run.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// `aspirate`, for example.
    command: &'static str,
    /// So many such commands are spared first.
    skip: u64,
    /// So many then fail.
    times: u64,
    when: When,
    /// What the robot says.
    detail: String,
}

/// How far the robot came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Nothing has moved.
    Before,
    /// All was done, and the robot thinks it wasn't.
    After,
}

const LONGEST_DETAIL: usize = 500;

/// Reads `{"command": "aspirate", "skip": 2, "times": 1, "when": "after", "detail": "The plunger stalled."}`.
pub fn read(fields: &mut Fields<'_>, skip: u64, times: u64) -> Failure {
    let asked = fields.text("command");
    let command = command_type(Audience::Run, &asked).map(|(name, _)| name).unwrap_or_else(|_| {
        fields.complain("command", "is no commandType of this robot");
        ""
    });
    let when = match fields.optional_choice("when", &["before", "after"]) {
        Some("after") => When::After,
        _ => When::Before,
    };
    let detail = fields.optional_text("detail").unwrap_or_else(|| "A failure that was asked for.".to_owned());
    if detail.chars().count() > LONGEST_DETAIL {
        fields.complain("detail", "must not be longer than 500 characters");
    }
    Failure { command, skip, times, when, detail }
}

/// When a command of this kind fails now, and with what. Each failure counts the commands that are its own.
pub fn of(failures: &mut Vec<Failure>, command: &str) -> Option<(When, CommandError)> {
    let failure = failures.iter_mut().find(|failure| failure.command == command)?;
    if failure.skip > 0 {
        failure.skip -= 1;
        return None;
    }
    failure.times = failure.times.saturating_sub(1);
    let told = (failure.when, CommandError::coded("UnexpectedProtocolError", "4000", failure.detail.as_str()));
    failures.retain(|failure| failure.times > 0);
    Some(told)
}

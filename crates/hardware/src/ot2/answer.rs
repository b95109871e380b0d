//! What the robot-server answers, as far as the driver reads it.

use crate::CommandFailure;
use serde::Deserialize;
use serde_json::Value;

/// What of a foreign text is worth repeating.
const MOST_DETAIL_CHARS: usize = 300;

/// The longest name, key or number of ours and of Opentrons is half as long.
const MOST_WORD_CHARS: usize = 80;

/// The beginning of a text from outside, without what a terminal or a log would obey.
pub(super) fn shortened(text: &str) -> String {
    cut(text, MOST_DETAIL_CHARS)
}

/// The same for what should be one short word, as a serial number or a key.
pub(super) fn word(text: &str) -> String {
    cut(text.trim(), MOST_WORD_CHARS)
}

fn cut(text: &str, most_chars: usize) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(most_chars).collect()
}

/// The envelope of one thing.
#[derive(Debug, Deserialize)]
pub(super) struct One<T> {
    pub data: T,
}

/// The envelope of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub data: Vec<T>,
    pub meta: PageMeta,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageMeta {
    pub total_length: usize,
}

/// The envelope of the list of runs, which has no pages.
#[derive(Debug, Deserialize)]
pub(super) struct Runs {
    pub data: Vec<RunState>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunState {
    pub id: String,
    /// False when a restart of the server lost what happened in it.
    #[serde(default = "yes")]
    pub ok: bool,
    #[serde(default)]
    pub current: bool,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub pipettes: Vec<LoadedPipette>,
    #[serde(default)]
    pub labware: Vec<LoadedLabware>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoadedPipette {
    pub id: String,
    #[serde(default)]
    pub mount: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoadedLabware {
    pub id: String,
    #[serde(default)]
    pub location: Value,
}

const fn yes() -> bool {
    true
}

/// A command, or its summary in a list, which has no result.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Command {
    pub id: String,
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub command_type: Option<String>,
    pub status: Status,
    #[serde(default)]
    pub result: Option<Value>,
    #[serde(default)]
    pub error: Option<CommandError>,
    #[serde(default)]
    pub started_at: Option<String>,
    #[serde(default)]
    pub params: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Queued,
    Running,
    Succeeded,
    Failed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandError {
    #[serde(default)]
    pub error_type: String,
    #[serde(default)]
    pub error_code: String,
    #[serde(default)]
    pub detail: String,
}

impl Command {
    /// How it ended, if it has.
    pub fn ending(&self) -> Option<Result<Value, CommandFailure>> {
        match self.status {
            Status::Queued | Status::Running => None,
            Status::Succeeded => Some(Ok(self.result.clone().unwrap_or_default())),
            Status::Failed => Some(Err(self.failure())),
        }
    }

    /// Whether the robot began with it, or still may. One that failed before its turn never did.
    pub const fn may_have_moved(&self) -> bool {
        !matches!(self.status, Status::Failed) || self.started_at.is_some()
    }

    /// Why it failed. A command whose run was stopped before its turn has no error of its own.
    pub fn failure(&self) -> CommandFailure {
        let started = self.started_at.is_some();
        match self.error.clone() {
            Some(CommandError { error_type, error_code, detail }) => CommandFailure {
                error_type: word(&error_type),
                error_code: word(&error_code),
                detail: shortened(&detail),
                started,
            },
            None => CommandFailure {
                error_type: "RunStoppedError".to_owned(),
                error_code: "4000".to_owned(),
                detail: "the run ended before this command".to_owned(),
                started,
            },
        }
    }
}

/// The first error of a refused request, in either of the server's two shapes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub id: String,
    pub detail: String,
}

impl Refusal {
    /// Nothing when this isn't the robot-server's.
    pub fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Modern {
                errors: Vec<ErrorItem>,
            },
            #[serde(rename_all = "camelCase")]
            Legacy {
                message: String,
                error_code: String,
            },
        }
        #[derive(Deserialize)]
        struct ErrorItem {
            id: String,
            #[serde(default)]
            detail: String,
        }
        match serde_json::from_slice(body).ok()? {
            Shape::Modern { errors } => errors.into_iter().next().map(|ErrorItem { id, detail }| Self { id, detail }),
            Shape::Legacy { message, error_code } => Some(Self { id: error_code, detail: message }),
        }
    }
}

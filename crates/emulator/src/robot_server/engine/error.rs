//! Why a command failed, and how the engine tells it.

use super::super::error::GENERAL_ERROR;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A command's failure before it has an id and a time.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandError {
    pub error_type: &'static str,
    pub error_code: &'static str,
    pub detail: String,
    pub info: Map<String, Value>,
    pub wrapped: Vec<CommandError>,
}

/// A failure as it is in the API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorOccurrence {
    pub id: String,
    pub created_at: String,
    pub is_defined: bool,
    pub error_type: &'static str,
    pub error_code: &'static str,
    pub detail: String,
    pub error_info: Map<String, Value>,
    pub wrapped_errors: Vec<ErrorOccurrence>,
}

impl CommandError {
    pub fn new(error_type: &'static str, detail: impl Into<String>) -> Self {
        Self::coded(error_type, GENERAL_ERROR, detail)
    }

    pub fn coded(error_type: &'static str, error_code: &'static str, detail: impl Into<String>) -> Self {
        Self { error_type, error_code, detail: detail.into(), info: Map::new(), wrapped: Vec::new() }
    }

    pub fn labware_not_loaded(labware_id: &str) -> Self {
        Self::new("LabwareNotLoadedError", format!("Labware {labware_id} not found."))
    }

    pub fn pipette_not_loaded(pipette_id: &str) -> Self {
        Self::new("PipetteNotLoadedError", format!("Pipette {pipette_id} not found."))
    }

    pub fn no_tip() -> Self {
        Self::coded("TipNotAttachedError", "3005", "Pipette should have a tip attached, but does not.")
    }

    pub fn cancelled() -> Self {
        Self::new("RunStoppedError", "Run was cancelled")
    }

    /// A command for a Flex's hardware.
    pub fn flex_only() -> Self {
        Self::coded("HardwareNotSupportedError", "4003", "This command is supported by OT-3 only.")
    }

    /// A look-up that the real engine makes without catching what it may raise.
    pub fn no_such_key(key: &str) -> Self {
        Self::python("KeyError", &format!("'{key}'"), &format!("('{key}',)"))
    }

    /// An exception that isn't Opentrons' own.
    pub fn python(class: &str, message: &str, args: &str) -> Self {
        let mut error = Self::new("PythonException", format!("{class}: {message}"));
        let short = class.rsplit('.').next().unwrap_or(class);
        error.info = info([("args", json!(args)), ("traceback", json!("omitted")), ("class", json!(short))]);
        error
    }

    /// A definition neither standard nor posted. The real engine looks first among its own, then in files.
    pub fn no_definition(namespace: &str, load_name: &str, version: i64) -> Self {
        let message = format!("Labware \"{load_name}\" not found with version {version} in namespace \"{namespace}\".");
        let uri = format!("{namespace}/{load_name}/{version}");
        let missing_key = Self::python("KeyError", &format!("'{uri}'"), &format!("('{uri}',)"));
        let unknown = format!("Labware definition for matching {uri} not found.");
        let mut no_such = Self::python(
            "opentrons.protocol_engine.errors.exceptions.LabwareDefinitionDoesNotExistError",
            &format!("Error 4000 GENERAL_ERROR (LabwareDefinitionDoesNotExistError): {unknown}"),
            &format!("('{unknown}',)"),
        );
        no_such.add_info([
            ("code", "ErrorCodes.GENERAL_ERROR"),
            ("detail", "{}"),
            ("message", &unknown),
            ("wrapping", "[]"),
        ]);
        no_such.wrapped = vec![missing_key.clone(), missing_key];
        let mut error = Self::python("FileNotFoundError", &message, &format!("('{message}',)"));
        error.add_info(["errno", "filename", "filename2", "strerror"].map(|name| (name, "None")));
        error.wrapped = vec![no_such];
        error
    }

    fn add_info<const N: usize>(&mut self, entries: [(&str, &str); N]) {
        self.info.extend(entries.map(|(name, value)| (name.to_owned(), json!(value))));
    }

    #[must_use]
    pub fn with_info<const N: usize>(mut self, entries: [(&str, Value); N]) -> Self {
        self.info = info(entries);
        self
    }

    /// The failure with its identity; what it wraps shares it, as in the real engine.
    pub fn occur(&self, id: &str, created_at: &str) -> ErrorOccurrence {
        ErrorOccurrence {
            id: id.to_owned(),
            created_at: created_at.to_owned(),
            is_defined: false,
            error_type: self.error_type,
            error_code: self.error_code,
            detail: self.detail.clone(),
            error_info: self.info.clone(),
            wrapped_errors: self.wrapped.iter().map(|wrapped| wrapped.occur(id, created_at)).collect(),
        }
    }
}

fn info<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

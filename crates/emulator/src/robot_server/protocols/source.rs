//! What was uploaded: which file is the protocol, for which robot, and what it says of itself.

use super::script::Script;
use crate::{labware::Definition, robot_server::posted_labware};
use analyser::Analyser;
pub use analyser::SourceFile as UploadedFile;
use serde_json::{Map, Value};

/// A protocol with the files that belong to it.
#[derive(Debug)]
pub struct Source {
    pub files: Vec<UploadedFile>,
    /// Each file's part, as the API names it: `main`, `labware`, `data`.
    pub roles: Vec<&'static str>,
    pub metadata: Map<String, Value>,
    /// Labware of the protocol's own.
    pub labware: Vec<Definition>,
    pub language: Language,
}

/// In what a protocol is written.
#[derive(Debug)]
pub enum Language {
    Json(Box<Script>),
    Python,
}

/// Why an upload is no protocol for this robot.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{0}")]
    Invalid(String),
    #[error("This protocol is for Flex robots. It can't be analyzed or run on this robot, which is an OT-2.")]
    OtherRobot,
}

/// What one file is.
enum Kind {
    Json(Value),
    Python,
    Labware(Box<Definition>),
    Data,
}

const OT2: &str = "OT-2 Standard";
const FLEX: &str = "OT-3 Standard";

impl Source {
    /// Reads an upload. A Python protocol needs an analyser, which also looks at what the file says of itself.
    pub async fn read(files: Vec<UploadedFile>, analyser: Option<&Analyser>) -> Result<Self, SourceError> {
        let kinds = files.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
        let mains: Vec<usize> =
            (0..files.len()).filter(|&index| matches!(kinds.get(index), Some(Kind::Json(_) | Kind::Python))).collect();
        let main = single_main(&files, &mains)?;
        let roles = kinds.iter().map(role).collect();
        let mut document = None;
        let mut labware = Vec::new();
        for kind in kinds {
            match kind {
                Kind::Json(json) => document = Some(json),
                Kind::Labware(definition) => labware.push(*definition),
                Kind::Python | Kind::Data => {}
            }
        }
        let Some(file) = files.get(main) else { return Err(invalid("No files were provided.")) };
        let (metadata, language) = match document {
            Some(document) => {
                let metadata = json_metadata(&file.name, &document)?;
                let script = Script::from_json(&document).map_err(|problem| {
                    invalid(format!("{} could not be read as a JSON protocol. {problem}", file.name))
                })?;
                (metadata, Language::Json(Box::new(script)))
            }
            None => {
                let analyser = analyser.ok_or_else(|| invalid(NO_ANALYSER))?;
                (python_metadata(analyser, file).await?, Language::Python)
            }
        };
        Ok(Self { files, roles, metadata, labware, language })
    }

    pub const fn language_name(&self) -> &'static str {
        match self.language {
            Language::Json(_) => "json",
            Language::Python => "python",
        }
    }
}

const NO_ANALYSER: &str = "This emulator carries out JSON protocols by itself. For Python protocols start it with `--opentrons PYTHON`, \
                           where PYTHON is the interpreter of an environment that has the package `opentrons` (8.8.2 is known to work).";

pub fn invalid(message: impl Into<String>) -> SourceError {
    SourceError::Invalid(message.into())
}

/// Refuses what is for a Flex.
pub fn check_robot(robot_type: &str, name: &str) -> Result<(), SourceError> {
    match robot_type {
        OT2 => Ok(()),
        FLEX => Err(SourceError::OtherRobot),
        _ => Err(invalid(format!("{name} is not a valid JSON protocol."))),
    }
}

fn kind(file: &UploadedFile) -> Result<Kind, SourceError> {
    let lower = file.name.to_lowercase();
    match lower.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => json_kind(file),
        Some("py") => Ok(Kind::Python),
        Some("csv" | "txt") => Ok(Kind::Data),
        _ => Err(invalid(format!("{} has an unrecognized file extension.", file.name))),
    }
}

fn json_kind(file: &UploadedFile) -> Result<Kind, SourceError> {
    let json: Value = serde_json::from_slice(&file.contents)
        .map_err(|error| invalid(format!("{} is not valid JSON. {error}", file.name)))?;
    let has = |name: &str| json.get(name).is_some();
    if has("ordering") && has("wells") {
        let unreadable = || invalid(format!("{} could not be read as a labware definition.", file.name));
        posted_labware::check(&json, "").map_err(|_| unreadable())?;
        return Definition::parse(json).map(|definition| Kind::Labware(Box::new(definition))).map_err(|_| unreadable());
    }
    if has("schemaVersion") && has("commands") {
        return Ok(Kind::Json(json));
    }
    Err(invalid(format!("{} is not a known Opentrons format.", file.name)))
}

const fn role(kind: &Kind) -> &'static str {
    match kind {
        Kind::Json(_) | Kind::Python => "main",
        Kind::Labware(_) => "labware",
        Kind::Data => "data",
    }
}

fn single_main(files: &[UploadedFile], mains: &[usize]) -> Result<usize, SourceError> {
    let names = |files: &mut dyn Iterator<Item = &UploadedFile>| {
        files.map(|file| format!("\"{}\"", file.name)).collect::<Vec<_>>().join(", ")
    };
    match (mains, files) {
        ([main], _) => Ok(*main),
        ([], []) => Err(invalid("No files were provided.")),
        ([], [file]) => Err(invalid(format!("\"{}\" is not a valid protocol file.", file.name))),
        ([], _) => Err(invalid(format!("No valid protocol file found in {}.", names(&mut files.iter())))),
        _ => {
            let names = names(&mut mains.iter().filter_map(|&main| files.get(main)));
            Err(invalid(format!("Could not pick single main file from {names}.")))
        }
    }
}

/// Refuses what Python can't read, what doesn't say its version of the API, and what is for a Flex.
async fn python_metadata(analyser: &Analyser, file: &UploadedFile) -> Result<Map<String, Value>, SourceError> {
    let found = analyser.look(file).await.map_err(|trouble| invalid(trouble.0))?;
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str);
    if text("/metadata/apiLevel").or_else(|| text("/requirements/apiLevel")).is_none() {
        return Err(invalid("apiLevel not declared in either metadata or requirements."));
    }
    match text("/requirements/robotType").unwrap_or("OT-2") {
        "OT-2" | "OT-2 Standard" => {}
        "Flex" | "OT-3" | "OT-3 Standard" => return Err(SourceError::OtherRobot),
        other => check_robot(other, &file.name)?,
    }
    Ok(found.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default())
}

fn json_metadata(name: &str, document: &Value) -> Result<Map<String, Value>, SourceError> {
    let not_valid = || invalid(format!("{name} is not a valid JSON protocol."));
    let metadata = document.get("metadata").and_then(Value::as_object).ok_or_else(not_valid)?;
    document.get("schemaVersion").and_then(Value::as_i64).ok_or_else(not_valid)?;
    let robot_type = document.pointer("/robot/model").and_then(Value::as_str).ok_or_else(not_valid)?;
    check_robot(robot_type, name)?;
    Ok(metadata.clone())
}

//! What a protocol makes a run do: definitions and liquids first, then one command after the other.

use super::analysis::first_problem;
use crate::{
    labware::Definition,
    robot_server::{
        command::{self, Asked, Intent},
        engine::{Audience, CommandError},
        posted_labware,
        run::MAX_COMMANDS,
    },
};
use serde_json::{Map, Value, json};

/// A protocol that can be carried out.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub definitions: Vec<Definition>,
    /// As the API tells them.
    pub liquids: Vec<Value>,
    pub commands: Vec<Asked>,
    /// Whether the fixed trash is labware to it, named `fixedTrash`.
    pub has_trash_labware: bool,
    /// What stops it after its last command, when it has an error of its own.
    pub failure: Option<CommandError>,
}

/// The last schema and version of the Python API to which the fixed trash is labware.
const LAST_SCHEMA_WITH_TRASH: i64 = 7;
const LAST_API_WITH_TRASH: (i64, i64) = (2, 15);

impl Script {
    /// Of a JSON protocol (schema 6, 7 or 8).
    pub fn from_json(document: &Value) -> Result<Self, String> {
        let schema = document.get("schemaVersion").and_then(Value::as_i64).unwrap_or_default();
        if !(6..=8).contains(&schema) {
            return Err(format!("Its schema is version {schema}; this emulator carries out versions 6, 7 and 8."));
        }
        let commands = document.get("commands").and_then(Value::as_array).ok_or("Its commands are no list.")?;
        if commands.len() > MAX_COMMANDS {
            return Err(format!("It has more than {MAX_COMMANDS} commands, the most this emulator takes."));
        }
        let read = |(index, command): (usize, &Value)| {
            let command = if schema == 6 { filled_in(document, command) } else { command.clone() };
            read_command(undelayed(command)).map_err(|problem| format!("Command {index}: {problem}"))
        };
        Ok(Self {
            definitions: definitions(document)?,
            liquids: liquids(document),
            commands: commands.iter().enumerate().map(read).collect::<Result<_, _>>()?,
            has_trash_labware: schema <= LAST_SCHEMA_WITH_TRASH,
            failure: None,
        })
    }

    /// Of a Python protocol, from what the analyser found that it does.
    pub fn from_analysis(analysis: &Value, definitions: Vec<Definition>) -> Result<Self, String> {
        let commands = analysis.get("commands").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if commands.len() > MAX_COMMANDS {
            return Err(format!("It has more than {MAX_COMMANDS} commands, the most this emulator takes."));
        }
        let version = |index: usize| analysis.pointer(&format!("/config/apiVersion/{index}")).and_then(Value::as_i64);
        let mut script = Self {
            definitions,
            liquids: analysis.get("liquids").and_then(Value::as_array).cloned().unwrap_or_default(),
            has_trash_labware: version(0).zip(version(1)).is_some_and(|version| version <= LAST_API_WITH_TRASH),
            failure: failure(analysis),
            commands: Vec::new(),
        };
        // The first command is the homing that every run begins with by itself.
        for (index, command) in commands.iter().enumerate().skip(1) {
            let succeeded = command.get("status").is_some_and(|status| status == "succeeded");
            if !succeeded && script.failure.is_some() {
                break;
            }
            let read = read_command(with_ids(command)).map_err(|problem| format!("Command {index}: {problem}"))?;
            script.commands.push(read);
        }
        Ok(script)
    }
}

/// A command as the API would take it, of a protocol's own intent.
fn read_command(command: Value) -> Result<Asked, String> {
    let key = command.get("key").cloned().unwrap_or_default();
    let body = json!({"data": {"commandType": command["commandType"], "params": command["params"], "key": key}});
    let asked = command::read(&body, Audience::Run).map_err(|error| first_problem(&error))?;
    Ok(Asked { intent: Intent::Script, ..asked })
}

/// A command of schema 6 with what later schemas say in its place and that one elsewhere.
fn filled_in(document: &Value, command: &Value) -> Value {
    let mut command = command.clone();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text(command.get("commandType"));
    let Some(params) = command.get_mut("params").and_then(Value::as_object_mut) else { return command };
    match kind.as_str() {
        "loadPipette" => {
            let id = text(params.get("pipetteId"));
            params.insert("pipetteName".to_owned(), document["pipettes"][&id]["name"].clone());
        }
        "loadModule" => {
            let id = text(params.get("moduleId"));
            params.insert("model".to_owned(), document["modules"][&id]["model"].clone());
        }
        "loadLabware" => {
            let labware = &document["labware"][text(params.get("labwareId"))];
            let definition = &document["labwareDefinitions"][text(labware.get("definitionId"))];
            params.insert("displayName".to_owned(), labware["displayName"].clone());
            params.insert("version".to_owned(), definition["version"].clone());
            params.insert("namespace".to_owned(), definition["namespace"].clone());
            params.insert("loadName".to_owned(), definition["parameters"]["loadName"].clone());
        }
        _ => {}
    }
    command
}

/// `delay` is what a wait was once called.
fn undelayed(mut command: Value) -> Value {
    if command.get("commandType").is_some_and(|kind| kind == "delay") {
        let waits_for_people = command.pointer("/params/waitForResume").is_some();
        command["commandType"] = json!(if waits_for_people { "waitForResume" } else { "waitForDuration" });
    }
    command
}

/// What a command loaded gets the id that later commands call it by.
fn with_ids(command: &Value) -> Value {
    let mut command = command.clone();
    for id in ["labwareId", "pipetteId"] {
        let given = command.pointer(&format!("/result/{id}")).cloned();
        let loads = command["commandType"].as_str().is_some_and(|kind| kind.starts_with("load"));
        if let (Some(given), true, Some(params)) = (given, loads, command["params"].as_object_mut()) {
            params.insert(id.to_owned(), given);
        }
    }
    command
}

fn definitions(document: &Value) -> Result<Vec<Definition>, String> {
    let Some(definitions) = document.get("labwareDefinitions").and_then(Value::as_object) else {
        return Ok(Vec::new());
    };
    let read = |(uri, definition): (&String, &Value)| {
        let unreadable = |problem: &str| format!("The labware definition {uri}: {problem}");
        posted_labware::check(definition, "").map_err(|problems| {
            unreadable(
                &problems.first().map(|problem| format!("{}: {}", problem.at, problem.detail)).unwrap_or_default(),
            )
        })?;
        Definition::parse(definition.clone()).map_err(|error| unreadable(&error.to_string()))
    };
    definitions.iter().map(read).collect()
}

fn liquids(document: &Value) -> Vec<Value> {
    let Some(liquids) = document.get("liquids").and_then(Value::as_object) else { return Vec::new() };
    let tell = |(id, liquid): (&String, &Value)| {
        let mut told = Map::from_iter([("id".to_owned(), json!(id))]);
        for name in ["displayName", "description", "displayColor"] {
            if let Some(value) = liquid.get(name).filter(|value| !value.is_null()) {
                told.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(told)
    };
    liquids.iter().map(tell).collect()
}

/// The error a protocol ended with in its analysis.
fn failure(analysis: &Value) -> Option<CommandError> {
    let error = analysis.get("errors")?.as_array()?.first()?;
    let detail = error.get("detail").and_then(Value::as_str).unwrap_or_default();
    let kind = error.get("errorType").and_then(Value::as_str).unwrap_or_default();
    const RAISED: &str = "ExceptionInProtocolError";
    let detail = if kind == RAISED { detail.to_owned() } else { format!("{kind}: {detail}") };
    Some(CommandError::new(RAISED, detail))
}

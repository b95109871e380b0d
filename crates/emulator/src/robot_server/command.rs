//! One command of a run: what was asked, how far it is, how it ended, and how that is told.

use super::{
    body::Fields,
    engine::{Audience, ErrorOccurrence, Home, Params, command_type, read_params},
    error::{ApiError, FieldProblem},
};
use chrono::{SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Now, as the robot-server writes times.
pub fn timestamp() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// When a command may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// At once, before the run is played.
    Setup,
    /// In turn, once the run is played.
    Protocol,
    /// To mend a failed run; this robot never waits to be mended.
    Fixit,
    /// In its turn in an uploaded protocol; of such a command no intent is told.
    Script,
}

impl Intent {
    /// Whether it is for a run that is played.
    pub const fn is_of_protocol(self) -> bool {
        matches!(self, Self::Protocol | Self::Script)
    }

    const fn is_untold(&self) -> bool {
        matches!(self, Self::Script)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Queued,
    Running,
    Succeeded,
    Failed,
}

impl Status {
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A request for a command, read and found sound.
#[derive(Clone, Debug)]
pub struct Asked {
    pub command_type: &'static str,
    pub params: Params,
    pub intent: Intent,
    pub key: Option<String>,
}

impl Asked {
    /// The homing that every protocol begins with.
    pub const fn homing() -> Self {
        let params = Params::Home(Home { axes: None, skip_if_mount_position_ok: None });
        Self { command_type: "home", params, intent: Intent::Script, key: None }
    }
}

/// Reads `{"data": {"commandType": …, "params": …}}`.
pub fn read(body: &Value, audience: Audience) -> Result<Asked, ApiError> {
    let mut fields = Fields::of(body, "");
    let Some(data) = fields.raw("data") else {
        if body.is_object() {
            fields.complain("data", "field required");
        }
        return Err(refuse(fields));
    };
    let Some(name) = data.get("commandType").and_then(Value::as_str) else {
        fields.complain("data", "Discriminator 'commandType' is missing in value");
        return Err(refuse(fields));
    };
    let (command_type, model) = command_type(audience, name).map_err(|complaint| {
        ApiError::invalid_fields(vec![FieldProblem { at: "data".to_owned(), detail: complaint }])
    })?;
    read_data(data, command_type, model)
}

fn read_data(data: &Value, command_type: &'static str, model: &str) -> Result<Asked, ApiError> {
    let mut fields = Fields::of(data, format!("data/{model}"));
    let given = fields.raw("params").cloned().unwrap_or_default();
    let mut inner = Fields::of(&given, fields.place("params"));
    let params = read_params(command_type, &mut inner);
    let key = fields.optional_text("key");
    let intent = match fields.optional_choice("intent", &["protocol", "setup", "fixit"]) {
        Some("protocol") => Intent::Protocol,
        Some("fixit") => Intent::Fixit,
        _ => Intent::Setup,
    };
    let problems = [inner.finish(), fields.finish()].into_iter().filter_map(Result::err).flatten().collect::<Vec<_>>();
    if problems.is_empty() {
        Ok(Asked { command_type, params, intent, key })
    } else {
        Err(ApiError::invalid_fields(problems))
    }
}

fn refuse(fields: Fields<'_>) -> ApiError {
    ApiError::invalid_fields(fields.finish().err().unwrap_or_default())
}

/// A command in a run's list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub id: String,
    pub created_at: String,
    pub command_type: &'static str,
    pub key: String,
    pub status: Status,
    pub params: Params,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorOccurrence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    #[serde(skip_serializing_if = "Intent::is_untold")]
    pub intent: Intent,
    /// Empty once the command has run; never there for one that hasn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<[(); 0]>,
}

/// A command in a page of a run's list: all but its result; of a maintenance run, its notes neither.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    id: String,
    key: String,
    command_type: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorOccurrence>,
    params: Params,
    #[serde(skip_serializing_if = "Intent::is_untold")]
    intent: Intent,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<[(); 0]>,
}

impl Command {
    /// A command just received. Without a key of the client's, a setup command has its id for one, and a command of a
    /// protocol a fingerprint of all that was asked up to it.
    pub fn queued(asked: Asked, previous_fingerprint: &str) -> Self {
        let id = Uuid::new_v4().to_string();
        let key = asked.key.unwrap_or_else(|| match asked.intent {
            Intent::Protocol | Intent::Script => fingerprint(previous_fingerprint, asked.command_type),
            Intent::Setup | Intent::Fixit => id.clone(),
        });
        Self {
            id,
            created_at: timestamp(),
            command_type: asked.command_type,
            key,
            status: Status::Queued,
            params: asked.params,
            result: None,
            error: None,
            started_at: None,
            completed_at: None,
            intent: asked.intent,
            notes: None,
        }
    }

    /// The command in a maintenance run's list.
    pub fn summary_without_notes(&self) -> Summary {
        Summary { notes: None, ..self.summary() }
    }

    pub fn summary(&self) -> Summary {
        Summary {
            id: self.id.clone(),
            key: self.key.clone(),
            command_type: self.command_type,
            created_at: self.created_at.clone(),
            started_at: self.started_at.clone(),
            completed_at: self.completed_at.clone(),
            status: self.status,
            error: self.error.clone(),
            params: self.params.clone(),
            intent: self.intent,
            notes: self.notes,
        }
    }
}

/// The real server's: the MD5 of the fingerprint before it and of the MD5 of the command's name. Parameters don't count.
fn fingerprint(previous: &str, command_type: &str) -> String {
    let this = Md5::digest(command_type);
    let digest = Md5::new().chain_update(previous).chain_update(this).finalize();
    HEXLOWER.encode(&digest)
}

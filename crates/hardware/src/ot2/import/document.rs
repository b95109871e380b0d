//! The file: a JSON protocol (schema 6 to 8), or what Opentrons' analyser made of any protocol.

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// The largest file that is read, bytes: the analysis of a full plate of eight dyes, each drawn by itself, has 2.6 MB.
pub const LARGEST_PROTOCOL: usize = 4 * 1024 * 1024;
/// The most commands of one protocol: a plate of eight dyes has some 4,000.
pub const MOST_COMMANDS: usize = 20_000;
/// Errors of the analyser that are repeated, and characters of each.
const MOST_ERRORS: usize = 3;
const LONGEST_ERROR: usize = 300;
/// From here on an analysis says where in a well a tip is.
const FIRST_API: [u32; 2] = [2, 14];

/// Why a file is no protocol that can be read. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(
        "this is a Python protocol, and a lab runs nobody's programs: give what Opentrons' analyser makes of it \
         (`python -m opentrons.cli analyze --json-output=analysis.json protocol.py`)"
    )]
    Python,
    #[error("it has more than {} MiB, the most that is read", LARGEST_PROTOCOL / 1024 / 1024)]
    TooLarge,
    #[error("it is no JSON of a protocol or of an analysis: {0}")]
    NotJson(serde_json::Error),
    #[error("it is neither an Opentrons protocol in JSON nor an analysis: it has no list of commands")]
    NoCommands,
    #[error("it is for a Flex, and this lab's robots are OT-2")]
    Flex,
    #[error(
        "its schema is version {0}, and versions 6, 7 and 8 are read: open it in Opentrons' Protocol Designer and \
         export it anew, or give its analysis"
    )]
    Schema(u64),
    #[error(
        "it is written for API level {0}.{1}, whose analysis doesn't say how high a tip is, so that air and liquid can't be \
         told apart: set apiLevel to 2.14 or higher and analyse it anew"
    )]
    Api(u32, u32),
    #[error("the analyser found that it fails: {0}")]
    Fails(String),
}

/// A protocol that could be read.
#[derive(Clone, Debug, Default)]
pub struct ProtocolDocument {
    pub(super) title: Option<String>,
    pub(super) commands: Vec<Command>,
    /// Names of liquids by id.
    pub(super) liquids: BTreeMap<String, String>,
    /// Of labware, by `namespace/load_name/version`.
    pub(super) definitions: BTreeMap<String, Definition>,
}

/// One command, whatever it is.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Command {
    #[serde(rename = "commandType")]
    pub kind: String,
    #[serde(default)]
    pub params: Value,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    result: Option<Outcome>,
}

/// What of a command's result counts: the ids that later commands use.
#[derive(Clone, Debug, Default, Deserialize)]
struct Outcome {
    #[serde(rename = "labwareId", default)]
    labware_id: Option<String>,
    #[serde(rename = "pipetteId", default)]
    pipette_id: Option<String>,
    #[serde(default)]
    definition: Option<Definition>,
}

/// What of a labware's definition counts.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Definition {
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(default)]
    pub wells: BTreeMap<String, Depth>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Parameters {
    #[serde(rename = "loadName", default)]
    load_name: Option<String>,
}

/// Of a well, mm.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Depth {
    #[serde(default)]
    pub depth: f64,
}

impl Command {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str)
    }

    /// The id that a load command gives, as asked for or as given by the analyser.
    pub fn loaded(&self, name: &str) -> Option<&str> {
        let given = self.result.as_ref().and_then(|result| match name {
            "labwareId" => result.labware_id.as_deref(),
            _ => result.pipette_id.as_deref(),
        });
        given.or_else(|| self.text(name))
    }

    pub fn definition(&self) -> Option<&Definition> {
        self.result.as_ref()?.definition.as_ref()
    }

    /// The line of the Python file that it comes from, where the analysis was made by `tincture protocol analyse`.
    pub fn line(&self) -> Option<u32> {
        self.key.as_deref()?.strip_prefix("line-")?.split('-').next()?.parse().ok()
    }

    /// Whether it was carried out, if anybody carried it out.
    pub fn succeeded(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "succeeded")
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "schemaVersion", default)]
    schema: Option<u64>,
    #[serde(default)]
    robot: Option<RobotModel>,
    #[serde(rename = "robotType", default)]
    robot_type: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    commands: Option<Commands>,
    #[serde(default)]
    errors: Option<Vec<AnalysisError>>,
    #[serde(default)]
    liquids: Value,
    #[serde(default)]
    labware: Value,
    #[serde(default)]
    pipettes: Value,
    #[serde(rename = "labwareDefinitions", default)]
    definitions: Option<BTreeMap<String, Definition>>,
    /// A robot-server wraps its answers so.
    #[serde(default)]
    data: Option<Box<File>>,
}

#[derive(Deserialize)]
struct RobotModel {
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "apiVersion", default)]
    api_version: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "protocolName", default)]
    protocol_name: Option<String>,
}

#[derive(Deserialize)]
struct AnalysisError {
    #[serde(default)]
    detail: Option<String>,
}

/// Never more than [`MOST_COMMANDS`], so that a small file can't fill the memory.
struct Commands(Vec<Command>);

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Vec<Command>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST_COMMANDS} commands")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Command>, A::Error> {
                let mut commands = Vec::new();
                while commands.len() < MOST_COMMANDS {
                    let Some(command) = list.next_element()? else { return Ok(commands) };
                    commands.push(command);
                }
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(commands),
                    Some(_) => Err(A::Error::custom(format!("it has more than {MOST_COMMANDS} commands"))),
                }
            }
        }
        deserializer.deserialize_seq(Bounded).map(Commands)
    }
}

impl ProtocolDocument {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no protocol of an OT-2, or one that can't be read.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > LARGEST_PROTOCOL {
            return Err(Unreadable::TooLarge);
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| match is_python(bytes) {
            true => Unreadable::Python,
            false => Unreadable::NotJson(error),
        })?;
        match (file.commands.is_none(), file.data) {
            (true, Some(inner)) => Self::of(*inner),
            (_, data) => Self::of(File { data, ..file }),
        }
    }

    fn of(file: File) -> Result<Self, Unreadable> {
        if let Some(schema) = file.schema.filter(|schema| !(6..=8).contains(schema)) {
            return Err(Unreadable::Schema(schema));
        }
        let Some(Commands(mut commands)) = file.commands else { return Err(Unreadable::NoCommands) };
        let model = file.robot.and_then(|robot| robot.model).or(file.robot_type).unwrap_or_default();
        if model.contains("OT-3") || model.contains("Flex") {
            return Err(Unreadable::Flex);
        }
        if let Some(&[major, minor]) = file.config.and_then(|config| config.api_version).as_deref()
            && [major, minor] < FIRST_API
        {
            return Err(Unreadable::Api(major, minor));
        }
        let errors = file.errors.unwrap_or_default();
        if !errors.is_empty() {
            return Err(Unreadable::Fails(told(&errors)));
        }
        let definitions = file.definitions.unwrap_or_default();
        if file.schema == Some(6) {
            fill_in(&mut commands, &file.labware, &file.pipettes, &definitions);
        }
        let title = file.metadata.and_then(|metadata| metadata.protocol_name);
        Ok(Self { title, commands, liquids: liquids(&file.liquids), definitions })
    }

    /// What it is called, for a person; any text.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }
}

/// It never begins as JSON does, and says `import`, `def` or `metadata` at the beginning of a line.
fn is_python(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_json = text.trim_start().starts_with(['{', '[']);
    let says = |line: &str| ["import ", "from ", "def ", "metadata"].iter().any(|word| line.starts_with(word));
    !is_json && text.lines().any(says)
}

fn told(errors: &[AnalysisError]) -> String {
    let details = errors.iter().take(MOST_ERRORS).map(|error| error.detail.as_deref().unwrap_or("an error"));
    details.map(|detail| detail.chars().take(LONGEST_ERROR).collect::<String>()).collect::<Vec<_>>().join("; ")
}

/// A protocol has them by id, an analysis in a list.
fn liquids(liquids: &Value) -> BTreeMap<String, String> {
    let name = |liquid: &Value| Some(liquid.get("displayName")?.as_str()?.to_owned());
    match liquids {
        Value::Object(by_id) => by_id.iter().filter_map(|(id, liquid)| Some((id.clone(), name(liquid)?))).collect(),
        Value::Array(list) => {
            list.iter().filter_map(|liquid| Some((liquid.get("id")?.as_str()?.to_owned(), name(liquid)?))).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// Schema 6 says beside the commands what later schemas say in them.
fn fill_in(commands: &mut [Command], labware: &Value, pipettes: &Value, definitions: &BTreeMap<String, Definition>) {
    for command in commands {
        let id = |name: &str| command.text(name).unwrap_or_default().to_owned();
        let more: Vec<(&str, Value)> = match command.kind.as_str() {
            "loadPipette" => {
                let name = pipettes.get(id("pipetteId")).and_then(|pipette| pipette.get("name"));
                name.map(|name| ("pipetteName", name.clone())).into_iter().collect()
            }
            "loadLabware" => {
                let uri = labware.get(id("labwareId")).and_then(|labware| labware.get("definitionId")?.as_str());
                let Some(definition) = uri.and_then(|uri| definitions.get(uri)) else { continue };
                vec![
                    ("loadName", definition.parameters.load_name.clone().into()),
                    ("namespace", definition.namespace.clone().into()),
                    ("version", definition.version.into()),
                ]
            }
            _ => continue,
        };
        if let Some(params) = command.params.as_object_mut() {
            params.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
    }
}

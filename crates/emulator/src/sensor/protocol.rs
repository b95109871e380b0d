//! What the sensor understands and answers, whatever carries it.
//!
//! ```text
//! → {"command":"read","operation_id":"…","experiment_id":"…"?,"lease_epoch":n?,"settings":{"gain":128,"atime":100,"astep":999,"led_ma":12}?}
//! ← {"operation_id":"…",…,"sensor_data":{"ch410":…},"clear":…,"nir":…,"saturated":false,"sensor_settings":{…}}
//! → {"command":"identify"}
//! ← {"model":"AS7341","serial":"…","firmware":"…"}
//! ← {"operation_id":"…"?,…,"error":"…"}
//! ```
//! Every answer repeats the ids of its request, so that it can't be taken for another's.

use super::optics;
use crate::world::{Event, Spot, View, World};
use chrono::{DateTime, Utc};
use domain::reading::{Reading, SensorSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// No id is longer.
const LONGEST_ID: usize = 100;
/// What the microcontroller needs beside the integration.
const OVERHEAD: Duration = Duration::from_millis(40);

/// A request that was understood, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    ids: Ids,
    command: Command,
}

/// What comes back unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ids {
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_epoch: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Command {
    Read {
        #[serde(default)]
        settings: SensorSettings,
    },
    Identify {},
}

/// Parses one request. The error is the answer to send.
pub fn parse(line: &[u8]) -> Result<Request, Value> {
    let value: Value =
        serde_json::from_slice(line).map_err(|error| refusal(&Ids::default(), &format!("not JSON: {error}")))?;
    let ids: Ids = serde_json::from_value(value.clone())
        .map_err(|error| refusal(&Ids::default(), &format!("ids not understood: {error}")))?;
    let too_long = |id: &Option<String>| id.as_ref().is_some_and(|id| id.len() > LONGEST_ID);
    if too_long(&ids.operation_id) || too_long(&ids.experiment_id) {
        return Err(refusal(&Ids::default(), "an id is longer than 100 characters"));
    }
    let command = Command::deserialize(value).map_err(|error| refusal(&ids, &format!("not understood: {error}")))?;
    if matches!(command, Command::Read { .. }) && ids.operation_id.is_none() {
        return Err(refusal(&ids, "a read needs an operation_id"));
    }
    Ok(Request { ids, command })
}

fn refusal(ids: &Ids, error: &str) -> Value {
    // Parsers quote their input; a line of nonsense needn't come back whole.
    with_ids(ids, json!({ "error": error.chars().take(300).collect::<String>() }))
}

fn with_ids(ids: &Ids, body: Value) -> Value {
    let mut answer = match serde_json::to_value(ids) {
        Ok(Value::Object(ids)) => ids,
        _ => Map::new(),
    };
    if let Value::Object(body) = body {
        answer.extend(body);
    }
    Value::Object(answer)
}

impl Request {
    /// How long the sensor needs.
    pub fn duration(&self) -> Duration {
        match &self.command {
            Command::Read { settings } => reading_time(*settings),
            Command::Identify {} => Duration::ZERO,
        }
    }

    /// Does it, now, and says what to answer.
    pub fn answer(&self, world: &mut World, at: DateTime<Utc>) -> Value {
        match &self.command {
            Command::Identify {} => with_ids(&self.ids, identity(world)),
            Command::Read { settings } => match measure(world, lit(*settings), self.ids.operation_id.as_deref(), at) {
                Ok(reading) => with_ids(&self.ids, reading_body(&reading)),
                Err(error) => {
                    tracing::error!(%error, "a reading couldn't be recorded");
                    refusal(&self.ids, "the reading couldn't be recorded")
                }
            },
        }
    }
}

/// Its LED shines unless it is told not to, and it says so.
fn lit(settings: SensorSettings) -> SensorSettings {
    if settings.led_ma().is_some() { settings } else { settings.by_led() }
}

/// How long a reading takes: two passes and a little.
pub fn reading_time(settings: SensorSettings) -> Duration {
    OVERHEAD + Duration::from_secs_f64(2.0 * settings.integration_ms() / 1_000.0)
}

/// Reads what the sensor looks at, and records it in the world's ledger under `key`.
pub fn measure(
    world: &mut World,
    settings: SensorSettings,
    key: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Reading, crate::world::WorldError> {
    let view = world.view();
    let faults = world.faults_of_next_reading();
    let reading = optics::read(&view, settings, world.config().stray_light, &faults, &mut world.noise());
    let event = Event::Read {
        spot: spot(view),
        channels: reading.channels.named().map(|(name, count)| (name.to_owned(), count)).collect(),
        saturated: reading.saturated,
        gain: settings.gain().factor(),
        integration_ms: settings.integration_ms(),
    };
    world.record(vec![event], key, at)?;
    Ok(reading)
}

fn spot(view: View) -> Option<Spot> {
    match view {
        View::Well { spot, .. } | View::Dock { spot } => Some(spot),
        View::Elsewhere => None,
    }
}

fn reading_body(reading: &Reading) -> Value {
    let names = domain::reading::BANDS.iter().map(|band| band.name);
    let bands: BTreeMap<_, _> = names.zip(reading.channels.bands()).collect();
    json!({
        "sensor_data": bands,
        "clear": reading.channels.clear,
        "nir": reading.channels.nir,
        "saturated": reading.saturated,
        "sensor_settings": reading.settings,
    })
}

fn identity(world: &World) -> Value {
    json!({
        "model": "AS7341",
        "serial": format!("VIRTUAL-{:08X}", world.config().seed & 0xFFFF_FFFF),
        "firmware": concat!("tincture-emulator ", env!("CARGO_PKG_VERSION")),
    })
}
